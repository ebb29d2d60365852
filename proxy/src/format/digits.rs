//! Numbers and addresses as text. Every line of a log has many of them, and the general way to write them is slow.

use std::net::{IpAddr, SocketAddr};

/// Appends a number, with zeros in front where it is shorter than `width`.
pub fn padded(mut n: u64, width: usize, out: &mut String) {
    // Parts of addresses, times and statuses have at most three.
    if n < 1000 && width <= 3 {
        let digit = |of: u64| char::from(b"0123456789"[(n / of % 10) as usize]);
        if n >= 100 || width == 3 {
            out.push(digit(100));
        }
        if n >= 10 || width >= 2 {
            out.push(digit(10));
        }
        out.push(digit(1));
        return;
    }
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    while n > 0 {
        at -= 1;
        digits[at] = b"0123456789"[(n % 10) as usize];
        n /= 10;
    }
    let at = at.min(digits.len() - width.clamp(1, digits.len()));
    // Digits are text.
    out.push_str(str::from_utf8(&digits[at..]).unwrap_or_default());
}

pub fn number(n: u64, out: &mut String) {
    padded(n, 1, out);
}

pub fn ip(ip: IpAddr, out: &mut String) {
    match ip {
        IpAddr::V4(v4) => {
            for (i, part) in v4.octets().into_iter().enumerate() {
                if i > 0 {
                    out.push('.');
                }
                number(part.into(), out);
            }
        }
        IpAddr::V6(v6) => out.push_str(&v6.to_string()),
    }
}

pub fn address(address: SocketAddr, out: &mut String) {
    match address {
        SocketAddr::V4(v4) => {
            ip((*v4.ip()).into(), out);
            out.push(':');
            number(v4.port().into(), out);
        }
        SocketAddr::V6(v6) => out.push_str(&v6.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_written_as_the_general_way_writes_them() {
        for n in [0, 7, 10, 99, 100, 999, 1000, 12_345, u64::MAX] {
            for width in [0, 1, 2, 3, 4, 9] {
                let mut out = String::from("x");
                padded(n, width, &mut out);
                assert_eq!(out, format!("x{n:0width$}"));
            }
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
