//! What those who answer know of a client's connection below HTTP, and what they say on it beside answers.

use super::framing::{Upgrade, Wrong};
use super::head::{Upgrades, strip_hop_by_hop};
use super::spelling::{Names, Spelling};
use super::spelt::Answered;
use super::timeouts::Late;
use crate::message::HeaderMap;
use futures_util::task::AtomicWaker;
use http::StatusCode;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// What is known of a client's bytes before HTTP is made of them, for those who answer.
#[derive(Debug, Default)]
pub struct Wire {
    seen: Mutex<Seen>,
    /// Whether a request is being answered.
    is_busy: AtomicBool,
    has_interim: AtomicBool,
    reader: AtomicWaker,
    is_late: AtomicBool,
    server: AtomicWaker,
    /// Whether the client takes nothing at the moment.
    is_blocked: AtomicBool,
    /// Whether it took something since somebody looked.
    has_progress: AtomicBool,
    tender: AtomicWaker,
}

#[derive(Debug, Default)]
struct Seen {
    /// The requests whose targets have a fragment, which hyper drops and Envoy refuses: their numbers, and those targets.
    fragments: VecDeque<(u64, String)>,
    /// How names of headers were written, of requests by their numbers.
    names: VecDeque<(u64, Names)>,
    /// Of answers that hyper will write.
    answers: VecDeque<Answered>,
    wrong: Option<Wrong>,
    upgrade: Option<Upgrade>,
    late: Option<Late>,
    /// The client left within a head.
    is_cut: bool,
    /// Answers before the answer that have not been sent.
    interim: Vec<u8>,
}

/// Bytes of answers before the answer that may wait.
const INTERIM: usize = 64 * 1024;

impl Wire {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// The target of a request, by its number from 1, if it has a fragment.
    pub fn take_fragment(&self, request: u64) -> Option<String> {
        let mut seen = self.seen();
        let at = seen.fragments.iter().position(|(n, _)| *n == request)?;
        seen.fragments.remove(at).map(|(_, target)| target)
    }
    pub fn add_fragments(&self, found: Vec<(u64, String)>) {
        self.seen().fragments.extend(found);
    }
    /// How a request, by its number from 1, wrote the names of its headers, where that is kept.
    pub fn take_names(&self, request: u64) -> Option<Names> {
        let mut seen = self.seen();
        let at = seen.names.iter().position(|(n, _)| *n == request)?;
        seen.names.remove(at).map(|(_, names)| names)
    }
    pub fn add_names(&self, request: u64, names: Names) {
        self.seen().names.push_back((request, names));
    }
    /// An answer that hyper is about to write.
    pub fn answers(&self, answer: Answered) {
        self.seen().answers.push_back(answer);
    }
    /// The next one that it writes.
    pub fn take_answer(&self) -> Option<Answered> {
        self.seen().answers.pop_front()
    }
    /// Why no more bytes were taken.
    pub fn wrong(&self) -> Option<Wrong> {
        self.seen().wrong
    }
    pub fn set_wrong(&self, wrong: Wrong) {
        self.seen().wrong = Some(wrong);
    }
    /// The same, as `%RESPONSE_CODE_DETAILS%` has it.
    pub fn details(&self) -> &'static str {
        self.wrong().map_or("http1.codec_error", Wrong::details)
    }
    /// The last request is answered: if it asked for another protocol, it got it or did not.
    pub fn decide(&self, upgrade: Upgrade) {
        let mut seen = self.seen();
        if upgrade == Upgrade::Switched || seen.upgrade.is_none() {
            seen.upgrade = Some(upgrade);
        }
    }
    pub fn take_upgrade(&self) -> Option<Upgrade> {
        self.seen().upgrade.take()
    }
    /// What a head that never ended was late for.
    pub fn late(&self) -> Option<Late> {
        self.seen().late
    }
    pub fn set_late(&self, late: Late) {
        self.seen().late = Some(late);
        self.is_late.store(true, Ordering::Release);
        self.server.wake();
    }
    /// Whether the client left within a head.
    pub fn is_cut(&self) -> bool {
        self.seen().is_cut
    }
    pub fn set_cut(&self) {
        self.seen().is_cut = true;
    }
    /// Completes when a head took too long.
    pub async fn lateness(&self) {
        std::future::poll_fn(|cx| {
            self.server.register(cx.waker());
            if self.is_late.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
    /// The client took something, or has no room for it.
    pub fn note_write<T>(&self, written: &Poll<T>) {
        if written.is_ready() {
            self.has_progress.store(true, Ordering::Relaxed);
            self.is_blocked.store(false, Ordering::Relaxed);
        } else if !self.is_blocked.swap(true, Ordering::Relaxed) {
            self.tender.wake();
        }
    }
    pub fn is_blocked(&self) -> bool {
        self.is_blocked.load(Ordering::Relaxed)
    }
    pub fn take_progress(&self) -> bool {
        self.has_progress.swap(false, Ordering::Relaxed)
    }
    /// Who is to be woken when the client takes nothing more.
    pub fn wait_for_block(&self, waker: &Waker) {
        self.tender.register(waker);
    }
    pub fn is_busy(&self) -> bool {
        self.is_busy.load(Ordering::Relaxed)
    }
    /// A request begins.
    pub fn begin(&self) {
        self.is_busy.store(true, Ordering::Relaxed);
    }
    /// The last one is over.
    pub fn rest(&self) {
        self.is_busy.store(false, Ordering::Relaxed);
    }

    /// Sends an answer that comes before the answer (RFC 9110 §15.2). To be called before that one begins.
    fn interim(&self, status: StatusCode, headers: &HeaderMap, spelling: Option<Spelling<'_>>) {
        let mut text = format!("HTTP/1.1 {} {}\r\n", status.as_str(), status.canonical_reason().unwrap_or("Unknown")).into_bytes();
        for (name, value) in headers {
            text.extend_from_slice(name.as_str().as_bytes());
            text.extend_from_slice(b": ");
            text.extend_from_slice(value.as_bytes());
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(b"\r\n");
        if let Some(spelling) = spelling {
            spelling.head(&mut text, 0);
        }
        {
            // A client that does not read them misses some.
            let interim = &mut self.seen().interim;
            if interim.len() + text.len() <= INTERIM {
                interim.append(&mut text);
            }
        }
        self.has_interim.store(true, Ordering::Release);
        self.reader.wake();
    }
    /// Sends that of an upstream.
    pub fn forward(&self, status: StatusCode, headers: &HeaderMap, spelling: Option<Spelling<'_>>) {
        let mut headers = headers.clone();
        strip_hop_by_hop(&mut headers, Upgrades::No);
        self.interim(status, &headers, spelling);
    }
    /// The client may send what it waits with.
    pub fn continues(&self) {
        self.interim(StatusCode::CONTINUE, &HeaderMap::new(), None);
    }
    /// What is to be sent before all else.
    pub fn take_interim(&self) -> Option<Vec<u8>> {
        let has = self.has_interim.load(Ordering::Acquire) && self.has_interim.swap(false, Ordering::AcqRel);
        has.then(|| std::mem::take(&mut self.seen().interim))
    }
    /// Who is to be woken when there is something to be sent.
    pub fn wait_for_interim(&self, waker: &Waker) {
        self.reader.register(waker);
    }
}
