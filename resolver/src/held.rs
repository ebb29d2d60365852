//! A proxy whose config dump is given: what it holds, and who it is.

use crate::laptop;
use mesh_envoy::dump::secret;
use mesh_envoy::engine::listener::Direction;
use mesh_envoy::engine::request::Entry;
use mesh_envoy::engine::{Configuration, ReadError};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;

pub struct Held {
    /// The Pod and its namespace, or the file that the dump came from.
    pub name: String,
    pub configuration: Configuration,
    /// Of its workload; empty where the dump does not say.
    pub addresses: Vec<IpAddr>,
    /// "" where the dump does not say.
    pub namespace: String,
    /// The cluster that its Pod is in; "" where the dump does not say.
    pub cluster: String,
    pub service_account: String,
    /// What made its Pod.
    pub workload: String,
    pub labels: BTreeMap<String, String>,
    /// The SPIFFE id in its certificate.
    pub certified: Option<String>,
    /// Updates that it rejected, with its words.
    pub rejected: Vec<String>,
}

impl Held {
    /// Reads a config dump, or lists of xDS resources; `from` names it where it does not say whose it is.
    ///
    /// # Errors
    /// A value that is neither.
    pub fn read(from: &str, dump: &Value) -> Result<Held, ReadError> {
        let put_back = laptop::put_back(dump);
        let (dump, own) = put_back.as_ref().map_or((dump, [].as_slice()), |(dump, own)| (dump, own.as_slice()));
        let configuration = Configuration::read(dump)?;
        let node = node(dump);
        // `sidecar~10.0.0.1~reviews-v1.default~default.svc.cluster.local`
        let id: Vec<&str> = node.and_then(|n| n.get("id")).and_then(Value::as_str).unwrap_or("").split('~').collect();
        let metadata = |key: &str| node.and_then(|n| n.get("metadata")?.get(key));
        let text = |key: &str| metadata(key).and_then(Value::as_str).unwrap_or("").to_owned();
        let mut addresses: Vec<IpAddr> = id.get(1).and_then(|ip| ip.parse().ok()).into_iter().collect();
        addresses.extend(text("INSTANCE_IPS").split(',').filter_map(|ip| ip.parse::<IpAddr>().ok()));
        if !own.is_empty() {
            addresses = own.to_vec();
        }
        let name = id.get(2).map_or_else(|| from.to_owned(), |n| (*n).to_owned());
        let labels = metadata("LABELS").and_then(Value::as_object).into_iter().flatten();
        Ok(Held {
            name,
            configuration,
            addresses,
            namespace: text("NAMESPACE"),
            cluster: text("CLUSTER_ID"),
            service_account: text("SERVICE_ACCOUNT"),
            workload: text("WORKLOAD_NAME"),
            labels: labels.filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect(),
            certified: secret::identity_in(dump),
            rejected: rejected(dump),
        })
    }

    pub fn problems(&self) -> Vec<String> {
        let missing = self.configuration.missing.iter().map(|m| format!("{}: the input holds no {m}", self.name));
        missing.chain(self.configuration.problems.iter().map(|u| format!("{}: {u}", self.name))).collect()
    }

    /// How requests of the workload enter, or those that a gateway takes.
    pub fn entry_outbound(&self) -> Entry {
        entry_outbound(&self.configuration)
    }
    /// How requests to the workload enter.
    pub fn entry_inbound(&self) -> Entry {
        entry_inbound(&self.configuration)
    }

    /// The SPIFFE id that the workload shows: that of its certificate, or by its service account.
    pub fn principal(&self, trust_domain: &str, assumptions: &mut Vec<String>) -> String {
        if let Some(certified) = &self.certified {
            return certified.clone();
        }
        let (namespace, account) = match (self.namespace.as_str(), self.service_account.as_str()) {
            ("", _) | (_, "") => {
                assumptions.push(format!("the service account of {} is default/default: its dump does not say", self.name));
                ("default", "default")
            }
            both => both,
        };
        assumptions.push(format!("the trust domain of {} is {trust_domain}", self.name));
        format!("spiffe://{trust_domain}/ns/{namespace}/sa/{account}")
    }

    /// An address under which a host is known: its routes list the addresses of services beside their names.
    pub fn address_of(&self, host: &str) -> Option<IpAddr> {
        let hosts = self.configuration.routes.values().flat_map(|t| &t.hosts);
        let named = hosts.filter(|h| h.domains.iter().any(|d| d.eq_ignore_ascii_case(host)));
        named.flat_map(|h| &h.domains).find_map(|d| d.trim_matches(['[', ']']).parse().ok())
    }
}

pub(crate) fn entry_outbound(configuration: &Configuration) -> Entry {
    // A sidecar that captures what comes in captures what goes out, though an excerpt may lack the listener for it.
    let captures = configuration.listeners.iter().any(|l| (l.hands_off && l.direction == Direction::Outbound) || &*l.name == "virtualInbound");
    if captures { Entry::CapturedOutbound } else { Entry::Direct }
}

pub(crate) fn entry_inbound(configuration: &Configuration) -> Entry {
    let captures = configuration.listeners.iter().any(|l| &*l.name == "virtualInbound");
    if captures { Entry::CapturedInbound } else { Entry::Direct }
}

fn sections(dump: &Value) -> impl Iterator<Item = &Value> {
    dump.get("configs").and_then(Value::as_array).into_iter().flatten()
}

fn node(dump: &Value) -> Option<&Value> {
    let section = sections(dump).find(|s| s.get("@type").and_then(Value::as_str).is_some_and(|t| t.ends_with(".BootstrapConfigDump")))?;
    section.get("bootstrap")?.get("node")
}

/// `error_state` of whatever has one: the update was not taken, and an older one is in force.
fn rejected(dump: &Value) -> Vec<String> {
    let mut out = Vec::new();
    for list in sections(dump).filter_map(Value::as_object).flat_map(|s| s.values()).filter_map(Value::as_array) {
        for entry in list {
            let Some(details) = entry.get("error_state").or_else(|| entry.get("errorState")).and_then(|e| e.get("details")?.as_str()) else { continue };
            let name = entry.get("name").and_then(Value::as_str).filter(|n| !n.is_empty()).unwrap_or("a resource without a name");
            out.push(format!("{name}: {details}"));
        }
    }
    out
}
