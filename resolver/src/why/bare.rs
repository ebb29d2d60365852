//! Clients without a sidecar: outside of the mesh, past their proxy, or in ambient mode.

use super::answer::{Answer, Mark, Outcome, Part, Stage, Step, Thing};
use super::question::Question;
use super::{EPHEMERAL, SOMEBODY, Why, host, server};
use crate::injection::InMesh;
use crate::translate::Resolution;
use std::net::{IpAddr, SocketAddr};

impl<'w, 'a> Why<'w, '_, 'a> {
    /// A client whose requests pass no proxy: plaintext to any Pod of the service.
    pub(super) fn sent_bare(&self, namespace: &str, own: Option<IpAddr>, question: &Question, mut part: Part, answer: &mut Answer) {
        let found = host::find(self.model, &question.url.host, question.url.port, namespace, self.knows_manifests());
        let (service, is_reached) = (found.service, found.is_reached);
        part.steps.push(found.step);
        if !is_reached {
            answer.parts.push(part);
            return;
        }
        let service = service.filter(|s| s.is_kubernetes() || s.resolution == Resolution::Static);
        let Some(service) = service else {
            answer.parts.push(part);
            let says = "goes out of the mesh as it is".to_owned();
            answer.outcomes.push(Outcome {
                share: 1_000_000,
                cluster: String::new(),
                server: question.url.host.clone(),
                mark: Mark::Good,
                says,
                status: None,
                flags: String::new(),
                details: String::new(),
            });
            return;
        };
        let reached = self.addresses(service, question.url.port);
        if reached.is_empty() {
            part.steps.push(self.nobody(service, question.url.port, ""));
            answer.parts.push(part);
            return;
        }
        let source = SocketAddr::new(own.unwrap_or(SOMEBODY), EPHEMERAL);
        self.serve_bare(&server::Bare { source }, &reached, question, &mut part, answer);
    }

    /// A client in ambient mode: ztunnel takes its connections, and speaks HBONE where the other side does.
    pub(super) fn sent_in_ambient(&self, namespace: &str, question: &Question, mut part: Part, answer: &mut Answer) {
        let mesh = self.model.mesh;
        let found = host::find(self.model, &question.url.host, question.url.port, namespace, self.knows_manifests());
        let (service, is_reached) = (found.service, found.is_reached);
        part.steps.push(found.step);
        if !is_reached {
            answer.parts.push(part);
            return;
        }
        if let Some(service) = service {
            let waypoint = "istio.io/use-waypoint";
            let own = service.object.metadata().and_then(|m| m.at(&["labels", waypoint]));
            let asked = own.map(|n| (n.text().to_owned(), Thing::at(service.object, n))).or_else(|| {
                let ns = mesh.find(mesh_model::Kind::Namespace, "", service.namespace)?;
                let node = ns.metadata()?.at(&["labels", waypoint])?;
                Some((node.text().to_owned(), Thing::at(ns, node)))
            });
            if let Some((name, thing)) = asked.filter(|(n, _)| !matches!(n.as_str(), "" | "none")) {
                part.steps.push(
                    Step::new(Stage::Route, Mark::NotJudged, format!("waypoint {name} decides on routes and HTTP policies: what it holds is not translated"))
                        .thing(thing)
                        .change("give the waypoint's config dump to `meshctl route --from`"),
                );
            }
            let reached = self.addresses(service, question.url.port);
            if reached.is_empty() && service.resolution == Resolution::Static {
                part.steps.push(self.nobody(service, question.url.port, ""));
                answer.parts.push(part);
                return;
            }
            let of = |a: &SocketAddr| self.by_address.get(&a.ip()).map(|id| mesh.in_mesh(mesh.workloads.get(*id)));
            let sides: Vec<Option<InMesh>> = reached.iter().map(of).collect();
            let (mark, says) = if sides.iter().all(|s| *s == Some(InMesh::Ambient)) {
                (Mark::Good, "mutual TLS between ztunnels (HBONE)")
            } else if sides.contains(&Some(InMesh::No)) {
                (Mark::NotJudged, "some servers are not in the mesh: how ztunnel speaks to them is not judged")
            } else {
                (Mark::NotJudged, "how ztunnel speaks to sidecars is not judged")
            };
            part.steps.push(Step::new(Stage::Encryption, mark, says));
        }
        part.steps.push(
            Step::new(Stage::Authorization, Mark::NotJudged, "policies that ztunnel enforces are not judged")
                .change("`meshctl ztunnel-config policy` shows what it holds"),
        );
        answer.parts.push(part);
        let says = "taken by ztunnel: what it decides is not judged".to_owned();
        answer.outcomes.push(Outcome {
            share: 1_000_000,
            cluster: String::new(),
            server: String::new(),
            mark: Mark::NotJudged,
            says,
            status: None,
            flags: String::new(),
            details: String::new(),
        });
    }
}
