//! A proxy whose dump is given: what it holds, and who it is.

use super::request::TRUST_DOMAIN;
use crate::status::Failure;
use mesh_envoy::certificate;
use mesh_envoy::dump::secret::TlsCertificate;
use mesh_envoy::engine::Configuration;
use mesh_envoy::engine::listener::Direction;
use mesh_envoy::engine::request::Entry;
use mesh_envoy::proto_json::{field, items, text};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

pub struct Proxy {
    pub name: String,
    pub configuration: Configuration,
    /// Of its workload; empty where the dump does not say.
    pub addresses: Vec<IpAddr>,
    pub namespace: String,
    pub service_account: String,
    /// The workload that its Pod belongs to; "" where the dump does not say.
    pub workload: String,
    pub labels: BTreeMap<String, String>,
    /// The SPIFFE id in its certificate.
    pub certified: Option<String>,
}

impl Proxy {
    pub fn read(path: &Path, dump: &Value) -> Result<Proxy, Failure> {
        let configuration = Configuration::read(dump).map_err(|e| Failure::input(format!("{}: {e}", path.display())))?;
        let node = node(dump);
        // `sidecar~10.0.0.1~reviews-v1.default~default.svc.cluster.local`
        let id: Vec<&str> = node.and_then(|n| n.get("id")).and_then(Value::as_str).unwrap_or("").split('~').collect();
        let metadata = |key: &str| node.and_then(|n| n.get("metadata")?.get(key));
        let text = |key: &str| metadata(key).and_then(Value::as_str).unwrap_or("").to_owned();
        let mut addresses: Vec<IpAddr> = id.get(1).and_then(|ip| ip.parse().ok()).into_iter().collect();
        addresses.extend(text("INSTANCE_IPS").split(',').filter_map(|ip| ip.parse::<IpAddr>().ok()));
        let name = id.get(2).map_or_else(|| path.display().to_string(), |n| (*n).to_owned());
        let labels = metadata("LABELS").and_then(Value::as_object).into_iter().flatten();
        Ok(Proxy {
            name,
            configuration,
            addresses,
            namespace: text("NAMESPACE"),
            service_account: text("SERVICE_ACCOUNT"),
            workload: text("WORKLOAD_NAME"),
            labels: labels.filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect(),
            certified: certified(dump),
        })
    }

    pub fn problems(&self) -> Vec<String> {
        let missing = self.configuration.missing.iter().map(|m| format!("{}: the input holds no {m}", self.name));
        missing.chain(self.configuration.problems.iter().map(|u| format!("{}: {u}", self.name))).collect()
    }

    /// How requests of the workload enter, or those that a gateway takes.
    pub fn entry_outbound(&self) -> Entry {
        let captures = self.configuration.listeners.iter().any(|l| l.hands_off && l.direction == Direction::Outbound);
        if captures { Entry::CapturedOutbound } else { Entry::Direct }
    }
    /// How requests to the workload enter.
    pub fn entry_inbound(&self) -> Entry {
        let captures = self.configuration.listeners.iter().any(|l| &*l.name == "virtualInbound");
        if captures { Entry::CapturedInbound } else { Entry::Direct }
    }

    /// The SPIFFE id that the workload shows: that of its certificate, or by its service account.
    pub fn principal(&self, assumptions: &mut Vec<String>) -> String {
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
        assumptions.push(format!("the trust domain of {} is {TRUST_DOMAIN}", self.name));
        format!("spiffe://{TRUST_DOMAIN}/ns/{namespace}/sa/{account}")
    }

    /// An address under which a host is known: its routes list the addresses of services beside their names.
    pub fn address_of(&self, host: &str) -> Option<IpAddr> {
        let hosts = self.configuration.routes.values().flat_map(|t| &t.hosts);
        let named = hosts.filter(|h| h.domains.iter().any(|d| d.eq_ignore_ascii_case(host)));
        named.flat_map(|h| &h.domains).find_map(|d| d.trim_matches(['[', ']']).parse().ok())
    }
}

/// The SPIFFE id in the certificate that the proxy shows to others.
fn certified(dump: &Value) -> Option<String> {
    let sections = items(dump, "configs").filter(|s| text(s, "@type").ends_with(".SecretsConfigDump"));
    let entries = sections.flat_map(|s| items(s, "dynamic_active_secrets"));
    let own = entries.filter(|e| text(e, "name") == "default").find_map(|e| field(field(e, "secret")?, "tls_certificate"))?;
    let own = TlsCertificate::deserialize(own).ok()?;
    let chain = certificate::from_pem(&certificate::data_source(&own.certificate_chain));
    chain.first()?.sans.iter().find(|s| s.starts_with("spiffe://")).cloned()
}

fn node(dump: &Value) -> Option<&Value> {
    let sections = dump.get("configs")?.as_array()?;
    let bootstrap = sections.iter().find(|s| s.get("@type").and_then(Value::as_str).is_some_and(|t| t.ends_with(".BootstrapConfigDump")))?;
    bootstrap.get("bootstrap")?.get("node")
}
