//! Which DestinationRules a client goes by (PushContext.destinationRule of istiod).

use crate::host;
use crate::service::ExportTo;
use mesh_model::{Kind, Node, Object};
use rustc_hash::FxHashMap;

#[derive(Clone, Debug)]
struct Entry<'a> {
    object: &'a Object,
    export_to: ExportTo<'a>,
}

/// The rules of one namespace, the oldest first.
#[derive(Debug, Default)]
struct InNamespace<'a> {
    by_host: FxHashMap<String, Vec<Entry<'a>>>,
    /// By the part behind `*`.
    by_suffix: FxHashMap<String, Vec<Entry<'a>>>,
}

impl<'a> InNamespace<'a> {
    /// The rules of the most specific host that `fqdn` matches, among those that `counts` lets through.
    fn most_specific<'s>(&'s self, fqdn: &str, counts: impl Fn(&Entry<'a>) -> bool) -> Vec<&'s Entry<'a>> {
        let those = |list: &'s Vec<Entry<'a>>| list.iter().filter(|e| counts(e)).collect::<Vec<_>>();
        let exact = self.by_host.get(fqdn).map(those).unwrap_or_default();
        if !exact.is_empty() || self.by_suffix.is_empty() {
            return exact;
        }
        let suffixes = fqdn.char_indices().map(|(i, _)| &fqdn[i..]).chain(std::iter::once(""));
        suffixes.filter_map(|s| self.by_suffix.get(s)).map(those).find(|l| !l.is_empty()).unwrap_or_default()
    }
}

/// The DestinationRules of a snapshot by namespace and host. Rules for some workloads of their namespace only
/// (`workloadSelector`) count for those alone.
#[derive(Debug, Default)]
pub struct DestinationRules<'a> {
    by_namespace: FxHashMap<&'a str, InNamespace<'a>>,
    /// Rules with a selector, by namespace and host, the oldest first.
    selecting: FxHashMap<&'a str, Vec<(String, &'a Object)>>,
    root: &'a str,
}

impl<'a> DestinationRules<'a> {
    pub fn new(objects: &[&'a Object], domain: &str, default_export_to: &[&'a str], root_namespace: &'a str) -> DestinationRules<'a> {
        let mut all: Vec<&Object> = objects.iter().copied().filter(|o| o.kind == Kind::DestinationRule).collect();
        // Without times of creation the name decides; so it does in istiod among objects of one instant.
        all.sort_by_key(|o| (o.creation(), o.name()));
        let mut this = DestinationRules { root: root_namespace, ..DestinationRules::default() };
        for object in all {
            let Some(spec) = object.spec() else { continue };
            if spec.get("workloadSelector").is_some() {
                let host = host::expand(spec.text_of("host"), object.namespace(), domain).into_owned();
                this.selecting.entry(object.namespace()).or_default().push((host, object));
                continue;
            }
            let own: Vec<&str> = spec.list("exportTo").map(Node::text).collect();
            let entry = Entry { object, export_to: ExportTo(if own.is_empty() { default_export_to.to_vec() } else { own }) };
            let place = this.by_namespace.entry(object.namespace()).or_default();
            let host = host::expand(spec.text_of("host"), object.namespace(), domain);
            match host.strip_prefix('*') {
                Some(suffix) => place.by_suffix.entry(suffix.to_owned()).or_default().push(entry),
                None => place.by_host.entry(host.into_owned()).or_default().push(entry),
            }
        }
        this
    }

    /// Whether a namespace has rules for some of its workloads alone.
    pub fn select_in(&self, namespace: &str) -> bool {
        self.selecting.get(namespace).is_some_and(|rules| !rules.is_empty())
    }

    /// The rules that a workload goes by towards a host: one of its own namespace that selects it, else what
    /// [`Self::effective`] says.
    pub fn of_workload<L: AsRef<str>>(&self, client: &str, label: impl Fn(&str) -> Option<L>, fqdn: &str, service_namespace: &str) -> Vec<&'a Object> {
        let selects = |o: &Object| {
            let pairs = o.spec_at(&["workloadSelector", "matchLabels"]).into_iter().flat_map(Node::entries);
            pairs.into_iter().all(|(k, v)| label(k.text()).is_some_and(|l| l.as_ref() == v.text()))
        };
        let own = self.selecting.get(client).into_iter().flatten().filter(|(h, o)| host::covers(h, fqdn) && selects(o));
        // The most specific host counts; of two the oldest rule.
        match own.rev().max_by_key(|(h, _)| (!h.starts_with('*'), h.len())) {
            Some((_, rule)) => vec![rule],
            None => self.effective(client, fqdn, service_namespace),
        }
    }

    /// The rules that clients of a namespace go by towards a host, the oldest first: those of their own namespace,
    /// else of the service's, else of the root namespace. Of the first that has any for the host all are united.
    pub fn effective(&self, client: &str, fqdn: &str, service_namespace: &str) -> Vec<&'a Object> {
        let private = |e: &Entry<'_>| e.export_to.0.iter().all(|to| matches!(*to, "." | "~") || *to == e.object.namespace());
        if let Some(place) = self.by_namespace.get(client) {
            // What the root namespace exports is for the mesh: its own clients look into the service's namespace before.
            let own = place.most_specific(fqdn, |e| client != self.root || private(e));
            if !own.is_empty() {
                return own.into_iter().map(|e| e.object).collect();
            }
        }
        for ns in [service_namespace, self.root] {
            let Some(place) = self.by_namespace.get(ns) else { continue };
            let exported = place.most_specific(fqdn, |e| !private(e));
            let seen: Vec<_> = exported.into_iter().filter(|e| e.export_to.visible_to(ns, client)).map(|e| e.object).collect();
            if !seen.is_empty() {
                return seen;
            }
        }
        Vec::new()
    }
}

/// The traffic policy of united rules: of the oldest that has one.
pub fn traffic_policy<'a>(united: &[&'a Object]) -> Option<(&'a Object, Node<'a>)> {
    united.iter().find_map(|o| Some((*o, o.spec_at(&["trafficPolicy"])?)))
}

/// A subset of united rules: of the oldest that has it.
pub fn subset<'a>(united: &[&'a Object], name: &str) -> Option<(&'a Object, Node<'a>)> {
    united.iter().find_map(|o| Some((*o, o.spec()?.list("subsets").find(|s| s.text_of("name") == name)?)))
}

/// The mode of TLS that a traffic policy sets for a port of the service. Settings of a port replace those of the
/// policy, even by nothing.
pub fn tls_mode(policy: Node<'_>, port: u16) -> Option<Node<'_>> {
    settings_of_port(policy, port).unwrap_or(policy).at(&["tls", "mode"])
}

/// What a traffic policy says for a port of the service alone.
pub fn settings_of_port(policy: Node<'_>, port: u16) -> Option<Node<'_>> {
    policy.list("portLevelSettings").find(|p| p.at(&["port", "number"]).and_then(Node::int) == Some(i64::from(port)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_model::snapshot::read_manifest;
    use mesh_model::yaml::Limits;
    use mesh_model::{Role, Source};

    fn rule(namespace: &str, name: &str, host: &str, more: &str) -> String {
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{host: '{host}'{more}}}\n"
        )
    }

    #[test]
    fn the_first_namespace_with_a_rule_counts_and_the_most_specific_host_in_it() {
        let text = [
            rule("istio-system", "mesh", "*.local", ""),
            rule("shop", "all", "*.shop.svc.cluster.local", ""),
            rule("shop", "cart", "cart", ""),
            rule("shop", "own", "till", ", exportTo: ['.']"),
            rule("web", "one", "cart.shop.svc.cluster.local", ", subsets: [{name: v1}]"),
            rule("web", "two", "cart.shop.svc.cluster.local", ", trafficPolicy: {tls: {mode: DISABLE}}"),
            rule("web", "some", "bank.shop.svc.cluster.local", ", workloadSelector: {matchLabels: {a: b}}"),
        ]
        .concat();
        let source = Source::new("", text);
        let manifest = read_manifest(&source, Role::Judged, 0, Limits::default());
        let objects: Vec<&Object> = manifest.objects.iter().collect();
        let rules = DestinationRules::new(&objects, "cluster.local", &["*"], "istio-system");
        let names = |client: &str, service: &str| {
            rules.effective(client, &format!("{service}.shop.svc.cluster.local"), "shop").iter().map(|o| o.name().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names("web", "cart"), ["one", "two"]);
        assert_eq!(names("bank", "cart"), ["cart"]);
        assert_eq!(names("istio-system", "cart"), ["cart"]);
        assert_eq!(names("shop", "till"), ["own"]);
        assert_eq!(names("bank", "till"), ["all"]);
        assert_eq!(names("web", "bank"), ["all"]);
        assert_eq!(rules.effective("web", "a.other.svc.cluster.local", "other").iter().map(|o| o.name()).collect::<Vec<_>>(), ["mesh"]);
        assert!(rules.effective("web", "example.com", "other").is_empty());
        let united = rules.effective("web", "cart.shop.svc.cluster.local", "shop");
        assert_eq!(traffic_policy(&united).map(|(o, _)| o.name()), Some("two"));
        assert_eq!(subset(&united, "v1").map(|(o, _)| o.name()), Some("one"));
    }
}
