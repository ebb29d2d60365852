//! References to things that are not in the input: broken, or not judged.

use crate::codes::{self, Code};
use crate::rule::{Context, NotJudged, Sink};
use crate::spelling;
use mesh_model::{Node, Object};
use mesh_resolver::Place;

/// A reference whose target was not found.
pub struct Missing<'a, 'm> {
    pub code: &'static Code,
    pub object: &'a Object,
    pub at: Node<'a>,
    /// What sort of thing, as a person says it: `host`, `gateway`, `subset`.
    pub what: &'m str,
    pub value: &'m str,
    pub place: Place<'m>,
    pub reason: NotJudged,
}

/// Reports a missing target as broken when the input owns the place; otherwise as a probable misspelling where
/// one of `candidates` is near (MSH0002), and else counts it as not judged.
pub fn missing<'a, 'c>(cx: &Context<'a>, sink: &mut Sink<'a>, m: &Missing<'a, '_>, message: String, candidates: impl IntoIterator<Item = &'c str>) {
    let near = spelling::nearest(m.value, candidates).map(str::to_owned);
    if cx.mesh.owns(m.place) {
        let finding = sink.report(m.code, m.object, m.at, message);
        if let Some(near) = near {
            finding.help(format!("did you mean `{near}`?"));
            fix_scalar(finding, m.at, &near);
        }
    } else if let Some(near) = near {
        let finding = sink.report(&codes::MSH0002, m.object, m.at, format!("{} `{}` is not in the input, but `{near}` is", m.what, m.value));
        finding.help(format!("did you mean `{near}`? Otherwise give the objects it refers to as well, or with `--world`"));
        fix_scalar(finding, m.at, &near);
    } else {
        sink.not_judged(m.reason);
    }
}

fn fix_scalar<'a>(finding: &mut crate::Finding<'a>, at: Node<'a>, value: &str) {
    if at.is_scalar() && !at.text().is_empty() && at.source().slice(at.span()) == at.text() {
        finding.fix(format!("replace with `{value}`"), at.span(), value);
    }
}
