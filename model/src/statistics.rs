//! Whether figures differ, or only seem to: intervals and tests on counts, two-sided, at 95 %.

/// The quantile of the normal distribution for 95 %, two-sided.
const Z: f64 = 1.959_963_984_540_054;

/// A share with its 95 % interval, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    pub share: f64,
    pub low: f64,
    pub high: f64,
}

/// Wilson's score interval of `k` in `n`; the whole of 0 to 1 where there is nothing.
/// E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927.
pub fn wilson(k: f64, n: f64) -> Share {
    if n <= 0.0 {
        return Share { share: f64::NAN, low: 0.0, high: 1.0 };
    }
    let (p, zz) = ((k / n).clamp(0.0, 1.0), Z * Z);
    let middle = (p + zz / (2.0 * n)) / (1.0 + zz / n);
    let half = Z / (1.0 + zz / n) * (p * (1.0 - p) / n + zz / (4.0 * n * n)).sqrt();
    // At the ends rounding must not leave them out.
    let low = if p == 0.0 { 0.0 } else { (middle - half).max(0.0) };
    let high = if p == 1.0 { 1.0 } else { (middle + half).min(1.0) };
    Share { share: p, low, high }
}

/// What a comparison says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// The second is lower, and not by chance.
    Lower,
    /// No difference that chance could not make.
    None,
    /// The second is higher, and not by chance.
    Higher,
    /// There is too little to tell.
    TooFew,
}

/// Counts below which nothing is said.
const LEAST: f64 = 5.0;

/// Whether the shares `a` of `n` and `b` of `m` differ: Newcombe's interval of the difference, from the two of Wilson.
/// R. G. Newcombe, "Interval estimation for the difference between independent proportions", 1998, method 10.
pub fn shares(a: f64, n: f64, b: f64, m: f64) -> Difference {
    if n < LEAST || m < LEAST {
        return Difference::TooFew;
    }
    let (x, y) = (wilson(a, n), wilson(b, m));
    let d = y.share - x.share;
    let low = d - ((y.share - y.low).powi(2) + (x.high - x.share).powi(2)).sqrt();
    let high = d + ((y.high - y.share).powi(2) + (x.share - x.low).powi(2)).sqrt();
    match () {
        () if low > 0.0 => Difference::Higher,
        () if high < 0.0 => Difference::Lower,
        () => Difference::None,
    }
}

/// Whether two Poisson counts over the times `s` and `t` come of different rates: the share of the second in both, against what the
/// times make of it.
pub fn rates(a: f64, s: f64, b: f64, t: f64) -> Difference {
    let whole = a + b;
    if whole < LEAST || s <= 0.0 || t <= 0.0 {
        return Difference::TooFew;
    }
    let (expected, found) = (t / (s + t), wilson(b, whole));
    match () {
        () if found.low > expected => Difference::Higher,
        () if found.high < expected => Difference::Lower,
        () => Difference::None,
    }
}

/// Whether values in the same buckets are shifted: the rank test of Mann and Whitney, with ties. The counts are those of each
/// bucket, not of all below.
pub fn ranks(a: &[f64], b: &[f64]) -> Difference {
    let (n, m): (f64, f64) = (a.iter().sum(), b.iter().sum());
    if n < LEAST || m < LEAST {
        return Difference::TooFew;
    }
    let (mut below, mut u, mut ties) = (0.0, 0.0, 0.0);
    for i in 0..a.len().max(b.len()) {
        let (x, y) = (a.get(i).copied().unwrap_or(0.0), b.get(i).copied().unwrap_or(0.0));
        u += y * (below + x / 2.0);
        below += x;
        ties += (x + y).powi(3) - (x + y);
    }
    let whole = n + m;
    let variance = n * m / 12.0 * ((whole + 1.0) - ties / (whole * (whole - 1.0)));
    if variance <= 0.0 {
        return Difference::None;
    }
    match (u - n * m / 2.0) / variance.sqrt() {
        z if z > Z => Difference::Higher,
        z if z < -Z => Difference::Lower,
        _ => Difference::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(share: Share, low: f64, high: f64) {
        assert!((share.low - low).abs() < 5e-4 && (share.high - high).abs() < 5e-4, "{share:?}");
    }

    #[test]
    fn wilsons_interval_as_published() {
        // Newcombe 1998, table I, method 3.
        about(wilson(81.0, 263.0), 0.2553, 0.3662);
        about(wilson(15.0, 148.0), 0.0624, 0.1605);
        about(wilson(0.0, 20.0), 0.0, 0.1611);
        about(wilson(1.0, 29.0), 0.0061, 0.1718);
        about(wilson(29.0, 29.0), 0.8830, 1.0);
    }

    #[test]
    fn shares_differ_where_chance_does_not_make_it() {
        assert_eq!(shares(7.0, 586.0, 18.0, 120.0), Difference::Higher);
        assert_eq!(shares(18.0, 120.0, 7.0, 586.0), Difference::Lower);
        assert_eq!(shares(1.0, 20.0, 2.0, 20.0), Difference::None);
        assert_eq!(shares(0.0, 4.0, 4.0, 4.0), Difference::TooFew);
        // Newcombe 1998, table II, example (a): 56/70 and 48/80 differ.
        assert_eq!(shares(56.0, 70.0, 48.0, 80.0), Difference::Lower);
        assert_eq!(shares(9.0, 10.0, 3.0, 10.0), Difference::Lower);
    }

    #[test]
    fn rates_and_ranks() {
        assert_eq!(rates(100.0, 60.0, 200.0, 60.0), Difference::Higher);
        assert_eq!(
            (rates(100.0, 60.0, 110.0, 60.0), rates(100.0, 60.0, 205.0, 120.0), rates(1.0, 60.0, 2.0, 60.0)),
            (Difference::None, Difference::None, Difference::TooFew)
        );
        assert_eq!(ranks(&[50.0, 40.0, 10.0], &[10.0, 40.0, 50.0]), Difference::Higher);
        assert_eq!(ranks(&[50.0, 40.0, 10.0], &[50.0, 41.0, 9.0]), Difference::None);
        assert_eq!((ranks(&[50.0], &[50.0]), ranks(&[1.0], &[50.0])), (Difference::None, Difference::TooFew));
    }
}
