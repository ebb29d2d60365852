//! The annotations and labels that Istio defines.

use std::sync::OnceLock;

/// One annotation or label of Istio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownName {
    pub name: &'static str,
    /// `Alpha`, `Beta` or `Stable`.
    pub status: &'static str,
    pub deprecated: bool,
    /// Not meant to be set by people.
    pub hidden: bool,
    resources: &'static str,
}

impl KnownName {
    /// What it may stand on: `Pod`, `Service`, …; `Any` for everything.
    pub fn resources(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.resources.split(',').filter(|r| !r.is_empty())
    }
}

/// Every annotation, sorted by name.
pub fn annotations() -> &'static [KnownName] {
    static ALL: OnceLock<Vec<KnownName>> = OnceLock::new();
    ALL.get_or_init(|| parse(include_str!("tables/annotations.txt")))
}

/// Every label, sorted by name.
pub fn labels() -> &'static [KnownName] {
    static ALL: OnceLock<Vec<KnownName>> = OnceLock::new();
    ALL.get_or_init(|| parse(include_str!("tables/labels.txt")))
}

pub fn annotation(name: &str) -> Option<&'static KnownName> {
    find(annotations(), name)
}

pub fn label(name: &str) -> Option<&'static KnownName> {
    find(labels(), name)
}

fn find(all: &'static [KnownName], name: &str) -> Option<&'static KnownName> {
    all.binary_search_by(|k| k.name.cmp(name)).ok().and_then(|i| all.get(i))
}

/// Lines of `name status flags resources`.
fn parse(text: &'static str) -> Vec<KnownName> {
    let mut all: Vec<_> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let (name, status, flags) = (words.next()?, words.next()?, words.next()?);
            Some(KnownName { name, status, deprecated: flags.contains("deprecated"), hidden: flags.contains("hidden"), resources: words.next().unwrap_or("") })
        })
        .collect();
    all.sort_by_key(|k| k.name);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_with_what_they_stand_on() {
        let inject = annotation("sidecar.istio.io/inject").expect("known");
        assert_eq!((inject.status, inject.resources().collect::<Vec<_>>()), ("Beta", vec!["Pod"]));
        assert_eq!(annotation("sidecar.istio.io/injekt"), None);
        assert!(label("istio.io/rev").is_some());
        assert!(annotations().iter().any(|a| a.deprecated));
    }
}
