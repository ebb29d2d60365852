//! The statuses of gRPC by their names (gRPC's "Status codes and their use in gRPC"), whoever spells them.

/// Who spells: one name differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// `CANCELED`, as Envoy's `GrpcStatusFilter` has it.
    Envoy,
    /// `CANCELLED`, as gRPC and Istio's API have it.
    Grpc,
}

const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// All names, by number.
pub fn names(spelling: Spelling) -> impl Iterator<Item = &'static str> {
    NAMES.into_iter().map(move |name| if spelling == Spelling::Envoy && name == "CANCELLED" { "CANCELED" } else { name })
}

/// The number of a name in one spelling.
pub fn number(name: &str, spelling: Spelling) -> Option<u8> {
    names(spelling).position(|n| n == name).and_then(|n| u8::try_from(n).ok())
}

/// The number of a name in any spelling.
pub fn number_of(name: &str) -> Option<u8> {
    number(name, Spelling::Envoy).or_else(|| number(name, Spelling::Grpc))
}

/// The HTTP status that stands for a status of gRPC, to clients that speak none and where hosts are judged (Envoy's mapping).
pub fn http_status(grpc: u64) -> u16 {
    match grpc {
        0 => 200,
        1 => 499,
        3 | 9 | 11 => 400,
        4 => 504,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        8 => 429,
        12 => 501,
        14 => 503,
        16 => 401,
        _ => 500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::accesslog::GrpcStatusFilterStatus;
    use crate::api::json::Names;

    #[test]
    fn envoys_names_are_those_of_its_api_and_grpcs_differ_in_one() {
        for (name, n) in GrpcStatusFilterStatus::NAMES {
            assert_eq!(number(name, Spelling::Envoy).map(i32::from), Some(*n));
            assert_eq!(number_of(name).map(i32::from), Some(*n));
        }
        assert_eq!(names(Spelling::Grpc).zip(names(Spelling::Envoy)).filter(|(a, b)| a != b).collect::<Vec<_>>(), [("CANCELLED", "CANCELED")]);
        assert_eq!((number_of("CANCELLED"), number("CANCELED", Spelling::Grpc), number_of("canceled")), (Some(1), None, None));
    }
}
