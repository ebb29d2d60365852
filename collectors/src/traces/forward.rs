//! Reports of spans, handed on to a Zipkin. They wait in a queue of bounded bytes, go several at once, and again where the Zipkin
//! could not take them; what finds no room is lost, counted and said. A report that it took and did not answer for is sent twice:
//! Zipkin joins spans of the same id.

use hyper::body::Bytes;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Bytes of reports that wait: some twenty thousand spans, minutes of a demo.
const WAITING: usize = 16 << 20;
/// Bytes that go at once. Each request costs a slow server more than what it holds.
const AT_ONCE: usize = 512 << 10;
/// A server that starts up on a busy machine takes its time.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The pause before a failed report goes again, and the longest that it becomes.
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Takes what is lost, in a sentence.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

#[derive(Debug, Default)]
struct Queue {
    /// Reports, with the number of their spans.
    reports: VecDeque<(Bytes, usize)>,
    bytes: usize,
    /// Spans that are lost since this was said last.
    lost: usize,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    came: Notify,
}

/// Where reports are handed on: they wait here for their turn.
#[derive(Clone, Debug)]
pub struct Next(Arc<Shared>);

impl Next {
    /// Adds a report, which holds so many spans. Where there is no room the oldest ones are lost.
    pub fn hand(&self, report: Bytes, spans: usize) {
        if spans == 0 {
            return;
        }
        let mut queue = self.queue();
        queue.bytes += report.len();
        queue.reports.push_back((report, spans));
        while queue.bytes > WAITING {
            let Some((oldest, spans)) = queue.reports.pop_front() else { break };
            queue.bytes -= oldest.len();
            queue.lost += spans;
        }
        drop(queue);
        self.0.came.notify_one();
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The reports that go next, as one, with the number of its spans; waits until there is one.
    async fn take(&self) -> (Bytes, usize) {
        loop {
            if let Some(taken) = self.taken() {
                return taken;
            }
            self.0.came.notified().await;
        }
    }

    fn taken(&self) -> Option<(Bytes, usize)> {
        let mut queue = self.queue();
        let (first, mut spans) = queue.reports.pop_front()?;
        queue.bytes -= first.len();
        let Some(list) = members(&first) else { return Some((first, spans)) };
        let mut whole = Vec::with_capacity(first.len() + 1);
        whole.push(b'[');
        whole.extend_from_slice(list);
        while let Some((report, more)) = queue.reports.front() {
            let Some(list) = members(report).filter(|m| whole.len() + m.len() < AT_ONCE) else { break };
            whole.push(b',');
            whole.extend_from_slice(list);
            spans += more;
            queue.bytes -= report.len();
            queue.reports.pop_front();
        }
        whole.push(b']');
        Some((whole.into(), spans))
    }

    fn lose(&self, spans: usize) {
        self.queue().lost += spans;
    }

    /// How many spans were lost since this was asked.
    fn lost(&self) -> usize {
        std::mem::take(&mut self.queue().lost)
    }
}

/// What stands between the brackets of a list of spans; `None` where it is another document, which goes as it is.
fn members(report: &[u8]) -> Option<&[u8]> {
    let members = report.trim_ascii().strip_prefix(b"[")?.strip_suffix(b"]")?.trim_ascii();
    members.starts_with(b"{").then_some(members)
}

/// The way to a Zipkin, and the task that goes it, for whoever runs it.
///
/// # Errors
/// An address that is none.
pub fn to(url: &str, say: Say) -> Result<(Next, impl Future<Output = ()> + Send + use<>), String> {
    let base = reqwest::Url::parse(url).ok().filter(|u| matches!(u.scheme(), "http" | "https") && u.has_host());
    let base = base.ok_or_else(|| "no address such as http://127.0.0.1:9411".to_owned())?;
    let target = format!("{}/api/v2/spans", base.as_str().trim_end_matches('/'));
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(TIMEOUT).build().map_err(|e| e.to_string())?;
    let next = Next(Arc::default());
    Ok((next.clone(), run(target, client, next, say)))
}

/// What became of a report.
enum Sent {
    Taken,
    /// It may be taken later.
    Later(String),
    /// It never will be.
    Refused(String),
}

async fn send(target: &str, client: &reqwest::Client, report: Bytes) -> Sent {
    match client.post(target).header(CONTENT_TYPE, "application/json").body(report).send().await {
        Ok(answer) if answer.status().is_success() => Sent::Taken,
        Ok(answer) => {
            let status = answer.status();
            let is_for_now = status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
            let why = format!("it answers {status}");
            if is_for_now { Sent::Later(why) } else { Sent::Refused(why) }
        }
        // Without its address: that may hold a password.
        Err(e) if e.is_timeout() => Sent::Later("it does not answer in time".to_owned()),
        Err(e) => Sent::Later(e.without_url().to_string()),
    }
}

async fn run(target: String, client: reqwest::Client, next: Next, say: Say) {
    let mut fails = false;
    loop {
        let (report, spans) = next.take().await;
        let mut pause = PAUSE;
        let wrong = loop {
            let why = match send(&target, &client, report.clone()).await {
                Sent::Taken => break None,
                Sent::Refused(why) => {
                    next.lose(spans);
                    break Some(why);
                }
                Sent::Later(why) => why,
            };
            if !fails {
                say(&format!("traces do not reach the Zipkin: {why}"));
                fails = true;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        };
        if let Some(why) = &wrong
            && !fails
        {
            say(&format!("traces do not reach the Zipkin: {why}"));
        }
        if wrong.is_none() {
            match next.lost() {
                0 if fails => say("traces reach the Zipkin again"),
                0 => {}
                lost => say(&format!("traces reach the Zipkin again; {lost} spans have not")),
            }
        }
        fails = wrong.is_some();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::mpsc;

    fn report(id: usize) -> Bytes {
        format!(" [{{\"id\":\"{id}\"}}]\n").into()
    }

    #[test]
    fn reports_go_together_and_what_is_no_list_goes_alone() {
        let next = Next(Arc::default());
        [(report(1), 1), (Bytes::from("[]"), 0), (report(2), 1), (Bytes::from("{\"a\":1}"), 1), (report(3), 1)].into_iter().for_each(|(r, n)| next.hand(r, n));
        let all: Vec<(String, usize)> = std::iter::from_fn(|| next.taken()).map(|(r, n)| (String::from_utf8_lossy(&r).into_owned(), n)).collect();
        let expected = [("[{\"id\":\"1\"},{\"id\":\"2\"}]", 2), ("{\"a\":1}", 1), ("[{\"id\":\"3\"}]", 1)].map(|(t, n)| (t.to_owned(), n));
        assert_eq!(all, expected);
        assert_eq!(next.queue().bytes, 0);
        assert_eq!(next.lost(), 0);
    }

    #[test]
    fn what_finds_no_room_is_lost_and_counted_the_oldest_first() {
        let next = Next(Arc::default());
        let large = |id: u8| Bytes::from(format!("[{{\"id\":\"{id}{}\"}}]", "0".repeat(WAITING / 4)));
        (0..6).for_each(|id| next.hand(large(id), 10));
        assert!(next.queue().bytes <= WAITING);
        assert_eq!(next.lost(), 30);
        assert!(next.taken().is_some_and(|(r, n)| r.starts_with(b"[{\"id\":\"30") && n == 10));
    }

    /// A server that answers each request with the next status, and hands on what it was sent; a status of 0 closes the connection.
    fn server(statuses: &'static [u16]) -> (String, mpsc::Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (to, bodies) = mpsc::channel();
        std::thread::spawn(move || {
            for status in statuses {
                let Ok((mut stream, _)) = listener.accept() else { return };
                let mut seen = Vec::new();
                let mut part = [0; 4096];
                let whole = |seen: &[u8]| {
                    let text = String::from_utf8_lossy(seen).to_ascii_lowercase();
                    let (head, body) = text.split_once("\r\n\r\n")?;
                    let length: usize = head.lines().find_map(|l| l.strip_prefix("content-length: "))?.parse().ok()?;
                    (body.len() >= length).then(|| body.to_owned())
                };
                let body = loop {
                    if let Some(body) = whole(&seen) {
                        break body;
                    }
                    match stream.read(&mut part) {
                        Ok(n) if n > 0 => seen.extend_from_slice(&part[..n]),
                        _ => return,
                    }
                };
                let _ = to.send(body);
                if *status > 0 {
                    let _ = write!(stream, "HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                }
            }
        });
        (url, bodies)
    }

    #[test]
    fn a_report_goes_again_until_it_is_taken_and_one_that_is_refused_is_counted() {
        let (url, bodies) = server(&[503, 0, 202, 400, 202]);
        let (to, said) = mpsc::channel();
        let to = Mutex::new(to);
        let say: Say = Arc::new(move |what| drop(to.lock().unwrap_or_else(PoisonError::into_inner).send(what.to_owned())));
        let (next, run) = super::to(&url, say).expect("an address");
        let within = Duration::from_secs(30);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async { tokio::time::timeout(within * 4, run).await })
        });
        let body = || bodies.recv_timeout(within).expect("a report");
        let heard = || said.recv_timeout(within).expect("a sentence");
        next.hand(report(1), 1);
        assert_eq!([body(), body(), body()], [0; 3].map(|_| "[{\"id\":\"1\"}]".to_owned()));
        assert!(heard().ends_with("it answers 503 Service Unavailable"));
        assert_eq!(heard(), "traces reach the Zipkin again");
        next.hand(report(2), 7);
        assert_eq!(body(), "[{\"id\":\"2\"}]");
        assert!(heard().ends_with("it answers 400 Bad Request"));
        next.hand(report(3), 1);
        assert_eq!(body(), "[{\"id\":\"3\"}]");
        assert_eq!(heard(), "traces reach the Zipkin again; 7 spans have not");
    }
}
