//! Whom a name means.

use crate::mesh::Mesh;
use crate::service::ServiceKind;
use mesh_model::Kind;
use std::collections::BTreeSet;

/// What was asked for: `[KIND/]NAME[.NAMESPACE]`, as istioctl writes it, or `NAMESPACE/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<'t> {
    kinds: &'static [Kind],
    pub name: &'t str,
    pub namespace: Option<&'t str>,
}

const KINDS: &[(&[&str], &[Kind])] = &[
    (&["pod", "pods", "po"], &[Kind::Pod]),
    (&["deployment", "deployments", "deploy"], &[Kind::Deployment]),
    (&["statefulset", "statefulsets", "sts"], &[Kind::StatefulSet]),
    (&["daemonset", "daemonsets", "ds"], &[Kind::DaemonSet]),
    (&["replicaset", "replicasets", "rs"], &[Kind::ReplicaSet]),
    (&["job", "jobs"], &[Kind::Job]),
    (&["cronjob", "cronjobs", "cj"], &[Kind::CronJob]),
    (&["rollout", "rollouts"], &[Kind::Rollout]),
    (&["service", "services", "svc"], &[Kind::Service]),
];

/// Labels that name the application.
const LABELS: &[&str] = &["app", "app.kubernetes.io/name", "service.istio.io/canonical-name"];

impl<'t> Named<'t> {
    pub fn parse(text: &'t str, namespace: Option<&'t str>) -> Named<'t> {
        let (kinds, rest): (&'static [Kind], &'t str) = match text.split_once('/') {
            Some((kind, rest)) => match KINDS.iter().find(|(words, _)| words.contains(&kind.to_ascii_lowercase().as_str())) {
                Some((_, kinds)) => (kinds, rest),
                None => return Named { kinds: &[], name: rest, namespace: Some(kind) },
            },
            None => (&[], text),
        };
        match rest.rsplit_once('.') {
            Some((name, own)) if !name.is_empty() && !own.is_empty() => Named { kinds, name, namespace: Some(own) },
            _ => Named { kinds, name: rest, namespace },
        }
    }

    /// The workloads that are meant, by the first of: the object's name, the name of what made a Pod, the label `app` or
    /// its kin, a Service of the name, a service account. Ids of [`Mesh::workloads`], by name.
    pub fn workloads(&self, mesh: &Mesh<'_>) -> Vec<u32> {
        let mut ids = self.found(mesh);
        ids.sort_by_key(|id| {
            let w = mesh.workloads.get(*id);
            (w.namespace, w.object.name(), w.object.kind as usize, *id)
        });
        ids
    }

    fn found(&self, mesh: &Mesh<'_>) -> Vec<u32> {
        let all = mesh.workloads.all();
        let ids = |is: &dyn Fn(&crate::Workload<'_>) -> bool| -> Vec<u32> {
            let here = |w: &crate::Workload<'_>| self.namespace.is_none_or(|n| n == w.namespace);
            (0..all.len() as u32).filter(|i| here(&all[*i as usize]) && is(&all[*i as usize])).collect()
        };
        let of_kind = |w: &crate::Workload<'_>| self.kinds.is_empty() || self.kinds.contains(&w.object.kind);
        if self.kinds != [Kind::Service] {
            let by_name = ids(&|w| of_kind(w) && w.object.name() == self.name);
            if !by_name.is_empty() {
                return by_name;
            }
            let made = ids(&|w| w.object.kind == Kind::Pod && self.kinds != [Kind::Pod] && is_made_by(w.object.name(), self.name));
            if !made.is_empty() {
                return made;
            }
            let by_label = ids(&|w| of_kind(w) && LABELS.iter().any(|l| w.label(l) == Some(self.name)));
            if !by_label.is_empty() || !self.kinds.is_empty() {
                return by_label;
            }
        }
        let services = mesh.services.all().iter().filter(|s| s.kind == ServiceKind::Kubernetes && s.object.name() == self.name);
        let mut of_service: Vec<u32> = services
            .filter(|s| self.namespace.is_none_or(|n| n == s.namespace))
            .map(|s| (s.namespace, s.selector()))
            .filter(|(_, selector)| !selector.is_empty())
            .flat_map(|(namespace, selector)| mesh.workloads.matching_ids(Some(namespace), &selector))
            .collect();
        of_service.sort_unstable();
        of_service.dedup();
        if of_service.is_empty() { ids(&|w| self.kinds.is_empty() && w.service_account() == self.name) } else { of_service }
    }
}

/// Whether a Pod's name is that of a Deployment's or StatefulSet's Pods.
pub(super) fn is_made_by(pod: &str, name: &str) -> bool {
    pod.strip_prefix(name).and_then(|rest| rest.strip_prefix('-')).is_some_and(|rest| {
        let parts: Vec<&str> = rest.split('-').collect();
        parts.len() <= 2 && parts.iter().all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_alphanumeric())) && rest.bytes().any(|b| b.is_ascii_digit())
    })
}

/// Names of workloads, for those who mistyped one.
pub fn names(mesh: &Mesh<'_>) -> BTreeSet<String> {
    mesh.workloads.all().iter().map(|w| format!("{}.{}", w.object.name(), w.namespace)).collect()
}

/// What else would have been understood: Services, and what workloads are labelled; `NAME.NAMESPACE`.
pub fn other_names(mesh: &Mesh<'_>) -> BTreeSet<String> {
    let services = mesh.services.all().iter().filter(|s| s.kind == ServiceKind::Kubernetes).map(|s| format!("{}.{}", s.object.name(), s.namespace));
    let labels = mesh.workloads.all().iter().flat_map(|w| LABELS.iter().filter_map(move |l| Some(format!("{}.{}", w.label(l)?, w.namespace))));
    services.chain(labels).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_istioctl_writes_them() {
        let named = |t| {
            let n = Named::parse(t, Some("here"));
            (n.kinds, n.name, n.namespace)
        };
        assert_eq!(named("cart"), (&[][..], "cart", Some("here")));
        assert_eq!(named("deploy/cart.shop"), (&[Kind::Deployment][..], "cart", Some("shop")));
        assert_eq!(named("shop/cart"), (&[][..], "cart", Some("shop")));
    }

    #[test]
    fn pods_are_known_by_what_made_them() {
        assert!(is_made_by("cart-v1-79f59ff6bd-b7wxt", "cart-v1") && is_made_by("db-0", "db"));
        assert!(!is_made_by("cart-v1-79f59ff6bd-b7wxt", "cart") && !is_made_by("cart", "cart") && !is_made_by("cart-blue", "cart"));
    }
}
