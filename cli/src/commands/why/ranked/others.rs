//! What is wrong beside calls that fail: updates that were rejected, errors in manifests, certificates, a control plane that is away.

use super::{Line, State};
use mesh_analyzers::{Finding, Level};

/// Names of proxies in a line.
const NAMED: usize = 3;

pub fn lines(state: &State, findings: &[Finding<'_>], told: &[String], from: &str) -> Vec<Line> {
    let mut out = Vec::new();
    if !state.lost.is_empty() {
        let all = if state.lost.len() == state.asked { "all".to_owned() } else { state.lost.len().to_string() };
        out.push(Line {
            subject: "control plane".to_owned(),
            what: format!("control plane: {all} of {} proxies have lost it, and go by what they were told last ({})", state.asked, some(&state.lost)),
            more: format!("meshctl ps{from}"),
        });
    }
    let untold = |subject: &String| !told.contains(subject);
    for one in &state.distrusts {
        let subject = format!("certificate of {}", one.proxy);
        if untold(&subject) {
            out.push(Line { what: format!("{subject}: {}", one.why), subject, more: format!("meshctl certs{from}") });
        }
    }
    // The same text by many proxies is one fault.
    let mut rejections: Vec<(&str, Vec<String>)> = Vec::new();
    for one in &state.rejections {
        match rejections.iter_mut().find(|(text, _)| *text == one.text) {
            Some((_, proxies)) => proxies.push(one.proxy.clone()),
            None => rejections.push((&one.text, vec![one.proxy.clone()])),
        }
    }
    let mut errors: Vec<&Finding<'_>> = findings.iter().filter(|f| f.level == Level::Error && untold(&f.object.origin())).collect();
    let mut blamed: Vec<String> = Vec::new();
    for (text, proxies) in rejections {
        let who = if let [one] = proxies.as_slice() { format!("proxy {one}") } else { format!("{} proxies ({})", proxies.len(), some(&proxies)) };
        let refused = format!("{who} rejected an update, and go by an older one: {text}");
        // An error in an object that the text names is why.
        let names = |f: &&&Finding<'_>| text.contains(f.object.name());
        match errors.iter().find(names) {
            Some(f) => {
                let subject = f.object.origin();
                let line = out.iter_mut().find(|l| l.subject == subject);
                match line {
                    Some(line) => line.what.push_str(&format!("; {refused}")),
                    None => out.push(Line {
                        what: format!("{subject}: {} {}; {refused}", f.code.id, f.message),
                        subject: subject.clone(),
                        more: format!("meshctl explain {}", f.code.id),
                    }),
                }
                blamed.push(subject);
            }
            None => out.push(Line { subject: who.clone(), what: refused, more: format!("meshctl ps{from}") }),
        }
    }
    errors.retain(|f| !blamed.contains(&f.object.origin()));
    out.extend(errors.iter().map(|f| Line {
        subject: f.object.origin(),
        what: format!("{}: {} {}", f.object.origin(), f.code.id, f.message),
        more: format!("meshctl explain {}", f.code.id),
    }));
    out
}

fn some(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMED);
    let shown = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}
