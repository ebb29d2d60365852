//! ## IST0158 PodsIstioProxyImageMismatchInNamespace (Warning)
//!
//! **What it checks.** Pods whose proxy runs another image than the injector would give them now.
//!
//! **Why it matters.** They were made before an upgrade of the control plane; old proxies stay behind until they are made
//! anew.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: ConfigMap
//! metadata: {name: istio-sidecar-injector, namespace: istio-system}
//! data: {values: '{"global": {"hub": "docker.io/istio", "tag": "1.31.0", "proxy": {"image": "proxyv2"}}}'}
//! ---
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: shop, labels: {istio-injection: enabled}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec: {containers: [{name: istio-proxy, image: "docker.io/istio/proxyv2:1.30.0"}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: ConfigMap
//! metadata: {name: istio-sidecar-injector, namespace: istio-system}
//! data: {values: '{"global": {"hub": "docker.io/istio", "tag": "1.31.0", "variant": "distroless", "proxy": {"image": "proxyv2"}}}'}
//! ---
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: shop, labels: {istio-injection: enabled}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec: {containers: [{name: istio-proxy, image: "docker.io/istio/proxyv2:1.31.0-distroless"}]}
//! ```

use crate::codes::IST0158;
use crate::rule::{Context, Sink};
use mesh_model::{Kind, Node, Object, Source, Span, yaml};
use mesh_resolver::Selector;
use mesh_resolver::injection::injector_name;
use std::collections::BTreeMap;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let injectors = cx.mesh.objects(Kind::ConfigMap).iter().filter(|c| c.name().starts_with("istio-sidecar-injector"));
    let images: BTreeMap<&str, Image> = injectors.map(|c| (c.name(), Image::of(c))).collect();
    if images.is_empty() {
        return;
    }
    let mut pods: BTreeMap<&str, Vec<&'a Object>> = BTreeMap::new();
    for pod in cx.mesh.objects(Kind::Pod) {
        if mismatches(cx, pod, &images) {
            pods.entry(pod.namespace()).or_default().push(pod);
        }
    }
    for (namespace, pods) in pods {
        let Some(ns) = cx.mesh.find(Kind::Namespace, "", namespace) else { continue };
        let mut names: Vec<String> = pods.iter().map(|p| format!("`{}`", p.name())).collect();
        names.sort();
        let finding = sink.report(
            &IST0158,
            ns,
            ns.name_node(),
            format!("proxies in namespace `{namespace}` run another image than the injector gives: {}", names.join(", ")),
        );
        finding.help("make the pods anew (`kubectl rollout restart`) to upgrade their proxies");
        for pod in pods.iter().take(5) {
            finding.related(pod, pod.name_node(), "this pod");
        }
    }
}

/// What the injector's values give.
struct Image {
    /// `hub/image:tag`, or `image` where it is a whole reference.
    reference: String,
    /// Put behind it unless a ProxyConfig says otherwise.
    variant: String,
}

impl Image {
    fn of(config_map: &Object) -> Image {
        let text = config_map.at(&["data", "values"]).map_or("", Node::text);
        let values: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        let global = &values["global"];
        let text = |v: &serde_json::Value| v.as_str().map_or_else(|| if v.is_null() { String::new() } else { v.to_string() }, str::to_owned);
        let image = text(&global["proxy"]["image"]);
        let reference = if image.contains('/') { image } else { format!("{}/{image}:{}", text(&global["hub"]), text(&global["tag"])) };
        Image { reference, variant: text(&global["variant"]) }
    }
}

fn mismatches(cx: &Context<'_>, pod: &Object, images: &BTreeMap<&str, Image>) -> bool {
    let label = |key| cx.mesh.namespace_label(pod.namespace(), key);
    let revision = match (label("istio.io/rev"), label("istio-injection")) {
        (Some(revision), _) => revision,
        (None, Some("enabled")) => "default",
        _ => return false,
    };
    if pod.annotation("sidecar.istio.io/proxyImage").is_some_and(|i| !i.is_empty()) {
        return false;
    }
    let Some(wanted) = images.get(injector_name(revision).as_str()) else { return false };
    let Some(spec) = pod.spec() else { return false };
    let mut proxies = spec.list("containers").chain(spec.list("initContainers")).filter(|c| c.text_of("name") == "istio-proxy");
    let variant = image_type(cx, pod).unwrap_or_else(|| wanted.variant.clone());
    let variant = format!("{}-{variant}", wanted.reference);
    proxies.any(|c| c.text_of("image") != wanted.reference && c.text_of("image") != variant)
}

/// The image type: of the pod's annotation, else of the ProxyConfigs of its workload, namespace and mesh, else of the
/// mesh configuration.
fn image_type(cx: &Context<'_>, pod: &Object) -> Option<String> {
    let of = |config: Option<Node<'_>>| config.and_then(|c| c.at(&["image", "imageType"])).map(|t| t.text().to_owned()).filter(|t| !t.is_empty());
    let of_annotation = |text: &str| {
        let source = Source::new("", text);
        let parsed = yaml::parse_document(&source, Span::new(0, text.len()), yaml::Limits::default());
        parsed.tree.as_ref().and_then(|t| of(Some(t.root())))
    };
    if let Some(own) = pod.annotation("proxy.istio.io/config").and_then(of_annotation) {
        return Some(own);
    }
    let root = cx.mesh.config.root_namespace();
    let labels = |o: &'_ Object| o.spec_at(&["selector", "matchLabels"]).filter(|s| !s.is_empty()).is_some();
    let selects = |o: &Object| labels(o) && Selector::from_label_selector(o.spec_at(&["selector"])).pairs.iter().all(|(k, v)| pod.label(k) == Some(*v));
    let configs = |ns: &str| cx.mesh.objects_in(Kind::ProxyConfig, ns).iter().copied();
    let workload = configs(pod.namespace()).filter(|o| selects(o)).find_map(|o| of(o.spec()));
    let namespace = || configs(pod.namespace()).filter(|o| !labels(o)).find_map(|o| of(o.spec()));
    let mesh = || configs(root).filter(|o| !labels(o)).find_map(|o| of(o.spec()));
    workload.or_else(namespace).or_else(mesh).or_else(|| of(cx.mesh.config.at(&["defaultConfig"])))
}
