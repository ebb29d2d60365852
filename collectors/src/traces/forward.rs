//! Reports of spans, handed on to a Zipkin as they came. They wait in a bounded queue; what does not arrive is said once for every
//! time that it begins to fail.

use super::serve::Next;
use hyper::body::Bytes;
use reqwest::header::CONTENT_TYPE;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Reports that wait: some megabytes.
const QUEUED: usize = 64;
const TIMEOUT: Duration = Duration::from_secs(5);

/// Takes what is lost, in a sentence.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// The way to a Zipkin, and the task that goes it, for whoever runs it.
///
/// # Errors
/// An address that is none.
pub fn to(url: &str, say: Say) -> Result<(Next, impl Future<Output = ()> + Send + use<>), String> {
    let base = reqwest::Url::parse(url).ok().filter(|u| matches!(u.scheme(), "http" | "https") && u.has_host());
    let base = base.ok_or_else(|| "no address such as http://127.0.0.1:9411".to_owned())?;
    let target = format!("{}/api/v2/spans", base.as_str().trim_end_matches('/'));
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(TIMEOUT).build().map_err(|e| e.to_string())?;
    let (next, reports) = mpsc::channel(QUEUED);
    Ok((next, run(target, client, reports, say)))
}

async fn run(target: String, client: reqwest::Client, mut reports: mpsc::Receiver<Bytes>, say: Say) {
    let mut fails = false;
    while let Some(report) = reports.recv().await {
        let sent = client.post(&target).header(CONTENT_TYPE, "application/json").body(report).send().await;
        let wrong = match sent {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("it answers {}", answer.status())),
            // Without its address: that may hold a password.
            Err(e) if e.is_timeout() => Some("it does not answer in time".to_owned()),
            Err(e) => Some(e.without_url().to_string()),
        };
        match (&wrong, fails) {
            (Some(why), false) => say(&format!("traces do not reach the Zipkin: {why}")),
            (None, true) => say("traces reach the Zipkin again"),
            _ => {}
        }
        fails = wrong.is_some();
    }
}
