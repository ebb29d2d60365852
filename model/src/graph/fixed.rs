//! Numbers with a fixed count of digits, quickly.

use std::fmt::Write;

/// A number as `{value:.digits$}` writes it. A graph has hundreds of thousands of them: what can be rounded without doubt is
/// written from integers.
pub(super) fn push_fixed(out: &mut String, value: f64, digits: usize) {
    const POWERS: [u32; 6] = [1, 10, 100, 1_000, 10_000, 100_000];
    let power = POWERS.get(digits).copied().unwrap_or(0);
    let scaled = value * f64::from(power);
    // Below 1e9 the product is wrong by less than 1e-6: away from a half that decides nothing.
    let is_plain = power > 0 && value.is_sign_positive() && scaled < 1e9 && (scaled.fract() - 0.5).abs() > 1e-6;
    if !is_plain {
        // Writing to a string can't fail.
        let _ = write!(out, "{value:.digits$}");
        return;
    }
    let mut rest = scaled.round() as u32;
    let mut text = [b'0'; 16];
    let mut at = text.len();
    let mut place = 0;
    while rest > 0 || place <= digits {
        if digits > 0 && place == digits {
            at -= 1;
            text[at] = b'.';
        }
        at -= 1;
        text[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        place += 1;
    }
    // Digits and a point are text.
    out.push_str(std::str::from_utf8(&text[at..]).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::push_fixed;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn fixed_numbers_are_those_of_the_standard_library(value in prop_oneof![0.0..100.0_f64, (0_u32..200_000).prop_map(|n| f64::from(n) / 2000.0), any::<f64>()], digits in 0_usize..7) {
            let mut out = String::new();
            push_fixed(&mut out, value, digits);
            prop_assert_eq!(out, format!("{value:.digits$}"));
        }
    }
}
