//! What access logs say of a node: failures that its pods logged, or that were logged of requests to it, explained.

use super::{Line, heading, mark};
use crate::action::Tab;
use crate::screens::{Cx, Request};
use crate::theme::Role;
use crate::world::logs::Group;
use crate::world::sections::Section;
use crate::world::traffic::Key;

/// How many groups are explained.
const MOST: usize = 4;

pub(super) fn lines(cx: &Cx<'_>, key: &Key, out: &mut Vec<Line>) {
    // Where nothing gives logs, the screen of logs says so.
    let Some(logs) = cx.world.logs.known() else { return };
    let services = cx.world.traffic.known().and_then(|t| t.loads.get(key)).map_or(&[][..], |l| l.services.as_slice());
    let found: Vec<&Group> = logs.groups.iter().filter(|g| is_of(g, key, services)).collect();
    heading(cx, Section::Logs, out, format!("LOGS {}", found.len()));
    if found.is_empty() {
        out.push(Line::dim("no failure that its pods logged, or of requests to it"));
    }
    for g in found.iter().take(MOST) {
        let parts = vec![
            mark(cx, g.health),
            (format!("{:>5} × ", g.count), Role::Text),
            (format!("{:<10} ", g.ended), Role::Health(g.health)),
            (g.title.clone(), Role::Text),
        ];
        out.push(Line::opening(parts, Request::Show(Tab::Logs)));
        if !g.why.is_empty() {
            out.push(Line::of(vec![(format!("            {}", g.why), Role::Dim)]));
        }
    }
    if found.len() > MOST {
        out.push(Line::opening(vec![(format!("    and {} more", found.len() - MOST), Role::Dim)], Request::Show(Tab::Logs)));
    }
}

/// Whether a pod of the node logged it, or its cluster leads to the node or one of its services.
fn is_of(group: &Group, key: &Key, services: &[Key]) -> bool {
    let name = key.1.trim_end_matches(" (service)");
    let is_pod = |pod: &String| pod.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']));
    // `outbound|9080|v1|reviews.bookinfo.svc.cluster.local`
    let mut host = group.cluster.rsplit('|').next().unwrap_or_default().split('.');
    let (service, namespace) = (host.next().unwrap_or_default(), host.next().unwrap_or_default());
    let leads_to = |(ns, n): &Key| n.trim_end_matches(" (service)") == service && ns.rsplit('/').next() == Some(namespace);
    group.pods.iter().any(is_pod) || !service.is_empty() && services.iter().chain([key]).any(leads_to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Health;

    #[test]
    fn logs_of_a_pod_and_of_requests_to_a_service_are_of_its_node() {
        let group = |pod: &str, cluster: &str| Group {
            health: Health::Failing,
            ended: String::new(),
            details: String::new(),
            cluster: cluster.to_owned(),
            count: 1,
            first: String::new(),
            last: String::new(),
            title: String::new(),
            why: String::new(),
            evidence: Vec::new(),
            next: Vec::new(),
            others: Vec::new(),
            requests: Vec::new(),
            pods: vec![pod.to_owned()],
            sample: String::new(),
        };
        let key = |name: &str| ("shop".to_owned(), name.to_owned());
        let to_cart = "outbound|80|v1|cart.shop.svc.cluster.local";
        for (pod, cluster, node, services, is) in [
            ("cart-v1-79f59ff6bd-b7wxt", "", "cart-v1", vec![], true),
            ("cart-v1-79f59ff6bd-b7wxt", "", "cart", vec![], true),
            ("carts-v1", "", "cart", vec![], false),
            ("", to_cart, "cart (service)", vec![], true),
            ("", to_cart, "cart-v1", vec![key("cart")], true),
            ("", to_cart, "cart-v1", vec![], false),
            ("", "outbound|80||cart.other.svc.cluster.local", "cart", vec![], false),
        ] {
            assert_eq!(is_of(&group(pod, cluster), &key(node), &services), is, "{pod} {cluster} {node}");
        }
    }
}
