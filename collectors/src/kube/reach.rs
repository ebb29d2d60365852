//! The pages of a proxy in a cluster: by a forwarded port, by the agent's own request command in the pod, or, where neither
//! is to be had, what istiod would send to it.

use super::client::Cluster;
use super::error::ApiError;
use super::pods::{self, PROXY_CONTAINER, Pod, ProxyKind};
use super::stream::StreamError;
use crate::dumps::Page;
use crate::dumps::admin::{AdminError, Method, Options, over, page_of};
use mesh_envoy::identify::Content;
use std::fmt;

/// By which way a page came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    PortForward,
    Exec,
    /// istiod's view of the proxy.
    Istiod,
}

impl Via {
    /// Every way, in the order in which they are tried.
    pub const ALL: &[Via] = &[Via::PortForward, Via::Exec, Via::Istiod];

    pub fn word(self) -> &'static str {
        match self {
            Via::PortForward => "port-forward",
            Via::Exec => "exec",
            Via::Istiod => "istiod",
        }
    }
    /// What an answer by this way can't tell.
    pub fn lacks(self) -> Option<&'static str> {
        match self {
            Via::PortForward | Via::Exec => None,
            Via::Istiod => Some(
                "this is what istiod would send to it, not what it holds: static resources, rejected updates, warming and the health of endpoints can't be seen",
            ),
        }
    }
}

/// A page that is asked for.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// What the answer may be; anything when empty.
    pub expected: Vec<Content>,
    /// Whether istiod's view has it as well.
    pub in_view: InView,
}

/// Whether what is asked of a proxy is in istiod's view of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InView {
    Yes,
    No,
}

/// A page, and how it came.
#[derive(Clone, Debug)]
pub struct Reached {
    pub page: Page,
    pub via: Via,
    /// The ways that were tried in vain, and why.
    pub in_vain: Vec<(Via, Unreached)>,
}

/// Why a way leads to no page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreached {
    Stream(StreamError),
    Page(AdminError),
    Other(String),
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreached::Stream(error) => error.fmt(f),
            Unreached::Page(error) => error.fmt(f),
            Unreached::Other(message) => f.write_str(message),
        }
    }
}

impl Unreached {
    pub fn help(&self) -> Option<String> {
        match self {
            Unreached::Stream(error) => error.help(),
            _ => None,
        }
    }
}

/// No way leads to the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreachable {
    /// `NAME.NAMESPACE`.
    pub pod: String,
    pub ways: Vec<(Via, Unreached)>,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not reached", self.pod)?;
        for (i, (via, why)) in self.ways.iter().enumerate() {
            write!(f, "{} by {}: {why}", if i == 0 { ":" } else { ";" }, via.word())?;
        }
        // What helps one way mostly helps another; said once.
        let mut said = Vec::new();
        for help in self.ways.iter().filter_map(|(_, why)| why.help()) {
            if !said.contains(&help) {
                write!(f, "; {help}")?;
                said.push(help);
            }
        }
        Ok(())
    }
}

impl std::error::Error for Unreachable {}

/// istiod's debug port.
const ISTIOD_PORT: u16 = 15014;
/// A page by exec is held whole by a pipe on the way; a larger one is a dump that should come by port-forward.
const EXEC_LIMIT: usize = 256 << 20;

/// Reaches the proxies of a cluster.
#[derive(Clone)]
pub struct Reach {
    pub cluster: Cluster,
    pub istio_namespace: String,
    /// Whose istiod; any where none is named.
    pub revision: Option<String>,
    /// The ways to try, in this order.
    pub ways: Vec<Via>,
    /// The admin port of the proxies.
    pub port: u16,
}

impl Reach {
    /// A page of a proxy, by the first way that leads to it.
    pub async fn page(&self, pod: &Pod, ask: &Ask) -> Result<Reached, Unreachable> {
        let mut in_vain: Vec<(Via, Unreached)> = Vec::new();
        for via in self.ways.iter().copied() {
            // What does not let a stream through lets none through.
            let is_barred = |(_, why): &(Via, Unreached)| matches!(why, Unreached::Stream(e) if e.is_of_the_way());
            let answer = match via {
                Via::PortForward => self.forwarded(pod, self.port, ask).await,
                Via::Exec if in_vain.iter().any(is_barred) => continue,
                Via::Exec => self.by_agent(pod, "pilot-agent", PROXY_CONTAINER, ask).await,
                Via::Istiod if ask.in_view == InView::No || pod.proxy() == Some(ProxyKind::Ztunnel) => continue,
                Via::Istiod => self.view(pod).await,
            };
            match answer {
                Ok(page) => return Ok(Reached { page: Page { origin: pod.full_name(), ..page }, via, in_vain }),
                // It answers, with something else: no other way shows more.
                Err(why @ Unreached::Page(AdminError::Status { .. } | AdminError::Other { .. } | AdminError::TooLarge { .. })) => {
                    in_vain.push((via, why));
                    break;
                }
                Err(why) => in_vain.push((via, why)),
            }
        }
        Err(Unreachable { pod: pod.full_name(), ways: in_vain })
    }

    /// A page of istiod's own debug port.
    pub async fn istiod_page(&self, istiod: &Pod, path: &str, expected: &[Content]) -> Result<Page, Unreachable> {
        let ask = Ask { method: Method::Get, path: path.to_owned(), expected: expected.to_vec(), in_view: InView::No };
        let forwarded = match self.forwarded(istiod, ISTIOD_PORT, &ask).await {
            Ok(page) => return Ok(Page { origin: istiod.full_name(), ..page }),
            Err(why) => why,
        };
        let unreachable = |ways| Err(Unreachable { pod: istiod.full_name(), ways });
        match &forwarded {
            Unreached::Stream(error) if !error.is_of_the_way() => {}
            _ => return unreachable(vec![(Via::PortForward, forwarded)]),
        }
        match self.by_agent(istiod, "pilot-discovery", "discovery", &ask).await {
            Ok(page) => Ok(Page { origin: istiod.full_name(), ..page }),
            Err(why) => unreachable(vec![(Via::PortForward, forwarded), (Via::Exec, why)]),
        }
    }

    /// The running istiods, of the revision that is asked for.
    pub async fn istiods(&self) -> Result<Vec<Pod>, ApiError> {
        let selector = match &self.revision {
            Some(revision) => format!("app=istiod,istio.io/rev={revision}"),
            None => "app=istiod".to_owned(),
        };
        let pods = pods::select(&self.cluster, Some(&self.istio_namespace), &selector).await?;
        Ok(pods.into_iter().filter(|p| p.phase == "Running").collect())
    }

    async fn forwarded(&self, pod: &Pod, port: u16, ask: &Ask) -> Result<Page, Unreached> {
        let mut forwarded = self.cluster.forward(&pod.namespace, &pod.name, port).await.map_err(Unreached::Stream)?;
        let Some(stream) = forwarded.stream.take() else { return Err(Unreached::Other(format!("port {port} is not forwarded"))) };
        let name = pod.full_name();
        let options = Options { connect: self.cluster.timeout, answer: self.cluster.timeout * 4, ..Options::default() };
        match over(stream, &name, ask.method, &ask.path, &ask.expected, options).await {
            Err(AdminError::Unreachable { why, .. }) => Err(Unreached::Stream(match forwarded.complaint().await {
                Some(complaint) => StreamError::Pod(complaint.trim().to_owned()),
                None => StreamError::Pod(format!("port {port}: {why}")),
            })),
            answer => answer.map_err(Unreached::Page),
        }
    }

    /// By the request command that istio's images have beside the proxy.
    async fn by_agent(&self, pod: &Pod, agent: &str, container: &str, ask: &Ask) -> Result<Page, Unreached> {
        let path = ask.path.trim_start_matches('/');
        // pilot-discovery has its own pages; those of the agent are Envoy's.
        let path = if agent == "pilot-discovery" { ask.path.as_str() } else { path };
        let command = [agent, "request", ask.method.word(), path];
        let within = self.cluster.timeout * 4;
        let out = self.cluster.run(&pod.namespace, &pod.name, container, &command, EXEC_LIMIT, within).await.map_err(Unreached::Stream)?;
        page_of(out, &pod.full_name(), &ask.expected).map_err(Unreached::Page)
    }

    /// What istiod would send to a proxy, from the istiod that it is connected to.
    async fn view(&self, pod: &Pod) -> Result<Page, Unreached> {
        let istiods = self.istiods().await.map_err(|e| Unreached::Stream(StreamError::Api(e)))?;
        if istiods.is_empty() {
            return Err(Unreached::Other(format!("no istiod runs in {}", self.istio_namespace)));
        }
        let path = format!("/debug/config_dump?proxyID={}", pod.full_name());
        let mut last = None;
        for istiod in &istiods {
            match self.istiod_page(istiod, &path, &[Content::ConfigDump]).await {
                Ok(page) => return Ok(page),
                // Another istiod may be the one that it is connected to.
                Err(error) => last = error.ways.into_iter().next_back().map(|(_, why)| why),
            }
        }
        Err(match last {
            Some(Unreached::Page(AdminError::Status { code: 404, .. })) => Unreached::Other("it is connected to no istiod".to_owned()),
            Some(why) => why,
            None => Unreached::Other("no istiod answers".to_owned()),
        })
    }
}
