//! ## MSH0205 RetriesMultiply (Warning)
//!
//! **What it checks.** Retries along a chain of calls that multiply to more than ten tries. That one service calls another
//! is taken from a Sidecar that imports the host by its full name for the caller's workloads, and from an
//! AuthorizationPolicy that lets the caller's service account in by name. A chain begins at a gateway or at a service. A
//! step counts where a VirtualService sets `attempts`; but for the last step, `retryOn` must cover answers of 5xx.
//!
//! **Why it matters.** Each step repeats a failed request for each try of the step before. What fails last gets the product
//! of all tries, just when it is in trouble.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: shop, labels: {istio-injection: enabled}}
//! ---
//! apiVersion: v1
//! kind: Service
//! metadata: {name: web, namespace: shop}
//! spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
//! ---
//! apiVersion: v1
//! kind: Service
//! metadata: {name: cart, namespace: shop}
//! spec: {selector: {app: cart}, ports: [{name: http, port: 80}]}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: web, namespace: shop}
//! spec:
//!   selector: {matchLabels: {app: web}}
//!   template: {metadata: {labels: {app: web}}, spec: {serviceAccountName: web, containers: [{name: app, image: web}]}}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   selector: {matchLabels: {app: cart}}
//!   template: {metadata: {labels: {app: cart}}, spec: {serviceAccountName: cart, containers: [{name: app, image: cart}]}}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   selector: {matchLabels: {app: cart}}
//!   rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/web]}}]}]
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: web, namespace: shop}
//! spec:
//!   hosts: [web]
//!   http: [{retries: {attempts: 3, retryOn: 5xx}, route: [{destination: {host: web}}]}]
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   hosts: [cart]
//!   http: [{retries: {attempts: 3, retryOn: "5xx,reset"}, route: [{destination: {host: cart}}]}]
//! ```
//!
//! **Good**
//!
//! The outer step retries only what never reached the service.
//!
//! ```yaml
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: shop, labels: {istio-injection: enabled}}
//! ---
//! apiVersion: v1
//! kind: Service
//! metadata: {name: web, namespace: shop}
//! spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
//! ---
//! apiVersion: v1
//! kind: Service
//! metadata: {name: cart, namespace: shop}
//! spec: {selector: {app: cart}, ports: [{name: http, port: 80}]}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: web, namespace: shop}
//! spec:
//!   selector: {matchLabels: {app: web}}
//!   template: {metadata: {labels: {app: web}}, spec: {serviceAccountName: web, containers: [{name: app, image: web}]}}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   selector: {matchLabels: {app: cart}}
//!   template: {metadata: {labels: {app: cart}}, spec: {serviceAccountName: cart, containers: [{name: app, image: cart}]}}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   selector: {matchLabels: {app: cart}}
//!   rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/web]}}]}]
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: web, namespace: shop}
//! spec:
//!   hosts: [web]
//!   http: [{retries: {attempts: 3, retryOn: "connect-failure,refused-stream"}, route: [{destination: {host: web}}]}]
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   hosts: [cart]
//!   http: [{retries: {attempts: 3, retryOn: "5xx,reset"}, route: [{destination: {host: cart}}]}]
//! ```

use crate::codes::MSH0205;
use crate::rule::{Context, Sink};
use crate::rules::virtual_service::destination::on_mesh;
use mesh_model::{Kind, Node, Object, Role};
use mesh_resolver::{InMesh, Selector, Service, Workload, host};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeSet;

/// More tries than this are told of.
const MOST: i64 = 10;

/// Callers in a row that are looked at. Each has two tries or more: fewer pass [`MOST`] already.
const LONGEST: usize = 8;

/// Workloads of a service that are looked at: more would say the same again.
const ENOUGH: usize = 50;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let calls = Calls::new(cx);
    if calls.by_account.is_empty() && calls.by_sidecar.is_empty() {
        return;
    }
    let steps = steps(cx);
    if !steps.iter().any(|s| s.repeats_answers) {
        return;
    }
    let ways = ways(&steps, &callers(cx, &steps, &calls));
    for (i, step) in steps.iter().enumerate().filter(|(_, s)| s.object.role == Role::Judged) {
        let passes = |(_, tries): &(usize, i64)| tries.saturating_mul(step.tries) > MOST;
        let longest = ways.iter().enumerate().rev().find_map(|(n, way)| way[i].filter(passes).filter(|_| is_straight(&steps, &ways, n, i)));
        let Some((before, tries)) = longest else { continue };
        let caller = &steps[before];
        sink.report(
            &MSH0205,
            step.object,
            step.attempts,
            format!(
                "a failing request to `{}` is sent up to {} times: {} tries here, for each of {tries} tries up to its caller `{}`",
                step.host,
                tries.saturating_mul(step.tries),
                step.tries,
                caller.host
            ),
        )
        .help("retry in one place of a chain, best next to what fails, or take fewer `attempts`")
        .related(caller.object, caller.attempts, "these tries are multiplied");
    }
}

/// What a VirtualService retries towards one service: its route with the most tries.
struct Step<'a> {
    object: &'a Object,
    attempts: Node<'a>,
    tries: i64,
    /// Whether it also retries what was answered with 5xx.
    repeats_answers: bool,
    /// The destination as written.
    host: &'a str,
    service: *const Service<'a>,
    workloads: Vec<&'a Workload<'a>>,
    /// Hosts that clients in the mesh ask for to come here; none where it is for gateways only.
    asked: Vec<String>,
}

fn steps<'a>(cx: &Context<'a>) -> Vec<Step<'a>> {
    let mut out: Vec<Step<'a>> = Vec::new();
    for object in cx.mesh.objects(Kind::VirtualService).iter().copied() {
        let Some(spec) = object.spec() else { continue };
        let first = out.len();
        let hosts = || spec.list("hosts").map(|h| host::expand(h.text(), object.namespace(), cx.mesh.domain).into_owned());
        for route in spec.list("http") {
            let Some(attempts) = route.at(&["retries", "attempts"]) else { continue };
            let Some(count) = attempts.int().filter(|n| *n > 0) else { continue };
            let on = route.at(&["retries", "retryOn"]).map_or("", Node::text);
            for written in route.list("route").filter_map(|r| r.at(&["destination", "host"])) {
                let fqdn = host::expand(written.text(), object.namespace(), cx.mesh.domain);
                let Some(service) = cx.mesh.services.by_host(&fqdn).next() else { continue };
                let selector = service.selector();
                if selector.is_empty() {
                    continue;
                }
                let (tries, repeats_answers) = (count.saturating_add(1), on.split(',').any(|c| repeats_answers(c.trim())));
                if let Some(known) = out[first..].iter_mut().find(|s| std::ptr::eq(s.service, service)) {
                    if (known.repeats_answers, known.tries) < (repeats_answers, tries) {
                        (known.attempts, known.tries, known.repeats_answers) = (attempts, tries, repeats_answers);
                    }
                    continue;
                }
                out.push(Step {
                    object,
                    attempts,
                    tries,
                    repeats_answers,
                    host: written.text(),
                    service,
                    workloads: cx.mesh.workloads.matching(Some(service.namespace), &selector).take(ENOUGH).collect(),
                    asked: if on_mesh(object) { hosts().collect() } else { Vec::new() },
                });
            }
        }
    }
    out
}

/// Conditions of `retryOn` that hold for an answer of 5xx.
fn repeats_answers(condition: &str) -> bool {
    matches!(condition, "5xx" | "gateway-error") || (condition.len() == 3 && condition.starts_with('5') && condition.parse::<u16>().is_ok())
}

/// Who is known to call whom.
#[derive(Default)]
struct Calls<'a> {
    /// Service accounts (namespace, name) by a workload that lets them in.
    by_account: FxHashMap<*const Object, Vec<(&'a str, &'a str)>>,
    /// Hosts by a workload whose Sidecar imports them by name.
    by_sidecar: FxHashMap<*const Object, FxHashSet<&'a str>>,
}

impl<'a> Calls<'a> {
    fn new(cx: &Context<'a>) -> Calls<'a> {
        let mut calls = Calls::default();
        for policy in
            cx.mesh.objects(Kind::AuthorizationPolicy).iter().copied().filter(|p| matches!(p.spec().map_or("", |s| s.text_of("action")), "" | "ALLOW"))
        {
            let selector = Selector::from_map(policy.spec_at(&["selector", "matchLabels"]));
            let accounts: Vec<_> = accounts(policy).filter(|(ns, account)| cx.mesh.workloads.run_as(ns, account)).collect();
            if selector.is_empty() || accounts.is_empty() {
                continue;
            }
            for w in cx.mesh.workloads.matching(Some(policy.namespace()), &selector).take(ENOUGH) {
                calls.by_account.entry(w.object).or_default().extend(&accounts);
            }
        }
        for sidecar in cx.mesh.objects(Kind::Sidecar) {
            let selector = Selector::from_map(sidecar.spec_at(&["workloadSelector", "labels"]));
            let hosts = || sidecar.spec().into_iter().flat_map(|s| s.list("egress")).flat_map(|e| e.list("hosts"));
            let named: Vec<&str> = hosts().filter_map(|h| h.text().split_once('/')).map(|(_, name)| name).filter(|name| !name.contains('*')).collect();
            if selector.is_empty() || named.is_empty() {
                continue;
            }
            for w in cx.mesh.workloads.matching(Some(sidecar.namespace()), &selector).take(ENOUGH) {
                calls.by_sidecar.entry(w.object).or_default().extend(&named);
            }
        }
        calls
    }
}

/// The service accounts that a policy names as principals, without those that many workloads share.
fn accounts(policy: &Object) -> impl Iterator<Item = (&str, &str)> {
    let rules = policy.spec().into_iter().flat_map(|s| s.list("rules"));
    let principals = rules.flat_map(|r| r.list("from")).filter_map(|f| f.get("source")).flat_map(|s| s.list("principals"));
    principals.filter_map(|p| match p.text().split('/').collect::<Vec<_>>().as_slice() {
        [_, "ns", namespace, "sa", account] if *account != "default" && !p.text().contains('*') => Some((*namespace, *account)),
        _ => None,
    })
}

/// For each step those whose services call it.
fn callers<'a>(cx: &Context<'a>, steps: &[Step<'a>], calls: &Calls<'a>) -> Vec<Vec<usize>> {
    let mut of_account: FxHashMap<(&str, &str), Vec<*const Object>> = FxHashMap::default();
    for w in cx.mesh.workloads.all() {
        of_account.entry((w.namespace, w.service_account())).or_default().push(w.object);
    }
    let mut by_workload: FxHashMap<*const Object, Vec<usize>> = FxHashMap::default();
    for (i, step) in steps.iter().enumerate().filter(|(_, s)| s.repeats_answers) {
        for w in step.workloads.iter().filter(|w| cx.mesh.in_mesh(w) == InMesh::Sidecar) {
            by_workload.entry(w.object).or_default().push(i);
        }
    }
    let mut by_host: FxHashMap<&str, Vec<*const Object>> = FxHashMap::default();
    for w in cx.mesh.workloads.all() {
        for host in calls.by_sidecar.get(&std::ptr::from_ref(w.object)).into_iter().flatten() {
            by_host.entry(host).or_default().push(w.object);
        }
    }
    let of_step = |step: &Step<'a>| {
        let mut found: Vec<usize> = Vec::new();
        if step.asked.is_empty() {
            return found;
        }
        let sidecars = step.asked.iter().filter_map(|h| by_host.get(h.as_str())).flatten();
        found.extend(sidecars.filter_map(|w| by_workload.get(w)).flatten());
        let accounts = step.workloads.iter().filter_map(|w| calls.by_account.get(&std::ptr::from_ref(w.object))).flatten();
        for account in accounts.collect::<BTreeSet<_>>() {
            let Some(run) = of_account.get(account) else { continue };
            let of_caller = run.first().and_then(|w| by_workload.get(w)).into_iter().flatten();
            // An account of several services does not tell which of them calls.
            found.extend(of_caller.filter(|i| run.iter().all(|w| by_workload.get(w).is_some_and(|steps| steps.contains(i)))));
        }
        found.retain(|i| !std::ptr::eq(steps[*i].service, step.service));
        found.sort_unstable();
        found.dedup();
        found
    };
    steps.iter().map(of_step).collect()
}

/// The way to a step: the caller's step, and the tries up to its own.
type Before = Option<(usize, i64)>;

/// For each step the way of `n` callers with the most tries, for n from 1 on.
fn ways(steps: &[Step<'_>], callers: &[Vec<usize>]) -> Vec<Vec<Before>> {
    let mut ways: Vec<Vec<Before>> = Vec::new();
    for _ in 0..LONGEST {
        let before = |caller: usize| ways.last().map_or(Some(1), |w| w[caller].map(|(_, tries)| tries));
        let best = |of: &Vec<usize>| {
            of.iter().filter_map(|c| Some((*c, before(*c)?.saturating_mul(steps[*c].tries)))).max_by_key(|(c, tries)| (*tries, std::cmp::Reverse(*c)))
        };
        let next = callers.iter().map(best).collect();
        ways.push(next);
    }
    ways
}

/// Whether no service stands twice on the way of `callers` callers to a step.
fn is_straight(steps: &[Step<'_>], ways: &[Vec<Before>], callers: usize, step: usize) -> bool {
    let mut services = vec![steps[step].service];
    let mut at = step;
    for way in ways[..=callers].iter().rev() {
        let Some((caller, _)) = way[at] else { break };
        if services.contains(&steps[caller].service) {
            return false;
        }
        services.push(steps[caller].service);
        at = caller;
    }
    true
}

#[cfg(test)]
mod tests {
    use crate::{Options, analyze};
    use mesh_model::snapshot::read_manifest;
    use mesh_model::yaml::Limits;
    use mesh_model::{Role, Snapshot, Source};

    fn service(name: &str, retries: &str, sidecar: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{selector: {{app: {name}}}, ports: [{{name: http, port: 80}}]}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop, labels: {{app: {name}}}}}\nspec: {{containers: [{{name: app, image: app}}, {{name: istio-proxy, image: proxyv2}}]}}\n---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{hosts: [{name}], http: [{{retries: {retries}, route: [{{destination: {{host: {name}}}}}]}}]}}\n---\napiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{workloadSelector: {{labels: {{app: {name}}}}}, egress: [{{hosts: [{sidecar}]}}]}}\n---\n"
        )
    }

    fn found(services: &[String]) -> Vec<String> {
        let source = Source::new("", services.concat());
        let mut snapshot = Snapshot::new();
        snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
        let mesh = mesh_resolver::Mesh::new(&snapshot);
        let options = Options::default();
        let report = analyze(&mesh, &options, |r| r.name == "retry-chain");
        report.findings.iter().map(|f| format!("{} {}", f.object.name(), f.message)).collect()
    }

    const TWO: &str = "{attempts: 1, retryOn: 5xx}";
    const FOUR: &str = "{attempts: 3, retryOn: 'reset,503'}";

    fn calls(name: &str) -> String {
        format!("./{name}.shop.svc.cluster.local")
    }

    #[test]
    fn a_chain_is_told_of_where_it_passes_the_bound() {
        let chain = [service("a", TWO, &calls("b")), service("b", TWO, &calls("c")), service("c", FOUR, &calls("d")), service("d", FOUR, "./*")];
        let want = "c a failing request to `c` is sent up to 16 times: 4 tries here, for each of 4 tries up to its caller `b`";
        let too = "d a failing request to `d` is sent up to 64 times: 4 tries here, for each of 16 tries up to its caller `c`";
        assert_eq!(found(&chain), [want, too]);
        assert_eq!(found(&[service("a", FOUR, &calls("b")), service("b", TWO, "./*")]), Vec::<String>::new());
        assert_eq!(found(&[service("a", FOUR, "./*"), service("b", FOUR, "./*")]), Vec::<String>::new());
    }

    #[test]
    fn a_circle_is_no_chain() {
        assert_eq!(found(&[service("a", TWO, &calls("b")), service("b", TWO, &calls("a"))]), Vec::<String>::new());
        assert_eq!(found(&[service("a", FOUR, &calls("a"))]), Vec::<String>::new());
    }
}
