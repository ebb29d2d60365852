//! ## IST0163 InvalidExternalControlPlaneConfig (Warning)
//!
//! **What it checks.** A webhook of Istio whose address is no URL, or that has neither a URL nor a Service.
//!
//! **Why it matters.** The API server cannot call it: pods are not injected, or objects are not validated.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: admissionregistration.k8s.io/v1
//! kind: ValidatingWebhookConfiguration
//! metadata: {name: istio-validator-istio-system}
//! webhooks:
//! - name: rev.validation.istio.io
//!   clientConfig: {url: "https://istiod.example.com:port/validate"}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: admissionregistration.k8s.io/v1
//! kind: ValidatingWebhookConfiguration
//! metadata: {name: istio-validator-istio-system}
//! webhooks:
//! - name: rev.validation.istio.io
//!   clientConfig: {url: "https://istiod.example.com:15017/validate"}
//! ```
//!
//! ## IST0164 ExternalControlPlaneAddressIsNotAHostname (Info)
//!
//! **What it checks.** A webhook of Istio that is addressed by IP.
//!
//! **Why it matters.** Certificates are for names; an address changes.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: admissionregistration.k8s.io/v1
//! kind: ValidatingWebhookConfiguration
//! metadata: {name: istio-validator-istio-system}
//! webhooks:
//! - name: rev.validation.istio.io
//!   clientConfig: {url: "https://10.0.0.1:15017/validate"}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: admissionregistration.k8s.io/v1
//! kind: ValidatingWebhookConfiguration
//! metadata: {name: istio-validator-istio-system}
//! webhooks:
//! - name: rev.validation.istio.io
//!   clientConfig: {url: "https://istiod.example.com:15017/validate"}
//! ```

use crate::codes::{IST0163, IST0164};
use crate::rule::{Context, Sink};
use crate::validation::{net, url};
use mesh_model::{Kind, Object, Role};

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for kind in [Kind::ValidatingWebhookConfiguration, Kind::MutatingWebhookConfiguration] {
        for object in cx.mesh.objects(kind).iter().copied().filter(|o| o.role == Role::Judged && is_istios(o)) {
            check(sink, object);
        }
    }
}

fn is_istios(object: &Object) -> bool {
    match object.kind {
        Kind::ValidatingWebhookConfiguration => object.name() == "istiod-default-validator" || object.name().starts_with("istio-validator"),
        _ => object.name().starts_with("istio-sidecar-injector"),
    }
}

fn check<'a>(sink: &mut Sink<'a>, object: &'a Object) {
    for webhook in object.root().list("webhooks") {
        let name = webhook.text_of("name");
        let config = webhook.get("clientConfig");
        let Some(address) = config.and_then(|c| c.get("url")) else {
            if config.is_none_or(|c| c.get("service").is_none()) {
                sink.report(&IST0163, object, webhook, format!("webhook `{name}` has no address: neither `url` nor `service`"));
            }
            continue;
        };
        match url::parse(address.text()) {
            Err(why) => {
                sink.report(&IST0163, object, address, format!("the address of webhook `{name}` is no URL: {why}"));
            }
            Ok(parts) if net::is_ip(parts.host) => {
                sink.report(&IST0164, object, address, format!("webhook `{name}` is addressed by the IP `{}`", parts.host)).help("use a host name");
            }
            Ok(_) => {}
        }
    }
}
