//! One request to the API: who asks, how long, how much, how often.

use super::answer;
use super::error::{PrometheusError, QueryError};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use std::path::PathBuf;
use std::time::Duration;

/// Who asks.
#[derive(Clone, Default)]
pub enum Credentials {
    #[default]
    None,
    Bearer(String),
    /// Read before each request: tokens are renewed.
    TokenFile(PathBuf),
    Basic {
        user: String,
        password: String,
    },
}

#[derive(Clone)]
pub struct Options {
    pub credentials: Credentials,
    /// Tenants and the like, such as `X-Scope-OrgID`.
    pub headers: Vec<(String, String)>,
    /// Authorities in PEM that are trusted beside the system's.
    pub authorities: Vec<u8>,
    /// A client's certificate and key in PEM; empty for none.
    pub identity: Vec<u8>,
    pub connect: Duration,
    /// For a whole answer.
    pub answer: Duration,
    /// Bytes of an answer.
    pub body: u64,
    /// How often a request is made that fails for a reason that may pass.
    pub attempts: u32,
    /// Before the second attempt; twice as long before each further one.
    pub back_off: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            credentials: Credentials::None,
            headers: Vec::new(),
            authorities: Vec::new(),
            identity: Vec::new(),
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(60),
            body: 256 << 20,
            attempts: 4,
            back_off: Duration::from_millis(250),
        }
    }
}

/// The longest wait that a server may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Characters of an error's text that are shown.
const SAYS: usize = 200;

#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    pub(super) options: Options,
}

/// An answer as it came, or why there is none, and how long the server wants us to wait.
type Attempt = Result<Vec<u8>, (QueryError, Option<Duration>)>;

impl Client {
    /// `url` is the address before `/api/v1`, without user and query.
    pub fn new(url: &str, options: Options) -> Result<Client, PrometheusError> {
        // What could not be read is not shown: a password may stand in it.
        let shown = url.split_once('@').map_or(url, |_| "the address of Prometheus");
        let fail = |error| PrometheusError { url: shown.to_owned(), error };
        let wrong = |why: String| fail(QueryError::Unreachable { why });
        let parsed = reqwest::Url::parse(url).map_err(|e| wrong(format!("no address such as http://prometheus:9090: {e}")))?;
        if !matches!(parsed.scheme(), "http" | "https") || parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(wrong("an address such as http://prometheus:9090 must stand here, without a query".to_owned()));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(wrong("user and password do not belong into the address: --prom-user and --prom-password-file take them".to_owned()));
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &options.headers {
            let pair = HeaderName::try_from(name.as_str()).ok().zip(HeaderValue::try_from(value.as_str()).ok());
            let (known, mut value) = pair.ok_or_else(|| wrong(format!("the header {name} can't be sent")))?;
            value.set_sensitive(true);
            headers.insert(known, value);
        }
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(options.connect)
            .timeout(options.answer)
            .default_headers(headers)
            .user_agent(concat!("meshctl/", env!("CARGO_PKG_VERSION")));
        if matches!(parsed.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")) {
            builder = builder.no_proxy();
        }
        if !options.authorities.is_empty() {
            let found = reqwest::Certificate::from_pem_bundle(&options.authorities).map_err(|e| wrong(format!("the authorities: {e}")))?;
            if found.is_empty() {
                return Err(wrong("the file of authorities holds no certificate in PEM".to_owned()));
            }
            builder = found.into_iter().fold(builder, reqwest::ClientBuilder::add_root_certificate);
        }
        if !options.identity.is_empty() {
            builder = builder.identity(reqwest::Identity::from_pem(&options.identity).map_err(|e| wrong(format!("certificate and key: {e}")))?);
        }
        let http = builder.build().map_err(|e| wrong(innermost(&e)))?;
        Ok(Client { http, base: url.trim_end_matches('/').trim_end_matches("/api/v1").trim_end_matches('/').to_owned(), options })
    }

    pub fn url(&self) -> &str {
        &self.base
    }

    /// The body of an instant query's answer at `at`, in seconds since the epoch.
    pub(super) async fn query(&self, promql: &str, at: i64) -> Result<Vec<u8>, QueryError> {
        let seconds = self.options.answer.as_secs().max(1);
        self.call("query", &[("query", promql), ("time", &at.to_string()), ("timeout", &format!("{seconds}s"))]).await
    }

    /// Calls one of the API's functions.
    async fn call(&self, function: &str, parameters: &[(&str, &str)]) -> Result<Vec<u8>, QueryError> {
        self.exchange(Method::POST, &format!("/api/v1/{function}"), parameters).await
    }

    /// The body behind any path, by GET: what other servers of telemetry are asked by.
    pub async fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Vec<u8>, QueryError> {
        self.exchange(Method::GET, path, parameters).await
    }

    /// Temporary failures are tried again.
    async fn exchange(&self, mut method: Method, path: &str, parameters: &[(&str, &str)]) -> Result<Vec<u8>, QueryError> {
        let mut wait = self.options.back_off;
        let mut attempt = 1;
        loop {
            let (error, asked) = match self.attempt(&method, path, parameters).await {
                Ok(body) => return Ok(body),
                Err(failure) => failure,
            };
            // Some proxies let reading through only as GET.
            if matches!(error, QueryError::Status { code: 405 | 501, .. }) && method == Method::POST {
                method = Method::GET;
                continue;
            }
            if attempt >= self.options.attempts || !error.is_temporary() {
                return Err(error);
            }
            tokio::time::sleep(asked.unwrap_or(wait).min(LONGEST_WAIT)).await;
            wait *= 2;
            attempt += 1;
        }
    }

    async fn attempt(&self, method: &Method, path: &str, parameters: &[(&str, &str)]) -> Attempt {
        let url = format!("{}{path}", self.base);
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let request = if *method == Method::GET {
            self.http.get(if form.is_empty() { url } else { format!("{url}?{form}") })
        } else {
            self.http.post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form)
        };
        let (request, secret) = self.authorized(request).map_err(|e| (e, None))?;
        let mut answer = request.send().await.map_err(|e| (self.broken(&e), None))?;
        let status = answer.status();
        let wait = header(&answer, &RETRY_AFTER).and_then(|text| text.parse().ok()).map(Duration::from_secs);
        let location = header(&answer, &LOCATION).map(|to| to.split(['?', '#']).next().unwrap_or("").chars().take(SAYS).collect::<String>());
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|e| (self.broken(&e), None))? {
            if (body.len() + chunk.len()) as u64 > self.options.body {
                return Err((QueryError::TooLarge { limit: self.options.body }, None));
            }
            body.extend_from_slice(&chunk);
        }
        judge(status, location, &body).map(|()| body).map_err(|e| (hide(e, &secret), wait))
    }

    /// The request with its credentials, and what may not be shown if the server repeats it.
    fn authorized(&self, request: reqwest::RequestBuilder) -> Result<(reqwest::RequestBuilder, String), QueryError> {
        Ok(match &self.options.credentials {
            Credentials::None => (request, String::new()),
            Credentials::Bearer(token) => (request.bearer_auth(token), token.clone()),
            Credentials::TokenFile(path) => {
                let text = std::fs::read_to_string(path).map_err(|e| QueryError::Credentials { why: format!("{}: {e}", path.display()) })?;
                let token = text.trim().to_owned();
                (request.bearer_auth(&token), token)
            }
            Credentials::Basic { user, password } => (request.basic_auth(user, Some(password)), password.clone()),
        })
    }

    fn broken(&self, error: &reqwest::Error) -> QueryError {
        if error.is_timeout() && !error.is_connect() {
            QueryError::TimedOut { after: self.options.answer }
        } else if error.is_body() || error.is_decode() {
            QueryError::CutOff
        } else {
            QueryError::Unreachable { why: innermost(error) }
        }
    }
}

fn header<'a>(answer: &'a reqwest::Response, name: &HeaderName) -> Option<&'a str> {
    answer.headers().get(name).and_then(|v| v.to_str().ok())
}

/// Whether a body is an answer.
fn judge(status: StatusCode, location: Option<String>, body: &[u8]) -> Result<(), QueryError> {
    let code = status.as_u16();
    if status.is_redirection() {
        return Err(QueryError::Redirected { to: location.unwrap_or_default() });
    }
    if matches!(code, 401 | 403) {
        return Err(QueryError::NotAllowed { code });
    }
    let is_page = body.trim_ascii_start().starts_with(b"<");
    if let Some((kind, message)) = answer::refusal(body) {
        return Err(QueryError::Refused { code, kind, message: message.chars().take(SAYS).collect() });
    }
    match (status.is_success(), is_page) {
        (true, true) => Err(QueryError::WebPage),
        (true, false) => Ok(()),
        (false, true) => Err(QueryError::Status { code, says: String::new() }),
        (false, false) => {
            let text = String::from_utf8_lossy(&body[..body.len().min(4 * SAYS)]).into_owned();
            Err(QueryError::Status { code, says: text.lines().next().unwrap_or("").chars().take(SAYS).collect() })
        }
    }
}

/// A server may repeat what it was told.
fn hide(mut error: QueryError, secret: &str) -> QueryError {
    if let QueryError::Refused { message: text, .. } | QueryError::Status { says: text, .. } | QueryError::Redirected { to: text } = &mut error
        && !secret.is_empty()
    {
        *text = text.replace(secret, "…");
    }
    error
}

/// The innermost cause: "error sending request" alone helps nobody.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut at = error;
    while let Some(cause) = at.source() {
        at = cause;
    }
    at.to_string()
}
