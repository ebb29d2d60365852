//! Made by `cargo xtask envoy-types`.

use crate::api::json;

/// `envoy.type.matcher.v3.DoubleMatcher`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DoubleMatcher {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub range: Option<super::common::DoubleRange>,
    #[prost(double, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", with = "json::optional::float")]
    pub exact: Option<f64>,
}

/// `envoy.type.matcher.v3.FilterStateMatcher`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FilterStateMatcher {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub key: String,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "string_match")]
    pub string_match: Option<super::common::StringMatcher>,
}

/// `envoy.type.matcher.v3.ListMatcher`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ListMatcher {
    #[prost(message, optional, boxed, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "one_of")]
    pub one_of: Option<Box<super::common::ValueMatcher>>,
}

/// `envoy.type.matcher.v3.ListStringMatcher`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ListStringMatcher {
    #[prost(message, repeated, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub patterns: Vec<super::common::StringMatcher>,
}

/// `envoy.type.matcher.v3.MetadataMatcher`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct MetadataMatcher {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub filter: String,
    #[prost(message, repeated, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub path: Vec<super::common::MetadataMatcherPathSegment>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub value: Option<super::common::ValueMatcher>,
    #[prost(bool, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub invert: bool,
}

/// `envoy.type.matcher.v3.MetadataMatcher.PathSegment`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct MetadataMatcherPathSegment {
    #[prost(string, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub key: Option<String>,
}

/// `envoy.type.matcher.v3.OrMatcher`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OrMatcher {
    #[prost(message, repeated, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "value_matchers")]
    pub value_matchers: Vec<super::common::ValueMatcher>,
}

/// `envoy.type.matcher.v3.PathMatcher`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PathMatcher {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub path: Option<super::common::StringMatcher>,
}

/// `envoy.type.matcher.v3.RegexMatchAndSubstitute`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RegexMatchAndSubstitute {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub pattern: Option<super::common::RegexMatcher>,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub substitution: String,
}

/// `envoy.type.matcher.v3.RegexMatcher`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RegexMatcher {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "google_re2")]
    pub google_re2: Option<super::common::RegexMatcherGoogleRE2>,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub regex: String,
}

/// `envoy.type.matcher.v3.RegexMatcher.GoogleRE2`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RegexMatcherGoogleRE2 {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_program_size")]
    pub max_program_size: Option<u32>,
}

/// `envoy.type.matcher.v3.StringMatcher`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct StringMatcher {
    #[prost(string, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub exact: Option<String>,
    #[prost(string, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub prefix: Option<String>,
    #[prost(string, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub suffix: Option<String>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "safe_regex")]
    pub safe_regex: Option<super::common::RegexMatcher>,
    #[prost(string, optional, tag = "7")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub contains: Option<String>,
    #[prost(bool, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "ignore_case")]
    pub ignore_case: bool,
}

/// `envoy.type.matcher.v3.ValueMatcher`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ValueMatcher {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "null_match")]
    pub null_match: Option<super::common::ValueMatcherNullMatch>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "double_match")]
    pub double_match: Option<super::common::DoubleMatcher>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "string_match")]
    pub string_match: Option<super::common::StringMatcher>,
    #[prost(bool, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "bool_match")]
    pub bool_match: Option<bool>,
    #[prost(bool, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "present_match")]
    pub present_match: Option<bool>,
    #[prost(message, optional, boxed, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "list_match")]
    pub list_match: Option<Box<super::common::ListMatcher>>,
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "json::is_default", alias = "or_match")]
    pub or_match: Option<super::common::OrMatcher>,
}

/// `envoy.type.matcher.v3.ValueMatcher.NullMatch`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ValueMatcherNullMatch {}

/// `envoy.type.metadata.v3.MetadataKey`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct MetadataKey {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub key: String,
    #[prost(message, repeated, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub path: Vec<super::common::MetadataKeyPathSegment>,
}

/// `envoy.type.metadata.v3.MetadataKey.PathSegment`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct MetadataKeyPathSegment {
    #[prost(string, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub key: Option<String>,
}

/// `envoy.type.metadata.v3.MetadataKind`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct MetadataKind {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub request: Option<super::common::MetadataKindRequest>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub route: Option<super::common::MetadataKindRoute>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub cluster: Option<super::common::MetadataKindCluster>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub host: Option<super::common::MetadataKindHost>,
}

/// `envoy.type.metadata.v3.MetadataKind.Cluster`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct MetadataKindCluster {}

/// `envoy.type.metadata.v3.MetadataKind.Host`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct MetadataKindHost {}

/// `envoy.type.metadata.v3.MetadataKind.Request`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct MetadataKindRequest {}

/// `envoy.type.metadata.v3.MetadataKind.Route`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct MetadataKindRoute {}

/// `envoy.type.tracing.v3.CustomTag`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CustomTag {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub tag: String,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub literal: Option<super::common::CustomTagLiteral>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub environment: Option<super::common::CustomTagEnvironment>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "request_header")]
    pub request_header: Option<super::common::CustomTagHeader>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub metadata: Option<super::common::CustomTagMetadata>,
    #[prost(string, optional, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub value: Option<String>,
}

/// `envoy.type.tracing.v3.CustomTag.Environment`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CustomTagEnvironment {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub name: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "default_value")]
    pub default_value: String,
}

/// `envoy.type.tracing.v3.CustomTag.Header`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CustomTagHeader {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub name: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "default_value")]
    pub default_value: String,
}

/// `envoy.type.tracing.v3.CustomTag.Literal`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CustomTagLiteral {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub value: String,
}

/// `envoy.type.tracing.v3.CustomTag.Metadata`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CustomTagMetadata {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub kind: Option<super::common::MetadataKind>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "metadata_key")]
    pub metadata_key: Option<super::common::MetadataKey>,
    #[prost(string, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "default_value")]
    pub default_value: String,
}

/// `envoy.type.v3.DoubleRange`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DoubleRange {
    #[prost(double, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", with = "json::float")]
    pub start: f64,
    #[prost(double, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", with = "json::float")]
    pub end: f64,
}

/// `envoy.type.v3.FractionalPercent`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FractionalPercent {
    #[prost(uint32, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub numerator: u32,
    #[prost(enumeration = "super::common::FractionalPercentDenominatorType", tag = "2")]
    #[serde(
        skip_serializing_if = "json::is_default",
        serialize_with = "json::enumeration::serialize::<super::common::FractionalPercentDenominatorType, _>",
        deserialize_with = "json::enumeration::deserialize::<super::common::FractionalPercentDenominatorType, _>"
    )]
    pub denominator: i32,
}

/// `envoy.type.v3.HttpStatus`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HttpStatus {
    #[prost(enumeration = "super::common::StatusCode", tag = "1")]
    #[serde(
        skip_serializing_if = "json::is_default",
        serialize_with = "json::enumeration::serialize::<super::common::StatusCode, _>",
        deserialize_with = "json::enumeration::deserialize::<super::common::StatusCode, _>"
    )]
    pub code: i32,
}

/// `envoy.type.v3.Int32Range`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Int32Range {
    #[prost(int32, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub start: i32,
    #[prost(int32, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub end: i32,
}

/// `envoy.type.v3.Int64Range`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Int64Range {
    #[prost(int64, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", with = "json::int64")]
    pub start: i64,
    #[prost(int64, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", with = "json::int64")]
    pub end: i64,
}

/// `envoy.type.v3.Percent`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Percent {
    #[prost(double, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", with = "json::float")]
    pub value: f64,
}

/// `envoy.type.v3.TokenBucket`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TokenBucket {
    #[prost(uint32, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_tokens")]
    pub max_tokens: u32,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "tokens_per_fill")]
    pub tokens_per_fill: Option<u32>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "fill_interval")]
    pub fill_interval: Option<crate::api::Duration>,
}

/// `envoy.type.v3.FractionalPercent.DenominatorType`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum FractionalPercentDenominatorType {
    Hundred = 0,
    TenThousand = 1,
    Million = 2,
}

impl json::Names for FractionalPercentDenominatorType {
    const NAMES: &'static [(&'static str, i32)] = &[("HUNDRED", 0), ("TEN_THOUSAND", 1), ("MILLION", 2)];
}

/// `envoy.type.v3.StatusCode`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum StatusCode {
    Empty = 0,
    Continue = 100,
    Ok = 200,
    Created = 201,
    Accepted = 202,
    Nonauthoritativeinformation = 203,
    Nocontent = 204,
    Resetcontent = 205,
    Partialcontent = 206,
    Multistatus = 207,
    Alreadyreported = 208,
    Imused = 226,
    Multiplechoices = 300,
    Movedpermanently = 301,
    Found = 302,
    Seeother = 303,
    Notmodified = 304,
    Useproxy = 305,
    Temporaryredirect = 307,
    Permanentredirect = 308,
    Badrequest = 400,
    Unauthorized = 401,
    Paymentrequired = 402,
    Forbidden = 403,
    Notfound = 404,
    Methodnotallowed = 405,
    Notacceptable = 406,
    Proxyauthenticationrequired = 407,
    Requesttimeout = 408,
    Conflict = 409,
    Gone = 410,
    Lengthrequired = 411,
    Preconditionfailed = 412,
    Payloadtoolarge = 413,
    Uritoolong = 414,
    Unsupportedmediatype = 415,
    Rangenotsatisfiable = 416,
    Expectationfailed = 417,
    Misdirectedrequest = 421,
    Unprocessableentity = 422,
    Locked = 423,
    Faileddependency = 424,
    Upgraderequired = 426,
    Preconditionrequired = 428,
    Toomanyrequests = 429,
    Requestheaderfieldstoolarge = 431,
    Internalservererror = 500,
    Notimplemented = 501,
    Badgateway = 502,
    Serviceunavailable = 503,
    Gatewaytimeout = 504,
    Httpversionnotsupported = 505,
    Variantalsonegotiates = 506,
    Insufficientstorage = 507,
    Loopdetected = 508,
    Notextended = 510,
    Networkauthenticationrequired = 511,
}

impl json::Names for StatusCode {
    const NAMES: &'static [(&'static str, i32)] = &[
        ("Empty", 0),
        ("Continue", 100),
        ("OK", 200),
        ("Created", 201),
        ("Accepted", 202),
        ("NonAuthoritativeInformation", 203),
        ("NoContent", 204),
        ("ResetContent", 205),
        ("PartialContent", 206),
        ("MultiStatus", 207),
        ("AlreadyReported", 208),
        ("IMUsed", 226),
        ("MultipleChoices", 300),
        ("MovedPermanently", 301),
        ("Found", 302),
        ("SeeOther", 303),
        ("NotModified", 304),
        ("UseProxy", 305),
        ("TemporaryRedirect", 307),
        ("PermanentRedirect", 308),
        ("BadRequest", 400),
        ("Unauthorized", 401),
        ("PaymentRequired", 402),
        ("Forbidden", 403),
        ("NotFound", 404),
        ("MethodNotAllowed", 405),
        ("NotAcceptable", 406),
        ("ProxyAuthenticationRequired", 407),
        ("RequestTimeout", 408),
        ("Conflict", 409),
        ("Gone", 410),
        ("LengthRequired", 411),
        ("PreconditionFailed", 412),
        ("PayloadTooLarge", 413),
        ("URITooLong", 414),
        ("UnsupportedMediaType", 415),
        ("RangeNotSatisfiable", 416),
        ("ExpectationFailed", 417),
        ("MisdirectedRequest", 421),
        ("UnprocessableEntity", 422),
        ("Locked", 423),
        ("FailedDependency", 424),
        ("UpgradeRequired", 426),
        ("PreconditionRequired", 428),
        ("TooManyRequests", 429),
        ("RequestHeaderFieldsTooLarge", 431),
        ("InternalServerError", 500),
        ("NotImplemented", 501),
        ("BadGateway", 502),
        ("ServiceUnavailable", 503),
        ("GatewayTimeout", 504),
        ("HTTPVersionNotSupported", 505),
        ("VariantAlsoNegotiates", 506),
        ("InsufficientStorage", 507),
        ("LoopDetected", 508),
        ("NotExtended", 510),
        ("NetworkAuthenticationRequired", 511),
    ];
}
