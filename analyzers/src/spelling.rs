//! Near misses: what was probably meant.

/// Edit distance with neighbouring swaps, up to `limit`; `None` beyond it.
pub fn distance(a: &str, b: &str, limit: usize) -> Option<usize> {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > limit {
        return None;
    }
    let mut before = vec![0; b.len() + 1];
    let mut prev: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let cost = usize::from(!a[i - 1].eq_ignore_ascii_case(&b[j - 1]));
            row[j] = (prev[j] + 1).min(row[j - 1] + 1).min(prev[j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        if row.iter().all(|d| *d > limit) {
            return None;
        }
        before = std::mem::replace(&mut prev, row);
    }
    Some(prev[b.len()]).filter(|d| *d <= limit)
}

/// The candidate that `word` is probably a misspelling of. Short words tolerate one edit, longer ones two or
/// three; names that differ only in digits (`svc-1`, `svc-2`, `v1`, `v2`) are different names, not misspellings, and so are
/// those of an ingress and an egress.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let limit = match word.chars().count() {
        0..=2 => return None,
        3..=5 => 1,
        6..=11 => 2,
        _ => 3,
    };
    let letters = |s: &str| s.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
    let own = letters(word);
    let directions = |s: &str| (s.contains("ingress"), s.contains("egress"));
    let opposed = |c: &str| matches!((directions(word), directions(c)), ((true, false), (false, true)) | ((false, true), (true, false)));
    candidates
        .into_iter()
        .filter(|c| *c != word && letters(c) != own && !opposed(c))
        .filter_map(|c| distance(word, c, limit).map(|d| (d, c)))
        .min()
        .map(|(_, c)| c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspellings_are_found_and_numbered_names_are_not() {
        assert_eq!(nearest("reveiws", ["details", "reviews"]), Some("reviews"));
        assert_eq!(nearest("trafficPolic", ["trafficPolicy", "subsets"]), Some("trafficPolicy"));
        assert_eq!(nearest("svc-1", ["svc-2"]), None);
        assert_eq!(nearest("v1", ["v2"]), None);
        assert_eq!(nearest("ratings", ["reviews"]), None);
        assert_eq!(nearest("istio-egressgateway", ["istio-ingressgateway"]), None);
        assert_eq!(nearest("ingresgateway", ["ingressgateway"]), Some("ingressgateway"));
    }
}
