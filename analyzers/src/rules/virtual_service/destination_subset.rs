//! ## IST0101 ReferencedResourceNotFound (Error)
//!
//! **What it checks.** Every subset that a destination or mirror names is defined by a DestinationRule of that host.
//! In a part of a mesh it is judged where the input has a DestinationRule of the host, or DestinationRules in both the
//! host's namespace and the VirtualService's; see MSH0121 for the rest.
//!
//! **Why it matters.** A subset that no DestinationRule defines has no cluster: its share of the requests gets 503.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: reviews, namespace: shop}
//! spec: {ports: [{name: http, port: 80}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: reviews, namespace: shop}
//! spec: {host: reviews, subsets: [{name: v1, labels: {version: v1}}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: reviews, namespace: shop}
//! spec:
//!   hosts: [reviews]
//!   http: [{route: [{destination: {host: reviews, subset: v1}, weight: 80}, {destination: {host: reviews, subset: v2}, weight: 20}]}]
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: reviews, namespace: shop}
//! spec: {ports: [{name: http, port: 80}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: reviews, namespace: shop}
//! spec: {host: reviews.shop.svc.cluster.local, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: reviews, namespace: shop}
//! spec:
//!   hosts: [reviews]
//!   http: [{route: [{destination: {host: reviews, subset: v1}, weight: 80}, {destination: {host: reviews, subset: v2}, weight: 20}]}]
//! ```
//!
//! **Good** (in a part of a mesh)
//!
//! Two versions of one object: which of them is applied is not known.
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: reviews, namespace: shop}
//! spec: {host: reviews, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: reviews, namespace: shop}
//! spec: {host: reviews, subsets: [{name: v1, labels: {version: v1}}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: reviews, namespace: shop}
//! spec: {hosts: [reviews], http: [{route: [{destination: {host: reviews, subset: v2}}]}]}
//! ```
//!
//! ## MSH0121 SubsetsNotJudged (Info)
//!
//! **What it checks.** A destination names subsets, and the input has neither a DestinationRule of that host nor
//! enough to know that there is none.
//!
//! **Why it matters.** Nothing is wrong with it as far as can be seen. Subsets work only with a DestinationRule that
//! defines them, and the help shows one that would.
//!
//! **Bad** (in a part of a mesh)
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: reviews, namespace: shop}
//! spec:
//!   hosts: [reviews]
//!   http: [{route: [{destination: {host: reviews, subset: v1}, weight: 80}, {destination: {host: reviews, subset: v2}, weight: 20}]}]
//! ```
//!
//! **Good** (in a part of a mesh)
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: reviews, namespace: shop}
//! spec: {host: reviews, subsets: [{name: v1, labels: {version: v1}}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: reviews, namespace: shop}
//! spec: {hosts: [reviews], http: [{route: [{destination: {host: reviews, subset: v1}}]}]}
//! ```

use super::destination::{Destination, Sort, destinations, percent};
use crate::codes::{IST0101, MSH0121};
use crate::reference::{Missing, missing};
use crate::rule::{Context, NotJudged, Sink};
use mesh_model::{Kind, Object};
use mesh_resolver::{Place, host};
use rustc_hash::FxHashMap;
use std::borrow::Cow;

/// Rules by full host, and wildcard ones by suffix.
struct Rules<'a> {
    by_host: FxHashMap<Cow<'a, str>, Vec<&'a Object>>,
    /// By the part behind `*`.
    by_suffix: FxHashMap<&'a str, Vec<&'a Object>>,
}

impl<'a> Rules<'a> {
    fn wildcards(&self, fqdn: &str) -> impl Iterator<Item = &'a Object> {
        let starts = (0..=fqdn.len()).filter(|i| fqdn.is_char_boundary(*i));
        starts.filter_map(|i| self.by_suffix.get(&fqdn[i..])).flatten().copied()
    }
}

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let mut rules = Rules { by_host: FxHashMap::default(), by_suffix: FxHashMap::default() };
    for rule in cx.mesh.objects(Kind::DestinationRule).iter().copied().chain(cx.mesh.replaced(Kind::DestinationRule)) {
        let host = rule.spec().map_or("", |s| s.text_of("host"));
        match host.strip_prefix('*') {
            Some(suffix) => rules.by_suffix.entry(suffix).or_default().push(rule),
            None => rules.by_host.entry(host::expand(host, rule.namespace(), cx.mesh.domain)).or_default().push(rule),
        }
    }
    for object in cx.mesh.objects(Kind::VirtualService).iter().copied() {
        let list = destinations(object);
        let mut undefined: Vec<(Cow<'a, str>, Vec<&Destination<'a>>)> = Vec::new();
        for d in list.iter().filter(|d| !d.subset.is_empty()) {
            let fqdn = host::expand(d.host, object.namespace(), cx.mesh.domain);
            if !judge(cx, sink, &rules, object, d, &fqdn) {
                match undefined.iter_mut().find(|(host, _)| *host == fqdn) {
                    Some((_, list)) => list.push(d),
                    None => undefined.push((fqdn, vec![d])),
                }
            }
        }
        for (_, list) in undefined {
            offer(sink, object, &list);
        }
    }
}

/// Reports a subset that is known to be undefined; false when that is not known.
fn judge<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, rules: &Rules<'a>, object: &'a Object, d: &Destination<'a>, fqdn: &str) -> bool {
    let exact = rules.by_host.get(fqdn).map_or(&[][..], Vec::as_slice);
    let defines = |rule: &Object| rule.spec().is_some_and(|s| s.list("subsets").any(|x| x.text_of("name") == d.subset));
    if exact.iter().any(|r| defines(r)) || (!rules.by_suffix.is_empty() && rules.wildcards(fqdn).any(defines)) {
        return true;
    }
    let own = object.namespace();
    let of_host = host::split_service(fqdn, cx.mesh.domain).map_or(own, |(_, ns)| ns);
    let holds = |ns| cx.mesh.owns(object, Place::Objects(Kind::DestinationRule, ns));
    let known = !exact.is_empty() || (holds(of_host) && holds(own));
    let value = d.subset;
    let effect = if d.sort == Sort::Mirror {
        "nothing is mirrored to it".to_owned()
    } else {
        format!("{} of this rule's traffic goes there and gets 503", d.share_text())
    };
    let message = match exact.first() {
        Some(rule) => format!("subset `{value}` of `{}` is not defined by DestinationRule `{}`: {effect}", d.host, rule.full_name()),
        None => format!("subset `{value}` of `{}` is defined by no DestinationRule: {effect}", d.host),
    };
    let candidates = || exact.iter().filter_map(|r| r.spec()).flat_map(|s| s.list("subsets")).map(|s| s.text_of("name"));
    if !known {
        return false;
    }
    let before = sink.findings.len();
    let place = if exact.is_empty() {
        Place::Objects(Kind::DestinationRule, of_host)
    } else {
        Place::Objects(Kind::DestinationRule, exact.first().map_or(own, |r| r.namespace()))
    };
    missing(
        cx,
        sink,
        &Missing { code: &IST0101, object, at: d.subset_node(), what: "subset", value, place, reason: NotJudged::SubsetOutside },
        message,
        candidates(),
    );
    if let Some(finding) = sink.findings.get_mut(before) {
        if finding.help.is_none() {
            let defined: Vec<String> = candidates().map(|s| format!("`{s}`")).collect();
            finding.help(match (exact.first(), defined.is_empty()) {
                (Some(_), false) => format!("it defines {}; add the subset there", defined.join(", ")),
                (Some(rule), true) => format!("add the subset to `{}`", rule.full_name()),
                (None, _) => format!("this DestinationRule would define it:\n{}", destination_rule(object, &[d])),
            });
        }
        if let Some(rule) = exact.first() {
            finding.related(rule, rule.spec_at(&["host"]).unwrap_or(rule.name_node()), "the host's DestinationRule");
        }
    }
    true
}

/// Subsets that the input can not tell about: says so once a host, with the DestinationRule that would define them.
fn offer<'a>(sink: &mut Sink<'a>, object: &'a Object, list: &[&Destination<'a>]) {
    let Some(first) = list.first() else { return };
    let mut names: Vec<&str> = Vec::new();
    for d in list {
        sink.not_judged(NotJudged::SubsetOutside);
        if !names.contains(&d.subset) {
            names.push(d.subset);
        }
    }
    let shares: Vec<String> = names
        .iter()
        .map(|name| {
            let share = list.iter().filter(|d| d.subset == *name && d.sort != Sort::Mirror).map(|d| d.share).fold(0.0, f64::max);
            if share > 0.0 { format!("`{name}` ({})", percent(share)) } else { format!("`{name}`") }
        })
        .collect();
    let word = if names.len() == 1 { "subset" } else { "subsets" };
    sink.report(
        &MSH0121,
        object,
        first.subset_node(),
        format!("not judged: {word} {} of `{}`, whose DestinationRule is not in the input", shares.join(", "), first.host),
    )
    .help(format!("this DestinationRule would define them, if none does:\n{}", destination_rule(object, list)));
}

fn destination_rule(object: &Object, list: &[&Destination<'_>]) -> String {
    let host = list.first().map_or("", |d| d.host);
    let name = host.split('.').next().unwrap_or(host);
    let namespace = match object.written_namespace() {
        "" => String::new(),
        ns => format!("\n  namespace: {ns}"),
    };
    let mut out = format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata:\n  name: {}{namespace}\nspec:\n  host: {}\n  subsets:",
        if name.starts_with('*') || name.is_empty() { object.name() } else { name },
        quoted(host)
    );
    let mut seen: Vec<&str> = Vec::new();
    for d in list {
        if !seen.contains(&d.subset) {
            seen.push(d.subset);
            out.push_str(&format!("\n  - name: {0}\n    labels:\n      version: {0}", quoted(d.subset)));
        }
    }
    out
}

/// A scalar that stays a string in YAML.
fn quoted(text: &str) -> Cow<'_, str> {
    let word = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_')) && !text.starts_with('-');
    let plain = word && matches!(mesh_model::yaml::resolve_plain(text), mesh_model::yaml::Scalar::Str(_));
    if plain { Cow::Borrowed(text) } else { Cow::Owned(format!("{text:?}")) }
}
