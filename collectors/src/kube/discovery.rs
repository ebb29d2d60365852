//! What an API server serves: which resource holds the objects of a kind, in which version.

use super::client::Cluster;
use super::error::ApiError;
use mesh_model::{Kind, Scope, kind::KINDS};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The objects of one kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resource {
    pub kind: Kind,
    /// "" for the core group.
    pub group: String,
    pub version: String,
    /// `virtualservices`.
    pub plural: String,
}

impl Resource {
    pub fn api_version(&self) -> String {
        api_version(&self.group, &self.version)
    }
    /// The path of all its objects, or of those in a namespace.
    pub fn path(&self, namespace: Option<&str>) -> String {
        let root = if self.group.is_empty() { format!("/api/{}", self.version) } else { format!("/apis/{}/{}", self.group, self.version) };
        match namespace {
            Some(namespace) => format!("{root}/namespaces/{namespace}/{}", self.plural),
            None => format!("{root}/{}", self.plural),
        }
    }
    pub fn is_namespaced(&self) -> bool {
        self.kind.scope() == Scope::Namespaced
    }
}

/// `networking.istio.io/v1`, `v1` in the core group.
pub fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Groups {
    groups: Vec<Group>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Group {
    name: String,
    versions: Vec<Version>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Version {
    version: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Resources {
    resources: Vec<ApiResource>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ApiResource {
    name: String,
    kind: String,
}

/// What is served, and what could not be found out.
#[derive(Debug, Default)]
pub struct Served {
    /// One resource a kind, in the newest stable version, by kind.
    pub resources: BTreeMap<Kind, Resource>,
    /// `plural.group` of the definitions that Istio and the Gateway API brought, sorted.
    pub definitions: Vec<String>,
    /// Group versions that did not answer.
    pub failed: Vec<Failed>,
}

/// A group version of which is not known what it serves.
#[derive(Debug)]
pub struct Failed {
    /// "" for the core group.
    pub group: String,
    pub version: String,
    pub error: ApiError,
}

/// Asks what is served of the kinds that are known.
pub async fn discover(cluster: &Cluster) -> Result<Served, ApiError> {
    let groups: Groups = parse(&cluster.get("/apis").await?)?;
    let mut wanted = vec![(String::new(), "v1".to_owned())];
    for group in groups.groups {
        let is_known = KINDS.iter().any(|k| k.groups().contains(&group.name.as_str())) || is_ours(&group.name);
        wanted.extend(group.versions.into_iter().filter(|_| is_known).map(|v| (group.name.clone(), v.version)));
    }
    let mut asked = tokio::task::JoinSet::new();
    for (group, version) in wanted {
        let cluster = cluster.clone();
        asked.spawn(async move {
            let path = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
            let answer = match cluster.get(&path).await {
                Ok(body) => parse::<Resources>(&body),
                Err(error) => Err(error),
            };
            (group, version, answer)
        });
    }
    let mut served = Served::default();
    let mut answers = asked.join_all().await;
    answers.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    for (group, version, answer) in answers {
        match answer {
            Ok(list) => served.add(&group, &version, &list.resources),
            Err(error) => served.failed.push(Failed { group, version, error }),
        }
    }
    served.definitions.sort();
    served.definitions.dedup();
    Ok(served)
}

impl Served {
    /// Kinds that may be served and were not found, because a group did not answer.
    pub fn unknown(&self) -> Vec<Kind> {
        let failed = |kind: &Kind| self.failed.iter().any(|f| kind.groups().contains(&f.group.as_str()));
        let mut unknown: Vec<Kind> = KINDS.iter().copied().filter(|k| failed(k) && !self.resources.contains_key(k)).collect();
        if self.failed.iter().any(|f| is_ours(&f.group)) && !unknown.contains(&Kind::CustomResourceDefinition) {
            // The definitions of that group are not among those that are asked for.
            unknown.push(Kind::CustomResourceDefinition);
        }
        unknown
    }
    fn add(&mut self, group: &str, version: &str, resources: &[ApiResource]) {
        // `pods/log` and the like are no objects.
        for r in resources.iter().filter(|r| !r.name.contains('/')) {
            if is_ours(group) {
                self.definitions.push(format!("{}.{group}", r.name));
            }
            let kind = Kind::find(group, &r.kind);
            if kind == Kind::Other {
                continue;
            }
            let new = Resource { kind, group: group.to_owned(), version: version.to_owned(), plural: r.name.clone() };
            let rank = |r: &Resource| (std::cmp::Reverse(kind.groups().iter().position(|g| *g == r.group)), priority(&r.version));
            match self.resources.get(&kind) {
                Some(old) if rank(old) >= rank(&new) => {}
                _ => {
                    self.resources.insert(kind, new);
                }
            }
        }
    }
}

/// Groups whose definitions checks look at.
fn is_ours(group: &str) -> bool {
    group.ends_with(".istio.io") || group == "gateway.networking.k8s.io" || group == "gateway.networking.x-k8s.io"
}

/// Kubernetes' order of versions: stable before beta before alpha, then by number.
fn priority(version: &str) -> (u8, u32, u32) {
    let number = |text: &str| text.parse::<u32>().unwrap_or(0);
    let Some(rest) = version.strip_prefix('v') else { return (0, 0, 0) };
    match rest.split_once("beta").map(|p| (2, p)).or_else(|| rest.split_once("alpha").map(|p| (1, p))) {
        Some((level, (major, minor))) => (level, number(major), number(minor)),
        None => (3, number(rest), 0),
    }
}

fn parse<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|e| {
        let start: String = String::from_utf8_lossy(body).chars().take(60).collect();
        ApiError::Odd(format!("not what an API server answers ({e}): {start}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_stable_version_is_taken() {
        let mut versions = vec!["v1alpha3", "v1", "v1beta1", "v2alpha1", "v1beta2", "v10", "odd"];
        versions.sort_by_key(|v| std::cmp::Reverse(priority(v)));
        assert_eq!(versions, ["v10", "v1", "v1beta2", "v1beta1", "v2alpha1", "v1alpha3", "odd"]);
    }
}
