//! Secrets as SDS hands them out: certificates of the mesh, and those of Secrets in the input.

use crate::ca::Issued;
use crate::resource::{Named, Resource};
use mesh_envoy::api::core::DataSource;
use mesh_envoy::api::tls::{CertificateValidationContext, Secret, TlsCertificate};
use mesh_model::{Kind, Object, Snapshot};
use std::sync::Arc;

/// The workload's own certificate.
pub const OWN: &str = "default";
/// What certificates of the mesh are checked against.
pub const ROOT: &str = "ROOTCA";
/// Secrets of Kubernetes, by name in the proxy's namespace.
pub const KUBERNETES: &str = "kubernetes://";

fn inline(bytes: impl Into<Vec<u8>>) -> Option<DataSource> {
    Some(DataSource { inline_bytes: Some(bytes.into()), ..DataSource::default() })
}

fn pair(name: &str, chain: Vec<u8>, key: Vec<u8>) -> Resource {
    let certificate = TlsCertificate { certificate_chain: inline(chain), private_key: inline(key) };
    Resource::new(name, &Secret { name: name.to_owned(), tls_certificate: Some(certificate), ..Secret::default() })
}

fn roots(name: &str, pem: Vec<u8>) -> Resource {
    let context = CertificateValidationContext { trusted_ca: inline(pem), ..CertificateValidationContext::default() };
    Resource::new(name, &Secret { name: name.to_owned(), validation_context: Some(context), ..Secret::default() })
}

pub fn own(issued: &Issued) -> Resource {
    pair(OWN, issued.chain.clone().into_bytes(), issued.key.clone().into_bytes())
}

pub fn root(pem: &str) -> Resource {
    roots(ROOT, pem.as_bytes().to_vec())
}

/// A Secret of the input, for a proxy of a namespace; why it gets none.
pub fn of_input(snapshot: &Snapshot, resource: &str, namespace: &str) -> Result<Resource, String> {
    let name = resource.strip_prefix(KUBERNETES).ok_or_else(|| refused(resource))?;
    let (of, name) = name.split_once('/').unwrap_or((namespace, name));
    if of != namespace {
        return Err(format!("the Secret {of}/{name} is of another namespace than the proxy, which is in {namespace}"));
    }
    let find = |name: &str| snapshot.objects.iter().rev().find(|o| o.kind == Kind::Secret && o.namespace() == namespace && o.name() == name);
    let wants_roots = name.ends_with("-cacert");
    let secret = find(name).or_else(|| find(name.strip_suffix("-cacert")?)).ok_or_else(|| format!("there is no Secret {namespace}/{name} in the input"))?;
    let missing = |what: &str| format!("the Secret {namespace}/{} has no {what}", secret.name());
    if wants_roots {
        let pem = first(secret, &["cacert", "ca.crt"]).ok_or_else(|| missing("`ca.crt` or `cacert`"))?;
        return Ok(roots(resource, pem));
    }
    let chain = first(secret, &["tls.crt", "cert"]).ok_or_else(|| missing("`tls.crt` or `cert`"))?;
    let key = first(secret, &["tls.key", "key"]).ok_or_else(|| missing("`tls.key` or `key`"))?;
    Ok(pair(resource, chain, key))
}

fn refused(resource: &str) -> String {
    if resource.starts_with("file-cert:") || resource.starts_with("file-root:") {
        format!("{resource} names files of the proxy's machine, which its agent reads; the control plane reads no file that a proxy names")
    } else {
        format!("{resource} is no secret that is served: `{OWN}`, `{ROOT}` or `{KUBERNETES}NAME`")
    }
}

/// The first of these keys of a Secret's data.
fn first(secret: &Object, keys: &[&str]) -> Option<Vec<u8>> {
    keys.iter().find_map(|key| {
        let plain = secret.at(&["stringData"]).and_then(|d| d.get(key)).map(|n| n.text().as_bytes().to_vec());
        let encoded = || {
            let text: String = secret.at(&["data"])?.get(key)?.text().split_whitespace().collect();
            data_encoding::BASE64.decode(text.as_bytes()).ok()
        };
        plain.or_else(encoded).filter(|b| !b.is_empty())
    })
}

/// Those of `known` that are of the input, made anew: only what has changed, or is there no longer as it was.
pub fn refreshed(known: &Named, snapshot: &Snapshot, namespace: &str) -> Vec<Resource> {
    let of_input = known.keys().filter(|n| n.starts_with(KUBERNETES)).filter_map(|n| of_input(snapshot, n, namespace).ok());
    of_input.filter(|r| known.get(&r.name).map(Arc::as_ref) != Some(r)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_model::snapshot::read_manifest;
    use mesh_model::yaml::Limits;
    use mesh_model::{Role, Source};

    #[test]
    fn secrets_of_the_own_namespace_are_served_and_no_other_files_or_names() {
        let text = "
apiVersion: v1
kind: Secret
metadata: {name: shop-tls, namespace: infra}
data: {tls.crt: Y2VydA==, tls.key: a2V5, ca.crt: cm9vdA==}
---
apiVersion: v1
kind: Secret
metadata: {name: empty, namespace: infra}
";
        let source = Source::new("", text);
        let mut snapshot = Snapshot::new();
        snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
        let get = |name: &str, ns: &str| of_input(&snapshot, name, ns);
        let secret = get("kubernetes://shop-tls", "infra").expect("a secret");
        let message: Secret = secret.any.unpack().expect("a secret");
        assert_eq!(message.tls_certificate.and_then(|c| c.private_key).and_then(|k| k.inline_bytes), Some(b"key".to_vec()));
        assert!(get("kubernetes://infra/shop-tls", "infra").is_ok());
        let message: Secret = get("kubernetes://shop-tls-cacert", "infra").expect("roots").any.unpack().expect("a secret");
        assert_eq!(message.validation_context.and_then(|c| c.trusted_ca).and_then(|k| k.inline_bytes), Some(b"root".to_vec()));
        for (name, ns, part) in [
            ("kubernetes://shop-tls", "other", "no Secret other/shop-tls"),
            ("kubernetes://infra/shop-tls", "other", "another namespace"),
            ("kubernetes://empty", "infra", "no `tls.crt`"),
            ("file-cert:/etc/passwd~/etc/shadow", "infra", "reads no file"),
            ("x", "infra", "no secret that is served"),
        ] {
            assert!(get(name, ns).is_err_and(|e| e.contains(part)), "{name}");
        }
    }
}
