//! The workloads that tests are about, and what the proxy of each holds: its dump where one is given, else what the
//! manifests make of it.

use crate::commands::route::manifests::not_judged;
use mesh_analyzers::spelling;
use mesh_envoy::engine::Configuration;
use mesh_model::{Kind, Role};
use mesh_resolver::injection::InMesh;
use mesh_resolver::mtls::{Report, report};
use mesh_resolver::translate::Model;
use mesh_resolver::why::workload_of;
use mesh_resolver::{Held, Workload};
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Whether a workload has a proxy that can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    Proxy,
    /// It takes and sends what it is sent, in plaintext.
    Alone,
    /// In a sentence: "is captured by ztunnel, …".
    NotJudged(&'static str),
}

/// Who a workload is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// `POD.NAMESPACE`, or the file of a dump that does not say.
    pub name: String,
    pub namespace: String,
    pub workload: String,
    pub service_account: String,
    pub labels: BTreeMap<String, String>,
    pub addresses: Vec<IpAddr>,
    pub standing: Standing,
}

/// What a proxy holds, and what of it is not known: a sentence each.
pub struct Asked {
    pub proxy: Held,
    pub not_judged: Vec<String>,
}

type Make<'m> = Box<dyn Fn(usize) -> Result<Asked, String> + 'm>;

pub struct Members<'m> {
    identities: Vec<Identity>,
    asked: Vec<OnceCell<Result<Asked, String>>>,
    make: Make<'m>,
    encryption: Box<dyn Fn() -> Option<Report> + 'm>,
    report: OnceCell<Option<Report>>,
    pub trust_domain: String,
    /// What is taken to be so for all tests.
    pub assumptions: Vec<String>,
}

impl<'m> Members<'m> {
    /// The workloads of manifests, if there are any, and the proxies whose dumps are given: of a workload that has one the
    /// dump is asked.
    pub fn new(model: &'m Model<'m, '_>, held: Vec<Held>) -> Members<'m> {
        let mesh = model.mesh;
        let has_manifests = mesh.snapshot.objects.iter().any(|o| o.role != Role::Assumed);
        let count = if has_manifests { mesh.workloads.all().len() as u32 } else { 0 };
        let mut identities: Vec<Identity> = (0..count).map(|id| of_workload(model, id)).collect();
        let mut asked: Vec<OnceCell<Result<Asked, String>>> = identities.iter().map(|_| OnceCell::new()).collect();
        for proxy in held {
            let own = if has_manifests { workload_of(model, &proxy).map(|id| id as usize) } else { None };
            let place = own.filter(|i| asked[*i].get().is_none());
            let identity = of_dump(&proxy);
            let not_judged = proxy.configuration.missing.iter().map(|m| format!("{}: the input holds no {m}", proxy.name)).collect();
            let known = OnceCell::from(Ok(Asked { proxy, not_judged }));
            match place {
                Some(i) => {
                    identities[i].addresses.extend(identity.addresses);
                    identities[i].standing = Standing::Proxy;
                    asked[i] = known;
                }
                None => {
                    identities.push(identity);
                    asked.push(known);
                }
            }
        }
        let make = move |i: usize| ask(model, u32::try_from(i).unwrap_or(u32::MAX));
        let mut assumptions = Vec::new();
        if has_manifests {
            assumptions.push("the manifests are the whole mesh".to_owned());
            if mesh.objects(Kind::Service).iter().any(|s| s.role == Role::Assumed) {
                assumptions.push("the default ingress gateway is there".to_owned());
            }
        }
        Members {
            identities,
            asked,
            make: Box::new(make),
            encryption: Box::new(move || has_manifests.then(|| report(mesh))),
            report: OnceCell::new(),
            trust_domain: mesh.config.trust_domain().to_owned(),
            assumptions,
        }
    }

    /// Which ports are reached encrypted, as the manifests have it; `None` without manifests.
    pub fn encryption(&self) -> Option<&Report> {
        self.report.get_or_init(|| (self.encryption)()).as_ref()
    }

    pub fn len(&self) -> usize {
        self.identities.len()
    }

    pub fn identity(&self, i: usize) -> &Identity {
        &self.identities[i]
    }

    /// What the proxy of a workload holds.
    ///
    /// # Errors
    /// Why it can't be known.
    pub fn ask(&self, i: usize) -> Result<&Asked, String> {
        match &self.identities[i].standing {
            Standing::NotJudged(why) => return Err(format!("{} {why}", self.identities[i].name)),
            Standing::Alone => return Err(format!("{} has no proxy", self.identities[i].name)),
            Standing::Proxy => {}
        }
        self.asked[i].get_or_init(|| (self.make)(i)).as_ref().map_err(Clone::clone)
    }

    /// The workload at an address.
    pub fn at(&self, address: IpAddr) -> Option<usize> {
        self.identities.iter().position(|m| m.addresses.contains(&address))
    }

    /// The workloads that a name fits: of a pod, of a workload, of an application (its canonical name, `app`), of a service
    /// account; the first of these that any has. `NAMESPACE/NAME` and `NAME.NAMESPACE` name the namespace as well.
    ///
    /// # Errors
    /// None has the name: a sentence with the nearest.
    pub fn named(&self, name: &str) -> Result<Vec<usize>, String> {
        let canonical = |m: &Identity| {
            let keys = ["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"];
            keys.iter().find_map(|k| m.labels.get(*k)).cloned().unwrap_or_default()
        };
        let names: [&dyn Fn(&Identity) -> String; 4] =
            [&|m| m.name.strip_suffix(&format!(".{}", m.namespace)).unwrap_or(&m.name).to_owned(), &|m| m.workload.clone(), &canonical, &|m| {
                m.service_account.clone()
            }];
        let (namespace, short) = name.split_once('/').map_or((None, name), |(ns, short)| (Some(ns), short));
        let fits = |m: &Identity, of: &str| {
            let with_namespace = || namespace.is_none() && name.strip_suffix(&m.namespace).and_then(|n| n.strip_suffix('.')) == Some(of);
            !of.is_empty() && ((of == short && namespace.is_none_or(|ns| ns == m.namespace)) || with_namespace() || m.name == name)
        };
        for of in names {
            let found: Vec<usize> = (0..self.identities.len()).filter(|i| fits(&self.identities[*i], &of(&self.identities[*i]))).collect();
            if !found.is_empty() {
                return Ok(found);
            }
        }
        let all: Vec<String> = self.identities.iter().flat_map(|m| names.iter().map(|of| of(m))).filter(|n| !n.is_empty()).collect();
        let near = spelling::nearest(short, all.iter().map(String::as_str));
        let meant = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                let mut known: Vec<String> = self.identities.iter().map(canonical).filter(|n| !n.is_empty()).collect();
                known.sort();
                known.dedup();
                known.truncate(8);
                format!("there is {}", if known.is_empty() { "none with a name".to_owned() } else { known.join(", ") })
            }
        };
        Err(format!("no workload of the input is called `{name}`; {meant}"))
    }
}

fn of_workload(model: &Model<'_, '_>, id: u32) -> Identity {
    let mesh = model.mesh;
    let w = mesh.workloads.get(id);
    let node = model.proxy_of(id);
    Identity {
        name: node.id.clone(),
        namespace: w.namespace.to_owned(),
        workload: w.object.name().to_owned(),
        service_account: w.service_account().to_owned(),
        labels: labels(w),
        addresses: node.addresses.iter().filter_map(|a| a.parse().ok()).collect(),
        standing: match mesh.in_mesh(w) {
            InMesh::Sidecar | InMesh::Gateway => Standing::Proxy,
            InMesh::No => Standing::Alone,
            InMesh::Ambient => Standing::NotJudged("is captured by ztunnel, and ambient mode is not translated"),
            InMesh::Unknown => Standing::NotJudged("may or may not have a sidecar: the input does not say"),
        },
    }
}

/// With the name that injection gives where there is none; that of the assumed gateway is the usual one.
fn labels(w: &Workload<'_>) -> BTreeMap<String, String> {
    const NAME: &str = "service.istio.io/canonical-name";
    let mut out: BTreeMap<String, String> = w.labels().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    if w.object.role == Role::Assumed {
        out.insert(NAME.to_owned(), "istio-ingressgateway".to_owned());
    }
    out
}

fn of_dump(proxy: &Held) -> Identity {
    Identity {
        name: proxy.name.clone(),
        namespace: proxy.namespace.clone(),
        workload: proxy.workload.clone(),
        service_account: proxy.service_account.clone(),
        labels: proxy.labels.clone(),
        addresses: proxy.addresses.clone(),
        standing: Standing::Proxy,
    }
}

/// What the manifests make of a workload's proxy.
fn ask(model: &Model<'_, '_>, id: u32) -> Result<Asked, String> {
    let w = model.mesh.workloads.get(id);
    let node = model.proxy_of(id);
    let translation = model.translate(&node);
    let configuration = Configuration::read(&translation.resources()).map_err(|e| format!("the translation for {}: {e}", node.id))?;
    let principal = format!("spiffe://{}/ns/{}/sa/{}", model.mesh.config.trust_domain(), w.namespace, w.service_account());
    let proxy = Held {
        name: node.id,
        configuration,
        addresses: node.addresses.iter().filter_map(|a| a.parse().ok()).collect(),
        namespace: w.namespace.to_owned(),
        cluster: model.mesh.snapshot.cluster_name(w.object).to_owned(),
        service_account: w.service_account().to_owned(),
        workload: w.object.name().to_owned(),
        labels: node.labels,
        certified: Some(principal),
        rejected: Vec::new(),
    };
    Ok(Asked { proxy, not_judged: not_judged(&translation) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, namespace: &str, workload: &str, app: &str, account: &str) -> Identity {
        Identity {
            name: format!("{name}.{namespace}"),
            namespace: namespace.to_owned(),
            workload: workload.to_owned(),
            service_account: account.to_owned(),
            labels: [("app".to_owned(), app.to_owned())].into(),
            addresses: Vec::new(),
            standing: Standing::Proxy,
        }
    }

    #[test]
    fn workloads_are_named_as_people_know_them() {
        let list = vec![
            member("reviews-v1-abc", "shop", "reviews-v1", "reviews", "shop-reviews"),
            member("reviews-v2-def", "shop", "reviews-v2", "reviews", "shop-reviews"),
            member("cart-1", "shop", "cart", "cart", "reviews"),
            member("cart-1", "web", "cart", "cart", "default"),
        ];
        let members = Members {
            asked: list.iter().map(|_| OnceCell::new()).collect(),
            identities: list,
            make: Box::new(|_| Err(String::new())),
            encryption: Box::new(|| None),
            report: OnceCell::new(),
            trust_domain: String::new(),
            assumptions: Vec::new(),
        };
        for (name, want) in [
            ("reviews-v1-abc", vec![0]),
            ("reviews-v1-abc.shop", vec![0]),
            ("reviews-v2", vec![1]),
            // The application comes before the service account.
            ("reviews", vec![0, 1]),
            ("shop-reviews", vec![0, 1]),
            ("cart", vec![2, 3]),
            ("web/cart", vec![3]),
            ("cart.web", vec![3]),
        ] {
            assert_eq!(members.named(name), Ok(want), "{name}");
        }
        assert!(members.named("revews").is_err_and(|e| e.contains("did you mean `reviews`?")));
        assert!(members.named("web/reviews").is_err());
    }
}
