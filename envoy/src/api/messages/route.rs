//! Made by `cargo xtask envoy-types`.

use crate::api::json;

/// `envoy.config.route.v3.ClusterSpecifierPlugin`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterSpecifierPlugin {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub extension: Option<super::core::TypedExtensionConfig>,
    #[prost(bool, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "is_optional")]
    pub is_optional: bool,
}

/// `envoy.config.route.v3.CorsPolicy`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CorsPolicy {
    #[prost(message, repeated, tag = "11")]
    #[serde(skip_serializing_if = "json::is_default", alias = "allow_origin_string_match")]
    pub allow_origin_string_match: Vec<super::common::StringMatcher>,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "allow_methods")]
    pub allow_methods: String,
    #[prost(string, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "allow_headers")]
    pub allow_headers: String,
    #[prost(string, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "expose_headers")]
    pub expose_headers: String,
    #[prost(string, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_age")]
    pub max_age: String,
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "allow_credentials")]
    pub allow_credentials: Option<bool>,
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "json::is_default", alias = "filter_enabled")]
    pub filter_enabled: Option<super::core::RuntimeFractionalPercent>,
}

/// `envoy.config.route.v3.Decorator`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Decorator {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub operation: String,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub propagate: Option<bool>,
}

/// `envoy.config.route.v3.DirectResponseAction`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DirectResponseAction {
    #[prost(uint32, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub status: u32,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub body: Option<super::core::DataSource>,
}

/// `envoy.config.route.v3.HeaderMatcher`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HeaderMatcher {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub name: String,
    #[prost(string, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "exact_match")]
    pub exact_match: Option<String>,
    #[prost(message, optional, tag = "11")]
    #[serde(skip_serializing_if = "json::is_default", alias = "safe_regex_match")]
    pub safe_regex_match: Option<super::common::RegexMatcher>,
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "range_match")]
    pub range_match: Option<super::common::Int64Range>,
    #[prost(bool, optional, tag = "7")]
    #[serde(skip_serializing_if = "json::is_default", alias = "present_match")]
    pub present_match: Option<bool>,
    #[prost(string, optional, tag = "9")]
    #[serde(skip_serializing_if = "json::is_default", alias = "prefix_match")]
    pub prefix_match: Option<String>,
    #[prost(string, optional, tag = "10")]
    #[serde(skip_serializing_if = "json::is_default", alias = "suffix_match")]
    pub suffix_match: Option<String>,
    #[prost(string, optional, tag = "12")]
    #[serde(skip_serializing_if = "json::is_default", alias = "contains_match")]
    pub contains_match: Option<String>,
    #[prost(message, optional, tag = "13")]
    #[serde(skip_serializing_if = "json::is_default", alias = "string_match")]
    pub string_match: Option<super::common::StringMatcher>,
    #[prost(bool, tag = "8")]
    #[serde(skip_serializing_if = "json::is_default", alias = "invert_match")]
    pub invert_match: bool,
    #[prost(bool, tag = "14")]
    #[serde(skip_serializing_if = "json::is_default", alias = "treat_missing_header_as_empty")]
    pub treat_missing_header_as_empty: bool,
}

/// `envoy.config.route.v3.HedgePolicy`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HedgePolicy {
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "hedge_on_per_try_timeout")]
    pub hedge_on_per_try_timeout: bool,
}

/// `envoy.config.route.v3.InternalRedirectPolicy`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct InternalRedirectPolicy {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_internal_redirects")]
    pub max_internal_redirects: Option<u32>,
}

/// `envoy.config.route.v3.NonForwardingAction`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NonForwardingAction {}

/// `envoy.config.route.v3.QueryParameterMatcher`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct QueryParameterMatcher {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub name: String,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "string_match")]
    pub string_match: Option<super::common::StringMatcher>,
    #[prost(bool, optional, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "present_match")]
    pub present_match: Option<bool>,
}

/// `envoy.config.route.v3.RateLimit`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RateLimit {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub stage: Option<u32>,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "disable_key")]
    pub disable_key: String,
    #[prost(message, repeated, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub actions: Vec<super::route::RateLimitAction>,
}

/// `envoy.config.route.v3.RateLimit.Action`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RateLimitAction {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "source_cluster")]
    pub source_cluster: Option<super::route::RateLimitActionSourceCluster>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "destination_cluster")]
    pub destination_cluster: Option<super::route::RateLimitActionDestinationCluster>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "request_headers")]
    pub request_headers: Option<super::route::RateLimitActionRequestHeaders>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "remote_address")]
    pub remote_address: Option<super::route::RateLimitActionRemoteAddress>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "generic_key")]
    pub generic_key: Option<super::route::RateLimitActionGenericKey>,
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "header_value_match")]
    pub header_value_match: Option<super::route::RateLimitActionHeaderValueMatch>,
}

/// `envoy.config.route.v3.RateLimit.Action.DestinationCluster`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RateLimitActionDestinationCluster {}

/// `envoy.config.route.v3.RateLimit.Action.GenericKey`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RateLimitActionGenericKey {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "descriptor_value")]
    pub descriptor_value: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "descriptor_key")]
    pub descriptor_key: String,
}

/// `envoy.config.route.v3.RateLimit.Action.HeaderValueMatch`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RateLimitActionHeaderValueMatch {
    #[prost(string, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "descriptor_key")]
    pub descriptor_key: String,
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "descriptor_value")]
    pub descriptor_value: String,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "expect_match")]
    pub expect_match: Option<bool>,
    #[prost(message, repeated, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub headers: Vec<super::route::HeaderMatcher>,
}

/// `envoy.config.route.v3.RateLimit.Action.RemoteAddress`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RateLimitActionRemoteAddress {}

/// `envoy.config.route.v3.RateLimit.Action.RequestHeaders`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RateLimitActionRequestHeaders {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "header_name")]
    pub header_name: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "descriptor_key")]
    pub descriptor_key: String,
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "skip_if_absent")]
    pub skip_if_absent: bool,
}

/// `envoy.config.route.v3.RateLimit.Action.SourceCluster`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RateLimitActionSourceCluster {}

/// `envoy.config.route.v3.RedirectAction`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RedirectAction {
    #[prost(bool, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "https_redirect")]
    pub https_redirect: Option<bool>,
    #[prost(string, optional, tag = "7")]
    #[serde(skip_serializing_if = "json::is_default", alias = "scheme_redirect")]
    pub scheme_redirect: Option<String>,
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "host_redirect")]
    pub host_redirect: String,
    #[prost(uint32, tag = "8")]
    #[serde(skip_serializing_if = "json::is_default", alias = "port_redirect")]
    pub port_redirect: u32,
    #[prost(string, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "path_redirect")]
    pub path_redirect: Option<String>,
    #[prost(string, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "prefix_rewrite")]
    pub prefix_rewrite: Option<String>,
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "json::is_default", alias = "regex_rewrite")]
    pub regex_rewrite: Option<super::common::RegexMatchAndSubstitute>,
    #[prost(enumeration = "super::route::RedirectActionRedirectResponseCode", tag = "3")]
    #[serde(
        skip_serializing_if = "json::is_default",
        alias = "response_code",
        serialize_with = "json::enumeration::serialize::<super::route::RedirectActionRedirectResponseCode, _>",
        deserialize_with = "json::enumeration::deserialize::<super::route::RedirectActionRedirectResponseCode, _>"
    )]
    pub response_code: i32,
    #[prost(bool, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "strip_query")]
    pub strip_query: bool,
}

/// `envoy.config.route.v3.RetryPolicy`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RetryPolicy {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "retry_on")]
    pub retry_on: String,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "num_retries")]
    pub num_retries: Option<u32>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "per_try_timeout")]
    pub per_try_timeout: Option<crate::api::Duration>,
    #[prost(message, optional, tag = "13")]
    #[serde(skip_serializing_if = "json::is_default", alias = "per_try_idle_timeout")]
    pub per_try_idle_timeout: Option<crate::api::Duration>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "retry_priority")]
    pub retry_priority: Option<super::route::RetryPolicyRetryPriority>,
    #[prost(message, repeated, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "retry_host_predicate")]
    pub retry_host_predicate: Vec<super::route::RetryPolicyRetryHostPredicate>,
    #[prost(int64, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "host_selection_retry_max_attempts", with = "json::int64")]
    pub host_selection_retry_max_attempts: i64,
    #[prost(uint32, repeated, tag = "7")]
    #[serde(skip_serializing_if = "json::is_default", alias = "retriable_status_codes")]
    pub retriable_status_codes: Vec<u32>,
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "json::is_default", alias = "retry_back_off")]
    pub retry_back_off: Option<super::route::RetryPolicyRetryBackOff>,
    #[prost(message, repeated, tag = "9")]
    #[serde(skip_serializing_if = "json::is_default", alias = "retriable_headers")]
    pub retriable_headers: Vec<super::route::HeaderMatcher>,
}

/// `envoy.config.route.v3.RetryPolicy.RetryBackOff`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RetryPolicyRetryBackOff {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "base_interval")]
    pub base_interval: Option<crate::api::Duration>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_interval")]
    pub max_interval: Option<crate::api::Duration>,
}

/// `envoy.config.route.v3.RetryPolicy.RetryHostPredicate`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RetryPolicyRetryHostPredicate {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub name: String,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "typed_config")]
    pub typed_config: Option<crate::api::Any>,
}

/// `envoy.config.route.v3.RetryPolicy.RetryPriority`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RetryPolicyRetryPriority {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub name: String,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "typed_config")]
    pub typed_config: Option<crate::api::Any>,
}

/// `envoy.config.route.v3.Route`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Route {
    #[prost(string, tag = "14")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub name: String,
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub r#match: Option<super::route::RouteMatch>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub route: Option<super::route::RouteAction>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub redirect: Option<super::route::RedirectAction>,
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "json::is_default", alias = "direct_response")]
    pub direct_response: Option<super::route::DirectResponseAction>,
    #[prost(message, optional, tag = "18")]
    #[serde(skip_serializing_if = "json::is_default", alias = "non_forwarding_action")]
    pub non_forwarding_action: Option<super::route::NonForwardingAction>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub metadata: Option<super::core::Metadata>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub decorator: Option<super::route::Decorator>,
    #[prost(btree_map = "string, message", tag = "13")]
    #[serde(skip_serializing_if = "json::is_default", alias = "typed_per_filter_config")]
    pub typed_per_filter_config: std::collections::BTreeMap<String, crate::api::Any>,
    #[prost(message, repeated, tag = "9")]
    #[serde(skip_serializing_if = "json::is_default", alias = "request_headers_to_add")]
    pub request_headers_to_add: Vec<super::core::HeaderValueOption>,
    #[prost(string, repeated, tag = "12")]
    #[serde(skip_serializing_if = "json::is_default", alias = "request_headers_to_remove")]
    pub request_headers_to_remove: Vec<String>,
    #[prost(message, repeated, tag = "10")]
    #[serde(skip_serializing_if = "json::is_default", alias = "response_headers_to_add")]
    pub response_headers_to_add: Vec<super::core::HeaderValueOption>,
    #[prost(string, repeated, tag = "11")]
    #[serde(skip_serializing_if = "json::is_default", alias = "response_headers_to_remove")]
    pub response_headers_to_remove: Vec<String>,
    #[prost(message, optional, tag = "15")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub tracing: Option<super::route::Tracing>,
}

/// `envoy.config.route.v3.RouteAction`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RouteAction {
    #[prost(string, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub cluster: Option<String>,
    #[prost(string, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "cluster_header")]
    pub cluster_header: Option<String>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "weighted_clusters")]
    pub weighted_clusters: Option<super::route::WeightedCluster>,
    #[prost(message, optional, tag = "39")]
    #[serde(skip_serializing_if = "json::is_default", alias = "inline_cluster_specifier_plugin")]
    pub inline_cluster_specifier_plugin: Option<super::route::ClusterSpecifierPlugin>,
    #[prost(enumeration = "super::route::RouteActionClusterNotFoundResponseCode", tag = "20")]
    #[serde(
        skip_serializing_if = "json::is_default",
        alias = "cluster_not_found_response_code",
        serialize_with = "json::enumeration::serialize::<super::route::RouteActionClusterNotFoundResponseCode, _>",
        deserialize_with = "json::enumeration::deserialize::<super::route::RouteActionClusterNotFoundResponseCode, _>"
    )]
    pub cluster_not_found_response_code: i32,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "metadata_match")]
    pub metadata_match: Option<super::core::Metadata>,
    #[prost(string, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "prefix_rewrite")]
    pub prefix_rewrite: String,
    #[prost(message, optional, tag = "32")]
    #[serde(skip_serializing_if = "json::is_default", alias = "regex_rewrite")]
    pub regex_rewrite: Option<super::common::RegexMatchAndSubstitute>,
    #[prost(message, optional, tag = "41")]
    #[serde(skip_serializing_if = "json::is_default", alias = "path_rewrite_policy")]
    pub path_rewrite_policy: Option<super::core::TypedExtensionConfig>,
    #[prost(string, optional, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "host_rewrite_literal")]
    pub host_rewrite_literal: Option<String>,
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "json::is_default", alias = "auto_host_rewrite")]
    pub auto_host_rewrite: Option<bool>,
    #[prost(string, optional, tag = "29")]
    #[serde(skip_serializing_if = "json::is_default", alias = "host_rewrite_header")]
    pub host_rewrite_header: Option<String>,
    #[prost(bool, tag = "38")]
    #[serde(skip_serializing_if = "json::is_default", alias = "append_x_forwarded_host")]
    pub append_x_forwarded_host: bool,
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub timeout: Option<crate::api::Duration>,
    #[prost(message, optional, tag = "24")]
    #[serde(skip_serializing_if = "json::is_default", alias = "idle_timeout")]
    pub idle_timeout: Option<crate::api::Duration>,
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "json::is_default", alias = "retry_policy")]
    pub retry_policy: Option<super::route::RetryPolicy>,
    #[prost(message, repeated, tag = "30")]
    #[serde(skip_serializing_if = "json::is_default", alias = "request_mirror_policies")]
    pub request_mirror_policies: Vec<super::route::RouteActionRequestMirrorPolicy>,
    #[prost(enumeration = "super::core::RoutingPriority", tag = "11")]
    #[serde(
        skip_serializing_if = "json::is_default",
        serialize_with = "json::enumeration::serialize::<super::core::RoutingPriority, _>",
        deserialize_with = "json::enumeration::deserialize::<super::core::RoutingPriority, _>"
    )]
    pub priority: i32,
    #[prost(message, repeated, tag = "13")]
    #[serde(skip_serializing_if = "json::is_default", alias = "rate_limits")]
    pub rate_limits: Vec<super::route::RateLimit>,
    #[prost(message, repeated, tag = "15")]
    #[serde(skip_serializing_if = "json::is_default", alias = "hash_policy")]
    pub hash_policy: Vec<super::route::RouteActionHashPolicy>,
    #[prost(message, optional, tag = "17")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub cors: Option<super::route::CorsPolicy>,
    #[prost(message, optional, tag = "23")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_grpc_timeout")]
    pub max_grpc_timeout: Option<crate::api::Duration>,
    #[prost(message, repeated, tag = "25")]
    #[serde(skip_serializing_if = "json::is_default", alias = "upgrade_configs")]
    pub upgrade_configs: Vec<super::route::RouteActionUpgradeConfig>,
    #[prost(message, optional, tag = "36")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_stream_duration")]
    pub max_stream_duration: Option<super::route::RouteActionMaxStreamDuration>,
    #[prost(message, optional, tag = "34")]
    #[serde(skip_serializing_if = "json::is_default", alias = "internal_redirect_policy")]
    pub internal_redirect_policy: Option<super::route::InternalRedirectPolicy>,
}

/// `envoy.config.route.v3.RouteAction.HashPolicy`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RouteActionHashPolicy {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub header: Option<super::route::RouteActionHashPolicyHeader>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub cookie: Option<super::route::RouteActionHashPolicyCookie>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "connection_properties")]
    pub connection_properties: Option<super::route::RouteActionHashPolicyConnectionProperties>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "query_parameter")]
    pub query_parameter: Option<super::route::RouteActionHashPolicyQueryParameter>,
    #[prost(bool, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub terminal: bool,
}

/// `envoy.config.route.v3.RouteAction.HashPolicy.ConnectionProperties`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RouteActionHashPolicyConnectionProperties {
    #[prost(bool, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "source_ip")]
    pub source_ip: bool,
}

/// `envoy.config.route.v3.RouteAction.HashPolicy.Cookie`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RouteActionHashPolicyCookie {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub ttl: Option<crate::api::Duration>,
    #[prost(string, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub path: String,
    #[prost(message, repeated, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub attributes: Vec<super::route::RouteActionHashPolicyCookieAttribute>,
}

/// `envoy.config.route.v3.RouteAction.HashPolicy.CookieAttribute`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RouteActionHashPolicyCookieAttribute {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub name: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub value: String,
}

/// `envoy.config.route.v3.RouteAction.HashPolicy.Header`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RouteActionHashPolicyHeader {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "header_name")]
    pub header_name: String,
}

/// `envoy.config.route.v3.RouteAction.HashPolicy.QueryParameter`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RouteActionHashPolicyQueryParameter {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub name: String,
}

/// `envoy.config.route.v3.RouteAction.MaxStreamDuration`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RouteActionMaxStreamDuration {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_stream_duration")]
    pub max_stream_duration: Option<crate::api::Duration>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "grpc_timeout_header_max")]
    pub grpc_timeout_header_max: Option<crate::api::Duration>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "grpc_timeout_header_offset")]
    pub grpc_timeout_header_offset: Option<crate::api::Duration>,
}

/// `envoy.config.route.v3.RouteAction.RequestMirrorPolicy`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RouteActionRequestMirrorPolicy {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub cluster: String,
    #[prost(string, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "cluster_header")]
    pub cluster_header: String,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "runtime_fraction")]
    pub runtime_fraction: Option<super::core::RuntimeFractionalPercent>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "trace_sampled")]
    pub trace_sampled: Option<bool>,
    #[prost(bool, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "disable_shadow_host_suffix_append")]
    pub disable_shadow_host_suffix_append: bool,
}

/// `envoy.config.route.v3.RouteAction.UpgradeConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RouteActionUpgradeConfig {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "upgrade_type")]
    pub upgrade_type: String,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub enabled: Option<bool>,
}

/// `envoy.config.route.v3.RouteConfiguration`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RouteConfiguration {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub name: String,
    #[prost(message, repeated, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "virtual_hosts")]
    pub virtual_hosts: Vec<super::route::VirtualHost>,
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub vhds: Option<super::route::Vhds>,
    #[prost(string, repeated, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "internal_only_headers")]
    pub internal_only_headers: Vec<String>,
    #[prost(message, repeated, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "response_headers_to_add")]
    pub response_headers_to_add: Vec<super::core::HeaderValueOption>,
    #[prost(string, repeated, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "response_headers_to_remove")]
    pub response_headers_to_remove: Vec<String>,
    #[prost(message, repeated, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "request_headers_to_add")]
    pub request_headers_to_add: Vec<super::core::HeaderValueOption>,
    #[prost(string, repeated, tag = "8")]
    #[serde(skip_serializing_if = "json::is_default", alias = "request_headers_to_remove")]
    pub request_headers_to_remove: Vec<String>,
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "json::is_default", alias = "validate_clusters")]
    pub validate_clusters: Option<bool>,
    #[prost(message, optional, tag = "11")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_direct_response_body_size_bytes")]
    pub max_direct_response_body_size_bytes: Option<u32>,
    #[prost(bool, tag = "14")]
    #[serde(skip_serializing_if = "json::is_default", alias = "ignore_port_in_host_matching")]
    pub ignore_port_in_host_matching: bool,
    #[prost(btree_map = "string, message", tag = "16")]
    #[serde(skip_serializing_if = "json::is_default", alias = "typed_per_filter_config")]
    pub typed_per_filter_config: std::collections::BTreeMap<String, crate::api::Any>,
}

impl prost::Name for RouteConfiguration {
    const NAME: &'static str = "RouteConfiguration";
    const PACKAGE: &'static str = "envoy.config.route.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.config.route.v3.RouteConfiguration".into()
    }
}

/// `envoy.config.route.v3.RouteMatch`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RouteMatch {
    #[prost(string, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub prefix: Option<String>,
    #[prost(string, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub path: Option<String>,
    #[prost(message, optional, tag = "10")]
    #[serde(skip_serializing_if = "json::is_default", alias = "safe_regex")]
    pub safe_regex: Option<super::common::RegexMatcher>,
    #[prost(message, optional, tag = "12")]
    #[serde(skip_serializing_if = "json::is_default", alias = "connect_matcher")]
    pub connect_matcher: Option<super::route::RouteMatchConnectMatcher>,
    #[prost(string, optional, tag = "14")]
    #[serde(skip_serializing_if = "json::is_default", alias = "path_separated_prefix")]
    pub path_separated_prefix: Option<String>,
    #[prost(message, optional, tag = "15")]
    #[serde(skip_serializing_if = "json::is_default", alias = "path_match_policy")]
    pub path_match_policy: Option<super::core::TypedExtensionConfig>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "case_sensitive")]
    pub case_sensitive: Option<bool>,
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "json::is_default", alias = "runtime_fraction")]
    pub runtime_fraction: Option<super::core::RuntimeFractionalPercent>,
    #[prost(message, repeated, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub headers: Vec<super::route::HeaderMatcher>,
    #[prost(message, repeated, tag = "7")]
    #[serde(skip_serializing_if = "json::is_default", alias = "query_parameters")]
    pub query_parameters: Vec<super::route::QueryParameterMatcher>,
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub grpc: Option<super::route::RouteMatchGrpcRouteMatchOptions>,
    #[prost(message, repeated, tag = "13")]
    #[serde(skip_serializing_if = "json::is_default", alias = "dynamic_metadata")]
    pub dynamic_metadata: Vec<super::common::MetadataMatcher>,
}

/// `envoy.config.route.v3.RouteMatch.ConnectMatcher`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RouteMatchConnectMatcher {}

/// `envoy.config.route.v3.RouteMatch.GrpcRouteMatchOptions`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RouteMatchGrpcRouteMatchOptions {}

/// `envoy.config.route.v3.Tracing`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Tracing {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "client_sampling")]
    pub client_sampling: Option<super::common::FractionalPercent>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "random_sampling")]
    pub random_sampling: Option<super::common::FractionalPercent>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "overall_sampling")]
    pub overall_sampling: Option<super::common::FractionalPercent>,
    #[prost(message, repeated, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "custom_tags")]
    pub custom_tags: Vec<super::common::CustomTag>,
}

/// `envoy.config.route.v3.Vhds`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Vhds {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "config_source")]
    pub config_source: Option<super::core::ConfigSource>,
}

/// `envoy.config.route.v3.VirtualHost`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct VirtualHost {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub name: String,
    #[prost(string, repeated, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub domains: Vec<String>,
    #[prost(message, repeated, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub routes: Vec<super::route::Route>,
    #[prost(enumeration = "super::route::VirtualHostTlsRequirementType", tag = "4")]
    #[serde(
        skip_serializing_if = "json::is_default",
        alias = "require_tls",
        serialize_with = "json::enumeration::serialize::<super::route::VirtualHostTlsRequirementType, _>",
        deserialize_with = "json::enumeration::deserialize::<super::route::VirtualHostTlsRequirementType, _>"
    )]
    pub require_tls: i32,
    #[prost(message, repeated, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "rate_limits")]
    pub rate_limits: Vec<super::route::RateLimit>,
    #[prost(message, repeated, tag = "7")]
    #[serde(skip_serializing_if = "json::is_default", alias = "request_headers_to_add")]
    pub request_headers_to_add: Vec<super::core::HeaderValueOption>,
    #[prost(string, repeated, tag = "13")]
    #[serde(skip_serializing_if = "json::is_default", alias = "request_headers_to_remove")]
    pub request_headers_to_remove: Vec<String>,
    #[prost(message, repeated, tag = "10")]
    #[serde(skip_serializing_if = "json::is_default", alias = "response_headers_to_add")]
    pub response_headers_to_add: Vec<super::core::HeaderValueOption>,
    #[prost(string, repeated, tag = "11")]
    #[serde(skip_serializing_if = "json::is_default", alias = "response_headers_to_remove")]
    pub response_headers_to_remove: Vec<String>,
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub cors: Option<super::route::CorsPolicy>,
    #[prost(btree_map = "string, message", tag = "15")]
    #[serde(skip_serializing_if = "json::is_default", alias = "typed_per_filter_config")]
    pub typed_per_filter_config: std::collections::BTreeMap<String, crate::api::Any>,
    #[prost(bool, tag = "14")]
    #[serde(skip_serializing_if = "json::is_default", alias = "include_request_attempt_count")]
    pub include_request_attempt_count: bool,
    #[prost(bool, tag = "19")]
    #[serde(skip_serializing_if = "json::is_default", alias = "include_attempt_count_in_response")]
    pub include_attempt_count_in_response: bool,
    #[prost(message, optional, tag = "16")]
    #[serde(skip_serializing_if = "json::is_default", alias = "retry_policy")]
    pub retry_policy: Option<super::route::RetryPolicy>,
}

/// `envoy.config.route.v3.WeightedCluster`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct WeightedCluster {
    #[prost(message, repeated, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub clusters: Vec<super::route::WeightedClusterClusterWeight>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "total_weight")]
    pub total_weight: Option<u32>,
}

/// `envoy.config.route.v3.WeightedCluster.ClusterWeight`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct WeightedClusterClusterWeight {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub name: String,
    #[prost(string, tag = "12")]
    #[serde(skip_serializing_if = "json::is_default", alias = "cluster_header")]
    pub cluster_header: String,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub weight: Option<u32>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "metadata_match")]
    pub metadata_match: Option<super::core::Metadata>,
    #[prost(message, repeated, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "request_headers_to_add")]
    pub request_headers_to_add: Vec<super::core::HeaderValueOption>,
    #[prost(string, repeated, tag = "9")]
    #[serde(skip_serializing_if = "json::is_default", alias = "request_headers_to_remove")]
    pub request_headers_to_remove: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "response_headers_to_add")]
    pub response_headers_to_add: Vec<super::core::HeaderValueOption>,
    #[prost(string, repeated, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "response_headers_to_remove")]
    pub response_headers_to_remove: Vec<String>,
    #[prost(btree_map = "string, message", tag = "10")]
    #[serde(skip_serializing_if = "json::is_default", alias = "typed_per_filter_config")]
    pub typed_per_filter_config: std::collections::BTreeMap<String, crate::api::Any>,
    #[prost(string, optional, tag = "11")]
    #[serde(skip_serializing_if = "json::is_default", alias = "host_rewrite_literal")]
    pub host_rewrite_literal: Option<String>,
}

/// `envoy.config.route.v3.RedirectAction.RedirectResponseCode`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum RedirectActionRedirectResponseCode {
    MovedPermanently = 0,
    Found = 1,
    SeeOther = 2,
    TemporaryRedirect = 3,
    PermanentRedirect = 4,
}

impl json::Names for RedirectActionRedirectResponseCode {
    const NAMES: &'static [(&'static str, i32)] =
        &[("MOVED_PERMANENTLY", 0), ("FOUND", 1), ("SEE_OTHER", 2), ("TEMPORARY_REDIRECT", 3), ("PERMANENT_REDIRECT", 4)];
}

/// `envoy.config.route.v3.RouteAction.ClusterNotFoundResponseCode`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum RouteActionClusterNotFoundResponseCode {
    ServiceUnavailable = 0,
    NotFound = 1,
    InternalServerError = 2,
}

impl json::Names for RouteActionClusterNotFoundResponseCode {
    const NAMES: &'static [(&'static str, i32)] = &[("SERVICE_UNAVAILABLE", 0), ("NOT_FOUND", 1), ("INTERNAL_SERVER_ERROR", 2)];
}

/// `envoy.config.route.v3.VirtualHost.TlsRequirementType`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum VirtualHostTlsRequirementType {
    None = 0,
    ExternalOnly = 1,
    All = 2,
}

impl json::Names for VirtualHostTlsRequirementType {
    const NAMES: &'static [(&'static str, i32)] = &[("NONE", 0), ("EXTERNAL_ONLY", 1), ("ALL", 2)];
}
