//! The last step: which endpoint of a cluster a request goes to.

use super::field::{Message, Path, Read, Unknown};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How a cluster finds its endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Discovery {
    /// They are in the configuration.
    Static,
    /// Over EDS, by this name.
    Eds(Box<str>),
    /// By DNS: which addresses, is not in the configuration.
    Dns,
    /// Where the connection wanted to go.
    OriginalDestination,
    Unknown,
}

/// What a cluster does below HTTP on its connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamTransport {
    Plaintext,
    /// With the server name it asks for.
    Tls {
        server_name: Box<str>,
        presents_certificate: bool,
    },
    Other(Box<str>),
}

/// A cluster, as far as it decides where requests go.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub name: Box<str>,
    /// The configuration object that made it; "" where the metadata names none.
    pub source: Box<str>,
    pub discovery: Discovery,
    pub load_balancer: Box<str>,
    /// Thresholds that are zero: nothing gets through.
    pub closed_by: Option<&'static str>,
    own: Option<Assignment>,
    panic_percent: u64,
    locality_weighted: bool,
    subsets: Option<SubsetFallback>,
    transport: UpstreamTransport,
    /// Labels of endpoints, and the transport for them; the first match counts.
    transport_matches: Vec<(Labels, UpstreamTransport)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SubsetFallback {
    None,
    Any,
    Other,
}

/// What is known of an endpoint's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Healthy,
    Degraded,
    Unhealthy,
}

#[derive(Clone, Debug)]
pub struct Endpoint {
    /// `10.0.0.1:80`, a path, or `envoy://listener`; behind that `/` and what the endpoint is told from others by, if anything
    /// is: as Envoy prints it. What istiod puts there is where the tunnel leads.
    pub address: Box<str>,
    pub hostname: Box<str>,
    pub health: Health,
    pub weight: u64,
    pub priority: u64,
    /// `region/zone/subzone`, as far as it is known.
    pub locality: Box<str>,
    /// `workload` of Istio's metadata: `name;namespace;canonical name;canonical revision;cluster`; "" for none.
    pub workload: Box<str>,
    /// It is on its way out: its priority's health is that of the others.
    is_draining: bool,
    locality_weight: u64,
    labels: Labels,
    match_labels: Labels,
}

/// Labels of an endpoint, or those that it must have. There are none or one of them, mostly: a map has room for eleven.
#[derive(Clone, Debug, Default)]
struct Labels(Box<[(Box<str>, Value)]>);

impl Labels {
    fn read(value: Option<&Value>) -> Labels {
        let fields = value.and_then(Value::as_object);
        let mut out = Vec::with_capacity(fields.map_or(0, serde_json::Map::len));
        out.extend(fields.into_iter().flatten().map(|(k, v)| (Box::from(k.as_str()), v.clone())));
        Labels(out.into())
    }
    /// Whether all of `wanted` are among them.
    fn have(&self, wanted: &Labels) -> bool {
        wanted.0.iter().all(|label| self.0.contains(label))
    }
}

/// `envoy.config.core.v3.HealthStatus`
const HEALTH: &[&str] = &["UNKNOWN", "HEALTHY", "UNHEALTHY", "DRAINING", "TIMEOUT", "DEGRADED"];

/// `ClusterLoadAssignment`.
#[derive(Clone, Debug, Default)]
pub struct Assignment {
    pub endpoints: Vec<Endpoint>,
    /// Percent of its health that a priority is trusted beyond; 140 where nothing is set.
    overprovisioning: u64,
}

/// Endpoints that a request may go to, with the share of each in a million.
#[derive(Clone, Debug, Default)]
pub struct Candidates<'c> {
    pub list: Vec<(&'c Endpoint, u64)>,
    /// Why others are not among them.
    pub passed_over: Vec<(&'c Endpoint, String)>,
    /// Whether health is ignored because too few are healthy.
    pub panics: bool,
}

/// Where a request goes.
#[derive(Clone, Debug)]
pub enum Pick<'c> {
    Among(Candidates<'c>),
    /// To where the connection wanted to go.
    OriginalDestination,
    /// Endpoints are not in the input.
    NotSeen(&'static str),
}

const MILLION: u64 = 1_000_000;

impl Cluster {
    pub fn read(value: &Value, path: Path<'_>) -> Read<Cluster> {
        let m = Message::new(value, path)?;
        let name: Box<str> = m.text("name")?.into();
        let kinds = ["STATIC", "STRICT_DNS", "LOGICAL_DNS", "EDS", "ORIGINAL_DST"];
        let discovery = if m.has("cluster_type") {
            Discovery::Unknown
        } else {
            match m.enumeration("type", &kinds)? {
                "STATIC" => Discovery::Static,
                "EDS" => {
                    let service = m.message_or_empty("eds_cluster_config")?.text("service_name")?;
                    Discovery::Eds(if service.is_empty() { name.clone() } else { service.into() })
                }
                "ORIGINAL_DST" => Discovery::OriginalDestination,
                _ => Discovery::Dns,
            }
        };
        let common = m.message_or_empty("common_lb_config")?;
        let panic_value = common.message_or_empty("healthy_panic_threshold")?.value("value").and_then(Value::as_f64);
        let panic_percent = if common.has("healthy_panic_threshold") { panic_value.unwrap_or(0.0) } else { 50.0 };
        let mut transport_matches = Vec::new();
        for t in m.messages("transport_socket_matches")? {
            transport_matches.push((Labels::read(t.value("match")), UpstreamTransport::read(t.message("transport_socket")?.as_ref())?));
        }
        let subsets = m.message("lb_subset_config")?;
        let subsets = match subsets.filter(|s| !s.values("subset_selectors").unwrap_or(&[]).is_empty()) {
            Some(s) => Some(match s.enumeration("fallback_policy", &["NO_FALLBACK", "ANY_ENDPOINT", "DEFAULT_SUBSET"])? {
                "NO_FALLBACK" => SubsetFallback::None,
                "ANY_ENDPOINT" => SubsetFallback::Any,
                _ => SubsetFallback::Other,
            }),
            None => None,
        };
        Ok(Cluster {
            source: super::source_of(&m),
            discovery,
            load_balancer: m.text("lb_policy").unwrap_or("").into(),
            closed_by: closed_by(&m)?,
            own: m.message("load_assignment")?.map(|a| Assignment::from_message(&a)).transpose()?,
            panic_percent: panic_percent as u64,
            locality_weighted: common.has("locality_weighted_lb_config"),
            subsets,
            transport: UpstreamTransport::read(m.message("transport_socket")?.as_ref())?,
            transport_matches,
            name,
        })
    }

    /// What the cluster does below HTTP towards an endpoint.
    pub fn transport(&self, endpoint: Option<&Endpoint>) -> &UpstreamTransport {
        let found = endpoint.and_then(|e| self.transport_matches.iter().find(|(wanted, _)| e.match_labels.have(wanted)));
        found.map_or(&self.transport, |(_, t)| t)
    }

    /// Which of `transport_socket_matches` is for an endpoint, or for one that nothing is known of; `None` for the cluster's own.
    pub fn transport_match(&self, endpoint: Option<&Endpoint>) -> Option<usize> {
        let none = Labels::default();
        let labels = endpoint.map_or(&none, |e| &e.match_labels);
        self.transport_matches.iter().position(|(wanted, _)| labels.have(wanted))
    }

    /// The endpoints that a request may go to. `assignments` are those that came over EDS; `subset` are labels that a route
    /// asks for.
    pub fn pick<'c>(&'c self, assignments: &'c BTreeMap<Box<str>, Assignment>, subset: Option<&Value>) -> Pick<'c> {
        let assignment = match &self.discovery {
            Discovery::OriginalDestination => return Pick::OriginalDestination,
            Discovery::Static => self.own.as_ref(),
            Discovery::Eds(service) => match assignments.get(service) {
                Some(a) => Some(a),
                None => return Pick::NotSeen("its endpoints come over EDS and are not in the input"),
            },
            Discovery::Dns if self.own.as_ref().is_some_and(|a| a.endpoints.is_empty()) => self.own.as_ref(),
            Discovery::Dns => return Pick::NotSeen("its endpoints come from DNS"),
            Discovery::Unknown => return Pick::NotSeen("its endpoints come from an extension"),
        };
        assignment.map_or_else(|| Pick::Among(Candidates::default()), |a| self.among(a, subset))
    }

    /// Its endpoints, where they are in the configuration.
    pub fn own(&self) -> Option<&Assignment> {
        self.own.as_ref()
    }

    /// The endpoints of an assignment that a request may go to.
    pub fn among<'c>(&self, assignment: &'c Assignment, subset: Option<&Value>) -> Pick<'c> {
        let mut candidates = Candidates::default();
        let wanted = if self.subsets.is_some() { Labels::read(subset) } else { Labels::default() };
        let in_subset = |e: &Endpoint| e.labels.have(&wanted);
        let mut pool: Vec<&Endpoint> = Vec::new();
        for endpoint in &assignment.endpoints {
            if in_subset(endpoint) {
                pool.push(endpoint);
            } else {
                candidates.passed_over.push((endpoint, "its labels are not those of the subset".to_owned()));
            }
        }
        if pool.is_empty() && self.subsets == Some(SubsetFallback::Any) {
            candidates.passed_over.clear();
            pool = assignment.endpoints.iter().collect();
        }
        if pool.is_empty() && self.subsets == Some(SubsetFallback::Other) {
            return Pick::NotSeen("it falls back to a default subset, which is not known to meshctl");
        }
        self.share(&pool, assignment, &mut candidates);
        Pick::Among(candidates)
    }

    /// Envoy's way: health decides the priorities' shares, weights those of localities and endpoints.
    fn share<'c>(&self, pool: &[&'c Endpoint], assignment: &Assignment, out: &mut Candidates<'c>) {
        let priorities: BTreeSet<u64> = pool.iter().map(|e| e.priority).collect();
        let of = |p: u64| pool.iter().copied().filter(move |e| e.priority == p);
        let counted = |p: u64| of(p).filter(|e| !e.is_draining).count() as u64;
        let percent = |p: u64, wanted: Health| {
            let (all, some) = (counted(p), of(p).filter(|e| e.health == wanted).count() as u64);
            (assignment.overprovisioning * some).checked_div(all).unwrap_or(0).min(100)
        };
        let available: u64 = priorities.iter().map(|p| percent(*p, Health::Healthy) + percent(*p, Health::Degraded)).sum::<u64>().min(100);
        // Too few healthy ones in a priority, and no other that makes up for it: then health does not count there.
        let panics = |p: u64| {
            let (all, healthy) = (counted(p), of(p).filter(|e| e.health != Health::Unhealthy).count() as u64);
            available < 100 && (100 * healthy).checked_div(all).unwrap_or(0) < self.panic_percent
        };
        // Where all panic, priorities have as much as they have endpoints; the first has what is left over.
        let all_panic = priorities.iter().all(|p| panics(*p));
        let by_number = |p: u64| (100 * of(p).count() as u64).checked_div(pool.len() as u64).unwrap_or(0);
        let left_over = 100u64.saturating_sub(priorities.iter().map(|p| by_number(*p)).sum());
        for (health, less) in [(Health::Healthy, 0), (Health::Degraded, priorities.iter().map(|p| percent(*p, Health::Healthy)).sum::<u64>())] {
            let mut left = 100u64.saturating_sub((less * 100).checked_div(available).unwrap_or(0));
            for p in &priorities {
                let is_first = Some(p) == priorities.first();
                let load = if all_panic || available == 0 {
                    match (health, all_panic) {
                        (Health::Healthy, true) => by_number(*p) + if is_first { left_over } else { 0 },
                        (Health::Healthy, false) if is_first => 100,
                        _ => 0,
                    }
                } else {
                    (percent(*p, health) * 100).checked_div(available).unwrap_or(0).min(left)
                };
                left = left.saturating_sub(load);
                let panicking = panics(*p);
                let hosts: Vec<&Endpoint> = of(*p).filter(|e| panicking || e.health == health).collect();
                if load > 0 && !hosts.is_empty() {
                    out.panics |= panicking;
                    self.spread(&hosts, load, out);
                }
            }
        }
        for e in pool.iter().filter(|e| !out.list.iter().any(|(c, _)| std::ptr::eq(*c, **e))) {
            let why = match e.health {
                Health::Unhealthy => "it is unhealthy".to_owned(),
                Health::Degraded => "it is degraded, and healthy ones suffice".to_owned(),
                Health::Healthy => format!("its priority is {}, and those before it have enough healthy endpoints", e.priority),
            };
            out.passed_over.push((e, why));
        }
    }

    fn spread<'c>(&self, hosts: &[&'c Endpoint], load: u64, out: &mut Candidates<'c>) {
        let share = load * MILLION / 100;
        let localities: BTreeMap<&str, u64> = hosts.iter().map(|e| (&*e.locality, e.locality_weight)).collect();
        let total: u64 = localities.values().sum();
        for (locality, weight) in &localities {
            let here: Vec<&&Endpoint> = hosts.iter().filter(|e| *e.locality == **locality).collect();
            let all: u64 = if self.locality_weighted && total > 0 { here.iter().map(|e| e.weight).sum() } else { hosts.iter().map(|e| e.weight).sum() };
            let part = if self.locality_weighted && total > 0 { share * weight / total } else { share };
            out.list.extend(here.iter().map(|e| (**e, (part * e.weight).checked_div(all).unwrap_or(0))).filter(|(_, s)| *s > 0));
        }
    }
}

impl Candidates<'_> {
    /// The endpoint for a random number.
    pub fn choose(&self, random: u64) -> Option<&Endpoint> {
        let total: u64 = self.list.iter().map(|(_, s)| s).sum();
        let chosen = random.checked_rem(total)?;
        let mut end = 0;
        let found = self.list.iter().find(|(_, share)| {
            end += share;
            chosen < end
        });
        found.map(|(e, _)| *e)
    }
}

/// A threshold of the default priority that is zero.
fn closed_by(m: &Message<'_, '_>) -> Read<Option<&'static str>> {
    let breakers = m.message_or_empty("circuit_breakers")?;
    for t in breakers.messages("thresholds")? {
        if t.enumeration("priority", &["DEFAULT", "HIGH"])? == "DEFAULT" {
            for field in ["max_connections", "max_pending_requests", "max_requests"] {
                if t.uint(field)? == Some(0) {
                    return Ok(Some(field));
                }
            }
        }
    }
    Ok(None)
}

impl UpstreamTransport {
    fn read(m: Option<&Message<'_, '_>>) -> Read<UpstreamTransport> {
        let Some(m) = m else { return Ok(UpstreamTransport::Plaintext) };
        let Some((name, config)) = m.any("typed_config")? else { return Ok(UpstreamTransport::Other(m.text("name")?.into())) };
        Ok(match name.rsplit('.').next().unwrap_or(name) {
            "RawBuffer" => UpstreamTransport::Plaintext,
            "UpstreamTlsContext" => {
                let common = config.message_or_empty("common_tls_context")?;
                let presents = !common.values("tls_certificate_sds_secret_configs")?.is_empty() || !common.values("tls_certificates")?.is_empty();
                UpstreamTransport::Tls { server_name: config.text("sni")?.into(), presents_certificate: presents }
            }
            other => UpstreamTransport::Other(other.into()),
        })
    }
}

impl Assignment {
    pub fn read(value: &Value, path: Path<'_>) -> Read<(Box<str>, Assignment)> {
        let m = Message::new(value, path)?;
        Ok((m.text("cluster_name")?.into(), Assignment::from_message(&m)?))
    }
    fn from_message(m: &Message<'_, '_>) -> Read<Assignment> {
        let mut endpoints = Vec::new();
        for locality in m.messages("endpoints")? {
            let place = locality.message_or_empty("locality")?;
            let parts: Vec<&str> = [place.text("region")?, place.text("zone")?, place.text("sub_zone")?].into_iter().filter(|p| !p.is_empty()).collect();
            let place: Box<str> = parts.join("/").into();
            let (priority, weight) = (locality.uint32("priority")?.unwrap_or(0), locality.uint32("load_balancing_weight")?.unwrap_or(0));
            let list = locality.messages("lb_endpoints")?;
            // Without room for more: most clusters have few, and there are thousands of them.
            endpoints.reserve_exact(list.len());
            for e in list {
                endpoints.push(Endpoint::read(&e, priority, &place, weight)?);
            }
        }
        let overprovisioning = m.message_or_empty("policy")?.uint32("overprovisioning_factor")?.unwrap_or(140);
        Ok(Assignment { endpoints, overprovisioning })
    }
}

impl Endpoint {
    fn read(m: &Message<'_, '_>, priority: u64, locality: &str, locality_weight: u64) -> Read<Endpoint> {
        let endpoint = m.message_or_empty("endpoint")?;
        let address = endpoint.message_or_empty("address")?;
        let socket = address.message_or_empty("socket_address")?;
        let pipe = address.message_or_empty("pipe")?.text("path")?;
        let internal_address = address.message_or_empty("envoy_internal_address")?;
        let (internal, told_apart) = (internal_address.text("server_listener_name")?, internal_address.text("endpoint_id")?);
        let text = if !pipe.is_empty() {
            pipe.to_owned()
        } else if !internal.is_empty() {
            if told_apart.is_empty() { format!("envoy://{internal}") } else { format!("envoy://{internal}/{told_apart}") }
        } else {
            let (ip, port) = (socket.text("address")?, socket.uint("port_value")?.unwrap_or(0));
            if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
        };
        let metadata = m.message_or_empty("metadata")?;
        let filters = metadata.message_or_empty("filter_metadata")?;
        Ok(Endpoint {
            address: text.into(),
            hostname: endpoint.text("hostname")?.into(),
            health: match m.enumeration("health_status", HEALTH)? {
                "UNKNOWN" | "HEALTHY" => Health::Healthy,
                "DEGRADED" => Health::Degraded,
                _ => Health::Unhealthy,
            },
            is_draining: m.enumeration("health_status", HEALTH)? == "DRAINING",
            weight: m.uint32("load_balancing_weight")?.unwrap_or(1),
            priority,
            locality: locality.into(),
            workload: filters.message_or_empty("istio")?.text("workload")?.into(),
            locality_weight,
            labels: Labels::read(filters.value("envoy.lb")),
            match_labels: Labels::read(filters.value("envoy.transport_socket_match")),
        })
    }
}

/// What a cluster that can't be read is replaced by: its name, and nothing seen.
pub(super) fn unreadable(name: &str, _: &Unknown) -> Cluster {
    Cluster {
        name: name.into(),
        source: "".into(),
        discovery: Discovery::Unknown,
        load_balancer: "".into(),
        closed_by: None,
        own: None,
        panic_percent: 50,
        locality_weighted: false,
        subsets: None,
        transport: UpstreamTransport::Plaintext,
        transport_matches: Vec::new(),
    }
}
