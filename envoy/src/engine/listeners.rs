//! Step one: which listener takes a connection.

use super::inspect::ListenerFilter;
use super::listener::{Address, Direction, Listener};
use super::recorder::Recorder;
use super::request::Entry;
use rustc_hash::FxHashMap;
use std::net::SocketAddr;
use std::ops::Deref;

/// Positions of listeners by their addresses, for connections that another listener hands on and for those that arrive at a
/// socket: the same answers as a search through all in their order, without a look at each of them.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    exact: FxHashMap<SocketAddr, First>,
    /// Of an unspecified address, by port, for connections over IPv4 and over IPv6.
    wildcard: FxHashMap<(u16, Family), First>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Family {
    V4,
    V6,
}

impl Family {
    fn of(address: SocketAddr) -> Family {
        if address.is_ipv4() { Family::V4 } else { Family::V6 }
    }
}

/// The first listeners of an address: of all, and of those that a socket is bound for.
#[derive(Clone, Copy, Debug, Default)]
struct First {
    any: Option<usize>,
    bound: Option<usize>,
}

impl First {
    fn add(&mut self, place: usize, listener: &Listener) {
        self.any.get_or_insert(place);
        if listener.bound {
            self.bound.get_or_insert(place);
        }
    }
}

impl Addresses {
    /// Positions are those in the order given.
    pub fn new<'l>(listeners: impl Iterator<Item = &'l Listener>) -> Addresses {
        let mut out = Addresses::default();
        listeners.enumerate().for_each(|(i, l)| out.add(i, l));
        out
    }

    fn add(&mut self, place: usize, listener: &Listener) {
        for address in &listener.addresses {
            let Address::Socket(address) = *address else { continue };
            self.exact.entry(address).or_default().add(place, listener);
            if address.ip().is_unspecified() {
                // `::` takes connections of IPv4 too, `0.0.0.0` only its own.
                let families: &[Family] = if address.is_ipv6() { &[Family::V4, Family::V6] } else { &[Family::V4] };
                families.iter().for_each(|f| self.wildcard.entry((address.port(), *f)).or_default().add(place, listener));
            }
        }
    }

    /// The listener that is handed a connection to a destination: by its exact address, else by a wildcard one.
    pub fn find(&self, destination: SocketAddr) -> Option<usize> {
        self.first(destination, |f| f.any)
    }

    /// The same of listeners that a socket is bound for.
    pub fn find_bound(&self, destination: SocketAddr) -> Option<usize> {
        self.first(destination, |f| f.bound)
    }

    fn first(&self, destination: SocketAddr, of: impl Fn(First) -> Option<usize>) -> Option<usize> {
        let exact = self.exact.get(&destination).and_then(|f| of(*f));
        exact.or_else(|| self.wildcard.get(&(destination.port(), Family::of(destination))).and_then(|f| of(*f)))
    }
}

/// Listeners in their own order, found by address.
#[derive(Clone, Debug, Default)]
pub struct Listeners {
    list: Vec<Listener>,
    addresses: Addresses,
    /// The first that hands captured connections on to others.
    hands_off: Option<usize>,
    /// The one that inbound connections are redirected to: it matches by their original destination and keeps them.
    inbound: Option<usize>,
}

impl Deref for Listeners {
    type Target = [Listener];
    fn deref(&self) -> &[Listener] {
        &self.list
    }
}

impl<'l> IntoIterator for &'l Listeners {
    type Item = &'l Listener;
    type IntoIter = std::slice::Iter<'l, Listener>;
    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

impl FromIterator<Listener> for Listeners {
    fn from_iter<I: IntoIterator<Item = Listener>>(list: I) -> Listeners {
        let mut out = Listeners::default();
        list.into_iter().for_each(|l| out.push(l));
        out
    }
}

impl Listeners {
    pub fn push(&mut self, listener: Listener) {
        let id = self.list.len();
        self.addresses.add(id, &listener);
        if listener.hands_off && listener.direction != Direction::Inbound {
            self.hands_off.get_or_insert(id);
        }
        let restores = || listener.direction == Direction::Inbound && listener.filters.iter().any(ListenerFilter::restores_destination);
        let is_named = |l: &Listener| &*l.name == VIRTUAL_INBOUND;
        match self.inbound {
            None if is_named(&listener) || restores() => self.inbound = Some(id),
            // One of this name comes before others that restore the destination.
            Some(known) if is_named(&listener) && !is_named(&self.list[known]) => self.inbound = Some(id),
            _ => {}
        }
        self.list.push(listener);
    }

    /// What stands in them; their addresses stay.
    pub(super) fn chains_mut(&mut self) -> impl Iterator<Item = &mut super::chain::Chains> {
        self.list.iter_mut().map(|l| &mut l.chains)
    }

    /// Chooses a listener for a connection to `destination`, or none: then nothing listens there.
    ///
    /// A captured connection enters at the listener of its direction. Outbound that one hands it to the listener of the
    /// original destination, by exact address, then by wildcard address, and keeps it where there is neither.
    pub fn choose<R: Recorder>(&self, entry: Entry, destination: SocketAddr, recorder: &mut R) -> Option<&Listener> {
        let entered = match entry {
            Entry::Direct => None,
            Entry::CapturedOutbound => self.hands_off,
            Entry::CapturedInbound => self.inbound,
        };
        let chosen = match entered {
            Some(id) if !self.list[id].hands_off => Some(id),
            Some(id) => self.addresses.find(destination).or(Some(id)),
            // Without a listener that takes captured connections, those to a bound address still arrive there.
            None => self.addresses.find_bound(destination),
        };
        let chosen = chosen.map(|id| &self.list[id]);
        if R::ON {
            for l in self.list.iter().filter(|l| chosen.is_none_or(|c| !std::ptr::eq(c, *l))) {
                if let Some(why) = passed_over(l, chosen, entry, destination) {
                    recorder.failed(|| why);
                    recorder.passed_over(|| l.candidate());
                }
            }
        }
        chosen
    }
}

const VIRTUAL_INBOUND: &str = "virtualInbound";

/// Why a listener was passed over, for those that a reader may have expected: of the same port, or virtual.
fn passed_over(l: &Listener, chosen: Option<&Listener>, entry: Entry, destination: SocketAddr) -> Option<String> {
    if entry == Entry::CapturedInbound {
        return None;
    }
    if l.owns(destination) || l.is_wildcard_of(destination) {
        return Some(match (chosen, entry) {
            (_, Entry::Direct) if !l.bound => "no socket is bound for it; it only takes connections that other listeners hand to it".to_owned(),
            (Some(c), _) if c.owns(destination) => "a listener of the exact address comes before one of any address".to_owned(),
            _ => "another listener of this address comes first".to_owned(),
        });
    }
    if l.port() == Some(destination.port()) {
        let addresses: Vec<String> = l.addresses.iter().map(Address::to_string).collect();
        return Some(format!("it listens on {}, the connection goes to {destination}", addresses.join(" and ")));
    }
    let hands_off = l.hands_off && entry == Entry::CapturedOutbound;
    hands_off.then(|| "a listener of the original destination comes before it".to_owned())
}
