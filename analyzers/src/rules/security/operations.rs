//! ## KIA0102 UnknownMethod (Warning)
//!
//! **What it checks.** A method of an AuthorizationPolicy that no request has, such as one in small letters.
//!
//! **Why it matters.** Methods are compared letter by letter: the rule never matches by it.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec: {containers: [{name: app, image: cart}, {name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: cart, namespace: shop}
//! spec: {rules: [{to: [{operation: {methods: [get]}}]}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec: {containers: [{name: app, image: cart}, {name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: cart, namespace: shop}
//! spec: {rules: [{to: [{operation: {methods: [GET]}}]}]}
//! ```
//!
//! ## MSH0302 PathNeverMatches (Warning)
//!
//! **What it checks.** A path of an AuthorizationPolicy that does not begin with `/` or a wildcard, that holds a query, or
//! that has a `*` at neither end (templates such as `/a/{*}/b` aside).
//!
//! **Why it matters.** Paths begin with `/` and are compared without the query: the rule never matches by it.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec: {containers: [{name: app, image: cart}, {name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: cart, namespace: shop}
//! spec: {rules: [{to: [{operation: {paths: [admin]}}]}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec: {containers: [{name: app, image: cart}, {name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: cart, namespace: shop}
//! spec: {rules: [{to: [{operation: {paths: [/admin]}}]}]}
//! ```

//! ## MSH0306 HostNeverMatches (Warning)
//!
//! **What it checks.** A host of an AuthorizationPolicy that is more than a host: a URL, a path, or a `*` in the middle.
//!
//! **Why it matters.** Hosts are compared with the request's authority, which has none of these: the rule never matches by
//! it.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec: {containers: [{name: app, image: cart}, {name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: cart, namespace: shop}
//! spec: {rules: [{to: [{operation: {hosts: ["https://cart.example.com"]}}]}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec: {containers: [{name: app, image: cart}, {name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: cart, namespace: shop}
//! spec: {rules: [{to: [{operation: {hosts: ["cart.example.com", "cart.example.com:*", "*.example.org"]}}]}]}
//! ```

use crate::codes::{KIA0102, MSH0302, MSH0306};
use crate::rule::{Context, Sink};
use mesh_model::{Kind, Node, Object, Role};

const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"];

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for policy in cx.mesh.objects(Kind::AuthorizationPolicy).iter().copied().filter(|p| p.role == Role::Judged) {
        let rules = policy.spec().into_iter().flat_map(|s| s.list("rules"));
        for operation in rules.flat_map(|r| r.list("to")).filter_map(|t| t.get("operation")) {
            for at in operation.list("methods").chain(operation.list("notMethods")).filter(|m| m.str().is_some()) {
                check_method(sink, policy, at);
            }
            for at in operation.list("paths").chain(operation.list("notPaths")).filter(|p| p.str().is_some()) {
                check_path(sink, policy, at);
            }
            for at in operation.list("hosts").chain(operation.list("notHosts")).filter(|p| p.str().is_some()) {
                check_host(sink, policy, at);
            }
        }
    }
}

fn check_method<'a>(sink: &mut Sink<'a>, policy: &'a Object, at: Node<'a>) {
    let method = at.text();
    let upper = method.to_ascii_uppercase();
    // Unknown methods in capitals may be an application's own, as WebDAV's are; gRPC is always POST.
    if method.contains('*') || method == upper || method.is_empty() {
        return;
    }
    let finding = sink.report(&KIA0102, policy, at, format!("method `{method}` never matches: methods are in capitals"));
    finding.help(format!("write `{upper}`"));
    if METHODS.contains(&upper.as_str()) && at.source().slice(at.span()) == method {
        finding.fix(format!("replace with `{upper}`"), at.span(), upper);
    }
}

fn check_path<'a>(sink: &mut Sink<'a>, policy: &'a Object, at: Node<'a>) {
    let path = at.text();
    if path.is_empty() || path.starts_with('*') {
        return;
    }
    if !path.starts_with('/') {
        // A gRPC path and a template begin with a slash as well.
        sink.report(&MSH0302, policy, at, format!("path `{path}` never matches: paths begin with `/`")).help(format!("write `/{path}`"));
    } else if path.contains('?') {
        sink.report(&MSH0302, policy, at, format!("path `{path}` never matches: paths are compared without the query")).help("leave out the query");
    } else if !path.contains('{') && has_inner_wildcard(path) {
        sink.report(&MSH0302, policy, at, format!("path `{path}` never matches: `*` is a wildcard at the end or the beginning only")).help(match meant(path) {
            Some(meant) => format!("write `{meant}`"),
            None => "write `{*}` for one segment and `{**}` for any number of them".to_owned(),
        });
    }
}

/// What a path with a `*` within was probably meant to be: `/a/**` is `/a/*`, `/a/*/b` is `/a/{*}/b`.
fn meant(path: &str) -> Option<String> {
    if let Some(prefix) = path.strip_suffix("**").filter(|p| !p.contains('*')) {
        return Some(format!("{prefix}*"));
    }
    let segments: Vec<&str> = path.split('/').collect();
    let last = segments.len() - 1;
    let whole = segments.iter().all(|s| matches!(*s, "*" | "**") || !s.contains('*'));
    let template = |(i, s): (usize, &&str)| match *s {
        "*" if i < last => "{*}".to_owned(),
        "*" | "**" => "{**}".to_owned(),
        s => s.to_owned(),
    };
    whole.then(|| segments.iter().enumerate().map(template).collect::<Vec<_>>().join("/"))
}

/// Whether a `*` stands where it means itself. One at the beginning makes one at the end mean itself, too.
fn has_inner_wildcard(pattern: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(rest) => rest.contains('*'),
        None => pattern.strip_suffix('*').unwrap_or(pattern).contains('*'),
    }
}

fn check_host<'a>(sink: &mut Sink<'a>, policy: &'a Object, at: Node<'a>) {
    let host = at.text();
    let (why, help) = if host.contains("://") {
        ("it is a URL", "write the host alone")
    } else if host.contains('/') {
        ("it has a path", "write the host alone, and the path into `paths`")
    } else if has_inner_wildcard(host) {
        ("`*` is a wildcard at one end only", "write the hosts one by one")
    } else {
        return;
    };
    sink.report(&MSH0306, policy, at, format!("host `{host}` never matches: {why}")).help(help);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_and_what_was_meant() {
        for sound in ["/a", "/a/*", "*/a", "*", "a.*"] {
            assert!(!has_inner_wildcard(sound), "{sound}");
        }
        assert!(["/a/**", "/a/*/b", "*a*"].into_iter().all(has_inner_wildcard));
        assert_eq!(meant("/dex/**").as_deref(), Some("/dex/*"));
        assert_eq!(meant("/a/*/b/*").as_deref(), Some("/a/{*}/b/{**}"));
        assert_eq!(meant("/a/x*y/b"), None);
    }
}
