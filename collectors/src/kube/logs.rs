//! What containers have said, and say.

use super::client::Cluster;
use super::error::ApiError;
use tokio::sync::mpsc;

/// Bytes that are read of one container's log; the API server is told the same.
const LIMIT: usize = 16 << 20;

/// Which lines of which container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOf {
    pub namespace: String,
    pub pod: String,
    pub container: String,
    /// RFC 3339; from the beginning where it is empty.
    pub since: String,
    /// The last so many lines; all without.
    pub tail: Option<u64>,
}

/// A line, with the time at which the container said it (RFC 3339; "" where it has none).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    pub at: String,
    pub text: String,
}

impl LogOf {
    fn path(&self, follow: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("container", &self.container).append_pair("timestamps", "true").append_pair("limitBytes", &LIMIT.to_string());
        if !self.since.is_empty() {
            query.append_pair("sinceTime", &self.since);
        }
        if let Some(tail) = self.tail {
            query.append_pair("tailLines", &tail.to_string());
        }
        format!("/api/v1/namespaces/{}/pods/{}/log?{}{follow}", self.namespace, self.pod, query.finish())
    }
}

/// `2026-11-22T11:40:00.123456789Z text`.
fn line(text: &str) -> LogLine {
    let (at, rest) = text.split_once(' ').unwrap_or((text, ""));
    let is_time = at.len() >= 20 && at.as_bytes().get(10) == Some(&b'T') && at.ends_with(['Z', '0', '5']);
    let (at, text) = if is_time { (at, rest) } else { ("", text) };
    LogLine { at: at.to_owned(), text: text.trim_end_matches('\r').to_owned() }
}

impl Cluster {
    /// The lines that there are.
    pub async fn log(&self, of: &LogOf) -> Result<Vec<LogLine>, ApiError> {
        let body = self.get(&of.path("")).await?;
        Ok(String::from_utf8_lossy(&body).lines().map(line).collect())
    }

    /// Sends the lines as they come, until the log or the receiver ends.
    pub async fn follow(&self, of: &LogOf, lines: mpsc::Sender<LogLine>) -> Result<(), ApiError> {
        let mut answer = self.lines(&of.path("&follow=true"), LIMIT).await?;
        while let Some(text) = answer.next().await? {
            if lines.send(line(String::from_utf8_lossy(&text).trim_end())).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_stands_before_the_line() {
        let of = |text: &str| (line(text).at, line(text).text);
        assert_eq!(of("2026-11-22T11:40:00.5Z a b"), ("2026-11-22T11:40:00.5Z".into(), "a b".into()));
        assert_eq!(of("2026-11-22T11:40:00+02:00 a"), ("2026-11-22T11:40:00+02:00".into(), "a".into()));
        assert_eq!(of("no time"), (String::new(), "no time".into()));
        assert_eq!(of(""), (String::new(), String::new()));
    }
}
