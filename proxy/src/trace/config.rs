//! `HttpConnectionManager.Tracing`: what istiod makes of Telemetry and of its mesh configuration.

use super::context::Form;
use super::exporter::{Exporter, Exporters, Target, To};
use crate::format::Template;
use crate::http::head::names;
use http::{HeaderName, HeaderValue};
use mesh_envoy::engine::field::{Message, Read};
use std::sync::Arc;
use std::time::Duration;

/// What is told of a manager's requests.
#[derive(Clone, Debug)]
pub struct Tracing {
    /// Of 100.
    pub client_percent: u64,
    /// Of 10,000.
    pub random: u64,
    pub overall: u64,
    pub tags: Vec<Tag>,
    /// Bytes of a path in a tag.
    pub longest_path: usize,
    /// Every try has a span of its own.
    pub spawns_upstream_span: bool,
    pub propagates: bool,
    /// `None` without a provider: ids are marked, and there are no spans.
    pub tracer: Option<Tracer>,
}

impl Default for Tracing {
    fn default() -> Tracing {
        Tracing {
            client_percent: 100,
            random: 10_000,
            overall: 10_000,
            tags: Vec::new(),
            longest_path: 256,
            spawns_upstream_span: false,
            propagates: true,
            tracer: None,
        }
    }
}

/// A provider.
#[derive(Clone, Debug)]
pub struct Tracer {
    pub exporter: Arc<Exporter>,
    pub form: Form,
    /// Ids of traces that begin here have 128 bits.
    pub is_wide: bool,
    /// A server's span is the client's.
    pub shares_span: bool,
}

/// A tag of one's own.
#[derive(Clone, Debug)]
pub struct Tag {
    pub name: Box<str>,
    pub source: Source,
}

#[derive(Clone, Debug)]
pub enum Source {
    /// A literal, or an environment variable, which does not change.
    Text(Box<str>),
    Header {
        name: HeaderName,
        default: Box<str>,
    },
    /// Of what filters left.
    Metadata {
        filter: Box<str>,
        path: Vec<Box<str>>,
        default: Box<str>,
    },
    Format(Template),
}

impl Tag {
    fn read(m: &Message<'_, '_>) -> Read<Option<Tag>> {
        let name: Box<str> = m.text("tag")?.into();
        if name.is_empty() {
            return Err(m.unknown_field("tag", "a tag needs a name"));
        }
        let source = if let Some(literal) = m.message("literal")? {
            Source::Text(literal.text("value")?.into())
        } else if let Some(env) = m.message("environment")? {
            let value = std::env::var(env.text("name")?).ok();
            Source::Text(value.as_deref().map_or(env.text("default_value")?, |v| v).into())
        } else if let Some(header) = m.message("request_header")? {
            let text = header.text("name")?.to_ascii_lowercase();
            let name = HeaderName::from_bytes(text.as_bytes()).map_err(|_| header.unknown_field("name", "no name of a header"))?;
            Source::Header { name, default: header.text("default_value")?.into() }
        } else if let Some(metadata) = m.message("metadata")? {
            let key = metadata.message_or_empty("metadata_key")?;
            let mut path = Vec::new();
            for segment in key.messages("path")? {
                path.push(segment.text("key")?.into());
            }
            Source::Metadata { filter: key.text("key")?.into(), path, default: metadata.text("default_value")?.into() }
        } else if m.has("value") {
            Source::Format(Template::parse(m.text("value")?).map_err(|what| m.unknown_field("value", what))?)
        } else {
            return Err(m.unknown("a tag whose value comes from nowhere that mesh-proxy knows"));
        };
        // What is always empty is never told.
        Ok(Some(Tag { name, source }).filter(|t| !matches!(&t.source, Source::Text(text) if text.is_empty())))
    }
}

impl Tracing {
    /// The headers of answers that spans tell of.
    pub fn answer_headers(&self) -> Vec<HeaderName> {
        let mut names = vec![names::GRPC_MESSAGE];
        for tag in &self.tags {
            if let Source::Format(template) = &tag.source {
                template.answer_headers(&mut names);
            }
        }
        names
    }
    /// From a connection manager; `None` where it is not told of.
    pub fn read(manager: &Message<'_, '_>, exporters: &Exporters) -> Read<Option<Tracing>> {
        let Some(m) = manager.message("tracing")? else { return Ok(None) };
        let share = |name: &str, of: f64| -> Read<Option<u64>> {
            let Some(percent) = m.message(name)? else { return Ok(None) };
            // Rounded as Envoy rounds, and never beyond all.
            let value = percent.value("value").and_then(serde_json::Value::as_f64).unwrap_or(0.0);
            Ok(Some((value / 100.0 * of).round().clamp(0.0, of) as u64))
        };
        let mut tags = Vec::new();
        for tag in m.messages("custom_tags")? {
            tags.extend(Tag::read(&tag)?);
        }
        let tracer = match m.message("provider")? {
            Some(provider) => Some(Tracer::read(&provider, exporters)?),
            None => exporters.fallback(),
        };
        Ok(Some(Tracing {
            client_percent: share("client_sampling", 100.0)?.unwrap_or(100),
            random: share("random_sampling", 10_000.0)?.unwrap_or(10_000),
            overall: share("overall_sampling", 10_000.0)?.unwrap_or(10_000),
            tags,
            longest_path: usize::try_from(m.uint("max_path_tag_length")?.unwrap_or(256)).unwrap_or(usize::MAX),
            spawns_upstream_span: m.flag("spawn_upstream_span")?,
            propagates: !m.flag("no_context_propagation")?,
            tracer,
        }))
    }
}

impl Tracer {
    /// Spans to a Jaeger agent. Numbers have 64 bits: its oldest clients know no others.
    #[cfg(feature = "jaeger")]
    pub fn jaeger(agent: std::net::SocketAddr, exporters: &Exporters) -> Tracer {
        let exporter = exporters.get(Target::default(), To::Jaeger { agent });
        Tracer { exporter, form: Form::Jaeger, is_wide: false, shares_span: false }
    }
    /// `envoy.config.trace.v3.Tracing.Http`
    pub fn read(provider: &Message<'_, '_>, exporters: &Exporters) -> Read<Tracer> {
        let Some((kind, config)) = provider.any("typed_config")? else { return Err(provider.unknown("a provider without configuration")) };
        match kind.rsplit('.').next().unwrap_or(kind) {
            "ZipkinConfig" => Tracer::zipkin(&config, exporters),
            "OpenTelemetryConfig" => Tracer::opentelemetry(&config, exporters),
            other => Err(provider.unknown_field("typed_config", format!("the tracer {other} is not supported by mesh-proxy"))),
        }
    }
    fn zipkin(m: &Message<'_, '_>, exporters: &Exporters) -> Read<Tracer> {
        let shares_span = m.bool("shared_span_context")?.unwrap_or(true);
        let target = if let Some(service) = m.message("collector_service")? {
            target_of(&service)?
        } else {
            let cluster = m.text("collector_cluster")?;
            if cluster.is_empty() {
                return Err(m.unknown_field("collector_cluster", "a cluster belongs here"));
            }
            let authority = Some(m.text("collector_hostname")?).filter(|h| !h.is_empty()).unwrap_or(cluster);
            Target { cluster: cluster.into(), authority: authority.into(), path: m.text("collector_endpoint")?.into(), ..Target::default() }
        };
        if target.path.is_empty() {
            return Err(m.unknown_field("collector_endpoint", "a path belongs here"));
        }
        let with_w3c = m.enumeration("trace_context_option", &["USE_B3", "USE_B3_WITH_W3C_PROPAGATION"])? == "USE_B3_WITH_W3C_PROPAGATION";
        let to = To::Zipkin { shares_span };
        Ok(Tracer { exporter: exporters.get(target, to), form: Form::B3 { with_w3c }, is_wide: m.flag("trace_id_128bit")?, shares_span })
    }
    fn opentelemetry(m: &Message<'_, '_>, exporters: &Exporters) -> Read<Tracer> {
        let service: Box<str> = match m.text("service_name")? {
            "" => "unknown_service:envoy".into(),
            name => name.into(),
        };
        let mut from_environment = false;
        for detector in m.messages("resource_detectors")? {
            from_environment |= detector.any("typed_config")?.is_some();
        }
        let (target, is_grpc) = if let Some(http) = m.message("http_service")? {
            (target_of(&http)?, false)
        } else if let Some(grpc) = m.message("grpc_service")? {
            let envoy = grpc.message_or_empty("envoy_grpc")?;
            let cluster = envoy.text("cluster_name")?;
            if cluster.is_empty() {
                return Err(grpc.unknown_field("envoy_grpc", "a cluster belongs here"));
            }
            let authority = Some(envoy.text("authority")?).filter(|a| !a.is_empty()).unwrap_or(cluster);
            let target = Target {
                cluster: cluster.into(),
                authority: authority.into(),
                path: "/opentelemetry.proto.collector.trace.v1.TraceService/Export".into(),
                headers: headers(&grpc, "initial_metadata")?,
                timeout: grpc.duration("timeout")?.filter(|t| !t.is_zero()).unwrap_or(TIMEOUT),
            };
            (target, true)
        } else {
            return Err(m.unknown_field("grpc_service", "a collector belongs here"));
        };
        let to = To::OpenTelemetry { service, is_grpc, from_environment };
        Ok(Tracer { exporter: exporters.get(target, to), form: Form::W3c, is_wide: true, shares_span: false })
    }
}

/// Envoy's for reports.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// `envoy.config.core.v3.HttpService`
fn target_of(m: &Message<'_, '_>) -> Read<Target> {
    let uri = m.message_or_empty("http_uri")?;
    let text = uri.text("uri")?;
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let cluster = uri.text("cluster")?;
    if cluster.is_empty() {
        return Err(uri.unknown_field("cluster", "a cluster belongs here"));
    }
    Ok(Target {
        cluster: cluster.into(),
        authority: if authority.is_empty() { cluster.into() } else { authority.into() },
        path: path.into(),
        headers: headers(m, "request_headers_to_add")?,
        timeout: uri.duration("timeout")?.filter(|t| !t.is_zero()).unwrap_or(TIMEOUT),
    })
}

/// `HeaderValue`s, or `HeaderValueOption`s around them.
fn headers(m: &Message<'_, '_>, field: &str) -> Read<Vec<(HeaderName, HeaderValue)>> {
    let mut out = Vec::new();
    for option in m.messages(field)? {
        let inner = option.message("header")?;
        let header = inner.as_ref().unwrap_or(&option);
        let name =
            HeaderName::from_bytes(header.text("key")?.to_ascii_lowercase().as_bytes()).map_err(|_| header.unknown_field("key", "no name of a header"))?;
        let mut value = HeaderValue::from_str(header.text("value")?).map_err(|_| header.unknown_field("value", "no value of a header"))?;
        // It may be a token.
        value.set_sensitive(true);
        out.push((name, value));
    }
    Ok(out)
}
