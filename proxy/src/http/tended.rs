//! An answer's body that hyper sends. While the client makes no room, hyper does not ask for more of it: somebody else has to look
//! whether that takes too long.

use super::body::Body;
use super::exchange::Connection;
use super::upload::BoxError;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, ready};
use tokio::time::Sleep;

pub struct Tended(Rc<RefCell<Body>>);

impl http_body::Body for Tended {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_frame(cx)
    }
    fn is_end_stream(&self) -> bool {
        self.0.borrow().is_end_stream()
    }
    fn size_hint(&self) -> SizeHint {
        self.0.borrow().size_hint()
    }
}

/// Looks after the bodies of one connection, one after the other.
#[derive(Default)]
pub struct Tender {
    body: RefCell<Weak<RefCell<Body>>>,
    /// Behind a body: the last of it is still to be taken.
    stall: Cell<Option<Pin<Box<Sleep>>>>,
}

impl Tender {
    pub fn tend(&self, body: Body) -> Tended {
        let body = Rc::new(RefCell::new(body));
        self.body.replace(Rc::downgrade(&body));
        Tended(body)
    }
    /// Completes when the client took nothing for too long.
    pub async fn stalled(&self, connection: &Connection) {
        std::future::poll_fn(|cx| self.poll(connection, cx)).await;
    }
    fn poll(&self, connection: &Connection, cx: &mut Context<'_>) -> Poll<()> {
        let wire = &connection.wire;
        wire.wait_for_block(cx.waker());
        let body = self.body.borrow().upgrade();
        if wire.take_progress() {
            self.stall.take();
            body.iter().for_each(|b| b.borrow_mut().stir());
        }
        if !wire.is_blocked() {
            return Poll::Pending;
        }
        if let Some(body) = body.filter(|b| !http_body::Body::is_end_stream(&*b.borrow())) {
            return body.borrow_mut().wait(cx);
        }
        let Some(span) = connection.manager.timeouts.stream_idle else { return Poll::Pending };
        let mut stall = self.stall.take().unwrap_or_else(|| Box::pin(tokio::time::sleep(span)));
        let is_over = stall.as_mut().poll(cx);
        self.stall.set(Some(stall));
        ready!(is_over);
        Poll::Ready(())
    }
}
