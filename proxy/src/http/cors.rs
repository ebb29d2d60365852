//! What answers tell browsers of other origins (`envoy.filters.http.cors`).

use crate::message::HeaderMap;
use http::header::{self, HeaderName, HeaderValue};
use mesh_envoy::engine::gate::CorsPolicy;

/// Headers for the answer to a request of another origin.
#[derive(Clone, Debug, Default)]
pub struct Allowed {
    /// For every answer.
    answer: Vec<(HeaderName, HeaderValue)>,
    /// For the answer to a preflight alone.
    preflight: Vec<(HeaderName, HeaderValue)>,
}

impl Allowed {
    /// `origin` is none where the policy does not allow it: a preflight is told of methods and headers even then.
    pub fn new(policy: &CorsPolicy, origin: Option<&str>) -> Allowed {
        let mut out = Allowed::default();
        let put = |list: &mut Vec<(HeaderName, HeaderValue)>, name: HeaderName, text: &str| {
            if let (Ok(value), false) = (HeaderValue::from_str(text), text.is_empty()) {
                list.push((name, value));
            }
        };
        if let Some(origin) = origin {
            put(&mut out.answer, header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            put(&mut out.answer, header::ACCESS_CONTROL_ALLOW_CREDENTIALS, if policy.allow_credentials { "true" } else { "" });
            put(&mut out.answer, header::ACCESS_CONTROL_EXPOSE_HEADERS, &policy.expose_headers);
            out.preflight.clone_from(&out.answer);
        }
        put(&mut out.preflight, header::ACCESS_CONTROL_ALLOW_METHODS, &policy.allow_methods);
        put(&mut out.preflight, header::ACCESS_CONTROL_ALLOW_HEADERS, &policy.allow_headers);
        put(&mut out.preflight, header::ACCESS_CONTROL_MAX_AGE, &policy.max_age);
        out
    }
    /// Adds what an answer tells.
    pub fn apply(&self, headers: &mut HeaderMap, details: &str) {
        let list = if details == "cors_response" { &self.preflight } else { &self.answer };
        for (name, value) in list {
            headers.insert(name.clone(), value.clone());
        }
    }
}
