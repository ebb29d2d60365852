//! Who encrypts, and who refuses that: towards servers of the mesh, and towards what is outside.

use super::Why;
use super::answer::{Mark, Stage, Step, Thing};
use super::outbound::{PASSTHROUGH, has, parsed};
use super::party::{Party, named};
use super::question::Question;
use super::server::{Arrival, Sent, Wire};
use crate::destination_rule;
use crate::peer_authentication::{MtlsMode, mode_node};
use crate::translate::{RegisteredService, Resolution};
use crate::workload::Workload;
use mesh_envoy::engine::pick::UpstreamTransport;
use mesh_envoy::engine::walk::{Branch, StepKind, Verdict};
use mesh_model::{Kind, Node, Object};

impl<'w, 'a> Why<'w, '_, 'a> {
    /// What is on the wire to a server, and whether it takes that.
    pub(super) fn encryption(
        &self,
        arrival: &Arrival<'_>,
        w: Option<&Workload<'a>>,
        (asked, port): (u16, u16),
        refused: Option<&str>,
        verdict: &Verdict,
    ) -> Step {
        let of = |mark, says: String| Step::new(Stage::Encryption, mark, says);
        let effective = w.map(|w| self.model.mesh.peer_authentications.of_workload(w, Some(port)));
        let policy = effective.and_then(|e| e.policy).map(|o| Thing::at(o, mode_node(o, port)));
        let mode = match effective {
            Some(e) => format!("{} by {}", e.mode, e.policy.map_or_else(|| "default".to_owned(), Object::origin)),
            None => "as its dump has it".to_owned(),
        };
        let is_strict = effective.is_some_and(|e| e.mode == MtlsMode::Strict);
        let note = verdict.steps.last().map_or("", |s| s.note.as_str());
        match (arrival.wire, refused) {
            (Wire::Mesh, None) if arrival.own_certificate => {
                let says = "mutual TLS with a certificate of the client's own: whether the server, which trusts the mesh's, takes it is not in the input";
                of(Mark::NotJudged, says.to_owned()).thing(arrival.tls_by.clone()).change("set `tls.mode: ISTIO_MUTUAL`, or remove `tls`")
            }
            (Wire::Mesh, None) => of(Mark::Good, format!("mutual TLS; the server is {mode}")).thing(policy),
            (Wire::Mesh, Some(why)) => of(Mark::Broken, format!("the client speaks mutual TLS, and the server refuses it ({mode}): {why}, {note}"))
                .thing(policy.or_else(|| arrival.tls_by.clone()))
                .change("let the server take mutual TLS (PERMISSIVE or STRICT), or have clients send plaintext by `tls.mode: DISABLE`"),
            (Wire::Plaintext, None) => {
                let (thing, why) = arrival.plaintext_by.clone().map_or((policy, String::new()), |(t, w)| (Some(t), format!(" ({w})")));
                of(Mark::Doubtful, format!("plaintext{why}; the server takes it, {mode}")).thing(thing).change(if arrival.plaintext_change.is_empty() {
                    "let the client use mutual TLS, then set the server to STRICT"
                } else {
                    &arrival.plaintext_change
                })
            }
            (Wire::Plaintext, Some(why)) if is_strict || why == "no filter chain" => {
                let (thing, reason) = match (&arrival.plaintext_by, arrival.has_proxy) {
                    (Some((t, w)), _) => (Some(t.clone()), w.clone()),
                    (None, false) => (policy, "it has no sidecar".to_owned()),
                    (None, true) => (policy, "its proxy lets it through as it is".to_owned()),
                };
                let misplaced = effective.and_then(|e| misplaced_port(e.policy?, asked, port));
                let (thing, mode) = match misplaced {
                    Some((t, says)) if arrival.plaintext_by.is_none() => (Some(t), format!("{mode}; {says}")),
                    _ => (thing, mode),
                };
                let change = match arrival.has_proxy {
                    _ if !arrival.plaintext_change.is_empty() => &arrival.plaintext_change,
                    true => "set `tls.mode: ISTIO_MUTUAL` in the DestinationRule, or remove its `tls`",
                    false => "give the client a sidecar, or set the port to PERMISSIVE in a PeerAuthentication",
                };
                of(Mark::Broken, format!("the client sends plaintext ({reason}), and the server takes mutual TLS only: {mode}")).thing(thing).change(change)
            }
            (Wire::Tls | Wire::OfApplication | Wire::Twice, Some(why)) => {
                of(Mark::Broken, format!("the client speaks TLS that is not the mesh's, and the server has no use for it ({mode}): {why}, {note}"))
                    .thing(arrival.tls_by.clone().or(policy))
                    .change(if arrival.wire == Wire::OfApplication {
                        "call with http: the proxies encrypt"
                    } else {
                        "use `tls.mode: ISTIO_MUTUAL`, or none, towards servers with a sidecar"
                    })
            }
            (Wire::Tls | Wire::OfApplication | Wire::Twice, None) => {
                of(Mark::Doubtful, "TLS that is not the mesh's: the server passes it on to the application".to_owned()).thing(arrival.tls_by.clone().or(policy))
            }
            (_, Some(why)) => of(Mark::Broken, format!("the server refuses the connection: {why}, {note}")).thing(policy),
            (Wire::NotKnown | Wire::Hbone, None) => of(Mark::NotJudged, "what the server receives is not known".to_owned()),
        }
    }

    /// The mode of TLS that rules set for a cluster, with the rule.
    pub(super) fn mode_of(&self, party: &Party<'w, 'a>, cluster: &str) -> Option<(&'a Object, Node<'a>)> {
        let name = parsed(cluster);
        let rules = rules_of(party, cluster);
        let of_subset = name
            .filter(|n| !n.subset.is_empty())
            .and_then(|n| destination_rule::subset(&rules, n.subset))
            .and_then(|(o, s)| Some((o, s.get("trafficPolicy")?)));
        let policies = of_subset.into_iter().chain(destination_rule::traffic_policy(&rules));
        policies.into_iter().find_map(|(o, policy)| Some((o, destination_rule::tls_mode(policy, name.map_or(0, |n| n.port))?)))
    }

    /// What on the client's side asks for TLS, and what for plaintext.
    pub(super) fn who_encrypts(&self, sent: &Sent<'_, 'w, 'a>) -> (Option<Thing>, Option<(Thing, String)>) {
        let mesh = self.model.mesh;
        let rules = rules_of(sent.party, &sent.branch.cluster);
        let port = parsed(&sent.branch.cluster).map_or(0, |n| n.port);
        let mode = self.mode_of(sent.party, &sent.branch.cluster);
        if let Some((object, node)) = mode {
            let thing = Thing::at(object, node);
            return match node.text() {
                "DISABLE" | "" => (None, Some((thing, format!("{} says DISABLE", object.origin())))),
                _ => (Some(thing), None),
            };
        }
        if !mesh.config.auto_mtls()
            && let Some((object, policy)) =
                destination_rule::traffic_policy(&rules).filter(|(_, p)| p.at(&["tls", "mode"]).is_some_and(|m| m.text() != "DISABLE"))
            && let Some(node) = destination_rule::settings_of_port(policy, port)
        {
            let why = format!("the settings of {} for port {port} stand in place of its `tls`, and automatic mutual TLS is switched off", object.origin());
            return (None, Some((Thing::at(object, node), why)));
        }
        let dump = named(mesh, &sent.branch.source).filter(|t| t.object.starts_with("DestinationRule"));
        if let Some(object) = mesh.snapshot.mesh_config.as_ref().filter(|_| !mesh.config.auto_mtls()) {
            let node = object.at(&["enableAutoMtls"]).unwrap_or(object.root());
            return (dump, Some((Thing::at(object, node), "automatic mutual TLS is switched off".to_owned())));
        }
        (dump.clone(), dump.map(|t| (t, "by its DestinationRule".to_owned())))
    }

    /// A tunnel that a rule wraps connections of bytes in: who stands at its end is not asked.
    pub(super) fn tunnel(&self, party: &Party<'w, 'a>, verdict: &Verdict) -> Option<Step> {
        if has(verdict, StepKind::VirtualHost) {
            return None;
        }
        let of = |cluster: &str| {
            let rules = rules_of(party, cluster);
            let subset = parsed(cluster)?.subset;
            if subset.is_empty() {
                return destination_rule::traffic_policy(&rules).and_then(|(o, policy)| Some((o, policy.get("tunnel")?)));
            }
            destination_rule::subset(&rules, subset).and_then(|(o, s)| Some((o, s.at(&["trafficPolicy", "tunnel"])?)))
        };
        let (object, node) = verdict.branches.iter().find_map(|b| of(&b.cluster))?;
        let says = "the connection is wrapped in a request for a tunnel (CONNECT or POST): what becomes of it at the tunnel's other end is not judged";
        Some(Step::new(Stage::Destination, Mark::NotJudged, says).thing(Thing::at(object, node)))
    }

    /// Encryption towards what is outside of the mesh.
    pub(super) fn outward(&self, party: &Party<'w, 'a>, branch: &Branch, target: Option<&RegisteredService<'a>>, question: &Question) -> Option<Step> {
        let passes = branch.cluster == PASSTHROUGH;
        let of_dns = |s: &&RegisteredService<'a>| matches!(s.resolution, Resolution::Dns | Resolution::DnsRoundRobin | Resolution::Passthrough);
        let service = target.filter(|s| s.is_external || of_dns(s));
        if service.is_none() && (target.is_some() || !passes) {
            return None;
        }
        let rule = party.cluster(&branch.cluster).iter().find(|o| o.object.kind == Kind::DestinationRule).map(|o| Thing::whole(o.object));
        let of_application = question.speaks_tls && !party.is_gateway();
        let step = |mark, says: &str| Some(Step::new(Stage::Encryption, mark, says).thing(rule.clone().or_else(|| service.map(|s| Thing::whole(s.object)))));
        let mode = self.mode_of(party, &branch.cluster);
        let credential = mode.and_then(|(_, m)| m.parent()?.get("credentialName"));
        // Of endpoints that come from DNS the walk says nothing.
        let of_cluster =
            party.translation.as_ref().and_then(|t| t.clusters.iter().find(|c| c.message.name == branch.cluster)).map(|c| c.message.transport_socket.is_some());
        let originates = match &branch.transport {
            Some(UpstreamTransport::Tls { .. }) => Some(true),
            Some(UpstreamTransport::Plaintext) => Some(false),
            _ if passes => Some(false),
            _ => of_cluster,
        };
        match (originates, of_application) {
            (Some(true), true) => {
                let change = "call with http, and let the DestinationRule originate TLS; or remove its `tls`";
                step(Mark::Broken, "TLS twice: the application speaks TLS, and its proxy wraps it again").map(|s| s.change(change))
            }
            (Some(true), false) if mode.is_some_and(|(_, m)| m.text() == "ISTIO_MUTUAL") && service.is_some_and(|s| s.is_external) => {
                step(Mark::Doubtful, "mutual TLS with the mesh's certificate, which nobody outside of it knows (ISTIO_MUTUAL)")
                    .map(|s| s.change("set `tls.mode: SIMPLE`"))
            }
            (Some(true), false) => step(Mark::Good, "TLS, originated by the proxy"),
            (_, true) => step(Mark::Good, "the application's own TLS"),
            (Some(false), false) if credential.is_some() && !party.is_gateway() => {
                let says = "leaves the mesh in plaintext: `credentialName` counts at gateways, and at sidecars only in a rule with `workloadSelector`";
                step(Mark::Doubtful, says).map(|s| s.change("give the rule a `workloadSelector`, or name files of certificates"))
            }
            (Some(false), false) => step(Mark::Doubtful, "leaves the mesh in plaintext"),
            (None, false) => step(Mark::NotJudged, "whether the proxy originates TLS is not known"),
        }
    }
}

/// The DestinationRules that a cluster was made by.
fn rules_of<'a>(party: &Party<'_, 'a>, cluster: &str) -> Vec<&'a Object> {
    party.cluster(cluster).iter().map(|o| o.object).filter(|o| o.kind == Kind::DestinationRule).collect()
}

/// A mode that a policy sets for the Service's port: it counts the workload's own.
fn misplaced_port(policy: &Object, asked: u16, own: u16) -> Option<(Thing, String)> {
    let ports = policy.spec_at(&["portLevelMtls"]).filter(|_| asked != own)?;
    let (key, _) = ports.entries().find(|(k, _)| k.text() == asked.to_string())?;
    (ports.get(&own.to_string()).is_none())
        .then(|| (Thing::at(policy, key), format!("its portLevelMtls names port {asked}, which is the Service's: the workload's own, {own}, is what counts")))
}
