//! What a reader lost of the wire format: fields that our messages lack.
//!
//! A message that was decoded and encoded again has no more than what was understood. What the first bytes have and the
//! second lack is named by the numbers of its fields: their names are in no type of ours.

use std::collections::BTreeMap;

/// One field of a message, as the wire has it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Payload<'b> {
    Number(u64),
    Bytes(&'b [u8]),
}

/// Numbers of fields, from the outside in, that `original` has and `understood` lacks: `#12`, `#3.#57`. `understood` is the
/// same message, decoded and encoded again. Empty where nothing was lost, which costs a comparison of lengths.
pub fn lost(original: &[u8], understood: &[u8]) -> Vec<String> {
    let mut out = Vec::new();
    if understood.len() < original.len() {
        compare(original, understood, "", &mut out);
    }
    out
}

fn compare(original: &[u8], understood: &[u8], path: &str, out: &mut Vec<String>) {
    let (Some(had), Some(has)) = (fields(original), fields(understood)) else {
        return;
    };
    for (number, payloads) in had {
        let mut left = has.get(&number).cloned().unwrap_or_default();
        let changed: Vec<Payload<'_>> = payloads
            .into_iter()
            .filter(|p| match left.iter().position(|l| l == p) {
                Some(at) => {
                    left.remove(at);
                    false
                }
                None => true,
            })
            .collect();
        let at = if path.is_empty() { format!("#{number}") } else { format!("{path}.#{number}") };
        for payload in changed {
            match (payload, partner(payload, &mut left)) {
                (Payload::Bytes(had), Some(Payload::Bytes(has))) if has.len() < had.len() => compare(had, has, &at, out),
                // A default that is written out is no loss; nor is one value that stands in another's place.
                (Payload::Number(0), None) | (_, Some(_)) => {}
                (Payload::Bytes([]), None) => {}
                (_, None) => out.push(at.clone()),
            }
        }
    }
}

/// What became of a payload: of those that are left, the one that begins most like it. Entries of a map may come in another
/// order, and begin with their key.
fn partner<'b>(payload: Payload<'_>, left: &mut Vec<Payload<'b>>) -> Option<Payload<'b>> {
    let likeness = |other: &Payload<'_>| match (payload, *other) {
        (Payload::Bytes(a), Payload::Bytes(b)) => a.iter().zip(b).take_while(|(a, b)| a == b).count(),
        _ => 0,
    };
    let (at, _) = left.iter().enumerate().rev().max_by_key(|(_, other)| likeness(other))?;
    Some(left.remove(at))
}

/// The fields of a message; `None` for bytes that are none.
fn fields(mut bytes: &[u8]) -> Option<BTreeMap<u64, Vec<Payload<'_>>>> {
    let mut out: BTreeMap<u64, Vec<Payload<'_>>> = BTreeMap::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let payload = match key & 7 {
            0 => Payload::Number(varint(&mut bytes)?),
            1 => Payload::Number(u64::from_le_bytes(take(&mut bytes, 8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                Payload::Bytes(take(&mut bytes, length)?)
            }
            5 => Payload::Number(u64::from(u32::from_le_bytes(take(&mut bytes, 4)?.try_into().ok()?))),
            _ => return None,
        };
        out.entry(key >> 3).or_default().push(payload);
    }
    Some(out)
}

fn take<'b>(bytes: &mut &'b [u8], n: usize) -> Option<&'b [u8]> {
    let (head, rest) = bytes.split_at_checked(n)?;
    *bytes = rest;
    Some(head)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// The text of field 1, which is the name of every resource of xDS; "" where there is none.
pub fn first_text(mut bytes: &[u8]) -> &str {
    while !bytes.is_empty() {
        let Some(key) = varint(&mut bytes) else { return "" };
        let skipped = match key & 7 {
            0 => varint(&mut bytes).map(|_| &[][..]),
            1 => take(&mut bytes, 8),
            5 => take(&mut bytes, 4),
            2 => varint(&mut bytes).and_then(|n| usize::try_from(n).ok()).and_then(|n| take(&mut bytes, n)),
            _ => None,
        };
        match skipped {
            Some(text) if key == 10 => return std::str::from_utf8(text).unwrap_or(""),
            Some(_) => {}
            None => return "",
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::cluster::Cluster;
    use prost::Message;

    /// A field that no message of ours has.
    fn strange(number: u64, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        prost::encoding::encode_varint(number << 3 | 2, &mut out);
        prost::encoding::encode_varint(payload.len() as u64, &mut out);
        out.extend_from_slice(payload);
        out
    }

    fn lost_of(bytes: &[u8]) -> Vec<String> {
        let understood = Cluster::decode(bytes).expect("a cluster");
        lost(bytes, &understood.encode_to_vec())
    }

    #[test]
    fn fields_that_are_not_known_are_named_by_their_numbers() {
        let cluster: Cluster = serde_json::from_value(serde_json::json!({"name": "c", "circuitBreakers": {"thresholds": [{"maxRequests": 1}, {}]},
            "metadata": {"filterMetadata": {"b": {"x": 1}, "a": {}}}}))
        .expect("a cluster");
        let bytes = cluster.encode_to_vec();
        assert_eq!(lost_of(&bytes), Vec::<String>::new());
        assert_eq!(first_text(&bytes), "c");
        let with = [bytes.clone(), strange(2999, b"x")].concat();
        assert_eq!(lost_of(&with), ["#2999"]);
        // circuit_breakers { thresholds { 77: … } }
        let inner = strange(10, &strange(1, &strange(77, b"abc")));
        assert_eq!(lost_of(&inner), ["#10.#1.#77"]);
        assert_eq!(lost_of(&[inner, strange(2999, b"")].concat()), ["#10.#1.#77"]);
    }

    #[test]
    fn bytes_that_are_no_message_cost_nothing_more() {
        assert_eq!(first_text(&[0xff; 3]), "");
        assert_eq!(first_text(&[10, 200, 1]), "");
        assert!(fields(&[0x0b]).is_none() && fields(&[0x80; 12]).is_none());
    }
}
