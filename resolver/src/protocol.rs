//! What a port carries: as the networking kinds write it, and as Istio reads it off a Service's port.

use crate::service::Port;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http,
    HttpProxy,
    Http2,
    Grpc,
    GrpcWeb,
    Https,
    Tls,
    Tcp,
    Udp,
    Mongo,
    Redis,
    MySql,
    /// Absent or unknown.
    Unsupported,
}

/// The spellings, as messages list them.
pub const SPELLINGS: &[(&str, Protocol)] = &[
    ("HTTP", Protocol::Http),
    ("HTTP2", Protocol::Http2),
    ("GRPC", Protocol::Grpc),
    ("GRPC-WEB", Protocol::GrpcWeb),
    ("HTTPS", Protocol::Https),
    ("TLS", Protocol::Tls),
    ("TCP", Protocol::Tcp),
    ("MONGO", Protocol::Mongo),
    ("REDIS", Protocol::Redis),
    ("MYSQL", Protocol::MySql),
    ("UDP", Protocol::Udp),
    ("HTTP_PROXY", Protocol::HttpProxy),
];

impl Protocol {
    /// Any case.
    pub fn parse(text: &str) -> Protocol {
        SPELLINGS.iter().find(|(s, _)| s.eq_ignore_ascii_case(text)).map_or(Protocol::Unsupported, |(_, p)| *p)
    }
    /// As it is written; `None` for what is not written, or not known.
    pub fn spelling(self) -> Option<&'static str> {
        SPELLINGS.iter().find(|(_, p)| *p == self).map(|(s, _)| *s)
    }
    pub fn is_http(self) -> bool {
        matches!(self, Protocol::Http | Protocol::Http2 | Protocol::HttpProxy | Protocol::Grpc | Protocol::GrpcWeb)
    }
    pub fn is_http2(self) -> bool {
        matches!(self, Protocol::Http2 | Protocol::Grpc | Protocol::GrpcWeb)
    }
    /// Carried by TCP without being HTTP.
    pub fn is_tcp(self) -> bool {
        matches!(self, Protocol::Tcp | Protocol::Https | Protocol::Tls | Protocol::Mongo | Protocol::Redis | Protocol::MySql)
    }
    pub fn is_tls(self) -> bool {
        matches!(self, Protocol::Https | Protocol::Tls)
    }
}

/// Ports whose protocols have the server speak first: nothing could be detected there.
const SERVER_FIRST: &[u16] = &[25, 53, 3306, 27017];

/// The protocol of a Service's port: of `appProtocol` if there is one, else of the name's part before the first `-`.
pub fn of_service_port(port: &Port<'_>) -> Protocol {
    if port.protocol == "UDP" {
        return Protocol::Udp;
    }
    let name = match (port.node.get("appProtocol"), port.app_protocol) {
        (None, _) => port.name,
        (_, "kubernetes.io/h2c") => return Protocol::Http2,
        (_, "kubernetes.io/ws") => return Protocol::Http,
        (_, "kubernetes.io/wss") => return Protocol::Https,
        (_, name) => name,
    };
    if name.get(..8).is_some_and(|p| p.eq_ignore_ascii_case("grpc-web")) {
        return Protocol::GrpcWeb;
    }
    match Protocol::parse(name.split('-').next().unwrap_or("")) {
        Protocol::Unsupported if SERVER_FIRST.contains(&port.number) => Protocol::Tcp,
        protocol => protocol,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_model::{Source, Span, yaml};

    fn of(text: &str) -> Protocol {
        let source = Source::new("", text);
        let tree = yaml::parse_document(&source, Span::new(0, text.len()), yaml::Limits::default()).tree.expect("a port");
        let node = tree.root();
        let number = node.get("port").and_then(mesh_model::Node::int).map_or(0, |n| n as u16);
        let (name, protocol, app_protocol) = (node.text_of("name"), node.text_of("protocol"), node.text_of("appProtocol"));
        of_service_port(&Port { number, name, protocol, app_protocol, target: "", node })
    }

    #[test]
    fn protocols_of_service_ports() {
        for (port, protocol) in [
            ("{name: http-web, port: 80}", Protocol::Http),
            ("{name: GRPC-Web-x, port: 80}", Protocol::GrpcWeb),
            ("{name: grpc, port: 80}", Protocol::Grpc),
            ("{name: web, port: 80}", Protocol::Unsupported),
            ("{port: 80}", Protocol::Unsupported),
            ("{name: sctp-x, port: 80, protocol: SCTP}", Protocol::Unsupported),
            ("{name: http, port: 80, protocol: UDP}", Protocol::Udp),
            ("{name: db, port: 3306}", Protocol::Tcp),
            ("{name: http, port: 80, appProtocol: tcp}", Protocol::Tcp),
            ("{name: http, port: 80, appProtocol: custom}", Protocol::Unsupported),
            ("{name: x, port: 80, appProtocol: kubernetes.io/h2c}", Protocol::Http2),
        ] {
            assert_eq!(of(port), protocol, "{port}");
        }
    }
}
