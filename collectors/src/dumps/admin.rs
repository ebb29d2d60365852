//! A live admin or debug port: Envoy's, ztunnel's or istiod's, over HTTP/1.1 on TCP or a Unix socket.
//!
//! One request a page. An answer is bounded, and given up when its beginning shows that it is another page than was asked
//! for. Redirects are not followed, proxies of the environment are not used.

use super::{Endpoint, Page};
use http::{Request, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use mesh_envoy::dump::SectionKind;
use mesh_envoy::identify::{Content, identify};
use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// How a page is asked for. Envoy wants POST for `/logging`, though without parameters it only tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
}

impl Method {
    pub fn word(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub connect: Duration,
    /// For a whole answer.
    pub answer: Duration,
    /// Bytes of an answer.
    pub page: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options { connect: Duration::from_secs(5), answer: Duration::from_secs(60), page: 1 << 30 }
    }
}

/// Why there is no page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminError {
    /// Nobody answers, or not in time.
    Unreachable {
        url: String,
        why: String,
    },
    /// An answer other than 200, with the beginning of what it says.
    Status {
        url: String,
        code: u16,
        says: String,
    },
    TooLarge {
        url: String,
        limit: u64,
    },
    /// It is no text.
    NotText {
        url: String,
    },
    /// It is another page.
    Other {
        url: String,
        what: Content,
    },
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AdminError::Unreachable { url, why } => write!(f, "{url} does not answer: {why}"),
            AdminError::Status { url, code, says } if says.is_empty() => write!(f, "{url} answers {code}"),
            AdminError::Status { url, code, says } => write!(f, "{url} answers {code}: {says}"),
            AdminError::TooLarge { url, limit } => write!(f, "{url} answers with more than {} MiB", limit >> 20),
            AdminError::NotText { url } => write!(f, "{url} answers with bytes that are no text"),
            AdminError::Other { url, what } => write!(f, "{url} answers with {}", what.describe()),
        }
    }
}
impl std::error::Error for AdminError {}

/// An admin port.
pub struct Admin {
    client: reqwest::Client,
    endpoint: Endpoint,
    options: Options,
}

/// For an answer that has no end.
const FOR_EVER: Duration = Duration::from_secs(86_400 * 365);
/// How much of an answer decides whether it is the page that was asked for.
const LOOK: usize = 64 * 1024;
/// Characters of an error's text that are shown.
const SAYS: usize = 200;

impl Admin {
    pub fn new(endpoint: &Endpoint, options: Options) -> Result<Admin, AdminError> {
        let builder = reqwest::Client::builder()
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(options.connect)
            .timeout(options.answer)
            .user_agent(concat!("meshctl/", env!("CARGO_PKG_VERSION")));
        let builder = match endpoint {
            Endpoint::Url(_) => builder,
            #[cfg(unix)]
            Endpoint::Unix(path) => builder.unix_socket(path.as_path()),
            #[cfg(not(unix))]
            Endpoint::Unix(_) => return Err(AdminError::Unreachable { url: endpoint.to_string(), why: "this system has no Unix sockets".to_owned() }),
        };
        let client = builder.build().map_err(|e| AdminError::Unreachable { url: endpoint.to_string(), why: why(&e) })?;
        Ok(Admin { client, endpoint: endpoint.clone(), options })
    }

    /// The same of another address. Addresses on TCP share one client, which takes longer to make than most pages to read.
    pub fn of(&self, endpoint: &Endpoint) -> Result<Admin, AdminError> {
        match (&self.endpoint, endpoint) {
            (Endpoint::Url(_), Endpoint::Url(_)) => Ok(Admin { client: self.client.clone(), endpoint: endpoint.clone(), options: self.options }),
            _ => Admin::new(endpoint, self.options),
        }
    }

    /// A page by its path and query, such as `/certs`. `expected` are the kinds that the answer may be of; any when empty.
    pub async fn get(&self, path: &str, expected: &[Content]) -> Result<Page, AdminError> {
        self.fetch(Method::Get, path, expected).await
    }

    /// The same by POST.
    pub async fn post(&self, path: &str, expected: &[Content]) -> Result<Page, AdminError> {
        self.fetch(Method::Post, path, expected).await
    }

    /// Some sections of Envoy's config dump; others may come along.
    pub async fn sections(&self, kinds: &[SectionKind]) -> Result<Page, AdminError> {
        // `expected` is open: what is no config dump has a better name in the caller's error.
        self.get(&sections_path(kinds), &[Content::ConfigDump, Content::OtherJson]).await
    }

    /// Follows a page that has no end.
    ///
    /// # Errors
    /// What is in the way; the end of the answer is none.
    pub async fn follow(&self, path: &str, lines: &mut impl Take) -> Result<(), AdminError> {
        let url = format!("{}{path}", self.endpoint);
        let address = match &self.endpoint {
            Endpoint::Url(base) => format!("{base}{path}"),
            Endpoint::Unix(_) => format!("http://localhost{path}"),
        };
        let unreachable = |e: reqwest::Error| AdminError::Unreachable { url: url.clone(), why: why(&e) };
        let mut answer = self.client.get(&address).timeout(FOR_EVER).send().await.map_err(unreachable)?;
        let mut cut = Cut { url: url.clone(), code: answer.status().as_u16(), rest: Vec::new() };
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            if cut.take(&chunk, lines).await?.is_break() {
                break;
            }
        }
        cut.finish()
    }

    async fn fetch(&self, method: Method, path: &str, expected: &[Content]) -> Result<Page, AdminError> {
        let url = format!("{}{path}", self.endpoint);
        let address = match &self.endpoint {
            Endpoint::Url(base) => format!("{base}{path}"),
            Endpoint::Unix(_) => format!("http://localhost{path}"),
        };
        let unreachable = |e: reqwest::Error| AdminError::Unreachable { url: url.clone(), why: why(&e) };
        let method = match method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
        };
        let mut answer = self.client.request(method, &address).send().await.map_err(unreachable)?;
        let mut intake = Intake::new(url.clone(), answer.status().as_u16(), expected, self.options.page);
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            if intake.take(&chunk)?.is_break() {
                break;
            }
        }
        intake.finish()
    }
}

/// A page over a connection that is there already, such as a forwarded port. `name` stands for the address in errors.
pub async fn over<S>(stream: S, name: &str, method: Method, path: &str, expected: &[Content], options: Options) -> Result<Page, AdminError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let url = format!("{name}{path}");
    let unreachable = |why: String| AdminError::Unreachable { url: url.clone(), why };
    let exchange = async {
        let broken = |e: hyper::Error| unreachable(innermost(&e));
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // It ends with the stream, and its errors come out of the exchange.
        let driver = tokio::spawn(async move { drop(connection.await) });
        let request = Request::builder().method(method.word()).uri(path).header(header::HOST, "localhost").header(header::CONNECTION, "close");
        let request = request.body(Empty::<Bytes>::new()).map_err(|e| unreachable(e.to_string()))?;
        let answer = sender.send_request(request).await.map_err(broken)?;
        let (head, mut body) = answer.into_parts();
        let mut intake = Intake::new(url.clone(), head.status.as_u16(), expected, options.page);
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame.map_err(broken)?.into_data()
                && intake.take(&data)?.is_break()
            {
                break;
            }
        }
        driver.abort();
        intake.finish()
    };
    let answered = tokio::time::timeout(options.answer, exchange).await;
    answered.unwrap_or_else(|_| Err(unreachable(format!("no answer within {} s", options.answer.as_secs_f64()))))
}

/// Takes lines of an answer that has no end; false where no more is wanted.
pub trait Take {
    fn take(&mut self, line: String) -> impl Future<Output = bool> + Send;
}

/// Longest line that is taken.
const LINE: usize = 1 << 20;

/// Cuts an answer into lines.
struct Cut {
    url: String,
    code: u16,
    rest: Vec<u8>,
}

impl Cut {
    async fn take(&mut self, chunk: &[u8], lines: &mut impl Take) -> Result<ControlFlow<()>, AdminError> {
        self.rest.extend_from_slice(chunk);
        if self.code != 200 {
            return Ok(if self.rest.len() > LOOK { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
        }
        while let Some(end) = self.rest.iter().position(|b| *b == b'\n') {
            let line = String::from_utf8_lossy(&self.rest[..end]).into_owned();
            self.rest.drain(..=end);
            if !line.is_empty() && !lines.take(line).await {
                return Ok(ControlFlow::Break(()));
            }
        }
        if self.rest.len() > LINE {
            return Err(AdminError::TooLarge { url: self.url.clone(), limit: LINE as u64 });
        }
        Ok(ControlFlow::Continue(()))
    }
    fn finish(self) -> Result<(), AdminError> {
        if self.code == 200 {
            return Ok(());
        }
        let says: String = String::from_utf8_lossy(&self.rest).lines().next().unwrap_or("").chars().take(SAYS).collect();
        Err(AdminError::Status { url: self.url, code: self.code, says })
    }
}

/// Follows a page that has no end over a connection that is there already.
///
/// # Errors
/// What is in the way; the end of the answer is none.
pub async fn follow<S>(stream: S, name: &str, path: &str, lines: &mut impl Take) -> Result<(), AdminError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let url = format!("{name}{path}");
    let unreachable = |why: String| AdminError::Unreachable { url: url.clone(), why };
    let broken = |e: hyper::Error| unreachable(innermost(&e));
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let driver = tokio::spawn(async move { drop(connection.await) });
    let request = Request::builder().uri(path).header(header::HOST, "localhost").body(Empty::<Bytes>::new()).map_err(|e| unreachable(e.to_string()))?;
    let answer = sender.send_request(request).await.map_err(broken)?;
    let (head, mut body) = answer.into_parts();
    let mut cut = Cut { url: url.clone(), code: head.status.as_u16(), rest: Vec::new() };
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(broken)?.into_data()
            && cut.take(&data, lines).await?.is_break()
        {
            break;
        }
    }
    driver.abort();
    cut.finish()
}

/// A page that came whole, by a way that tells no status.
pub fn page_of(bytes: Vec<u8>, name: &str, expected: &[Content]) -> Result<Page, AdminError> {
    let mut intake = Intake::new(name.to_owned(), 200, expected, u64::MAX);
    let _ = intake.take(&bytes)?;
    intake.finish()
}

/// An answer as it comes in: bounded, and given up when its beginning shows that it is another page.
struct Intake<'e> {
    url: String,
    code: u16,
    expected: &'e [Content],
    limit: u64,
    bytes: Vec<u8>,
    is_checked: bool,
}

impl<'e> Intake<'e> {
    fn new(url: String, code: u16, expected: &'e [Content], limit: u64) -> Intake<'e> {
        Intake { url, code, expected, limit, bytes: Vec::new(), is_checked: expected.is_empty() || code != 200 }
    }
    /// Breaks where no more is to be read.
    fn take(&mut self, chunk: &[u8]) -> Result<ControlFlow<()>, AdminError> {
        self.bytes.extend_from_slice(chunk);
        if self.bytes.len() as u64 > self.limit {
            return Err(AdminError::TooLarge { url: self.url.clone(), limit: self.limit });
        }
        if !self.is_checked && self.bytes.len() >= LOOK {
            check(&self.bytes, self.expected, &self.url)?;
            self.is_checked = true;
        }
        Ok(if self.code != 200 && self.bytes.len() > LOOK { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
    fn finish(self) -> Result<Page, AdminError> {
        let Intake { url, code, expected, bytes, is_checked, .. } = self;
        if code != 200 {
            let says: String = String::from_utf8_lossy(&bytes).lines().next().unwrap_or("").chars().take(SAYS).collect();
            return Err(AdminError::Status { url, code, says });
        }
        if !is_checked {
            check(&bytes, expected, &url)?;
        }
        let text = String::from_utf8(bytes).map_err(|_| AdminError::NotText { url: url.clone() })?;
        Ok(Page { content: identify(&text), origin: url, text })
    }
}

fn check(bytes: &[u8], expected: &[Content], url: &str) -> Result<(), AdminError> {
    let what = identify(&String::from_utf8_lossy(bytes.get(..LOOK.min(bytes.len())).unwrap_or_default()));
    if expected.contains(&what) { Ok(()) } else { Err(AdminError::Other { url: url.to_owned(), what }) }
}

/// `/config_dump?mask=…` with the fields of a section. A mask trims each section to the fields that it names; Envoy refuses one
/// with fields of several sections (measured on 1.40), so that the whole dump is asked for then. Without `include_eds` there
/// are no endpoints in it.
pub fn sections_path(kinds: &[SectionKind]) -> String {
    let mut query: Vec<String> = Vec::new();
    if kinds.contains(&SectionKind::Endpoints) {
        query.push("include_eds".to_owned());
    }
    if let [one] = kinds {
        query.push(format!("mask={}", fields(*one).join(",")));
    }
    let mark = if query.is_empty() { "" } else { "?" };
    format!("/config_dump{mark}{}", query.join("&"))
}

/// The fields of a section's message that hold its resources.
fn fields(kind: SectionKind) -> &'static [&'static str] {
    match kind {
        SectionKind::Bootstrap => &["bootstrap"],
        SectionKind::Clusters => &["static_clusters", "dynamic_active_clusters", "dynamic_warming_clusters"],
        SectionKind::Endpoints => &["static_endpoint_configs", "dynamic_endpoint_configs"],
        SectionKind::Listeners => &["static_listeners", "dynamic_listeners"],
        SectionKind::Routes => &["static_route_configs", "dynamic_route_configs"],
        SectionKind::ScopedRoutes => &["inline_scoped_route_configs", "dynamic_scoped_route_configs"],
        SectionKind::Secrets => &["static_secrets", "dynamic_active_secrets", "dynamic_warming_secrets"],
        SectionKind::Ecds => &["ecds_filters"],
    }
}

/// The innermost cause: "error sending request" alone helps nobody.
fn why(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it took too long".to_owned();
    }
    innermost(error)
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut at = error;
    while let Some(cause) = at.source() {
        at = cause;
    }
    at.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_sections_that_are_wanted_are_asked_for() {
        assert_eq!(sections_path(&[SectionKind::Bootstrap]), "/config_dump?mask=bootstrap");
        assert_eq!(sections_path(&[SectionKind::Endpoints]), "/config_dump?include_eds&mask=static_endpoint_configs,dynamic_endpoint_configs");
        assert_eq!(sections_path(&[SectionKind::Bootstrap, SectionKind::Clusters]), "/config_dump");
        assert_eq!(sections_path(&[SectionKind::Clusters, SectionKind::Endpoints]), "/config_dump?include_eds");
    }
}
