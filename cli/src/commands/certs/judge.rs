//! What is wrong with certificates: their time, their issuers, and roots that proxies do not share.

use super::read::Held;
use mesh_envoy::certificate::Certificate;
use std::collections::BTreeMap;

/// istiod's proxies fetch a new certificate when half of its life is over; with a fifth left that has failed.
const OVERDUE: i64 = 5;
/// A root with less left is to be replaced soon.
const ROOT_SOON: i64 = 30 * 86_400;

/// One certificate, and all proxies that hold it.
pub struct Row {
    /// The proxy, or how many.
    pub holders: Vec<String>,
    pub cluster: String,
    pub kind: &'static str,
    pub certificate: Certificate,
    pub state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Valid,
    /// A warning.
    Soon(&'static str),
    /// What is wrong.
    Wrong(&'static str),
}

impl Row {
    pub fn is_wrong(&self) -> bool {
        matches!(self.state, State::Wrong(_))
    }
}

/// Expiry, cluster, subject and serial number.
type RootKey<'c> = (i64, &'c str, &'c str, &'c str);

/// The rows by expiry; a root once for all that trust it, and what stands between once for all that show it.
pub fn rows(held: &[Held], now: i64) -> Vec<Row> {
    let (mut rows, mut between) = (Vec::new(), Vec::<Row>::new());
    let mut roots: BTreeMap<RootKey<'_>, (Vec<String>, &Certificate)> = BTreeMap::new();
    for proxy in held {
        for (_, chain) in &proxy.chains {
            for (i, certificate) in chain.iter().enumerate() {
                // A root at the end of a chain is one of those that are trusted.
                if i > 0 && proxy.roots.contains(certificate) {
                    continue;
                }
                let kind = if i == 0 { "workload" } else { "intermediate" };
                let state = state(certificate, chain.get(i + 1), proxy, i == 0, now);
                let is_known = |r: &&mut Row| r.cluster == proxy.cluster && r.certificate == *certificate && r.state == state;
                if let Some(known) = between.iter_mut().find(is_known).filter(|_| i > 0) {
                    known.holders.push(proxy.proxy.clone());
                    continue;
                }
                let row = Row { holders: vec![proxy.proxy.clone()], cluster: proxy.cluster.clone(), kind, certificate: certificate.clone(), state };
                if i == 0 { &mut rows } else { &mut between }.push(row);
            }
        }
        for root in &proxy.roots {
            let key = (root.not_after, proxy.cluster.as_str(), root.subject.as_str(), root.serial.as_str());
            roots.entry(key).or_insert_with(|| (Vec::new(), root)).0.push(proxy.proxy.clone());
        }
    }
    rows.append(&mut between);
    rows.extend(roots.into_iter().map(|((_, cluster, ..), (holders, root))| {
        let state = match of_time(root, now) {
            State::Valid if root.not_after - now < ROOT_SOON => State::Soon("to be replaced soon: every workload has to learn the new root first"),
            state => state,
        };
        Row { holders, cluster: cluster.to_owned(), kind: "root", certificate: root.clone(), state }
    }));
    rows.sort_by(|a, b| (a.certificate.not_after, &a.cluster, &a.holders, a.kind).cmp(&(b.certificate.not_after, &b.cluster, &b.holders, b.kind)));
    rows
}

fn of_time(c: &Certificate, now: i64) -> State {
    if now >= c.not_after {
        State::Wrong("expired")
    } else if now <= c.not_before {
        State::Wrong("not yet valid: is a clock wrong?")
    } else {
        State::Valid
    }
}

/// By time, and by the names and signatures of issuers; a signature of an unknown kind counts as good.
fn state(c: &Certificate, next: Option<&Certificate>, proxy: &Held, is_leaf: bool, now: i64) -> State {
    let by_time = of_time(c, now);
    if by_time != State::Valid {
        return by_time;
    }
    let signed = |by: &Certificate| c.is_signed_by(by).unwrap_or(c.issuer == by.subject);
    let is_of_root = proxy.roots.iter().any(signed);
    match next {
        Some(next) if !signed(next) && !is_of_root && next.subject == c.issuer => {
            return State::Wrong("the next of its chain has its issuer's name and did not sign it");
        }
        Some(next) if !signed(next) && !is_of_root => return State::Wrong("the next of its chain is not its issuer"),
        None if !proxy.roots.is_empty() && !is_of_root => {
            let named = proxy.roots.iter().any(|r| r.subject == c.issuer);
            return State::Wrong(match named {
                true => "a root that its own proxy trusts has its issuer's name and did not sign it",
                false => "its issuer is none of the roots that its own proxy trusts",
            });
        }
        _ => {}
    }
    if is_leaf && (c.not_after - now) * OVERDUE < c.not_after - c.not_before {
        return State::Soon("its renewal is overdue: a new one is fetched at half of its life");
    }
    State::Valid
}

/// Groups of proxies of which one trusts no root of the other, told as sentences.
pub fn trust(held: &[Held]) -> Vec<String> {
    let mut groups: Vec<(&[Certificate], Vec<String>)> = Vec::new();
    for proxy in held.iter().filter(|h| !h.roots.is_empty()) {
        let name = if proxy.cluster.is_empty() { proxy.proxy.clone() } else { format!("{} of {}", proxy.proxy, proxy.cluster) };
        let same = |roots: &[Certificate]| roots.len() == proxy.roots.len() && roots.iter().all(|r| proxy.roots.contains(r));
        match groups.iter_mut().find(|(roots, _)| same(roots)) {
            Some((_, names)) => names.push(name),
            None => groups.push((&proxy.roots, vec![name])),
        }
    }
    let mut out = Vec::new();
    for (i, (left, a)) in groups.iter().enumerate() {
        for (right, b) in groups.iter().skip(i + 1) {
            if !left.iter().any(|r| right.contains(r)) {
                out.push(format!("{} and {} have no root in common: neither accepts the other's certificates", some(a), some(b)));
            }
        }
    }
    out
}

/// Proxies whose certificate others do not accept, or that accept none of the others', with why.
pub fn distrusts(held: &[Held], now: i64) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for proxy in held {
        let leaf = proxy.chains.iter().find(|(name, _)| name == "default").or(proxy.chains.first()).and_then(|(_, chain)| Some((chain.first()?, chain)));
        let Some((leaf, chain)) = leaf else { continue };
        if let State::Wrong(why) = state(leaf, chain.get(1), proxy, true, now) {
            out.push((proxy.proxy.clone(), format!("its certificate is not accepted: {why}")));
            continue;
        }
        // What few have that most have otherwise is theirs.
        let others: Vec<&Held> = held.iter().filter(|h| h.proxy != proxy.proxy && h.cluster == proxy.cluster).collect();
        let strange = others.iter().filter(|h| !h.roots.is_empty() && !proxy.roots.is_empty() && !h.roots.iter().any(|r| proxy.roots.contains(r))).count();
        if strange * 2 > others.len() {
            out.push((proxy.proxy.clone(), format!("it has no root in common with {strange} other proxies: neither accepts the other's certificates")));
            continue;
        }
        let domain = |c: &Certificate| c.sans.iter().find_map(|s| s.strip_prefix("spiffe://")?.split('/').next()).map(str::to_owned);
        let of = |h: &Held| h.chains.first().and_then(|(_, chain)| domain(chain.first()?));
        let Some(own) = domain(leaf) else { continue };
        let differ: Vec<String> = others.iter().filter_map(|h| of(h)).filter(|d| *d != own).collect();
        if let Some(most) = differ.first().filter(|_| differ.len() * 2 > others.len()) {
            out.push((proxy.proxy.clone(), format!("its name is in the trust domain {own}, and those of {} other proxies are in {most}", differ.len())));
        }
    }
    out
}

fn some(names: &[String]) -> String {
    match names {
        [one] => one.clone(),
        [first, rest @ ..] => format!("{first} (and {} like it)", rest.len()),
        [] => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(subject: &str, issuer: &str, from: i64, until: i64) -> Certificate {
        Certificate {
            is_ca: false,
            serial: "1".into(),
            not_before: from,
            not_after: until,
            subject: subject.into(),
            issuer: issuer.into(),
            sans: Vec::new(),
            der: Box::default(),
        }
    }
    fn held(proxy: &str, leaf: Certificate, root: &str) -> Held {
        Held { proxy: proxy.into(), chains: vec![("default".into(), vec![leaf])], roots: vec![certificate(root, root, 0, 10_000_000)], ..Held::default() }
    }

    #[test]
    fn time_and_issuers_are_judged() {
        let judged = |leaf: Certificate, now: i64| rows(&[held("a", leaf, "R")], now).into_iter().find(|r| r.kind == "workload").map(|r| r.state);
        assert_eq!(judged(certificate("", "R", 0, 100), 50), Some(State::Valid));
        assert!(matches!(judged(certificate("", "R", 0, 100), 81), Some(State::Soon(_))));
        assert_eq!(judged(certificate("", "R", 0, 100), 100), Some(State::Wrong("expired")));
        assert!(matches!(judged(certificate("", "R", 60, 100), 50), Some(State::Wrong(w)) if w.starts_with("not yet")));
        assert!(matches!(judged(certificate("", "other", 0, 100), 50), Some(State::Wrong(w)) if w.contains("none of the roots")));
    }

    #[test]
    fn an_intermediate_is_one_row_for_all_that_show_it() {
        let fleet = ["a", "b"].map(|name| {
            let chain = vec![certificate("", "I", 0, 100), certificate("I", "R", 0, 1000)];
            Held { chains: vec![("default".into(), chain)], ..held(name, certificate("", "R", 0, 100), "R") }
        });
        let shown: Vec<(&str, usize)> = rows(&fleet, 50).iter().map(|r| (r.kind, r.holders.len())).collect();
        assert_eq!(shown, [("workload", 1), ("workload", 1), ("intermediate", 2), ("root", 2)]);
    }

    #[test]
    fn the_one_that_differs_from_most_is_named() {
        let leaf = |issuer: &str, domain: &str, until| Certificate { sans: vec![format!("spiffe://{domain}/ns/a/sa/b")], ..certificate("", issuer, 0, until) };
        let fleet = [
            held("a", leaf("R", "x", 100), "R"),
            held("b", leaf("R", "x", 100), "R"),
            held("c", leaf("S", "x", 100), "S"),
            held("d", leaf("R", "x", 10), "R"),
            held("e", leaf("R", "y", 100), "R"),
        ];
        let found: Vec<(String, bool)> = distrusts(&fleet, 50)
            .into_iter()
            .map(|(p, why)| (p, why.contains("expired") || why.contains("root in common") || why.contains("trust domain y")))
            .collect();
        assert_eq!(found, ["c", "d", "e"].map(|p| (p.to_owned(), true)));
        assert_eq!(distrusts(&fleet[..2], 50), []);
    }

    #[test]
    fn proxies_without_a_common_root_are_told_once_a_group() {
        let leaf = |issuer: &str| certificate("", issuer, 0, 100);
        let fleet = [held("a", leaf("R"), "R"), held("b", leaf("R"), "R"), held("c", leaf("S"), "S")];
        assert_eq!(trust(&fleet), ["a (and 1 like it) and c have no root in common: neither accepts the other's certificates"]);
        assert_eq!(trust(&fleet[..2]), [""; 0]);
    }
}
