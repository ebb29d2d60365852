//! Pages of metrics that were saved: what `/stats/prometheus` of a proxy answered, once or twice. Two pages of one target make
//! rates.

use mesh_metrics::series::{Ingested, Store, Target};
use mesh_metrics::text::{Page, scan};

/// A saved page and the time at which it was fetched, in milliseconds.
pub struct Saved<'a> {
    /// What the target is called: pages of one name are one target.
    pub target: &'a str,
    pub name: &'a str,
    pub bytes: &'a [u8],
    pub at: i64,
}

/// Adds pages to a store, the oldest first. What was not understood is said.
pub fn add(store: &mut Store, pages: &[Saved<'_>]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut targets: Vec<(&str, Target)> = Vec::new();
    let mut order: Vec<&Saved<'_>> = pages.iter().collect();
    order.sort_by_key(|p| p.at);
    for saved in order {
        let page = scan(saved.bytes);
        problems.extend(said(saved.name, &page));
        let index = targets.iter().position(|(name, _)| *name == saved.target).unwrap_or_else(|| {
            targets.push((saved.target, Target::new(vec![("instance".to_owned(), saved.target.to_owned())])));
            targets.len() - 1
        });
        let Ingested { dropped, .. } = targets[index].1.ingest(store, &page, saved.at);
        if dropped.total() > 0 {
            problems.push(format!("{}: {} samples were not taken", saved.name, dropped.total()));
        }
    }
    problems
}

/// The problems of a page, the first few with their places.
fn said(name: &str, page: &Page<'_>) -> Vec<String> {
    let shown = page.problems.first.iter().take(3).map(|p| format!("{name}:{}:{}: {}", p.line, p.column, p.message));
    let mut out: Vec<String> = shown.collect();
    if page.problems.total > out.len() {
        out.push(format!("{name}: {} more lines were not understood", page.problems.total - out.len()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_metrics::series::Limits;

    #[test]
    fn two_pages_make_a_rate_and_problems_have_places() {
        let mut store = Store::new(Limits::default());
        let page = |bytes, at| Saved { target: "p", name: "p.txt", bytes, at };
        let problems = add(&mut store, &[page(b"m{a=\"b\"} 40\nbad line\n", 30_000), page(b"m{a=\"b\"} 10\n", 0)]);
        assert_eq!(problems, ["p.txt:2:5: the value is no number"]);
        let (samples, _) = super::super::ask(&store, "irate(m[1m])", 30_000).expect("an answer");
        assert_eq!(samples[0].value, 1.0);
    }
}
