//! The suspects of one failing call.

use super::blocked;
use super::objects::{namespace_of, policies, replicas, rules, selecting, workloads};
use super::{Call, Ending, Evidence, Suspect, is_grave};
use mesh_envoy::response_flags;
use mesh_model::{Kind, Node, Object};
use mesh_resolver::{MtlsMode, host};
use std::collections::BTreeMap;

/// A call takes the blame for another's failures when so much of them could come from there.
const SHARE: f64 = 0.3;
/// A refusal (4xx) only where it comes as often: the lower rate is so much of the higher one.
const ALIKE: f64 = 0.7;
/// What decides an ending for sure, what usually does, and what may have to do with it.
const DECIDES: u32 = 100;
const USUAL: u32 = 60;
const PERHAPS: u32 = 20;
/// What another sort of evidence adds.
const MORE: u32 = 15;

/// The suspects of an ending; one at least.
pub fn of(evidence: &Evidence<'_, '_>, calls: &[Call<'_>], call: &Call<'_>, ending: &Ending) -> Vec<Suspect> {
    let mut found = Found { evidence, call, ending, list: Vec::new() };
    found.by_flags(calls);
    found.rejected();
    found.by_findings();
    if found.list.is_empty() {
        let meaning = ending.flags.split(',').find_map(response_flags::find).map_or("the program behind it answers so, or a filter", |f| f.meaning);
        found.suspect(USUAL, format!("workload {}", call.name(call.to)), meaning.to_owned(), Vec::new());
    }
    found.list
}

struct Found<'f, 'e, 'a, 'g> {
    evidence: &'f Evidence<'e, 'a>,
    call: &'f Call<'g>,
    ending: &'f Ending,
    list: Vec<Suspect>,
}

impl<'a> Found<'_, '_, 'a, '_> {
    /// Adds a suspect; of one that is known the evidence is put together. What is found by two ways is said once, and counts once.
    fn suspect(&mut self, score: u32, subject: String, why: String, evidence: Vec<String>) {
        match self.list.iter_mut().find(|s| s.subject == subject) {
            Some(known) => {
                let before = known.evidence.len();
                for one in evidence.into_iter().chain([why]) {
                    if one != known.why && !known.evidence.contains(&one) {
                        known.evidence.push(one);
                    }
                }
                known.score = known.score.max(score) + if known.evidence.len() > before { MORE } else { 0 };
            }
            None => {
                let changed = self.evidence.changes.get(&subject).map(|ago| format!("it was changed {} min ago", ago / 60));
                let score = score + if changed.is_some() { MORE } else { 0 } + MORE * u32::from(!evidence.is_empty());
                self.list.push(Suspect { subject, why, evidence: evidence.into_iter().chain(changed).collect(), score });
            }
        }
    }

    fn object(&mut self, score: u32, object: &Object, why: String, evidence: Vec<String>) {
        self.suspect(score, object.origin(), why, evidence);
    }

    /// The host that was called; of a node without one its service. Where no route was found the metrics have what the client
    /// asked for, `ratings:9080`: that is a service as the client's namespace sees it.
    fn host(&self) -> String {
        let mesh = self.evidence.mesh;
        let name = self.call.name(self.call.to);
        let (namespace, service) = name.split_once('/').unwrap_or(("", &name));
        let is_told = !matches!(self.ending.host.as_str(), "" | "unknown");
        let asked = if is_told { self.ending.host.as_str() } else { service };
        let asked = asked.rsplit_once(':').map_or(asked, |(host, _)| host);
        let is_known = |h: &str| mesh.services.by_host(h).next().is_some();
        let expanded = host::expand(asked, &self.client(), mesh.domain);
        match is_told {
            true if is_known(asked) || !is_known(&expanded) => asked.to_owned(),
            false if namespace != "unknown" || !is_known(&expanded) => format!("{service}.{namespace}.svc.{}", mesh.domain),
            _ => expanded.into_owned(),
        }
    }

    fn client(&self) -> String {
        self.call.name(self.call.from).split_once('/').map_or_else(String::new, |(ns, _)| ns.to_owned())
    }

    fn callee(&self) -> (String, String) {
        let name = self.call.name(self.call.to);
        name.split_once('/').map_or_else(|| (String::new(), name.clone()), |(ns, n)| (ns.to_owned(), n.to_owned()))
    }

    fn by_flags(&mut self, calls: &[Call<'_>]) {
        let ending = self.ending;
        let has = |flags: &[&str]| ending.has(flags);
        if self.call.is_to_nobody() {
            return self.blocked();
        }
        if has(&["FI", "DI"]) {
            self.in_rules("fault", DECIDES, "its fault is injected on purpose");
        }
        if has(&["UO"]) {
            self.in_policies("connectionPool", DECIDES, "its limits on connections and requests are reached");
        }
        if has(&["UT", "DT", "SI"]) {
            self.in_rules("timeout", DECIDES, "its timeout ends requests");
            self.in_rules("retries", USUAL, "its time for each try ends requests");
            let (namespace, name) = self.callee();
            self.suspect(USUAL, format!("workload {namespace}/{name}"), "it answers too slowly".to_owned(), Vec::new());
        }
        if has(&["UH", "NC"]) {
            self.without_endpoint(calls);
        }
        if has(&["UF", "UC", "UR", "LR", "UPE"]) {
            self.unreached();
        }
        if has(&["NR"]) {
            self.unrouted();
        }
        if has(&["RL", "RLSE"]) || (ending.code == 429 && ending.flags.is_empty()) {
            self.selected(Kind::EnvoyFilter, DECIDES, &["local_ratelimit", "ratelimit", "local_rate_limit"], "its rate limit refuses requests");
        }
        if has(&["UAEX"]) {
            self.authorization("CUSTOM");
        }
        if ending.code == 403 && !has(&["UAEX"]) {
            self.authorization("");
        }
        if ending.code == 401 {
            self.selected(Kind::RequestAuthentication, DECIDES, &[], "it refuses tokens");
        }
        if ending.flags.is_empty() && (ending.code >= 500 || ending.code == 0) {
            self.further_down(calls);
        }
    }

    /// The caller's proxy lets requests out to known hosts alone.
    fn blocked(&mut self) {
        let mesh = self.evidence.mesh;
        let caller = self.call.name(self.call.from);
        let (namespace, name) = caller.split_once('/').unwrap_or(("", &caller));
        let asked = Some(self.host()).filter(|_| !matches!(self.ending.host.as_str(), "" | "unknown"));
        let evidence: Vec<String> = asked.iter().map(|host| blocked::known(mesh, host)).collect();
        match blocked::by(mesh, &workloads(mesh, namespace, name)) {
            Some((object, why)) => self.object(DECIDES, object, why.to_owned(), evidence),
            None => {
                let what = format!("host {}", asked.as_deref().unwrap_or("(not reported)"));
                self.suspect(USUAL, what, "the caller's proxy knows no such host, and lets nothing out to others".to_owned(), evidence);
            }
        }
    }

    /// Rules of routes to the host that have a field.
    fn in_rules(&mut self, field: &str, score: u32, why: &str) {
        for (object, path, rule) in rules(self.evidence.mesh, &self.host()) {
            if let Some(value) = rule.get(field) {
                self.object(score, object, format!("{path}: {why} ({field}{})", short(value)), Vec::new());
            }
        }
    }

    fn in_policies(&mut self, field: &str, score: u32, why: &str) {
        let all = policies(self.evidence.mesh, &self.client(), &self.host());
        for (object, path, policy) in all {
            if let Some(value) = policy.get(field) {
                self.object(score, object, format!("{path}: {why} ({field}{})", short(value)), Vec::new());
            }
        }
    }

    /// Objects of a kind that select the callee, and in whose text one of some words stands.
    fn selected(&mut self, kind: Kind, score: u32, words: &[&str], why: &str) {
        let (namespace, name) = self.callee();
        let mesh = self.evidence.mesh;
        let callee = workloads(mesh, &namespace, &name);
        for object in selecting(mesh, kind, &callee, &namespace) {
            let text = object.source().slice(object.root().span());
            if words.is_empty() || words.iter().any(|w| text.contains(w)) {
                self.object(score, object, why.to_owned(), Vec::new());
            }
        }
    }

    fn authorization(&mut self, action: &str) {
        let (namespace, name) = self.callee();
        let mesh = self.evidence.mesh;
        let callee = workloads(mesh, &namespace, &name);
        for object in selecting(mesh, Kind::AuthorizationPolicy, &callee, &namespace) {
            let own = object.spec().map_or("", |s| s.text_of("action"));
            let own = if own.is_empty() { "ALLOW" } else { own };
            if own == "AUDIT" || (!action.is_empty() && own != action) {
                continue;
            }
            // A policy for this workload is likelier than one for all.
            let is_own = object.spec_at(&["selector"]).is_some();
            let why = if own == "ALLOW" { "it allows some callers and refuses all others" } else { "it refuses requests" };
            self.object(if is_own { DECIDES } else { USUAL }, object, format!("{why} (action {own})"), Vec::new());
        }
    }

    /// No endpoint that is used: ejected, unhealthy, not there, or not selected.
    fn without_endpoint(&mut self, calls: &[Call<'_>]) {
        let host = self.host();
        let mesh = self.evidence.mesh;
        let caller = self.call.name(self.call.from);
        let is_of_caller =
            |proxy: &str| proxy.rsplit_once('.').is_some_and(|(pod, ns)| caller.split_once('/').is_some_and(|(n, w)| n == ns && pod.starts_with(w)));
        let to_host = |cluster: &str| cluster.rsplit('|').next() == Some(host.as_str());
        for one in self.evidence.hosts.iter().filter(|h| to_host(&h.cluster) && (h.is_ejected || h.is_unhealthy)) {
            let subset = one.cluster.split('|').nth(2).unwrap_or_default();
            let state = if one.is_ejected { "ejected for its errors" } else { "not healthy" };
            let evidence = vec![format!("{}: {} of {} is {state}", one.proxy, one.address, one.cluster)];
            let of_subset = self.versions(&host, subset);
            let score = DECIDES + if is_of_caller(&one.proxy) { MORE } else { 0 };
            for (namespace, name) in of_subset {
                self.suspect(score, format!("workload {namespace}/{name}"), format!("its endpoint is {state}, and no other is left"), evidence.clone());
            }
        }
        // Most proxies of a mesh know a cluster: the caller's speaks for all of them.
        let mut empty: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let seen = self.evidence;
        seen.empty.iter().filter(|e| to_host(&e.cluster)).for_each(|e| empty.entry(&e.cluster).or_default().push(&e.proxy));
        for (cluster, proxies) in empty {
            let subset = cluster.split('|').nth(2).unwrap_or_default().to_owned();
            let evidence = vec![said_by(proxies, is_of_caller, &format!("{cluster} has no endpoint"))];
            self.suspect(USUAL, format!("subset {subset} of {host}"), "nothing that it selects is ready".to_owned(), evidence);
        }
        // A subset that selects nothing.
        for rule in mesh_resolver::splits::rules(mesh) {
            for d in rule.destinations.iter().filter(|d| d.host == host && !d.subset.is_empty() && d.workloads.is_empty()) {
                let why = match &d.labels {
                    None => format!("{}: no DestinationRule defines the subset {}", rule.name, d.subset),
                    Some(_) => format!("{}: the subset {} selects no workload that is known", rule.name, d.subset),
                };
                self.object(DECIDES, rule.object, why, Vec::new());
            }
        }
        let (namespace, service) = (namespace_of(mesh, &host).to_owned(), host.split('.').next().unwrap_or_default().to_owned());
        for one in mesh.services.by_host(&host) {
            let selector = one.selector();
            for workload in mesh.workloads.matching(Some(one.namespace), &selector) {
                if let Some((wanted, ready)) = replicas(workload).filter(|(wanted, ready)| ready < wanted) {
                    let name = mesh_resolver::splits::name(workload);
                    self.suspect(DECIDES, format!("workload {namespace}/{name}"), format!("{ready} of its {wanted} replicas are ready"), Vec::new());
                }
            }
        }
        // Without a look at endpoints: who fails, and is watched for it.
        let is_watched = policies(mesh, &self.client(), &host).into_iter().find(|(_, _, p)| p.get("outlierDetection").is_some());
        if let Some((object, path, _)) = is_watched {
            let failing: Vec<(String, f64)> = calls
                .iter()
                .filter(|c| c.from == self.call.from && c.to != self.call.to)
                .filter_map(|c| {
                    let own: f64 = c.endings.iter().filter(|e| e.host == host && e.code >= 500).map(|e| e.rate).sum();
                    (own > 0.0).then(|| (c.name(c.to), own / c.rate.max(f64::MIN_POSITIVE)))
                })
                .collect();
            let worst = failing.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then_with(|| b.0.cmp(&a.0)));
            if let Some((name, share)) = worst {
                let evidence =
                    vec![format!("{:.0}% of its answers are errors", share * 100.0), format!("{} {path} ejects endpoints for errors", object.origin())];
                self.suspect(USUAL, format!("workload {name}"), "it fails, and is ejected for it".to_owned(), evidence);
            }
            self.object(PERHAPS, object, format!("{path}: it ejects endpoints that fail (outlierDetection)"), Vec::new());
        }
        if self.list.is_empty() {
            self.suspect(USUAL, format!("service {namespace}/{service}"), "it has no healthy endpoint".to_owned(), Vec::new());
        }
    }

    /// Workloads of a service that a subset selects; all of it without one.
    fn versions(&self, host: &str, subset: &str) -> Vec<(String, String)> {
        let mesh = self.evidence.mesh;
        let labels: Vec<(&str, &str)> = if subset.is_empty() {
            Vec::new()
        } else {
            let united = mesh.destination_rules.effective(&self.client(), host, namespace_of(mesh, host));
            let found = mesh_resolver::destination_rule::subset(&united, subset);
            found.map(|(_, s)| s.map("labels").map(|(k, v)| (k.text(), v.text())).collect()).unwrap_or_default()
        };
        let mut out = Vec::new();
        for service in mesh.services.by_host(host) {
            let selector = service.selector();
            for workload in mesh.workloads.matching(Some(service.namespace), &selector) {
                if labels.iter().all(|(k, v)| workload.label(k) == Some(*v)) {
                    out.push((workload.namespace.to_owned(), mesh_resolver::splits::name(workload)));
                }
            }
        }
        out.sort();
        out.dedup();
        if out.is_empty() { vec![(namespace_of(mesh, host).to_owned(), if subset.is_empty() { host.to_owned() } else { subset.to_owned() })] } else { out }
    }

    /// The connection is refused or ends.
    fn unreached(&mut self) {
        let host = self.host();
        let mesh = self.evidence.mesh;
        self.distrusted(&host);
        let entry = mesh.objects(Kind::ServiceEntry).iter().find(|o| o.spec().into_iter().flat_map(|s| s.list("hosts")).any(|h| h.text() == host));
        if let Some(entry) = entry {
            self.object(DECIDES, entry, format!("{host} is outside of the mesh and can't be reached"), Vec::new());
        }
        let (namespace, name) = self.callee();
        if !name.is_empty() && entry.is_none() {
            let what = if self.ending.has(&["UF"]) {
                "nothing takes its connections: it is down, or listens elsewhere"
            } else {
                "it closes connections before it has answered"
            };
            self.suspect(USUAL, format!("workload {namespace}/{name}"), what.to_owned(), Vec::new());
        }
        for (object, path, policy) in policies(mesh, &self.client(), &host) {
            if let Some(mode) = policy.get("tls").map(|t| t.text_of("mode")).filter(|m| *m != "ISTIO_MUTUAL") {
                match self.takes_only_mutual_tls(&host).filter(|_| mode == "DISABLE" || mode == "SIMPLE") {
                    Some(by) => self.object(
                        DECIDES,
                        object,
                        format!(
                            "{path}: it makes clients speak {}, and the server takes mutual TLS only",
                            if mode == "DISABLE" { "plaintext" } else { "TLS without a certificate of the mesh" }
                        ),
                        vec![by],
                    ),
                    None => self.object(PERHAPS, object, format!("{path}: what it says of TLS ({mode}) may not be what the server wants"), Vec::new()),
                }
            }
        }
    }

    /// Certificates at either end that the other does not accept.
    fn distrusted(&mut self, host: &str) {
        let mut ends = self.versions(host, "");
        ends.push(self.callee());
        let caller = self.call.name(self.call.from);
        ends.extend(caller.split_once('/').map(|(ns, n)| (ns.to_owned(), n.to_owned())));
        let is_end = |proxy: &str| proxy.rsplit_once('.').is_some_and(|(pod, ns)| ends.iter().any(|(n, w)| n == ns && pod.starts_with(w.as_str())));
        for one in self.evidence.distrusts.iter().filter(|d| is_end(&d.proxy)) {
            self.suspect(DECIDES + MORE, format!("certificate of {}", one.proxy), one.why.clone(), Vec::new());
        }
    }

    /// What makes all workloads of a host take nothing but mutual TLS.
    fn takes_only_mutual_tls(&self, host: &str) -> Option<String> {
        let mesh = self.evidence.mesh;
        let mut by = None;
        for (namespace, name) in self.versions(host, "") {
            let found = workloads(mesh, &namespace, &name).into_iter().map(|w| mesh.peer_authentications.of_workload(w, None)).next()?;
            if found.mode != MtlsMode::Strict {
                return None;
            }
            by = found.policy.map(|p| format!("{} says STRICT", p.origin()));
        }
        by
    }

    /// No route: at a gateway what its routes take, else the routes to the host.
    fn unrouted(&mut self) {
        let (namespace, name) = self.callee();
        let mesh = self.evidence.mesh;
        let callee = workloads(mesh, &namespace, &name);
        let picks = |g: &&&Object| {
            let pairs: Vec<(&str, &str)> = g.spec().into_iter().flat_map(|s| s.map("selector")).map(|(k, v)| (k.text(), v.text())).collect();
            !pairs.is_empty() && callee.iter().any(|w| pairs.iter().all(|(k, v)| w.label(k) == Some(*v)))
        };
        let gateways: Vec<&Object> = mesh.objects(Kind::Gateway).iter().filter(picks).copied().collect();
        for gateway in &gateways {
            let full = format!("{}/{}", gateway.namespace(), gateway.name());
            for object in mesh.objects(Kind::VirtualService) {
                let bound = object.spec().into_iter().flat_map(|s| s.list("gateways")).any(|g| {
                    let g = g.text();
                    g == full || (g == gateway.name() && object.namespace() == gateway.namespace())
                });
                if bound {
                    self.object(DECIDES, object, "none of its rules takes the path, or its hosts do not have the request's".to_owned(), Vec::new());
                }
            }
            self.object(USUAL, gateway, "its servers may not have the host".to_owned(), Vec::new());
        }
        if gateways.is_empty() {
            for (object, path, _) in rules(mesh, &self.host()) {
                self.object(USUAL, object, format!("{path}: no rule takes the request"), Vec::new());
            }
        }
    }

    /// An answer without flags came from the program: perhaps because of what it calls.
    fn further_down(&mut self, calls: &[Call<'_>]) {
        // The callee's own proxy may have answered: it tells so of calls whose callers it does not know.
        let here = (self.call.to, self.ending.code);
        let own = calls.iter().filter(|c| c.to == here.0 && c.from != self.call.from).flat_map(|c| c.endings.iter().map(move |e| (c, e)));
        let own = own.filter(|(_, e)| e.code == here.1 && !e.flags.is_empty() && e.rate >= self.ending.rate * SHARE);
        if let Some((call, ending)) = own.max_by(|(_, a), (_, b)| a.rate.total_cmp(&b.rate)) {
            for suspect in of(self.evidence, calls, call, ending) {
                self.suspect(
                    suspect.score + MORE,
                    suspect.subject,
                    format!("{}; its own proxy ends requests with {}", suspect.why, ending.name()),
                    suspect.evidence,
                );
            }
            return;
        }
        let mut path = vec![self.call.from, self.call.to];
        let mut last = self.ending.clone();
        let mut at = None;
        loop {
            let here = path[path.len() - 1];
            let further = || calls.iter().filter(|c| c.from == here && !path.contains(&c.to)).flat_map(|c| c.endings.iter().map(move |e| (c, e)));
            // What a program is refused, by whatever version, it may answer with an error of its own, as often.
            let refused: f64 = calls.iter().filter(|c| c.from == here && !path.contains(&c.to)).map(Call::refused).sum();
            let is_alike = refused >= last.rate * ALIKE && refused * ALIKE <= last.rate;
            let enough =
                further().filter(|(_, e)| ((e.code >= 500 || e.code == 0) && e.rate >= last.rate * SHARE) || ((400..500).contains(&e.code) && is_alike));
            let Some((call, ending)) = enough.max_by(|(a, x), (b, y)| x.rate.total_cmp(&y.rate).then_with(|| b.to.cmp(&a.to))) else { break };
            path.push(call.to);
            last = ending.clone();
            at = Some(call);
            // A proxy's own answer needs no further look.
            if !last.flags.is_empty() {
                break;
            }
        }
        let Some(call) = at else {
            let (namespace, name) = self.callee();
            return self.suspect(USUAL, format!("workload {namespace}/{name}"), "the program answers so, or a filter before it".to_owned(), Vec::new());
        };
        let way: Vec<String> = path[1..].iter().map(|n| self.call.name(*n)).collect();
        let deeper = of(self.evidence, calls, call, &last);
        for suspect in deeper.into_iter().take(3) {
            let why = format!("{}; by {}, which ends with {}", suspect.why, way.join(" -> "), last.name());
            self.suspect(suspect.score, suspect.subject, why, suspect.evidence);
        }
    }

    /// A proxy that did not take an update goes by an old one.
    fn rejected(&mut self) {
        for node in [self.call.from, self.call.to] {
            let name = self.call.name(node);
            let Some((namespace, workload)) = name.split_once('/') else { continue };
            let of = |r: &&super::Rejection| r.proxy.rsplit_once('.').is_some_and(|(pod, ns)| ns == namespace && pod.starts_with(workload));
            for one in self.evidence.rejections.iter().filter(of) {
                self.suspect(PERHAPS, format!("proxy {}", one.proxy), format!("it rejected an update and goes by an older one: {}", one.text), Vec::new());
            }
        }
    }

    /// What `analyze` says of suspects, and of what else has to do with the host.
    fn by_findings(&mut self) {
        for finding in self.evidence.findings.iter().filter(|f| is_grave(f)) {
            let subject = finding.object.origin();
            let text = format!("{} {}", finding.code.id, finding.message);
            if let Some(known) = self.list.iter_mut().find(|s| s.subject == subject) {
                known.score += MORE;
                known.evidence.push(text);
                continue;
            }
            let host = self.host();
            let decides = matches!(finding.object.kind, Kind::VirtualService | Kind::DestinationRule | Kind::HttpRoute)
                && (rules(self.evidence.mesh, &host).iter().any(|(o, ..)| o.origin() == subject)
                    || policies(self.evidence.mesh, &self.client(), &host).iter().any(|(o, ..)| o.origin() == subject));
            if decides {
                self.suspect(PERHAPS, subject, text, Vec::new());
            }
        }
    }
}

/// A scalar, or the names of the fields that a mapping has.
fn short(value: Node<'_>) -> String {
    if value.is_scalar() {
        return format!(" {}", value.text());
    }
    let fields: Vec<String> = value.entries().map(|(k, v)| if v.is_scalar() { format!("{} {}", k.text(), v.text()) } else { k.text().to_owned() }).collect();
    format!(": {}", fields.join(", "))
}

/// What some proxies say, with one of them before it: who calls, where it is among them.
fn said_by(mut proxies: Vec<&str>, calls: impl Fn(&str) -> bool, what: &str) -> String {
    proxies.sort_by_key(|p| (!calls(p), *p));
    match proxies.as_slice() {
        [] => what.to_owned(),
        [one] => format!("{one}: {what}"),
        [first, others @ ..] => format!("{first}: {what}, and so say {} more", others.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::said_by;

    #[test]
    fn the_caller_speaks_for_all() {
        let of = |proxies: &[&str]| said_by(proxies.to_vec(), |p| p.starts_with("web"), "x");
        assert_eq!(["web.shop: x, and so say 2 more", "a.shop: x"], [of(&["b.shop", "web.shop", "a.shop"]), of(&["a.shop"])]);
    }
}
