//! What proxies tell of requests: access logs and traces, as the mesh configuration and Telemetry have them
//! (`pilot/pkg/model/telemetry.go`, `pilot/pkg/networking/core/{tracing,accesslog}.go` of Istio).
//!
//! Providers of traces are `zipkin` and `opentelemetry`, of logs `envoyFileAccessLog`. Whatever else is named is not translated
//! ([`super::NotJudged`]).

use super::filters::Class;
use super::proxy::ProxyKind;
use super::{Context, NotJudged, Origin};
use mesh_envoy::api::accesslog::{
    AccessLog, AccessLogFilter, AndFilter, ComparisonFilter, ComparisonFilterOp, ExpressionFilter, ExtensionFilter, FileAccessLog, ResponseFlagFilter,
    StatusCodeFilter,
};
use mesh_envoy::api::common::{
    CustomTag, CustomTagEnvironment, CustomTagHeader, CustomTagLiteral, CustomTagMetadata, MetadataKey, MetadataKeyPathSegment, MetadataKind,
    MetadataKindRequest, Percent,
};
use mesh_envoy::api::hcm::HttpConnectionManagerTracing;
use mesh_envoy::api::trace::{
    EnvironmentResourceDetectorConfig, OpenTelemetryConfig, TracingHttp, ZipkinConfig, ZipkinConfigCollectorEndpointVersion, ZipkinConfigTraceContextOption,
};
use mesh_envoy::api::{Any, Duration, Struct, Value, core};
use mesh_model::{Kind, Node, Object};
use std::collections::BTreeMap;

/// What connection managers, TCP proxies and listeners of one proxy have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Records {
    client: Told,
    server: Told,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Told {
    tracing: Option<HttpConnectionManagerTracing>,
    samples_by_chance: bool,
    logs: Vec<AccessLog>,
    /// Of connections that no filter chain takes.
    of_listener: Vec<AccessLog>,
}

impl Records {
    /// Those of a proxy.
    pub fn of(cx: &Context<'_, '_>) -> Records {
        let rules = Rules::of(cx);
        let told = |mode: Mode| {
            let (tracing, samples_by_chance) = rules.tracing(cx, mode);
            let logs = rules.logs(cx, mode);
            let of_listener = match cx.model.mesh.config.at(&["disableEnvoyListenerLog"]).and_then(Node::bool) {
                Some(true) => Vec::new(),
                _ => logs.iter().map(of_lost).collect(),
            };
            Told { tracing, samples_by_chance, logs, of_listener }
        };
        Records { client: told(Mode::Client), server: told(Mode::Server) }
    }
    fn told(&self, class: Class) -> &Told {
        if class.is_server() { &self.server } else { &self.client }
    }
    pub fn tracing(&self, class: Class) -> Option<HttpConnectionManagerTracing> {
        self.told(class).tracing.clone()
    }
    /// Whether ids of requests decide which of them are traced.
    pub fn samples_by_id(&self, class: Class) -> bool {
        !self.told(class).samples_by_chance
    }
    pub fn logs(&self, class: Class) -> Vec<AccessLog> {
        self.told(class).logs.clone()
    }
    /// The log of a listener that takes what others do not.
    pub fn of_listener(&self, class: Class) -> Vec<AccessLog> {
        self.told(class).of_listener.clone()
    }
}

impl Records {
    /// The log of tunnels that end here: of those that are refused alone, as what is inside has logs of its own.
    pub fn of_ended_tunnels(&self) -> Vec<AccessLog> {
        let refused = AccessLogFilter {
            status_code_filter: Some(StatusCodeFilter {
                comparison: Some(ComparisonFilter {
                    op: ComparisonFilterOp::Ge as i32,
                    value: Some(core::RuntimeUInt32 { default_value: 400, runtime_key: "istio.io/unset".into() }),
                }),
            }),
            ..Default::default()
        };
        self.logs(Class::Waypoint).into_iter().map(|log| and(refused.clone(), log)).collect()
    }

    /// The log of tunnels that begin here: of those that reach nobody alone.
    pub fn of_begun_tunnels(&self, class: Class) -> Vec<AccessLog> {
        let failed = AccessLogFilter { response_flag_filter: Some(ResponseFlagFilter { flags: vec!["UF".into()] }), ..Default::default() };
        self.logs(class).into_iter().map(|log| and(failed.clone(), log)).collect()
    }
}

/// A log with one more condition.
fn and(condition: AccessLogFilter, log: AccessLog) -> AccessLog {
    let filter = match log.filter.clone() {
        None => condition,
        Some(own) => AccessLogFilter { and_filter: Some(AndFilter { filters: vec![condition, own] }), ..Default::default() },
    };
    AccessLog { filter: Some(filter), ..log }
}

/// Connections without a filter chain alone: all others are told of elsewhere.
fn of_lost(log: &AccessLog) -> AccessLog {
    let lost = AccessLogFilter { response_flag_filter: Some(ResponseFlagFilter { flags: vec!["NR".into()] }), ..Default::default() };
    and(lost, log.clone())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Client,
    Server,
}

impl Mode {
    /// Whether an entry of a Telemetry is for it.
    fn is_of(self, entry: Node<'_>) -> bool {
        match entry.at(&["match", "mode"]).map_or("", Node::text) {
            "CLIENT" => self == Mode::Client,
            "SERVER" => self == Mode::Server,
            _ => true,
        }
    }
}

/// The Telemetries that a proxy goes by: of the mesh, of its namespace, of its workload.
struct Rules<'a>(Vec<&'a Object>);

fn selects(object: &Object) -> bool {
    let labels = object.spec_at(&["selector", "matchLabels"]).is_some_and(|l| !l.is_empty());
    labels || object.spec_at(&["targetRef"]).is_some() || object.spec_at(&["targetRefs"]).is_some_and(|r| !r.is_empty())
}

impl<'a> Rules<'a> {
    fn of(cx: &Context<'_, 'a>) -> Rules<'a> {
        let all = cx.policies(Kind::Telemetry);
        let root = cx.model.mesh.config.root_namespace();
        let own = cx.proxy.namespace.as_str();
        let wide = |namespace: &str| all.iter().copied().find(|o| o.namespace() == namespace && !selects(o));
        let of_workload = all.iter().copied().find(|o| o.namespace() == own && selects(o));
        Rules(wide(root).into_iter().chain((root != own).then(|| wide(own)).flatten()).chain(of_workload).collect())
    }
    fn entries(&self, key: &'static str) -> impl Iterator<Item = Node<'a>> {
        self.0.iter().filter_map(|o| o.spec()).flat_map(move |s| s.list(key))
    }

    /// Tracing for one mode, and whether chance decides in place of ids.
    fn tracing(&self, cx: &Context<'_, 'a>, mode: Mode) -> (Option<HttpConnectionManagerTracing>, bool) {
        let config = cx.model.mesh.config;
        let of_proxies = config.at(&["defaultConfig", "tracing"]);
        let mut provider = config.at(&["defaultProviders", "tracing"]).and_then(|p| p.items().next()).map(Node::text);
        let mut spec = Spec::default();
        let mut entries = self.entries("tracing").peekable();
        if entries.peek().is_none() && provider.is_none() {
            let is_on = config.at(&["enableTracing"]).and_then(Node::bool).unwrap_or(true);
            return (is_on.then(|| spec.finish(cx, of_proxies, HttpConnectionManagerTracing::default())), false);
        }
        for entry in entries.filter(|e| mode.is_of(*e)) {
            provider = entry.list("providers").map(|p| p.text_of("name")).next().or(provider);
            let flag = |key: &str| entry.get(key).and_then(Node::bool);
            spec.is_off = flag("disableSpanReporting").unwrap_or(spec.is_off);
            spec.by_chance = flag("useRequestIdForTraceSampling").map_or(spec.by_chance, |by_id| !by_id);
            spec.lacks_istio = flag("enableIstioTags").map_or(spec.lacks_istio, |has| !has);
            spec.tags = entry.get("customTags").or(spec.tags);
            spec.sampling = entry.get("randomSamplingPercentage").and_then(Node::float).or(spec.sampling);
        }
        let found = provider.filter(|_| !spec.is_off).and_then(|name| tracer(cx, provider_of(cx, name)?));
        let by_chance = found.is_some() && spec.by_chance;
        (found.map(|tracing| spec.finish(cx, of_proxies, tracing)), by_chance)
    }

    fn logs(&self, cx: &Context<'_, 'a>, mode: Mode) -> Vec<AccessLog> {
        let config = cx.model.mesh.config;
        let default: Vec<&str> = config.at(&["defaultProviders", "accessLogging"]).into_iter().flat_map(Node::items).map(Node::text).collect();
        let entries: Vec<Node<'a>> = self.entries("accessLogging").collect();
        if entries.is_empty() && default.is_empty() {
            let file = config.at(&["accessLogFile"]).map_or("", Node::text);
            return if file.is_empty() { Vec::new() } else { vec![self::file(file, of_mesh(cx), None)] };
        }
        let named = |entry: Node<'a>| entry.list("providers").map(|p| p.text_of("name")).collect::<Vec<_>>();
        // What a level above names and the last one does not is forgotten.
        let in_force = entries.iter().map(|e| named(*e)).rfind(|n| !n.is_empty()).unwrap_or_else(|| default.clone());
        let mut logs: BTreeMap<&str, Option<Node<'a>>> = BTreeMap::new();
        if entries.is_empty() {
            logs.extend(default.iter().map(|d| (*d, None)));
        }
        let mut above = default;
        for entry in entries {
            let own = named(entry);
            if !own.is_empty() {
                above = own;
            }
            for provider in above.iter().filter(|p| in_force.contains(p) && mode.is_of(entry)) {
                match entry.get("disabled").and_then(Node::bool) {
                    Some(true) => drop(logs.remove(provider)),
                    _ => drop(logs.insert(provider, entry.at(&["filter", "expression"]))),
                }
            }
        }
        logs.into_iter().filter_map(|(name, expression)| of_provider(cx, name, expression)).collect()
    }
}

/// The extension provider of a name.
fn provider_of<'a>(cx: &Context<'_, 'a>, name: &str) -> Option<Node<'a>> {
    cx.model.mesh.config.root()?.list("extensionProviders").find(|p| p.text_of("name") == name)
}

/// What Telemetries say of traces, put together.
#[derive(Default)]
struct Spec<'a> {
    is_off: bool,
    by_chance: bool,
    /// Istio's own tags are left out.
    lacks_istio: bool,
    sampling: Option<f64>,
    tags: Option<Node<'a>>,
}

/// Of a hundred, where nobody says (`PILOT_TRACE_SAMPLING`).
const SAMPLING: f64 = 1.0;

impl Spec<'_> {
    fn finish(&self, cx: &Context<'_, '_>, of_proxies: Option<Node<'_>>, mut tracing: HttpConnectionManagerTracing) -> HttpConnectionManagerTracing {
        let percent = |value: f64| Some(Percent { value });
        let sampling = self.sampling.or_else(|| of_proxies?.get("sampling")?.float().filter(|s| *s != 0.0)).unwrap_or(SAMPLING);
        tracing.client_sampling = percent(100.0);
        tracing.random_sampling = percent(sampling.clamp(0.0, 100.0));
        tracing.overall_sampling = percent(100.0);
        let longest = || of_proxies?.get("maxPathTagLength")?.int().and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
        tracing.max_path_tag_length = tracing.max_path_tag_length.or_else(longest);
        let mut tags = if self.lacks_istio { Vec::new() } else { of_istio(cx) };
        let own = self.tags.filter(|t| !t.is_empty()).or_else(|| of_proxies?.get("customTags"));
        tags.extend(own.into_iter().flat_map(Node::entries).filter_map(|(name, value)| custom(name.text(), value)));
        tags.sort_by(|a, b| a.tag.cmp(&b.tag));
        tracing.custom_tags = tags;
        tracing
    }
}

fn custom(name: &str, value: Node<'_>) -> Option<CustomTag> {
    let mut tag = CustomTag { tag: name.to_owned(), ..Default::default() };
    if let Some(literal) = value.get("literal") {
        tag.literal = Some(CustomTagLiteral { value: literal.text_of("value").to_owned() });
    } else if let Some(env) = value.get("environment") {
        tag.environment = Some(CustomTagEnvironment { name: env.text_of("name").to_owned(), default_value: env.text_of("defaultValue").to_owned() });
    } else if let Some(header) = value.get("header") {
        tag.request_header = Some(CustomTagHeader { name: header.text_of("name").to_owned(), default_value: header.text_of("defaultValue").to_owned() });
    } else {
        tag.value = Some(value.at(&["formatter", "value"])?.text().to_owned());
    }
    Some(tag)
}

/// The tags by which Istio tells workloads and policies on trial.
fn of_istio(cx: &Context<'_, '_>) -> Vec<CustomTag> {
    let mut out = Vec::new();
    for policy in ["allow", "deny"] {
        for (tag, key) in [("name", "effective_policy_id"), ("result", "engine_result")] {
            let path = vec![MetadataKeyPathSegment { key: Some(format!("istio_dry_run_{policy}_shadow_{key}")) }];
            let metadata = CustomTagMetadata {
                kind: Some(MetadataKind { request: Some(MetadataKindRequest {}), ..Default::default() }),
                metadata_key: Some(MetadataKey { key: "envoy.filters.http.rbac".into(), path }),
                default_value: String::new(),
            };
            out.push(CustomTag { tag: format!("istio.authorization.dry_run.{policy}_policy.{tag}"), metadata: Some(metadata), ..Default::default() });
        }
    }
    let config = cx.model.mesh.config;
    let (service, revision) = canonical(cx);
    let mesh = config.at(&["defaultConfig", "meshId"]).map(Node::text).filter(|m| !m.is_empty()).unwrap_or(config.trust_domain());
    let cluster = cx.proxy.label(super::locality::CLUSTER).unwrap_or("Kubernetes");
    let pairs = [
        ("istio.canonical_revision", revision),
        ("istio.canonical_service", service),
        ("istio.cluster_id", cluster),
        ("istio.mesh_id", mesh),
        ("istio.namespace", cx.proxy.namespace.as_str()),
    ];
    out.extend(pairs.map(|(tag, value)| CustomTag { tag: tag.into(), literal: Some(CustomTagLiteral { value: value.to_owned() }), ..Default::default() }));
    out
}

/// The canonical service and revision of a proxy, from the labels that injection goes by.
fn canonical<'c>(cx: &'c Context<'_, '_>) -> (&'c str, &'c str) {
    let first = |keys: [&str; 3]| keys.into_iter().find_map(|k| cx.proxy.label(k)).filter(|v| !v.is_empty());
    let service = first(["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"]).unwrap_or("unknown");
    (service, first(["service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"]).unwrap_or("latest"))
}

/// The cluster of a collector, and its host; `None` where no such service is known.
fn collector(cx: &Context<'_, '_>, provider: Node<'_>) -> Option<(String, String)> {
    let service = provider.text_of("service");
    let (namespace, host) = service.split_once('/').map_or((None, service), |(n, h)| (Some(n), h));
    let port = provider.get("port")?.int()?;
    cx.model.registry.by_host(host).find(|(_, s)| namespace.is_none_or(|n| n == s.namespace))?;
    Some((format!("outbound|{port}||{host}"), host.to_owned()))
}

fn timeout(node: Option<Node<'_>>) -> Option<Duration> {
    node.and_then(|t| super::virtual_service::duration(t.text()))
}

fn headers(list: Option<Node<'_>>) -> Vec<core::HeaderValue> {
    let of = |h: Node<'_>| Some(core::HeaderValue { key: h.text_of("name").to_owned(), value: h.get("value")?.text().to_owned() });
    list.into_iter().flat_map(Node::items).filter_map(of).collect()
}

fn added(list: Option<Node<'_>>) -> Vec<core::HeaderValueOption> {
    headers(list).into_iter().map(|h| core::HeaderValueOption { header: Some(h), ..Default::default() }).collect()
}

/// `None` for a provider that is not translated.
fn tracer(cx: &Context<'_, '_>, provider: Node<'_>) -> Option<HttpConnectionManagerTracing> {
    let (own, name, config) = if let Some(zipkin) = provider.get("zipkin") {
        (zipkin, "envoy.tracers.zipkin", zipkin_to(cx, zipkin)?)
    } else {
        let otel = provider.get("opentelemetry").filter(|o| is_translated(*o))?;
        (otel, "envoy.tracers.opentelemetry", otlp_to(cx, otel)?)
    };
    let longest = own.get("maxTagLength").and_then(Node::int).and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
    Some(HttpConnectionManagerTracing {
        provider: Some(TracingHttp { name: name.into(), typed_config: Some(config) }),
        max_path_tag_length: longest,
        // A gateway has no other span of what it asks for.
        spawn_upstream_span: (cx.proxy.kind == ProxyKind::Router).then_some(true),
        ..Default::default()
    })
}

fn zipkin_to(cx: &Context<'_, '_>, zipkin: Node<'_>) -> Option<Any> {
    let (cluster, host) = collector(cx, zipkin)?;
    let path = Some(zipkin.text_of("path")).filter(|p| !p.is_empty()).unwrap_or("/api/v2/spans");
    let service = core::HttpService {
        http_uri: Some(core::HttpUri {
            uri: format!("http://{host}{path}"),
            cluster: Some(cluster),
            timeout: timeout(zipkin.get("timeout")).or(Some(Duration::from_seconds(5))),
        }),
        request_headers_to_add: added(zipkin.get("headers")),
    };
    let w3c = zipkin.text_of("traceContextOption") == "USE_B3_WITH_W3C_PROPAGATION";
    let context = if w3c { ZipkinConfigTraceContextOption::UseB3WithW3cPropagation } else { ZipkinConfigTraceContextOption::UseB3 };
    Some(Any::pack(&ZipkinConfig {
        trace_id_128bit: zipkin.get("enable64bitTraceId").and_then(Node::bool) != Some(true),
        shared_span_context: Some(false),
        collector_endpoint_version: ZipkinConfigCollectorEndpointVersion::HttpJson as i32,
        collector_service: Some(service),
        trace_context_option: context as i32,
        ..Default::default()
    }))
}

/// A sampler of one's own, and detectors of another company, are not.
fn is_translated(otel: Node<'_>) -> bool {
    otel.get("dynatraceSampler").is_none() && otel.at(&["resourceDetectors", "dynatrace"]).is_none()
}

fn otlp_to(cx: &Context<'_, '_>, otel: Node<'_>) -> Option<Any> {
    let (cluster, host) = collector(cx, otel)?;
    let app = cx.proxy.label("app").unwrap_or_else(|| cx.proxy.id.split('.').next().unwrap_or(""));
    // `node.cluster`, as Istio's agent and our bootstraps have it.
    let mut out = OpenTelemetryConfig { service_name: format!("{app}.{}", cx.proxy.namespace), ..Default::default() };
    if let Some(http) = otel.get("http") {
        let path = http.text_of("path").trim_start_matches('/');
        out.http_service = Some(core::HttpService {
            http_uri: Some(core::HttpUri { uri: format!("{host}/{path}"), cluster: Some(cluster), timeout: timeout(http.get("timeout")) }),
            request_headers_to_add: added(http.get("headers")),
        });
    } else {
        out.grpc_service = Some(core::GrpcService {
            envoy_grpc: Some(core::GrpcServiceEnvoyGrpc { cluster_name: cluster, authority: host }),
            timeout: timeout(otel.at(&["grpc", "timeout"])),
            initial_metadata: headers(otel.at(&["grpc", "initialMetadata"])),
        });
    }
    if otel.at(&["resourceDetectors", "environment"]).is_some() {
        out.resource_detectors.push(core::TypedExtensionConfig {
            name: "envoy.tracers.opentelemetry.resource_detectors.environment".into(),
            typed_config: Some(Any::pack(&EnvironmentResourceDetectorConfig {})),
        });
    }
    Some(Any::pack(&out))
}

/// Istio's own format (`telemetry_logging.go`).
const TEXT: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% \
    %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \
    %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \
    \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% \
    %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";
/// The same as JSON.
const JSON: &[(&str, &str)] = &[
    ("authority", "%REQ(:AUTHORITY)%"),
    ("bytes_received", "%BYTES_RECEIVED%"),
    ("bytes_sent", "%BYTES_SENT%"),
    ("connection_termination_details", "%CONNECTION_TERMINATION_DETAILS%"),
    ("downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"),
    ("downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"),
    ("duration", "%DURATION%"),
    ("method", "%REQ(:METHOD)%"),
    ("path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"),
    ("protocol", "%PROTOCOL%"),
    ("request_id", "%REQ(X-REQUEST-ID)%"),
    ("requested_server_name", "%REQUESTED_SERVER_NAME%"),
    ("response_code", "%RESPONSE_CODE%"),
    ("response_code_details", "%RESPONSE_CODE_DETAILS%"),
    ("response_flags", "%RESPONSE_FLAGS%"),
    ("route_name", "%ROUTE_NAME%"),
    ("start_time", "%START_TIME%"),
    ("upstream_cluster", "%UPSTREAM_CLUSTER_RAW%"),
    ("upstream_host", "%UPSTREAM_HOST%"),
    ("upstream_local_address", "%UPSTREAM_LOCAL_ADDRESS%"),
    ("upstream_service_time", "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"),
    ("upstream_transport_failure_reason", "%UPSTREAM_TRANSPORT_FAILURE_REASON%"),
    ("user_agent", "%REQ(USER-AGENT)%"),
    ("x_forwarded_for", "%REQ(X-FORWARDED-FOR)%"),
];

fn file(path: &str, format: core::SubstitutionFormatString, expression: Option<Node<'_>>) -> AccessLog {
    let filter = expression.filter(|e| !e.text().is_empty()).map(|e| AccessLogFilter {
        extension_filter: Some(ExtensionFilter {
            name: "envoy.access_loggers.extension_filters.cel".into(),
            typed_config: Some(Any::pack(&ExpressionFilter { expression: e.text().to_owned() })),
        }),
        ..Default::default()
    });
    let config = FileAccessLog { path: path.to_owned(), log_format: Some(format) };
    AccessLog { name: "envoy.access_loggers.file".into(), filter, typed_config: Some(Any::pack(&config)) }
}

fn text(format: &str) -> core::SubstitutionFormatString {
    let line = if format.is_empty() { TEXT.to_owned() } else { format!("{}\n", format.trim_end_matches('\n')) };
    let source = core::DataSource { inline_string: Some(line), ..Default::default() };
    core::SubstitutionFormatString { text_format_source: Some(source), ..Default::default() }
}

fn json(fields: Struct) -> core::SubstitutionFormatString {
    core::SubstitutionFormatString { json_format: Some(fields), json_format_options: Some(core::JsonFormatOptions::default()), ..Default::default() }
}

fn default_json() -> Struct {
    JSON.iter().map(|(k, v)| (*k, Value::from(*v))).collect()
}

fn fields(node: Node<'_>) -> Struct {
    let value = |v: Node<'_>| if v.is_mapping() { Value::from(fields(v)) } else { Value::from(v.text()) };
    node.entries().map(|(k, v)| (k.text(), value(v))).collect()
}

/// The format of the mesh: of `accessLogFile`, and of the provider `envoy` where that has none of its own.
fn of_mesh(cx: &Context<'_, '_>) -> core::SubstitutionFormatString {
    let config = cx.model.mesh.config;
    let of = |key: &str| config.at(&[key]).map_or("", Node::text);
    if of("accessLogEncoding") != "JSON" {
        return text(of("accessLogFormat"));
    }
    let own = serde_json::from_str::<BTreeMap<String, String>>(of("accessLogFormat")).ok();
    let fields = own.map_or_else(default_json, |own| own.iter().map(|(k, v)| (k.as_str(), Value::from(v.as_str()))).collect());
    json(fields)
}

/// Where logs go that say nothing else.
const STANDARD_OUTPUT: &str = "/dev/stdout";

/// The provider that is there without being configured.
const ENVOY: &str = "envoy";

/// The log of a provider; `None` for one that is not translated.
fn of_provider(cx: &Context<'_, '_>, name: &str, expression: Option<Node<'_>>) -> Option<AccessLog> {
    let Some(provider) = provider_of(cx, name) else {
        return (name == ENVOY).then(|| file(STANDARD_OUTPUT, of_mesh(cx), expression));
    };
    let own = provider.get("envoyFileAccessLog")?;
    let path = Some(own.text_of("path")).filter(|p| !p.is_empty()).unwrap_or(STANDARD_OUTPUT);
    let format = match own.at(&["logFormat", "labels"]) {
        Some(labels) if labels.is_empty() => json(default_json()),
        Some(labels) => json(fields(labels)),
        None if name == ENVOY && own.get("logFormat").is_none() => of_mesh(cx),
        None => text(own.at(&["logFormat", "text"]).map_or("", Node::text)),
    };
    let omits = own.get("omitEmptyValues").and_then(Node::bool) == Some(true);
    Some(file(path, core::SubstitutionFormatString { omit_empty_values: omits, ..format }, expression))
}

/// What of Telemetries and providers is not translated.
pub fn not_judged<'a>(cx: &Context<'_, 'a>) -> Vec<NotJudged<'a>> {
    let mut out = Vec::new();
    let mut say = |object: &'a Object, node: Node<'a>, what: String| {
        out.push(NotJudged { effect: super::Effect::Observation, ..NotJudged::new(Origin { object, node }, what) });
    };
    let rules = Rules::of(cx);
    for object in &rules.0 {
        let Some(spec) = object.spec() else { continue };
        if let Some(metrics) = spec.get("metrics").filter(|m| m.items().any(|e| e.get("overrides").is_some() || e.get("reportingInterval").is_some())) {
            say(object, metrics, "changes of metrics are not translated".to_owned());
        }
        for (key, kinds) in [("tracing", &["zipkin", "opentelemetry"][..]), ("accessLogging", &["envoyFileAccessLog"])] {
            for name in spec.list(key).flat_map(|e| e.list("providers")) {
                let known = provider_of(cx, name.text_of("name"));
                let is_given = key == "accessLogging" && known.is_none() && name.text_of("name") == ENVOY;
                let is_known = known.is_some_and(|p| kinds.iter().any(|k| p.get(k).is_some_and(is_translated)));
                if !is_known && !is_given {
                    say(object, name, format!("the provider {} is not translated", name.text_of("name")));
                }
            }
        }
    }
    out
}
