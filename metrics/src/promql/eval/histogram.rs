//! Quantiles of classic histograms.

/// Where counts of neighbouring buckets differ by less than this share, the difference is a rounding error.
const TOLERANCE: f64 = 1e-12;

/// A bucket: its upper bound, and how many observations are not above it.
pub(super) type Bucket = (f64, f64);

/// Linear within the bucket that holds the rank; the lowest starts at 0, the highest answers with its lower bound.
pub(super) fn quantile(phi: f64, mut buckets: Vec<Bucket>) -> f64 {
    if phi.is_nan() {
        return f64::NAN;
    }
    if phi < 0.0 {
        return f64::NEG_INFINITY;
    }
    if phi > 1.0 {
        return f64::INFINITY;
    }
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    buckets.dedup_by(|next, kept| {
        let is_same = next.0 == kept.0;
        if is_same {
            kept.1 += next.1;
        }
        is_same
    });
    if buckets.last().is_none_or(|b| b.0 != f64::INFINITY) || buckets.len() < 2 {
        return f64::NAN;
    }
    let mut before = buckets[0].1;
    for (_, count) in &mut buckets[1..] {
        let is_noise = (*count - before).abs() < TOLERANCE * (count.abs() + before.abs());
        if is_noise || *count < before {
            *count = before;
        } else {
            before = *count;
        }
    }
    let last = buckets.len() - 1;
    let total = buckets[last].1;
    if total == 0.0 || total.is_nan() {
        return f64::NAN;
    }
    let rank = phi * total;
    let index = buckets[..last].partition_point(|b| b.1 < rank || b.1.is_nan());
    let (upper, count) = buckets[index];
    if index == last {
        return buckets[last - 1].0;
    }
    if index == 0 && upper <= 0.0 {
        return upper;
    }
    let (lower, below) = if index > 0 { buckets[index - 1] } else { (0.0, 0.0) };
    lower + (upper - lower) * ((rank - below) / (count - below))
}
