//! Which statistics there are (`stats_config.stats_matcher` of the bootstrap, as Istio's agent writes it from the annotations
//! `sidecar.istio.io/statsInclusionPrefixes` and its kin).

use crate::bootstrap::get;
use mesh_envoy::engine::field::{Message, Path, Read};
use mesh_envoy::matcher::{StringMatcher, StringTest};
use serde_json::Value;

/// By their whole names.
#[derive(Debug, Default)]
pub enum Matcher {
    #[default]
    All,
    None,
    Only(Vec<StringMatcher>),
    AllBut(Vec<StringMatcher>),
}

impl Matcher {
    /// Of a bootstrap.
    ///
    /// # Errors
    /// A matcher that can't be read, with its path.
    pub fn read(bootstrap: &Value) -> Read<Matcher> {
        let Some(value) = get(bootstrap, "stats_config").and_then(|c| get(c, "stats_matcher")) else { return Ok(Matcher::All) };
        let m = Message::new(value, Path::root("stats_config.stats_matcher"))?;
        if let Some(list) = m.message("inclusion_list")? {
            return Ok(Matcher::Only(patterns(&list)?));
        }
        if let Some(list) = m.message("exclusion_list")? {
            return Ok(Matcher::AllBut(patterns(&list)?));
        }
        Ok(if m.flag("reject_all")? { Matcher::None } else { Matcher::All })
    }
    pub fn keeps(&self, name: &str) -> bool {
        let any = |list: &[StringMatcher]| list.iter().any(|m| m.matches(name).is_yes());
        match self {
            Matcher::All => true,
            Matcher::None => false,
            Matcher::Only(list) => any(list),
            Matcher::AllBut(list) => !any(list),
        }
    }
}

fn patterns(list: &Message<'_, '_>) -> Read<Vec<StringMatcher>> {
    let read = |m: &Message<'_, '_>| {
        let matcher = StringMatcher::compile(&m.json());
        if let StringTest::Unknown(reason) = &matcher.test { Err(m.unknown(reason)) } else { Ok(matcher) }
    };
    list.messages("patterns")?.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_kept_as_the_bootstrap_says() {
        let of = |matcher: Value| Matcher::read(&json!({"stats_config": {"stats_matcher": matcher}})).expect("readable");
        let names = ["server.live", "cluster.a;.upstream_rq_total", "http.in.downstream_cx_active"];
        let kept = |matcher: Value| names.map(|n| of(matcher.clone()).keeps(n));
        let list = json!({"patterns": [{"prefix": "server"}, {"suffix": "downstream_cx_active"}]});
        assert_eq!(kept(json!({"inclusionList": list})), [true, false, true]);
        assert_eq!(kept(json!({"exclusion_list": list})), [false, true, false]);
        assert_eq!(kept(json!({"reject_all": true})), [false; 3]);
        assert_eq!(kept(json!({"reject_all": false})), [true; 3]);
        let wrong = Matcher::read(&json!({"stats_config": {"stats_matcher": {"inclusion_list": {"patterns": [{}]}}}}));
        assert_eq!(wrong.map(|_| ()).map_err(|u| u.path), Err("stats_config.stats_matcher.inclusion_list.patterns[0]".to_owned()));
    }
}
