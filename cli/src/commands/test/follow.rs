//! A test's request, from the proxy that takes it to where it ends: at a proxy, or at a workload.

use super::expect::Travels;
use super::members::{Members, Standing};
use super::spec::{Caller, Sent};
use crate::commands::route::request::{self, Described, spiffe};
use crate::commands::route::{Told, Way};
use mesh_envoy::cluster_name::Direction;
use mesh_envoy::engine::pick::{Pick, UpstreamTransport};
use mesh_envoy::engine::request::Request;
use mesh_envoy::engine::walk::{Branch, Call, End, Verdict, World, walk};
use std::net::SocketAddr;

/// Where a part of the requests ends.
#[derive(Clone, Debug)]
pub enum Arrival {
    /// At the workload.
    Reached(String),
    /// A proxy answers or closes.
    Ended { by: String, end: End },
    /// It is not known where: why, in a sentence.
    NotSeen(String),
}

/// A part of the way between two proxies, or a proxy and a workload.
#[derive(Clone, Debug)]
pub struct Leg {
    pub from: String,
    pub to: String,
    /// Or why it is not known.
    pub travels: Result<Travels, String>,
}

/// What came of a request that one proxy took.
pub struct Followed {
    /// Every proxy on the way, the first one first, with what was assumed.
    pub way: Way,
    pub arrivals: Vec<Arrival>,
    /// Those that the request takes; not the one to the proxy that a test begins at.
    pub legs: Vec<Leg>,
    /// What may change the answer and is not known.
    pub not_judged: Vec<String>,
}

impl Followed {
    /// What the proxy decided that took the request.
    pub fn first(&self) -> Option<&Verdict> {
        self.way.told.first().map(|t| &t.verdict)
    }

    /// Whether any part of the requests arrives, or may.
    pub fn reaches(&self) -> bool {
        self.arrivals.iter().any(|a| !matches!(a, Arrival::Ended { .. }))
    }
}

/// Follows a test's request, once for every proxy that its words fit.
///
/// # Errors
/// Why it can't be judged: a sentence.
pub fn follow(case: &Sent, members: &Members<'_>) -> Result<Vec<Followed>, String> {
    match (&case.at, &case.caller) {
        (None, Some(Caller::Named(caller))) => members.named(caller)?.into_iter().map(|i| Journey::new(case, members)?.out_of(i)).collect(),
        (None, _) => Err("nobody takes the request".to_owned()),
        (Some(at), caller) => {
            let mut out = Vec::new();
            for i in members.named(at)? {
                for who in identities(caller.as_ref(), members)? {
                    out.push(Journey::new(case, members)?.into(i, who)?);
                }
            }
            Ok(out)
        }
    }
}

/// Who calls: `None` is somebody without an identity.
enum Who {
    Nobody,
    Member(usize),
    Id(String),
}

fn identities(caller: Option<&Caller>, members: &Members<'_>) -> Result<Vec<Who>, String> {
    match caller {
        None | Some(Caller::Outside) => Ok(vec![Who::Nobody]),
        Some(Caller::Named(name)) => match members.named(name) {
            Ok(list) => Ok(list.into_iter().map(Who::Member).collect()),
            // An identity needs nobody who has it.
            Err(_) if name.contains('/') => Ok(vec![Who::Id(name.clone())]),
            Err(why) => Err(why),
        },
    }
}

struct Journey<'t, 'm> {
    members: &'t Members<'m>,
    described: Described,
    world: World,
    way: Way,
    arrivals: Vec<Arrival>,
    legs: Vec<Leg>,
    not_judged: Vec<String>,
}

impl<'t, 'm> Journey<'t, 'm> {
    fn new(case: &Sent, members: &'t Members<'m>) -> Result<Journey<'t, 'm>, String> {
        let described = Described::new(&case.sent, &case.method, &case.url).map_err(|e| e.to_string())?;
        let world = request::world(&case.sent).map_err(|e| e.to_string())?;
        let way = Way { request: described.to_string(), told: Vec::new(), assumptions: members.assumptions.clone(), problems: Vec::new() };
        Ok(Journey { members, described, world, way, arrivals: Vec::new(), legs: Vec::new(), not_judged: Vec::new() })
    }

    fn done(self) -> Followed {
        Followed { way: self.way, arrivals: self.arrivals, legs: self.legs, not_judged: self.not_judged }
    }

    /// Out of a workload, through its own proxy.
    fn out_of(mut self, i: usize) -> Result<Followed, String> {
        if self.members.identity(i).standing == Standing::Alone {
            return Err(format!("{} has no proxy; what it calls is judged where it arrives: `at`", self.members.identity(i).name));
        }
        let near = self.members.ask(i)?;
        self.not_judged.extend(near.not_judged.iter().cloned());
        let destination = self.described.destination(&near.proxy, false, &mut self.way.assumptions);
        let source = self.described.source(&near.proxy, false, &mut self.way.assumptions);
        let headers = self.described.headers();
        let call = Call {
            entry: near.proxy.entry_outbound(),
            connection: self.described.connection(source, destination, None),
            request: self.described.request(&headers),
            expects: None,
        };
        let verdict = walk(&near.proxy.configuration, &call, &self.world);
        self.arrive(i, verdict);
        Ok(self.done())
    }

    /// Into a gateway or a workload, over mutual TLS where the caller has an identity.
    fn into(mut self, i: usize, who: Who) -> Result<Followed, String> {
        let standing = &self.members.identity(i).standing;
        if *standing == Standing::Alone {
            self.arrivals.push(Arrival::Reached(self.members.identity(i).name.clone()));
            return Ok(self.done());
        }
        let near = self.members.ask(i)?;
        self.not_judged.extend(near.not_judged.iter().cloned());
        let principal = match who {
            Who::Nobody => None,
            Who::Id(id) => {
                let domain = request::other_domain(&self.members.trust_domain);
                Some(spiffe(&id, "caller:", domain, &mut self.way.assumptions).map_err(|e| e.to_string())?)
            }
            Who::Member(m) => match self.members.identity(m).standing {
                Standing::Alone => None,
                _ => Some(self.members.ask(m)?.proxy.principal(&self.members.trust_domain, &mut self.way.assumptions)),
            },
        };
        let destination = self.described.destination(&near.proxy, true, &mut self.way.assumptions);
        let source = self.described.source(&near.proxy, true, &mut self.way.assumptions);
        let headers = self.described.headers();
        let call = Call {
            entry: near.proxy.entry_inbound(),
            connection: self.described.connection(source, destination, principal.as_deref()),
            request: self.described.request(&headers),
            expects: None,
        };
        let verdict = walk(&near.proxy.configuration, &call, &self.world);
        self.arrive(i, verdict);
        Ok(self.done())
    }

    /// Notes what a proxy decided, and follows what it forwards to the proxies behind it.
    fn arrive(&mut self, i: usize, verdict: Verdict) {
        let name = self.members.identity(i).name.clone();
        let mut next: Vec<(SocketAddr, UpstreamTransport)> = Vec::new();
        for branch in &verdict.branches {
            match &branch.end {
                End::Forwarded if matches!(Direction::of(&branch.cluster), Direction::Inbound | Direction::InboundPassthrough) => {
                    self.arrivals.push(Arrival::Reached(name.clone()));
                }
                End::Forwarded => match self.onward(i, branch) {
                    Ok(list) => next.extend(list),
                    Err(why) => {
                        self.legs.push(Leg { from: name.clone(), to: branch.cluster.clone(), travels: unaddressed(branch, &why) });
                        self.arrivals.push(Arrival::NotSeen(why));
                    }
                },
                end => self.arrivals.push(Arrival::Ended { by: name.clone(), end: end.clone() }),
            }
        }
        let upstream = verdict.upstream_request.clone();
        self.way.told.push(Told { proxy: name, verdict });
        for (address, sent) in next {
            let from = self.members.identity(i).name.clone();
            let to = self.members.at(address.ip()).map_or_else(|| address.to_string(), |i| self.members.identity(i).name.clone());
            self.legs.push(Leg { from, to, travels: travels(&sent) });
            let arrival = self.at_server(i, address, &sent, upstream.as_ref());
            self.arrivals.extend(arrival);
        }
    }

    /// The addresses that a branch leads to, and what is spoken to each.
    fn onward(&self, i: usize, branch: &Branch) -> Result<Vec<(SocketAddr, UpstreamTransport)>, String> {
        if branch.endpoints.is_empty() {
            return Err(format!("the endpoints of {} are not in the input", branch.cluster));
        }
        let configuration = &self.members.ask(i)?.proxy.configuration;
        let cluster = configuration.clusters.get(&*branch.cluster);
        let mut out = Vec::new();
        for (text, _) in &branch.endpoints {
            let address: SocketAddr = text.parse().map_err(|_| format!("the way goes on to {text}, which is no proxy of the input"))?;
            let endpoint = cluster.and_then(|c| match c.pick(&configuration.assignments, None) {
                Pick::Among(candidates) => candidates.list.into_iter().find(|(e, _)| *e.address == **text).map(|(e, _)| c.transport(Some(e)).clone()),
                Pick::OriginalDestination | Pick::NotSeen(_) => None,
            });
            let sent = endpoint.or_else(|| branch.transport.clone());
            out.push((address, sent.ok_or_else(|| format!("whether {text} is sent TLS or plaintext is not known"))?));
        }
        Ok(out)
    }

    fn at_server(&mut self, from: usize, address: SocketAddr, sent: &UpstreamTransport, upstream: Option<&(String, String)>) -> Vec<Arrival> {
        let unseen = |why: String| vec![Arrival::NotSeen(why)];
        let Some(i) = self.members.at(address.ip()) else { return unseen(format!("the workload at {address} is not in the input")) };
        let name = self.members.identity(i).name.clone();
        if self.members.identity(i).standing == Standing::Alone {
            return vec![match sent {
                UpstreamTransport::Plaintext => Arrival::Reached(name),
                _ => Arrival::NotSeen(format!("{name} has no proxy and is sent TLS: whether it speaks it is not known")),
            }];
        }
        let (near, far) = match (self.members.ask(from), self.members.ask(i)) {
            (Ok(near), Ok(far)) => (near, far),
            (Err(why), _) | (_, Err(why)) => return unseen(why),
        };
        if let UpstreamTransport::Other(other) = sent {
            return unseen(format!("what {name} receives over {other} is not known"));
        }
        self.not_judged.extend(far.not_judged.iter().filter(|n| !self.not_judged.contains(n)).cloned().collect::<Vec<_>>());
        let shows = matches!(sent, UpstreamTransport::Tls { presents_certificate: true, .. });
        let principal = shows.then(|| near.proxy.principal(&self.members.trust_domain, &mut self.way.assumptions));
        let headers = self.described.headers();
        let (authority, path) = upstream.cloned().unwrap_or_else(|| (self.described.authority.clone(), self.described.path.clone()));
        let call = Call {
            entry: far.proxy.entry_inbound(),
            connection: self.described.as_sent_by(&near.proxy, address, sent, principal.as_deref()),
            request: self.described.request(&headers).map(|r| Request { authority: &authority, path: &path, ..r }),
            expects: None,
        };
        let verdict = walk(&far.proxy.configuration, &call, &self.world);
        let of = |b: &Branch| match &b.end {
            End::Forwarded => Arrival::Reached(name.clone()),
            end => Arrival::Ended { by: name.clone(), end: end.clone() },
        };
        let arrivals = verdict.branches.iter().map(of).collect();
        self.way.told.push(Told { proxy: name.clone(), verdict });
        arrivals
    }
}

fn travels(sent: &UpstreamTransport) -> Result<Travels, String> {
    match sent {
        UpstreamTransport::Plaintext => Ok(Travels::Plaintext),
        UpstreamTransport::Tls { presents_certificate: true, .. } => Ok(Travels::MutualTls),
        UpstreamTransport::Tls { .. } => Ok(Travels::Tls),
        UpstreamTransport::Other(name) => Err(format!("what is sent over {name} is not known")),
    }
}

/// What is sent where the addresses are not known: the same to all of them, or not known either.
fn unaddressed(branch: &Branch, why: &str) -> Result<Travels, String> {
    branch.transport.as_ref().map_or_else(|| Err(why.to_owned()), travels)
}
