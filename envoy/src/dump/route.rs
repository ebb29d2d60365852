//! Routes of a dump (`envoy.config.route.v3`), as far as tables show them.

use super::cluster::{Metadata, UpdateFailure};
use super::value::{Text, UInt};
use serde::Deserialize;

/// `RoutesConfigDump`; `R` is [`RouteConfig`] or a whole JSON value.
#[derive(Clone, Debug, Deserialize)]
#[serde(bound(deserialize = "R: Deserialize<'de>, 'de: 'a"))]
pub struct Routes<'a, R> {
    #[serde(default = "Vec::new", alias = "staticRouteConfigs")]
    pub static_route_configs: Vec<Entry<'a, R>>,
    #[serde(default = "Vec::new", alias = "dynamicRouteConfigs")]
    pub dynamic_route_configs: Vec<Entry<'a, R>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(bound(deserialize = "R: Deserialize<'de>, 'de: 'a"))]
pub struct Entry<'a, R> {
    #[serde(default = "none", alias = "routeConfig")]
    pub route_config: Option<R>,
    #[serde(default, borrow, alias = "lastUpdated")]
    pub last_updated: Text<'a>,
    #[serde(default, borrow, alias = "errorState")]
    pub error_state: Option<UpdateFailure<'a>>,
}

fn none<R>() -> Option<R> {
    None
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RouteConfig<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow, alias = "virtualHosts")]
    pub virtual_hosts: Vec<VirtualHost<'a>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct VirtualHost<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow)]
    pub domains: Vec<Text<'a>>,
    #[serde(borrow)]
    pub routes: Vec<Route<'a>>,
    #[serde(borrow, alias = "requireTls")]
    pub require_tls: Text<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Route<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow, rename = "match")]
    pub matches: Match<'a>,
    #[serde(borrow)]
    pub route: Option<RouteAction<'a>>,
    #[serde(borrow)]
    pub redirect: Option<Redirect<'a>>,
    #[serde(borrow, alias = "directResponse")]
    pub direct_response: Option<DirectResponse<'a>>,
    #[serde(borrow)]
    pub metadata: Metadata<'a>,
    #[serde(borrow, alias = "typedPerFilterConfig")]
    pub typed_per_filter_config: PerFilter<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Match<'a> {
    #[serde(borrow)]
    pub prefix: Option<Text<'a>>,
    #[serde(borrow)]
    pub path: Option<Text<'a>>,
    #[serde(borrow, alias = "pathSeparatedPrefix")]
    pub path_separated_prefix: Option<Text<'a>>,
    #[serde(borrow, alias = "safeRegex")]
    pub safe_regex: Option<Regex<'a>>,
    #[serde(alias = "connectMatcher")]
    pub connect_matcher: Option<serde::de::IgnoredAny>,
    #[serde(alias = "caseSensitive")]
    pub case_sensitive: Option<bool>,
    #[serde(borrow)]
    pub headers: Vec<HeaderMatch<'a>>,
    #[serde(borrow, alias = "queryParameters")]
    pub query_parameters: Vec<QueryMatch<'a>>,
    pub grpc: Option<serde::de::IgnoredAny>,
    #[serde(borrow, alias = "runtimeFraction")]
    pub runtime_fraction: Option<RuntimeFraction<'a>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Regex<'a> {
    #[serde(borrow)]
    pub regex: Text<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StringMatch<'a> {
    #[serde(borrow)]
    pub exact: Option<Text<'a>>,
    #[serde(borrow)]
    pub prefix: Option<Text<'a>>,
    #[serde(borrow)]
    pub suffix: Option<Text<'a>>,
    #[serde(borrow)]
    pub contains: Option<Text<'a>>,
    #[serde(borrow, alias = "safeRegex")]
    pub safe_regex: Option<Regex<'a>>,
    #[serde(alias = "ignoreCase")]
    pub ignore_case: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct HeaderMatch<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow, alias = "stringMatch")]
    pub string_match: Option<StringMatch<'a>>,
    #[serde(borrow, alias = "exactMatch")]
    pub exact_match: Option<Text<'a>>,
    #[serde(borrow, alias = "prefixMatch")]
    pub prefix_match: Option<Text<'a>>,
    #[serde(borrow, alias = "safeRegexMatch")]
    pub safe_regex_match: Option<Regex<'a>>,
    #[serde(alias = "presentMatch")]
    pub present_match: Option<bool>,
    #[serde(borrow, alias = "rangeMatch")]
    pub range_match: Option<Range<'a>>,
    #[serde(alias = "invertMatch")]
    pub invert_match: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Range<'a> {
    #[serde(borrow)]
    pub start: Text<'a>,
    #[serde(borrow)]
    pub end: Text<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct QueryMatch<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow, alias = "stringMatch")]
    pub string_match: Option<StringMatch<'a>>,
    #[serde(alias = "presentMatch")]
    pub present_match: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RuntimeFraction<'a> {
    #[serde(borrow, alias = "defaultValue")]
    pub default_value: Fraction<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Fraction<'a> {
    pub numerator: UInt,
    #[serde(borrow)]
    pub denominator: Text<'a>,
}

impl Fraction<'_> {
    pub fn percent(&self) -> f64 {
        let of = match super::enum_name(&self.denominator, &["HUNDRED", "TEN_THOUSAND", "MILLION"]) {
            "TEN_THOUSAND" => 1e4,
            "MILLION" => 1e6,
            _ => 1e2,
        };
        self.numerator.0 as f64 * 100.0 / of
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct WeightedClusters<'a> {
    #[serde(borrow)]
    pub clusters: Vec<WeightedCluster<'a>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct WeightedCluster<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    pub weight: UInt,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RouteAction<'a> {
    #[serde(borrow)]
    pub cluster: Text<'a>,
    #[serde(borrow, alias = "clusterHeader")]
    pub cluster_header: Text<'a>,
    #[serde(borrow, alias = "weightedClusters")]
    pub weighted_clusters: Option<WeightedClusters<'a>>,
    #[serde(borrow)]
    pub timeout: Text<'a>,
    #[serde(borrow, alias = "retryPolicy")]
    pub retry_policy: Option<RetryPolicy<'a>>,
    #[serde(borrow, alias = "prefixRewrite")]
    pub prefix_rewrite: Text<'a>,
    #[serde(borrow, alias = "regexRewrite")]
    pub regex_rewrite: Option<RegexRewrite<'a>>,
    #[serde(borrow, alias = "hostRewriteLiteral")]
    pub host_rewrite_literal: Text<'a>,
    #[serde(borrow, alias = "requestMirrorPolicies")]
    pub request_mirror_policies: Vec<Mirror<'a>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RetryPolicy<'a> {
    #[serde(borrow, alias = "retryOn")]
    pub retry_on: Text<'a>,
    #[serde(alias = "numRetries")]
    pub num_retries: Option<UInt>,
    #[serde(borrow, alias = "perTryTimeout")]
    pub per_try_timeout: Text<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RegexRewrite<'a> {
    #[serde(borrow)]
    pub pattern: Regex<'a>,
    #[serde(borrow)]
    pub substitution: Text<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Mirror<'a> {
    #[serde(borrow)]
    pub cluster: Text<'a>,
    #[serde(borrow, alias = "runtimeFraction")]
    pub runtime_fraction: Option<RuntimeFraction<'a>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Redirect<'a> {
    #[serde(alias = "httpsRedirect")]
    pub https_redirect: bool,
    #[serde(borrow, alias = "schemeRedirect")]
    pub scheme_redirect: Text<'a>,
    #[serde(borrow, alias = "hostRedirect")]
    pub host_redirect: Text<'a>,
    #[serde(alias = "portRedirect")]
    pub port_redirect: UInt,
    #[serde(borrow, alias = "pathRedirect")]
    pub path_redirect: Text<'a>,
    #[serde(borrow, alias = "prefixRewrite")]
    pub prefix_rewrite: Text<'a>,
    #[serde(borrow, alias = "responseCode")]
    pub response_code: Text<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct DirectResponse<'a> {
    pub status: UInt,
    #[serde(borrow)]
    pub body: Option<Body<'a>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Body<'a> {
    #[serde(borrow, alias = "inlineString")]
    pub inline_string: Text<'a>,
}

/// Of the per-filter configuration the fault filter's is shown.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PerFilter<'a> {
    #[serde(borrow, rename = "envoy.filters.http.fault")]
    pub fault: Option<Fault<'a>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Fault<'a> {
    #[serde(borrow)]
    pub delay: Option<FaultDelay<'a>>,
    #[serde(borrow)]
    pub abort: Option<FaultAbort<'a>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct FaultDelay<'a> {
    #[serde(borrow, alias = "fixedDelay")]
    pub fixed_delay: Text<'a>,
    #[serde(borrow)]
    pub percentage: Fraction<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct FaultAbort<'a> {
    #[serde(alias = "httpStatus")]
    pub http_status: UInt,
    #[serde(alias = "grpcStatus")]
    pub grpc_status: Option<UInt>,
    #[serde(borrow)]
    pub percentage: Fraction<'a>,
}
