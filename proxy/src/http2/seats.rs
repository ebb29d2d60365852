//! Who serves the streams of one connection: futures that serve one request after the other. What serving takes is a large thing to
//! move, and is made once for many requests.

use super::answer::answer;
use crate::http::aside::Aside;
use crate::http::exchange::Connection;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use h2::RecvStream;
use h2::server::SendResponse;
use http::Request;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// A stream: its request, and the way back.
pub type Asked = (Request<RecvStream>, SendResponse<Bytes>);

/// Seats that a connection keeps which is busy; one that rests keeps none.
const KEPT: usize = 32;

/// So often streams go on before others on the worker have their turn.
const ROUNDS: usize = 32;

enum Call {
    /// Nobody asks for anything.
    Nothing,
    Serve(Box<Asked>),
    Leave,
}

/// Where one future waits for requests.
struct Seat {
    call: Cell<Call>,
    waker: Cell<Option<Waker>>,
}

impl Seat {
    fn call(&self, call: Call) {
        self.call.set(call);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
    /// The next request; `None` for no more.
    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Asked>> {
        match self.call.replace(Call::Nothing) {
            Call::Serve(asked) => Poll::Ready(Some(*asked)),
            Call::Leave => Poll::Ready(None),
            Call::Nothing => {
                self.waker.set(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }
}

type Free = Rc<RefCell<Vec<Rc<Seat>>>>;

async fn sit(connection: Rc<Connection>, seat: Rc<Seat>, free: Free) {
    while let Some((request, sender)) = std::future::poll_fn(|cx| seat.poll_next(cx)).await {
        answer(&connection, request, sender).await;
        if free.borrow().len() >= KEPT {
            return;
        }
        free.borrow_mut().push(seat.clone());
    }
}

/// All of a connection's.
pub struct Seats {
    connection: Rc<Connection>,
    sitting: FuturesUnordered<Pin<Box<dyn Future<Output = ()>>>>,
    aside: Aside,
    free: Free,
}

impl Seats {
    pub fn new(connection: &Rc<Connection>) -> Seats {
        let sitting: FuturesUnordered<Pin<Box<dyn Future<Output = ()>>>> = FuturesUnordered::new();
        // A set that has polled all that it has wants to be polled again: with this one it never has.
        sitting.push(Box::pin(std::future::pending()));
        Seats { connection: connection.clone(), sitting, aside: Aside::default(), free: Free::default() }
    }
    /// Serves a request, with the next [`Seats::poll`] on.
    pub fn serve(&mut self, asked: Asked) {
        let call = Call::Serve(Box::new(asked));
        if let Some(seat) = self.free.borrow_mut().pop() {
            return seat.call(call);
        }
        let seat = Rc::new(Seat { call: Cell::new(call), waker: Cell::default() });
        self.sitting.push(Box::pin(sit(self.connection.clone(), seat, self.free.clone())));
        self.aside.ring();
    }
    /// Goes on with those that have something to go on with, so that what all of them have to say leaves together: the set itself
    /// gives way whenever two of them have woken themselves, which an answer's body does.
    pub fn poll(&mut self, cx: &mut Context<'_>) {
        let sitting = &mut self.sitting;
        let mut all = std::future::poll_fn(|cx| {
            while let Poll::Ready(Some(())) = sitting.poll_next_unpin(cx) {}
            Poll::<()>::Pending
        });
        for _ in 0..ROUNDS {
            let _ = self.aside.poll(Pin::new(&mut all), cx);
            if !self.aside.has_rung() {
                return;
            }
        }
        // Other connections have their turn.
        cx.waker().wake_by_ref();
    }
    /// Whether there are any that nobody needs.
    pub fn has_free(&self) -> bool {
        !self.free.borrow().is_empty()
    }
    /// Lets those go.
    pub fn dismiss(&mut self) {
        self.free.borrow_mut().drain(..).for_each(|seat| seat.call(Call::Leave));
    }
}
