//! Durations as Go writes them: `1h30m`, `1.5s`, `100ms`.

use super::report::Checks;
use mesh_model::Node;
pub use mesh_model::duration::parse;

/// The nanoseconds of a duration field; `None` when absent or no duration at all.
pub fn field(node: Node<'_>, key: &str) -> Option<i64> {
    parse(node.get(key)?.str()?)
}

/// At least a millisecond, and whole milliseconds.
pub fn check<'a>(checks: &mut Checks<'a, '_>, node: Node<'a>, key: &str) {
    let Some(at) = node.get(key) else { return };
    let Some(nanos) = at.str().and_then(parse) else { return };
    if nanos < 1_000_000 {
        checks.error_once("a duration is shorter than 1ms", at, format!("`{key}` is `{}`, shorter than 1ms", at.text())).help("give at least `1ms`");
    } else if nanos % 1_000_000 != 0 {
        checks
            .error_once("a duration is finer than 1ms", at, format!("`{key}` is `{}`, finer than the milliseconds that Istio keeps", at.text()))
            .help("round it to whole milliseconds");
    }
}
