//! Numbers and addresses as text. Every line of a log has many of them, and the general way to write them is slow.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A short text on the stack.
struct Short<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Short<N> {
    const fn new() -> Short<N> {
        Short { bytes: [0; N], len: 0 }
    }
    /// What does not fit is left out.
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }
    fn octet(&mut self, n: u8) {
        if n >= 100 {
            self.push(b'0' + n / 100);
        }
        if n >= 10 {
            self.push(b'0' + n / 10 % 10);
        }
        self.push(b'0' + n % 10);
    }
    fn v4(&mut self, ip: Ipv4Addr) {
        let [a, b, c, d] = ip.octets();
        self.octet(a);
        for part in [b, c, d] {
            self.push(b'.');
            self.octet(part);
        }
    }
    fn decimal(&mut self, mut n: u64, width: usize) {
        let mut digits = [b'0'; 20];
        let mut at = digits.len();
        while n > 0 {
            at -= 1;
            digits[at] = b'0' + (n % 10) as u8;
            n /= 10;
        }
        digits[at.min(digits.len() - width.clamp(1, digits.len()))..].iter().for_each(|d| self.push(*d));
    }
    fn append(&self, out: &mut String) {
        // Nothing but ASCII was pushed.
        out.push_str(str::from_utf8(&self.bytes[..self.len]).unwrap_or_default());
    }
}

/// The least numbers as texts: three digits each, of which those behind the zeros in front are shown.
static SMALL_DIGITS: [[u8; 3]; 1000] = {
    let mut all = [[b'0'; 3]; 1000];
    let mut n = 0;
    while n < all.len() {
        #[allow(clippy::cast_possible_truncation, reason = "digits")]
        let digits = [b'0' + (n / 100) as u8, b'0' + (n / 10 % 10) as u8, b'0' + (n % 10) as u8];
        all[n] = digits;
        n += 1;
    }
    all
};

const fn three_digits(n: usize) -> &'static str {
    match str::from_utf8(&SMALL_DIGITS[n]) {
        Ok(text) => text,
        Err(_) => "",
    }
}

static SMALL: [&str; 1000] = {
    let mut all = [""; 1000];
    let mut n = 0;
    while n < all.len() {
        let zeros = (n < 100) as usize + (n < 10) as usize;
        all[n] = three_digits(n).split_at(zeros).1;
        n += 1;
    }
    all
};

/// A number as text, where it is below 1000: as most are.
pub fn small(n: u64) -> Option<&'static str> {
    SMALL.get(usize::try_from(n).ok()?).copied()
}

/// Appends thousandths as three digits; of those that are none the last three.
pub fn thousandths(n: u32, out: &mut String) {
    let n = n % 1000;
    if n < 100 {
        out.push_str(if n < 10 { "00" } else { "0" });
    }
    out.push_str(SMALL[n as usize]);
}

/// Appends a number, with zeros in front where it is shorter than `width`, which is 20 at most.
pub fn padded(n: u64, width: usize, out: &mut String) {
    // Many are 0, a status, or a few milliseconds.
    if let Some(text) = small(n).filter(|_| width <= 1) {
        return out.push_str(text);
    }
    let mut short = Short::<20>::new();
    short.decimal(n, width);
    short.append(out);
}

pub fn number(n: u64, out: &mut String) {
    padded(n, 1, out);
}

/// Appends a port.
pub fn port(port: u16, out: &mut String) {
    let (thousands, rest) = (u64::from(port / 1000), u32::from(port % 1000));
    match small(thousands) {
        Some(text) if thousands > 0 => {
            out.push_str(text);
            thousandths(rest, out);
        }
        _ => number(rest.into(), out),
    }
}

pub fn ip(ip: IpAddr, out: &mut String) {
    match ip {
        IpAddr::V4(v4) => {
            let mut short = Short::<15>::new();
            short.v4(v4);
            short.append(out);
        }
        IpAddr::V6(v6) => out.push_str(&v6.to_string()),
    }
}

pub fn address(address: SocketAddr, out: &mut String) {
    match address {
        SocketAddr::V4(v4) => {
            ip(address.ip(), out);
            out.push(':');
            port(v4.port(), out);
        }
        SocketAddr::V6(v6) => out.push_str(&v6.to_string()),
    }
}

/// `2026-01-31T12:34:56.789Z`
pub fn timestamp([year, month, day]: [u32; 3], [hour, minute, second, millisecond]: [u32; 4], out: &mut String) {
    let digit = |n: u32| b'0' + (n % 10) as u8;
    let text = [
        digit(year / 1000),
        digit(year / 100),
        digit(year / 10),
        digit(year),
        b'-',
        digit(month / 10),
        digit(month),
        b'-',
        digit(day / 10),
        digit(day),
        b'T',
        digit(hour / 10),
        digit(hour),
        b':',
        digit(minute / 10),
        digit(minute),
        b':',
        digit(second / 10),
        digit(second),
        b'.',
        digit(millisecond / 100),
        digit(millisecond / 10),
        digit(millisecond),
        b'Z',
    ];
    // All of it is ASCII.
    out.push_str(str::from_utf8(&text).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_written_as_the_general_way_writes_them() {
        for n in [0, 7, 9, 10, 99, 100, 200, 255, 256, 999, 1000, 12_345, u64::MAX] {
            for width in [0, 1, 2, 3, 4, 9] {
                let mut out = String::from("x");
                padded(n, width, &mut out);
                assert_eq!(out, format!("x{n:0width$}"));
            }
        }
        for n in [0, 7, 99, 255, 256, 999] {
            let mut out = String::new();
            thousandths(n, &mut out);
            assert_eq!(out, format!("{n:03}"));
        }
        for n in [0, 9, 80, 999, 1000, 1007, 8080, 15_001, u16::MAX] {
            let mut out = String::new();
            port(n, &mut out);
            assert_eq!(out, n.to_string());
        }
        for text in ["10.0.0.255:80", "0.0.0.0:0", "[::1]:65535", "[fe80::1%3]:1"] {
            let parsed: SocketAddr = text.parse().expect("an address");
            let mut out = String::new();
            address(parsed, &mut out);
            assert_eq!(out, text);
            let mut out = String::new();
            ip(parsed.ip(), &mut out);
            assert_eq!(out, parsed.ip().to_string());
        }
    }
}
