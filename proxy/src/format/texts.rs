//! Texts that one line after the other has, made once for many: addresses, and the seconds of the clock.

use super::digits;
use super::time::TimeFormat;
use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Addresses that are remembered: each has one place, which the next one that belongs there takes.
const PLACES: usize = 256;

/// Those of one worker.
#[derive(Debug, Default)]
pub struct Texts {
    addresses: RefCell<Vec<Option<(SocketAddr, String)>>>,
    /// The address of the last one that was made without its port: connections come from few machines.
    machine: RefCell<Option<(IpAddr, String)>>,
    /// A second since 1970, and its text up to the fraction.
    second: RefCell<(u64, String)>,
}

impl Texts {
    pub fn address(&self, address: SocketAddr, out: &mut String) {
        let mut places = self.addresses.borrow_mut();
        if places.is_empty() {
            places.resize(PLACES, None);
        }
        // The ports that a system gives out to connections are all even, or all odd.
        let place = &mut places[usize::from(address.port() / 2) % PLACES];
        match place {
            Some((known, text)) if *known == address => out.push_str(text),
            _ => {
                // The room of the text before is used again.
                let mut text = place.take().map(|(_, text)| text).unwrap_or_default();
                text.clear();
                self.make(address, &mut text);
                out.push_str(&text);
                *place = Some((address, text));
            }
        }
    }
    fn make(&self, address: SocketAddr, out: &mut String) {
        if address.is_ipv6() {
            return digits::address(address, out);
        }
        let mut machine = self.machine.borrow_mut();
        match &*machine {
            Some((known, text)) if *known == address.ip() => out.push_str(text),
            _ => {
                digits::ip(address.ip(), out);
                *machine = Some((address.ip(), out.clone()));
            }
        }
        out.push(':');
        digits::port(address.port(), out);
    }
    /// As [`TimeFormat::Default`] has it.
    pub fn time(&self, at: SystemTime, out: &mut String) {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (second, text) = &mut *self.second.borrow_mut();
        if *second != since.as_secs() || text.is_empty() {
            *second = since.as_secs();
            text.clear();
            TimeFormat::Default.write(UNIX_EPOCH + Duration::from_secs(*second), text);
            text.truncate(text.len() - "000Z".len());
        }
        out.push_str(text);
        digits::thousandths(since.subsec_millis(), out);
        out.push('Z');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_those_of_the_general_way() {
        let texts = Texts::default();
        // Two of one place, one after the other.
        for text in ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.2:80", "10.0.0.1:80", "[::1]:80", "10.0.0.1:592", "10.0.0.1:80"] {
            let mut out = String::from("x");
            texts.address(text.parse().expect("an address"), &mut out);
            assert_eq!(out, format!("x{text}"));
        }
        for milliseconds in [0, 7, 1_709_210_096_123, 1_709_210_096_007, 1_709_210_097_000, 999, 10] {
            let at = UNIX_EPOCH + Duration::from_millis(milliseconds);
            let (mut own, mut general) = (String::new(), String::new());
            texts.time(at, &mut own);
            TimeFormat::Default.write(at, &mut general);
            assert_eq!(own, general);
        }
    }
}
