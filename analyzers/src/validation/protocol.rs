//! Port protocols as the networking kinds write them.

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
    pub fn is_http(self) -> bool {
        matches!(self, Protocol::Http | Protocol::Http2 | Protocol::HttpProxy | Protocol::Grpc | Protocol::GrpcWeb)
    }
    /// Carried by TCP without being HTTP.
    pub fn is_tcp(self) -> bool {
        matches!(self, Protocol::Tcp | Protocol::Https | Protocol::Tls | Protocol::Mongo | Protocol::Redis | Protocol::MySql)
    }
    pub fn is_tls(self) -> bool {
        matches!(self, Protocol::Https | Protocol::Tls)
    }
}

/// Unknown protocols; an absent one is detected at run time.
pub fn known(text: &str) -> Result<(), String> {
    if text.is_empty() || Protocol::parse(text) != Protocol::Unsupported {
        return Ok(());
    }
    Err(format!("`{text}` is not a protocol that Istio knows"))
}

/// The protocol that was probably meant.
pub fn nearest(text: &str) -> Option<&'static str> {
    crate::spelling::nearest(&text.to_ascii_uppercase(), SPELLINGS.iter().map(|(s, _)| *s))
}
