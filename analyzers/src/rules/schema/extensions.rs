//! ## IST0106 SchemaValidationError (Error)
//!
//! **What it checks.** A WasmPlugin or TrafficExtension that Istio refuses: no code, an address or checksum that can't be,
//! environment names twice, ports out of range.
//!
//! **Why it matters.** The object never takes effect: the extension does not run.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: extensions.istio.io/v1alpha1
//! kind: WasmPlugin
//! metadata: {name: auth, namespace: shop}
//! spec: {url: "ftp://registry.example.com/auth:1"}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: extensions.istio.io/v1alpha1
//! kind: WasmPlugin
//! metadata: {name: auth, namespace: shop}
//! spec: {url: "oci://registry.example.com/auth:1"}
//! ```

use crate::rule::{Context, Sink};
use crate::validation::{Checks, each, has_text, labels, message, messages, target, text, url};
use mesh_model::{Kind, Node};
use rustc_hash::FxHashSet;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    each(cx, sink, Kind::WasmPlugin, |checks, spec| {
        target::check_attachment(checks, spec);
        check_wasm(checks, spec);
        check_match(checks, spec);
    });
    each(cx, sink, Kind::TrafficExtension, |checks, spec| {
        let (wasm, lua) = (message(spec, "wasm"), message(spec, "lua"));
        if wasm.is_some() == lua.is_some() {
            checks.error(wasm.unwrap_or(spec), "exactly one of `wasm` and `lua` is needed");
        }
        if message(spec, "selector").is_some() && spec.get("targetRefs").is_some_and(|l| !l.is_empty()) {
            checks.error(spec.get("targetRefs").unwrap_or(spec), "both `selector` and `targetRefs` are given").help("keep the one that is meant");
        }
        labels::check_policy_selector(checks, message(spec, "selector"));
        for t in messages(spec, "targetRefs") {
            target::check_target(checks, t);
        }
        if let Some(lua) = lua {
            let code = text(lua, "inlineCode");
            let at = lua.get("inlineCode").unwrap_or(lua);
            if code.is_empty() && lua.get("inlineCode").is_none_or(|c| c.str().is_some()) {
                checks.error(at, "`lua.inlineCode` is empty");
            } else if code.len() > 65536 {
                checks.error(at, format!("`lua.inlineCode` has {} bytes, more than 64 KB", code.len()));
            }
        }
        if let Some(wasm) = wasm {
            check_wasm(checks, wasm);
        }
        check_match(checks, spec);
    });
}

fn check_wasm<'a>(checks: &mut Checks<'a, '_>, wasm: Node<'a>) {
    let at = |field| wasm.get(field).unwrap_or(wasm);
    if !has_text(wasm, "url") {
        if wasm.get("url").is_none_or(|u| u.str().is_some()) {
            checks.error(at("url"), "`url` is not set");
        }
    } else {
        checks.valid(at("url"), check_url(text(wasm, "url")));
    }
    let sha = text(wasm, "sha256");
    if !sha.is_empty() {
        if sha.len() != 64 {
            checks.error(at("sha256"), format!("`sha256` has {} characters instead of 64", sha.len()));
        } else if !sha.bytes().all(|b| matches!(b, b'a'..=b'f' | b'0'..=b'9')) {
            checks.error(at("sha256"), "`sha256` is not lower-case hexadecimal");
        }
    }
    if text(wasm, "imagePullSecret").len() > 253 {
        checks.error(at("imagePullSecret"), "`imagePullSecret` has more than 253 characters");
    }
    if text(wasm, "pluginName").len() > 256 {
        checks.error(at("pluginName"), "`pluginName` has more than 256 characters");
    }
    if let Some(vm) = message(wasm, "vmConfig") {
        check_environment(checks, vm);
    }
}

fn check_url(text: &str) -> Result<(), String> {
    let Ok(parts) = url::parse_request(text) else {
        // `registry.example.com/image:tag` has no scheme; it is taken for an OCI reference.
        return url::parse(&format!("http://{text}")).map(|_| ()).map_err(|_| format!("`{text}` is not a valid URL"));
    };
    match parts.scheme.to_ascii_lowercase().as_str() {
        "" | "file" | "http" | "https" | "oci" => Ok(()),
        // A registry with a port and no scheme reads as a scheme of its own.
        other => Err(format!("`{text}` has the scheme `{other}`; oci, https, http and file are supported")),
    }
}

/// Istio stops at the first fault here.
fn check_environment<'a>(checks: &mut Checks<'a, '_>, vm: Node<'a>) {
    let mut names: FxHashSet<&str> = FxHashSet::default();
    for env in messages(vm, "env") {
        let name = text(env, "name");
        let at = env.get("name").unwrap_or(env);
        if name.is_empty() {
            checks.error(at, "an environment variable has no `name`");
        } else if name.len() > 256 {
            checks.error(at, "the name of an environment variable has more than 256 characters");
        } else if !names.insert(name) {
            checks.error(at, format!("environment variable `{name}` is given twice"));
        } else if text(env, "valueFrom") == "HOST" && has_text(env, "value") {
            checks
                .error(env.get("value").unwrap_or(env), format!("environment variable `{name}` is taken from the host and has a `value`"))
                .help("only INLINE takes a value");
        } else {
            continue;
        }
        return;
    }
}

fn check_match<'a>(checks: &mut Checks<'a, '_>, spec: Node<'a>) {
    for selector in spec.list("match") {
        if selector.is_null() {
            checks.error(selector, "an entry of `match` is null");
            return;
        }
        for port in selector.list("ports") {
            let number = port.get("number").map_or(Some(0), Node::int);
            if port.is_null() || number.is_some_and(|n| !(1..=65535).contains(&n)) {
                checks.error(port.get("number").unwrap_or(port), format!("port {} of `match` is not in the range 1 to 65535", number.unwrap_or(0)));
                return;
            }
        }
    }
}
