//! The workloads that tests are about, and what the proxy of each holds: from dumps, or from manifests by translation.

mod manifests;

pub use manifests::read as read_manifests;

use crate::commands::route::proxy::Proxy;
use mesh_analyzers::spelling;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

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
    pub proxy: Proxy,
    pub not_judged: Vec<String>,
}

type Make<'m> = Box<dyn Fn(usize) -> Result<Asked, String> + 'm>;

pub struct Members<'m> {
    identities: Vec<Identity>,
    asked: Vec<OnceCell<Result<Asked, String>>>,
    make: Make<'m>,
    /// What is taken to be so for all tests.
    pub assumptions: Vec<String>,
}

impl<'m> Members<'m> {
    fn new(identities: Vec<Identity>, make: Make<'m>, assumptions: Vec<String>) -> Members<'m> {
        let asked = identities.iter().map(|_| OnceCell::new()).collect();
        Members { identities, asked, make, assumptions }
    }

    /// Of dumps, by the names of their files; what can't be read of them costs that one proxy and is a problem.
    pub fn of_dumps(pages: Vec<(String, String)>) -> (Members<'static>, Vec<String>) {
        let (mut identities, mut asked, mut problems) = (Vec::new(), Vec::new(), Vec::new());
        for (origin, text) in pages {
            let dump = serde_json::from_str(&text).map_err(|e| format!("{origin}: {e}"));
            let proxy = match dump.and_then(|d| Proxy::read(Path::new(&origin), &d).map_err(|e| e.to_string())) {
                Ok(proxy) => proxy,
                Err(why) => {
                    problems.push(why);
                    continue;
                }
            };
            identities.push(Identity {
                name: proxy.name.clone(),
                namespace: proxy.namespace.clone(),
                workload: proxy.workload.clone(),
                service_account: proxy.service_account.clone(),
                labels: proxy.labels.clone(),
                addresses: proxy.addresses.clone(),
                standing: Standing::Proxy,
            });
            let not_judged = proxy.configuration.missing.iter().map(|m| format!("{}: the input holds no {m}", proxy.name)).collect();
            asked.push(OnceCell::from(Ok(Asked { proxy, not_judged })));
        }
        let make = Box::new(|_| Err("the dump is not there".to_owned()));
        (Members { identities, asked, make, assumptions: Vec::new() }, problems)
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
        let members = Members::new(list, Box::new(|_| Err(String::new())), Vec::new());
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
