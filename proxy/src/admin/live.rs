//! `/requests/live`: decisions as they are made, a JSON object a line, until the client leaves. Lines that found no room in the
//! queue are told by their number: `{"dropped": 3}`. An empty line every so often shows that both are still there.

use super::{Context, Page, requests};
use crate::decisions::feed::{Follower, MOST};
use crate::worker::Shared;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use serde_json::json;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// Silence at most.
const BEAT: Duration = Duration::from_secs(5);

/// What the admin port answers with.
pub enum Content {
    Text(Bytes),
    Lines(Lines),
}

pub struct Lines {
    shared: Arc<Shared>,
    follower: Arc<Follower>,
    beat: Pin<Box<Sleep>>,
}

/// Follows what the query asks for.
pub fn follow(context: &Context, query: &str) -> Result<Lines, Page> {
    let (wanted, _) = requests::parse(query).map_err(|why| Page::status(400, format!("{why}\n")))?;
    let follower = context.shared.feed.follow(wanted).ok_or_else(|| Page::status(503, format!("{MOST} clients follow already\n")))?;
    Ok(Lines { shared: context.shared.clone(), follower, beat: Box::pin(tokio::time::sleep(BEAT)) })
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.shared.feed.leave(&self.follower);
    }
}

impl Lines {
    fn poll(&mut self, cx: &mut Task<'_>) -> Poll<String> {
        let (decisions, dropped) = self.follower.take(cx.waker());
        let mut out = decisions.iter().fold(String::new(), |out, d| out + &requests::object(d).to_string() + "\n");
        if dropped > 0 {
            out.push_str(&format!("{}\n", json!({"dropped": dropped})));
        }
        if out.is_empty() {
            std::task::ready!(self.beat.as_mut().poll(cx));
            out.push('\n');
        }
        self.beat.as_mut().reset(Instant::now() + BEAT);
        Poll::Ready(out)
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Task<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Content::Text(text) if text.is_empty() => Poll::Ready(None),
            Content::Text(text) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(text))))),
            Content::Lines(lines) => lines.poll(cx).map(|text| Some(Ok(Frame::data(text.into())))),
        }
    }
    fn is_end_stream(&self) -> bool {
        matches!(self, Content::Text(text) if text.is_empty())
    }
    fn size_hint(&self) -> SizeHint {
        match self {
            Content::Text(text) => SizeHint::with_exact(text.len() as u64),
            Content::Lines(_) => SizeHint::default(),
        }
    }
}
