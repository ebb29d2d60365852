//! Messages as they go through the proxy: a head, and a body behind it.
//!
//! `http`'s own map of headers hashes each name that it is asked for, and keeps an index beside its entries. A message has ten
//! headers, and is asked for thirty names: looking through a list of ten is half the work, and a list keeps the order of the wire.

pub mod headers;

pub use headers::HeaderMap;
use http::{Extensions, Method, StatusCode, Uri, Version};

pub struct Request<B> {
    pub method: Method,
    pub uri: Uri,
    pub version: Version,
    pub headers: HeaderMap,
    pub extensions: Extensions,
    pub body: B,
}

impl<B> Request<B> {
    pub fn new(body: B) -> Request<B> {
        Request { method: Method::default(), uri: Uri::default(), version: Version::default(), headers: HeaderMap::new(), extensions: Extensions::new(), body }
    }
    /// The same with another body.
    pub fn map<C>(self, f: impl FnOnce(B) -> C) -> Request<C> {
        let Request { method, uri, version, headers, extensions, body } = self;
        Request { method, uri, version, headers, extensions, body: f(body) }
    }
}

impl<B> From<http::Request<B>> for Request<B> {
    fn from(request: http::Request<B>) -> Request<B> {
        let (parts, body) = request.into_parts();
        (parts, body).into()
    }
}

impl<B> From<(http::request::Parts, B)> for Request<B> {
    fn from((parts, body): (http::request::Parts, B)) -> Request<B> {
        let http::request::Parts { method, uri, version, headers, extensions, .. } = parts;
        Request { method, uri, version, headers: headers.into(), extensions, body }
    }
}

impl<B> From<Request<B>> for http::Request<B> {
    fn from(request: Request<B>) -> http::Request<B> {
        let mut out = http::Request::new(request.body);
        (*out.method_mut(), *out.uri_mut(), *out.version_mut()) = (request.method, request.uri, request.version);
        (*out.headers_mut(), *out.extensions_mut()) = (request.headers.into(), request.extensions);
        out
    }
}

pub struct Response<B> {
    pub status: StatusCode,
    pub version: Version,
    pub headers: HeaderMap,
    pub extensions: Extensions,
    pub body: B,
}

impl<B> Response<B> {
    pub fn new(body: B) -> Response<B> {
        Response { status: StatusCode::OK, version: Version::default(), headers: HeaderMap::new(), extensions: Extensions::new(), body }
    }
    /// The same with another body.
    pub fn map<C>(self, f: impl FnOnce(B) -> C) -> Response<C> {
        let Response { status, version, headers, extensions, body } = self;
        Response { status, version, headers, extensions, body: f(body) }
    }
}

impl<B> From<http::Response<B>> for Response<B> {
    fn from(response: http::Response<B>) -> Response<B> {
        let (parts, body) = response.into_parts();
        let http::response::Parts { status, version, headers, extensions, .. } = parts;
        Response { status, version, headers: headers.into(), extensions, body }
    }
}

impl<B> From<Response<B>> for http::Response<B> {
    fn from(response: Response<B>) -> http::Response<B> {
        let mut out = http::Response::new(response.body);
        (*out.status_mut(), *out.version_mut()) = (response.status, response.version);
        (*out.headers_mut(), *out.extensions_mut()) = (response.headers.into(), response.extensions);
        out
    }
}
