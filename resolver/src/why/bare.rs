//! Clients without a sidecar: outside of the mesh, or past their proxy.

use super::answer::{Answer, Mark, Outcome, Part};
use super::question::Question;
use super::{EPHEMERAL, SOMEBODY, Why, host, server};
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
}
