//! ztunnel's `/config_dump`: the ambient node proxy's own JSON. Sections are lists or maps, by version.

use crate::dump::DumpError;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

#[derive(Clone, Debug, Default)]
pub struct Dump {
    pub workloads: Vec<Workload>,
    pub services: Vec<Service>,
    pub policies: Vec<Policy>,
    pub certificates: Vec<Certificates>,
    pub workload_state: Vec<WorkloadState>,
}

/// Reads a dump; a text that is none is an error with its position.
pub fn read(text: &str) -> Result<Dump, DumpError> {
    let mut json = serde_json::Deserializer::from_str(text);
    let dump = json.deserialize_map(TopVisitor)?;
    json.end()?;
    Ok(dump)
}

struct TopVisitor;
impl<'de> Visitor<'de> for TopVisitor {
    type Value = Dump;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a ztunnel config dump, an object with `workloads`, `services`, `policies`, `certificates`")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Dump, A::Error> {
        let mut dump = Dump::default();
        let mut is_dump = false;
        while let Some(key) = map.next_key::<String>()? {
            is_dump |= matches!(key.as_str(), "workloads" | "services" | "policies" | "certificates" | "workloadState");
            match key.as_str() {
                "workloads" => dump.workloads = map.next_value::<Items<Workload>>()?.0,
                "services" => dump.services = map.next_value::<Items<Service>>()?.0,
                "policies" => dump.policies = map.next_value::<Items<Policy>>()?.0,
                "certificates" => dump.certificates = map.next_value::<Items<Certificates>>()?.0,
                "workloadState" => dump.workload_state = map.next_value::<Items<WorkloadState>>()?.0,
                _ => {
                    map.next_value::<serde::de::IgnoredAny>()?;
                }
            }
        }
        if is_dump { Ok(dump) } else { Err(serde::de::Error::custom("none of `workloads`, `services`, `policies`, `certificates` is in it")) }
    }
}

/// A list, or a map of which the values count.
struct Items<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Items<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        list_or_map(d).map(Items)
    }
}

fn list_or_map<'de, T: Deserialize<'de>, D: Deserializer<'de>>(d: D) -> Result<Vec<T>, D::Error> {
    struct V<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for V<T> {
        type Value = Vec<T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list or a map")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
            let mut out = Vec::new();
            while let Some(v) = seq.next_element()? {
                out.push(v);
            }
            Ok(out)
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<T>, A::Error> {
            let mut out = Vec::new();
            while let Some((_, v)) = map.next_entry::<serde::de::IgnoredAny, T>()? {
                out.push(v);
            }
            Ok(out)
        }
        fn visit_unit<E>(self) -> Result<Vec<T>, E> {
            Ok(Vec::new())
        }
    }
    d.deserialize_any(V(PhantomData))
}

/// A string; `null` is "".
fn text<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(d)?.unwrap_or_default())
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Workload {
    pub uid: String,
    pub workload_ips: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waypoint: Option<GatewayAddress>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_gateway: Option<GatewayAddress>,
    pub protocol: String,
    pub name: String,
    pub namespace: String,
    pub service_account: String,
    pub workload_name: String,
    pub workload_type: String,
    pub canonical_name: String,
    pub canonical_revision: String,
    pub cluster_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub trust_domain: String,
    pub locality: Locality,
    pub node: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub network: String,
    pub status: String,
    pub hostname: String,
    pub capacity: u64,
    pub application_tunnel: ApplicationTunnel,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authorization_policies: Vec<String>,
    /// Fields that meshctl does not know.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Locality {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub region: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub zone: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subzone: String,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct ApplicationTunnel {
    pub protocol: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct GatewayAddress {
    /// `network/ip` or `namespace/hostname`.
    #[serde(deserialize_with = "destination")]
    pub destination: String,
}

/// Newer ztunnels print the destination of a host name as an object.
fn destination<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    Ok(match serde_json::Value::deserialize(d)? {
        serde_json::Value::String(s) => s,
        serde_json::Value::Object(o) => {
            let part = |k: &str| o.get(k).and_then(serde_json::Value::as_str).unwrap_or("").to_owned();
            format!("{}/{}", part("namespace"), part("hostname"))
        }
        _ => String::new(),
    })
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Service {
    pub name: String,
    pub namespace: String,
    pub hostname: String,
    pub vips: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cidr_vips: Vec<serde_json::Value>,
    pub ports: serde_json::Map<String, serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_balancer: Option<LoadBalancer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waypoint: Option<GatewayAddress>,
    #[serde(deserialize_with = "endpoints")]
    pub endpoints: BTreeMap<String, Endpoint>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subject_alt_names: Vec<String>,
    #[serde(deserialize_with = "text")]
    pub ip_families: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub canonical: bool,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "text")]
    pub visibility: String,
    /// Fields that meshctl does not know.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

/// A map by `uid:address`; some versions print a list.
fn endpoints<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, Endpoint>, D::Error> {
    struct V;
    impl<'de> Visitor<'de> for V {
        type Value = BTreeMap<String, Endpoint>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("endpoints")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut out = BTreeMap::new();
            while let Some((k, v)) = map.next_entry()? {
                out.insert(k, v);
            }
            Ok(out)
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut out = BTreeMap::new();
            while let Some(e) = seq.next_element::<Endpoint>()? {
                out.insert(format!("{}:{}", e.workload_uid, e.address), e);
            }
            Ok(out)
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(BTreeMap::new())
        }
    }
    d.deserialize_any(V)
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct LoadBalancer {
    pub mode: String,
    pub routing_preferences: Vec<String>,
    #[serde(deserialize_with = "text")]
    pub health_policy: String,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Endpoint {
    pub workload_uid: String,
    pub service: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub address: String,
    pub port: serde_json::Map<String, serde_json::Value>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Policy {
    pub name: String,
    pub namespace: String,
    pub scope: String,
    pub action: String,
    pub rules: serde_json::Value,
    /// Fields that meshctl does not know.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Certificates {
    pub identity: String,
    /// `Available`, `Initializing`, `Unavailable: why`.
    pub state: String,
    pub cert_chain: Vec<Certificate>,
    pub root_certs: Option<Vec<Certificate>>,
    /// Fields that meshctl does not know.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Certificate {
    pub pem: String,
    /// Decimal.
    pub serial_number: String,
    pub valid_from: String,
    pub expiration_time: String,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct WorkloadState {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub state: String,
    pub connections: Connections,
    pub info: WorkloadInfo,
    /// Fields that meshctl does not know.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Connections {
    pub inbound: Vec<Connection>,
    pub outbound: Vec<Connection>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Connection {
    #[serde(deserialize_with = "text")]
    pub src: String,
    #[serde(deserialize_with = "text")]
    pub original_dst: String,
    #[serde(deserialize_with = "text")]
    pub actual_dst: String,
    #[serde(deserialize_with = "text")]
    pub protocol: String,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct WorkloadInfo {
    pub name: String,
    pub namespace: String,
    #[serde(deserialize_with = "text")]
    pub trust_domain: String,
    #[serde(deserialize_with = "text")]
    pub service_account: String,
}

impl Dump {
    /// Drops the fields that meshctl does not know: what istioctl prints.
    pub fn without_unknown_fields(mut self) -> Dump {
        self.workloads.iter_mut().for_each(|x| x.other.clear());
        self.services.iter_mut().for_each(|x| x.other.clear());
        self.policies.iter_mut().for_each(|x| x.other.clear());
        self.certificates.iter_mut().for_each(|x| x.other.clear());
        self.workload_state.iter_mut().for_each(|x| x.other.clear());
        self
    }
    /// The name of the service that a waypoint address points to: `None` without a waypoint, `NA` where it is unknown.
    pub fn waypoint_name(&self, waypoint: Option<&GatewayAddress>) -> &str {
        let Some(w) = waypoint else { return "None" };
        let found = self.services.iter().find(|s| {
            let by_name = w.destination.split_once('/').is_some_and(|(ns, host)| ns == s.namespace && host == s.hostname);
            by_name || s.vips.contains(&w.destination)
        });
        found.map_or("NA", |s| &s.name)
    }
}
