//! Secrets and ConfigMaps that something makes at run time from an object of the input: they count as existing, and
//! what they hold is not known.

use crate::mesh::Mesh;
use mesh_model::{Kind, Node, Object};
use rustc_hash::FxHashSet;

/// Annotations of objects that are copied into other namespaces, by their beginning.
const COPIED: &[&str] = &["reflector.v1.k8s.emberstack.com/reflection-auto", "replicator.v1.mittwald.de/replicate-to", "kubed.appscode.com/sync"];
/// Annotation of Services for which OpenShift makes a certificate.
const SERVING_CERTIFICATE: &[&str] = &["service.beta.openshift.io/serving-cert-secret-name", "service.alpha.openshift.io/serving-cert-secret-name"];

/// What is made in a namespace, or (`None`) in several that are not known.
#[derive(Default)]
pub struct Issued<'a> {
    secrets: FxHashSet<(Option<&'a str>, &'a str)>,
    config_maps: FxHashSet<(Option<&'a str>, &'a str)>,
}

impl<'a> Issued<'a> {
    pub fn new(mesh: &Mesh<'a>) -> Issued<'a> {
        let mut this = Issued::default();
        for object in mesh.objects(Kind::Other).iter().copied() {
            this.add(object);
        }
        for secret in mesh.objects(Kind::Secret).iter().filter(|s| is_copied(s.annotations())) {
            this.secrets.insert((None, secret.name()));
        }
        for service in mesh.objects(Kind::Service) {
            this.secrets.extend(SERVING_CERTIFICATE.iter().filter_map(|a| service.annotation(a)).map(|name| (Some(service.namespace()), name)));
        }
        this
    }

    fn add(&mut self, o: &'a Object) {
        let text = |path: &[&str]| o.spec_at(path).map(Node::text).filter(|t| !t.is_empty());
        let list = |path: &'static str| o.spec().into_iter().flat_map(move |s| s.list(path));
        let here = Some(o.namespace());
        match o.kind_name() {
            // cert-manager, and Knative's own.
            "Certificate" => {
                if let Some(name) = text(&["secretName"]) {
                    let copied = o.spec_at(&["secretTemplate"]).is_some_and(|t| is_copied(t.map("annotations")));
                    self.secrets.insert((here.filter(|_| !copied), name));
                }
            }
            // trust-manager: a Bundle is written into every namespace that it is for.
            "Bundle" | "ClusterBundle" => {
                self.secrets.insert((None, o.name()));
                self.config_maps.insert((None, o.name()));
            }
            "ExternalSecret" => _ = self.secrets.insert((here, text(&["target", "name"]).unwrap_or(o.name()))),
            "ClusterExternalSecret" => {
                let name = text(&["externalSecretSpec", "target", "name"]).or(text(&["externalSecretName"]));
                self.secrets.insert((None, name.unwrap_or(o.name())));
            }
            "SealedSecret" => _ = self.secrets.insert((here, text(&["template", "metadata", "name"]).unwrap_or(o.name()))),
            "SopsSecret" => self.secrets.extend(list("secretTemplates").map(|t| (here, t.text_of("name")))),
            "SecretProviderClass" => self.secrets.extend(list("secretObjects").map(|t| (here, t.text_of("secretName")))),
            "VaultStaticSecret" | "VaultDynamicSecret" | "VaultPKISecret" => self.secrets.extend(text(&["destination", "name"]).map(|name| (here, name))),
            "InfisicalSecret" => self.secrets.extend(text(&["managedSecretReference", "secretName"]).map(|name| (None, name))),
            "DopplerSecret" => self.secrets.extend(text(&["managedSecret", "name"]).map(|name| (None, name))),
            "OnePasswordItem" | "VaultSecret" => _ = self.secrets.insert((here, o.name())),
            _ => {}
        }
    }

    /// Whether a Secret or a ConfigMap is made.
    pub fn has(&self, kind: Kind, namespace: &str, name: &str) -> bool {
        let made = match kind {
            Kind::Secret => &self.secrets,
            Kind::ConfigMap => &self.config_maps,
            _ => return false,
        };
        [Some(namespace), None].into_iter().any(|ns| made.contains(&(ns, name)))
    }
}

fn is_copied(mut annotations: mesh_model::yaml::Entries<'_>) -> bool {
    annotations.any(|(key, _)| COPIED.iter().any(|c| key.text().starts_with(c)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_model::snapshot::read_manifest;
    use mesh_model::yaml::Limits;
    use mesh_model::{Role, Snapshot, Source};

    #[test]
    fn what_operators_make_is_there() {
        let text = "
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: a, namespace: edge}
spec: {secretName: by-certificate}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: b, namespace: certs}
spec: {secretName: copied, secretTemplate: {annotations: {reflector.v1.k8s.emberstack.com/reflection-auto-enabled: \"true\"}}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: by-name, namespace: edge}
spec: {target: {}}
---
apiVersion: bitnami.com/v1alpha1
kind: SealedSecret
metadata: {name: other, namespace: edge}
spec: {template: {metadata: {name: sealed}}}
---
apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata: {name: csi, namespace: edge}
spec: {secretObjects: [{secretName: mounted}]}
---
apiVersion: trust.cert-manager.io/v1alpha1
kind: Bundle
metadata: {name: roots}
spec: {target: {configMap: {key: ca.crt}}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: edge, annotations: {service.beta.openshift.io/serving-cert-secret-name: serving}}
";
        let source = Source::new("", text);
        let mut snapshot = Snapshot::new();
        snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
        let mesh = Mesh::new(&snapshot);
        let issued = Issued::new(&mesh);
        for name in ["by-certificate", "copied", "by-name", "sealed", "mounted", "serving"] {
            assert!(issued.has(Kind::Secret, "edge", name), "{name}");
            assert_eq!(issued.has(Kind::Secret, "shop", name), name == "copied", "{name}");
            assert!(!issued.has(Kind::ConfigMap, "edge", name), "{name}");
        }
        assert!(issued.has(Kind::ConfigMap, "any", "roots") && !issued.has(Kind::Secret, "edge", "a"));
    }
}
