//! One line of an access log, taken apart.

use crate::response_code_details::Details;
use std::borrow::Cow;

/// What answers need of a line, whatever its format calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    StartTime,
    Method,
    Path,
    Protocol,
    ResponseCode,
    ResponseFlags,
    ResponseCodeDetails,
    ConnectionTerminationDetails,
    UpstreamTransportFailureReason,
    DownstreamTransportFailureReason,
    BytesReceived,
    BytesSent,
    Duration,
    UpstreamServiceTime,
    ForwardedFor,
    UserAgent,
    RequestId,
    Authority,
    UpstreamHost,
    UpstreamCluster,
    UpstreamLocalAddress,
    DownstreamLocalAddress,
    DownstreamRemoteAddress,
    RequestedServerName,
    RouteName,
    Attempts,
    PeerUriSan,
    GrpcStatus,
}

impl Field {
    pub const COUNT: usize = Field::GrpcStatus as usize + 1;
}

/// A line's fields. What the line says is absent (`-`, JSON null) and what its format lacks is absent here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry<'l> {
    values: [Option<Cow<'l, str>>; Field::COUNT],
}

impl<'l> Entry<'l> {
    /// "" where absent.
    pub fn text(&self, field: Field) -> &str {
        self.values[field as usize].as_deref().unwrap_or("")
    }
    pub fn number(&self, field: Field) -> Option<u64> {
        self.text(field).parse().ok()
    }
    /// The status; 0 where none was sent.
    pub fn code(&self) -> u16 {
        self.text(Field::ResponseCode).parse().unwrap_or(0)
    }
    /// The flags by their short or long names; none for `-`.
    pub fn flags(&self) -> impl Iterator<Item = &str> {
        self.text(Field::ResponseFlags).split(',').map(str::trim).filter(|f| !f.is_empty())
    }
    pub(super) fn set(&mut self, field: Field, value: Cow<'l, str>) {
        let place = &mut self.values[field as usize];
        // Of two operators for one field the first that says something counts.
        if place.is_none() && value != "-" && !value.is_empty() {
            *place = Some(value);
        }
    }
    /// Whether nothing at all is known.
    pub fn is_empty(&self) -> bool {
        self.values.iter().all(Option::is_none)
    }
    /// Why the connection to the upstream failed: the field, or what the details say of it.
    pub fn transport_failure(&self) -> &str {
        let own = self.text(Field::UpstreamTransportFailureReason);
        if own.is_empty() { Details::parse(self.text(Field::ResponseCodeDetails)).transport } else { own }
    }
}
