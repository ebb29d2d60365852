//! `meshctl explain WORD`: flags, details, metrics, ports, clusters, terms, messages, causes; codes are `rules`.

use super::render::{BOLD, CODE, WIDTH, quoted, wrap};
use super::rules;
use crate::args::{ExplainFormat, ListWhat};
use crate::context::Context;
use crate::output::pretty;
use crate::select;
use crate::status::{Failure, Outcome, Status};
use crate::term::{safe, safe_json};
use mesh_analyzers::explain::causes::Cause;
use mesh_analyzers::explain::{self, Kind, Listed, Topic};
use serde_json::{Value, json};

pub fn list(what: ListWhat, format: ExplainFormat, context: &Context) -> Outcome {
    let topics = explain::list(match what {
        ListWhat::Flags => Listed::Flags,
        ListWhat::Details => Listed::Details,
        ListWhat::Metrics => Listed::Metrics,
        ListWhat::Ports => Listed::Ports,
        ListWhat::Terms => Listed::Terms,
        ListWhat::Causes | ListWhat::Rules => Listed::Causes,
    });
    let width = topics.iter().map(|t| t.name.chars().count()).max().unwrap_or(0).min(44);
    let text = match format {
        ExplainFormat::Json => json_of(&topics),
        ExplainFormat::Markdown => topics.iter().map(|t| format!("- `{}` ({}): {}\n", t.name, t.kind.name(), t.summary)).collect(),
        ExplainFormat::Text => topics.iter().map(|t| format!("{BOLD}{:width$}{BOLD:#}  {}\n", t.name, quoted(&t.summary))).collect(),
    };
    context.answer(&text)?;
    Ok(Status::Fine)
}

pub fn run(words: &[String], format: ExplainFormat, context: &Context) -> Outcome {
    // Several words are one name or message, or several words.
    let whole = words.join(" ");
    if let Ok(topics) = explain::find(&whole) {
        return show(&topics, format, context);
    }
    if let [word] = words {
        return one(word, format, context);
    }
    let found: Result<Vec<Vec<Topic>>, Option<&str>> = words.iter().map(|w| explain::find(w)).collect();
    match found {
        Ok(topics) => show(&topics.concat(), format, context),
        Err(near) => Err(miss(&whole, near)),
    }
}

fn one(word: &str, format: ExplainFormat, context: &Context) -> Outcome {
    match select::codes_of(word) {
        Ok(ids) => rules::show(&ids, format, context),
        // What has the look of a code is answered as one.
        Err(message) if ["IST", "KIA", "MSH"].iter().any(|p| word.to_ascii_uppercase().starts_with(p) && word.ends_with(|c: char| c.is_ascii_digit())) => {
            Err(Failure::Usage(message))
        }
        Err(message) => match explain::find(word) {
            Err(None) if message.contains("did you mean") => Err(Failure::Usage(message)),
            Err(near) => Err(miss(word, near)),
            Ok(topics) => show(&topics, format, context),
        },
    }
}

fn miss(word: &str, near: Option<&str>) -> Failure {
    let is_path = word.contains('/') || [".log", ".json", ".jsonl", ".txt", ".gz"].iter().any(|e| word.ends_with(e));
    Failure::usage(match near {
        _ if is_path => format!("there is no file `{word}`"),
        Some(near) => format!("nothing is known of `{word}`; did you mean `{near}`?"),
        None => format!("nothing is known of `{word}`; `meshctl explain --list flags` (details, metrics, ports, terms, causes, rules) shows what is"),
    })
}

fn show(topics: &[Topic], format: ExplainFormat, context: &Context) -> Outcome {
    let text = match format {
        ExplainFormat::Json => json_of(topics),
        ExplainFormat::Markdown => topics.iter().map(markdown).collect::<Vec<_>>().join("\n"),
        ExplainFormat::Text => topics.iter().map(text).collect::<Vec<_>>().join("\n"),
    };
    context.answer(&text)?;
    Ok(Status::Fine)
}

fn json_of(topics: &[Topic]) -> String {
    let object = |t: &Topic| {
        json!({
            "kind": t.kind.name(), "name": t.name, "summary": t.summary, "text": t.text, "see": t.see,
            "causes": t.causes.iter().map(|c| cause_json(c)).collect::<Vec<_>>(),
        })
    };
    safe_json(pretty(&topics.iter().map(object).collect::<Value>(), b"  "))
}

pub fn cause_json(c: &Cause) -> Value {
    json!({"id": c.id, "title": c.title, "whose": c.whose.name(), "why": c.why, "evidence": c.evidence, "next": c.next, "source": c.source})
}

fn text(topic: &Topic) -> String {
    let mut out = format!("{BOLD}{}{BOLD:#} ({})\n", safe(&topic.name), topic.kind.name());
    out.push_str(&quoted(&wrap(&safe(&format!("{} {}", topic.summary, topic.text)), "  ", WIDTH)));
    if topic.kind == Kind::Cause {
        for c in &topic.causes {
            out.push_str(&cause_text(c));
        }
    } else if !topic.causes.is_empty() {
        out.push_str("\n  What leads to it, the likeliest first:\n");
        for c in &topic.causes {
            out.push_str(&format!("\n  {BOLD}{}{BOLD:#} ({CODE}{}{CODE:#}; {})\n", c.title, c.id, c.whose.name()));
            out.push_str(&cause_text(c));
        }
    }
    if !topic.see.is_empty() {
        out.push_str(&format!("\n  See also: {}\n", topic.see.join(" · ")));
    }
    out
}

fn cause_text(c: &Cause) -> String {
    let mut out = quoted(&wrap(c.why, "    ", WIDTH));
    for e in c.evidence {
        out.push_str(&quoted(&wrap(&format!("- look for: {e}"), "    ", WIDTH)));
    }
    for n in c.next {
        out.push_str(&format!("    {CODE}{n}{CODE:#}\n"));
    }
    out
}

fn markdown(topic: &Topic) -> String {
    let mut out = format!("## {} ({})\n\n{} {}\n", topic.name, topic.kind.name(), topic.summary, topic.text);
    for c in &topic.causes {
        out.push_str(&format!("\n### {}\n\n{}\n\n", c.title, c.why));
        out.extend(c.evidence.iter().map(|e| format!("- {e}\n")));
        out.push_str(&format!("\n```\n{}\n```\n", c.next.join("\n")));
    }
    if !topic.see.is_empty() {
        out.push_str(&format!("\nSee also: {}\n", topic.see.iter().map(|s| format!("`{s}`")).collect::<Vec<_>>().join(", ")));
    }
    out
}
