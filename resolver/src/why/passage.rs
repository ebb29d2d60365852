//! From network to network: gateways that pass on the mesh's own TLS by its server name, unopened.

use super::Why;
use super::answer::{Answer, Part};
use super::question::Question;
use super::server::Arrival;
use mesh_envoy::engine::request::Entry;
use mesh_envoy::engine::walk::{Branch, Call, End, walk};
use std::net::SocketAddr;

impl Why<'_, '_, '_> {
    /// The workload of the gateway between networks that has an address, and where its proxy listens for that.
    pub(super) fn passage(&self, address: SocketAddr) -> Option<(u32, SocketAddr)> {
        self.model.behind_gateway(self.model.gateway_at(address)?)
    }

    /// Follows what arrives at such a gateway to the servers behind it. What was said of the client's `branch` holds for
    /// them: the gateway opens nothing.
    pub(super) fn pass(
        &self,
        arrival: &Arrival<'_>,
        branch: &Branch,
        (gateway, address): (u32, SocketAddr),
        question: &Question,
        hops: usize,
        answer: &mut Answer,
    ) {
        if hops == 0 {
            answer.problems.push("the request is sent from gateway to gateway: it is followed no further".to_owned());
            return;
        }
        let party = self.party(gateway);
        let headers = question.headers();
        let request = question.request(arrival.authority, arrival.path, &headers);
        let call = Call { entry: Entry::Direct, connection: self.connection(arrival, address, question), request, expects: None };
        let verdict = walk(&party.configuration, &call, &question.world);
        verdict.assumptions.iter().for_each(|a| answer.assume(a.clone()));
        let mut part = Part { title: party.name.clone(), ..Part::default() };
        part.steps.extend(self.disagreement(&party, &call, question, &verdict));
        part.steps.extend(self.not_translated(&party, &verdict, question, true));
        part.steps.push(self.listener(&party, &verdict, question, None));
        for own in &verdict.branches {
            let reached: Vec<SocketAddr> = own.endpoints.iter().filter_map(|(a, _)| a.parse().ok()).collect();
            if !matches!(own.end, End::Forwarded) || own.cluster.is_empty() || reached.is_empty() {
                self.branch(&party, own, &verdict, &call, question, None, &mut part, hops - 1, answer);
                continue;
            }
            part.steps.push(self.destination(&party, own));
            self.each(arrival, branch, &reached, question, &mut part, hops - 1, answer);
        }
    }
}
