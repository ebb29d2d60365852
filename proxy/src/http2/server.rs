//! A client's connection of HTTP/2: one task reads and writes it, and polls all that is asked for on it. A stream that waits is not
//! looked at until what it waits for is there, so that none holds up another.

use super::heads::Heads;
use super::seats::Seats;
use super::socket::Socket;
use crate::http::alarm::Alarm;
use crate::http::exchange::Connection;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use h2::server::{self, Builder};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// Bytes of answers that wait on one stream for a client that does not read.
const WAITING: usize = 400 * 1024;
/// Streams that a client may make us reset by what it sends, before its connection ends.
const FAULTS: usize = 1024;
/// So long a client has for the last of its answers once it was asked to go and waits for none.
const FLUSH: Duration = Duration::from_secs(1);
/// So long it has to hear of it.
const GRACE: Duration = Duration::from_secs(5);

/// With nothing asked for so long, a connection holds little.
const REST: Duration = Duration::from_secs(1);

/// What happens to a connection from outside.
enum Event {
    /// Clients are asked to go, and what they asked for until they hear of it is answered.
    Retire,
    /// A head took too long: nothing else can be read.
    Late,
}

enum State {
    Handshake(server::Handshake<Socket>),
    Open(server::Connection<Socket, Bytes>),
}

struct Serving {
    connection: Rc<Connection>,
    state: State,
    seats: Seats,
    heads: Rc<RefCell<Heads>>,
    /// When nothing was asked for so long, the connection rests.
    rest: Alarm,
    is_retired: bool,
}

/// Serves a connection to its end; `retires` completes when it should come to it.
///
/// # Errors
/// What ended it before that.
pub async fn serve(connection: &Rc<Connection>, socket: Socket, retires: impl Future<Output = ()>) -> Result<(), h2::Error> {
    let limits = &connection.manager.limits;
    let mut builder = Builder::new();
    builder
        .initial_window_size(limits.stream_window)
        .initial_connection_window_size(limits.connection_window)
        .max_concurrent_streams(limits.concurrent_streams)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_local_error_reset_streams(Some(FAULTS))
        .max_send_buffer_size(WAITING);
    let heads = socket.heads();
    let state = State::Handshake(builder.handshake(socket));
    let mut serving = Serving { connection: connection.clone(), state, seats: Seats::new(connection), heads, rest: Alarm::default(), is_retired: false };
    // These are looked at when they have something to say, and not whenever there is something to be read.
    type Events<'e> = FuturesUnordered<Pin<Box<dyn Future<Output = Event> + 'e>>>;
    let mut events: Events<'_> = FuturesUnordered::new();
    events.push(Box::pin(async {
        retires.await;
        Event::Retire
    }));
    events.push(Box::pin(async {
        connection.wire.lateness().await;
        Event::Late
    }));
    loop {
        let event = std::future::poll_fn(|cx| {
            if let Poll::Ready(ended) = serving.poll(cx) {
                return Poll::Ready(Err(ended));
            }
            match events.poll_next_unpin(cx) {
                Poll::Ready(Some(event)) => Poll::Ready(Ok(event)),
                Poll::Ready(None) | Poll::Pending => Poll::Pending,
            }
        });
        match event.await {
            Err(ended) => return ended,
            Ok(Event::Retire) => {
                connection.retires.set(true);
                events.push(Box::pin(async {
                    forgotten(connection).await;
                    Event::Late
                }));
            }
            Ok(Event::Late) => break,
        }
    }
    let serving = std::future::poll_fn(|cx| serving.poll(cx));
    abandon(&connection.active, serving).await
}

impl Serving {
    /// Reads and writes what there is; ready when the connection is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        loop {
            let h2 = match &mut self.state {
                State::Open(h2) => h2,
                State::Handshake(handshake) => {
                    self.state = State::Open(ready!(Pin::new(handshake).poll(cx))?);
                    continue;
                }
            };
            self.seats.poll(cx);
            if self.connection.retires.get() && !std::mem::replace(&mut self.is_retired, true) {
                h2.graceful_shutdown();
            }
            // What was answered leaves with this, too.
            let mut has_begun = false;
            loop {
                let ended = match h2.poll_accept(cx) {
                    Poll::Pending => break,
                    Poll::Ready(Some(Ok(asked))) => {
                        self.heads.borrow_mut().take(asked.1.stream_id().as_u32());
                        self.seats.serve(asked);
                        has_begun = true;
                        continue;
                    }
                    Poll::Ready(None) => Ok(()),
                    Poll::Ready(Some(Err(e))) => Err(e),
                };
                if ended.as_ref().is_err_and(|e| e.is_go_away() && e.is_library()) {
                    self.connection.is_broken.set(true);
                }
                self.tell_refused();
                // Streams may have been reset before the end, and say so in the log.
                self.seats.poll(cx);
                return Poll::Ready(ended);
            }
            self.tell_refused();
            if has_begun {
                continue;
            }
            if self.connection.active.get() > 0 || !self.seats.has_free() {
                return Poll::Pending;
            }
            let due = self.connection.quiet_since.get() + REST;
            ready!(self.rest.poll(due.into(), cx));
            self.seats.dismiss();
        }
    }
}

impl Serving {
    /// Heads that were refused are logged.
    fn tell_refused(&self) {
        for refusal in self.heads.borrow_mut().refused() {
            self.connection.worker().refused_head(&self.connection, refusal);
        }
    }
}

/// Completes when nothing was asked for so long that a client that was asked to go must have heard of it.
async fn forgotten(connection: &Connection) {
    loop {
        let end = connection.quiet_since.get().max(Instant::now()) + GRACE;
        tokio::time::sleep_until(end.into()).await;
        if connection.active.get() == 0 && connection.quiet_since.get() + GRACE <= end {
            return;
        }
    }
}

/// A client of HTTP/2 does not end a head: until it does, it can send nothing else. What it asked for before is answered, and then
/// the connection is closed. `active` are requests that are not over.
async fn abandon<E>(active: &Cell<u32>, mut serving: impl Future<Output = Result<(), E>> + Unpin) -> Result<(), E> {
    let answered = async {
        while active.get() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // A request is over before its answer's last bytes have left.
        tokio::time::sleep(FLUSH).await;
    };
    tokio::select! {
        biased;
        ended = &mut serving => ended,
        () = answered => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;

    /// The last bytes of an answer are on their way when its request is over already.
    #[tokio::test]
    async fn a_connection_whose_head_never_ends_is_closed_behind_its_answers() {
        let sent = Cell::new(false);
        let serving = pin!(async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            sent.set(true);
            Ok::<(), ()>(())
        });
        assert_eq!((abandon(&Cell::new(0), serving).await, sent.get()), (Ok(()), true));
        // A client that takes nothing is let go.
        assert_eq!(abandon(&Cell::new(0), std::future::pending::<Result<(), ()>>()).await, Ok(()));
    }
}
