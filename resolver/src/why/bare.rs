//! Clients without a sidecar: outside of the mesh, or past their proxy.

use super::answer::{Answer, Mark, Outcome, Part, Stage, Step};
use super::question::Question;
use super::{EPHEMERAL, SOMEBODY, Why, entrance, host, server};
use crate::translate::Resolution;
use std::net::{IpAddr, SocketAddr};

impl<'w, 'a> Why<'w, '_, 'a> {
    /// A client whose requests pass no proxy: plaintext to any Pod of the service.
    pub(super) fn sent_bare(&self, namespace: &str, own: Option<IpAddr>, question: &Question, mut part: Part, answer: &mut Answer) {
        let found = host::find(self.model, &question.url.host, question.url.port, namespace, self.knows_manifests());
        let (mut service, mut is_reached, mut port) = (found.service, found.is_reached, question.url.port);
        // What is nobody of the registry may be an entrance of the cluster.
        let entrance = service.is_none().then(|| entrance::entrance(self.model, &question.url.host, port)).flatten();
        match entrance {
            Some(entrance) => {
                is_reached = entrance.step.mark != Mark::Broken;
                (service, port) = (Some(entrance.service), entrance.port);
                part.steps.push(entrance.step);
                entrance.assumed.into_iter().for_each(|a| answer.assume(a));
            }
            None => {
                part.steps.push(found.step);
                if service.is_none() && is_reached {
                    let gateways = entrance::gateways(self.model, &question.url.host);
                    if !gateways.is_empty() {
                        let says = format!("whether its name leads to a gateway of the mesh is not in the input: {} has a server for it", gateways.join(", "));
                        let change = "ask the same of the gateway, `why GATEWAY URL`, for what it does with it";
                        part.steps.push(Step::new(Stage::Host, Mark::NotJudged, says).change(change));
                        answer.parts.push(part);
                        return;
                    }
                }
            }
        }
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
        let reached = self.addresses(service, port);
        if reached.is_empty() {
            part.steps.push(self.nobody(service, port, ""));
            answer.parts.push(part);
            return;
        }
        let source = SocketAddr::new(own.unwrap_or(SOMEBODY), EPHEMERAL);
        self.serve_bare(&server::Bare { source }, &reached, question, &mut part, answer);
    }
}
