//! ServiceEntries.

use crate::codes;
use crate::rule::Rule;

mod addresses;
mod overlap;
mod protocol_conflict;

pub const RULES: &[Rule] = &[
    Rule { name: "service-entry-addresses", codes: &[&codes::IST0134], analyzer: "serviceentry.Analyzer", run: addresses::run },
    Rule {
        name: "service-entry-protocol-conflict",
        codes: &[&codes::IST0177],
        analyzer: "serviceentry.ConflictingServiceEntryProtocolAnalyzer",
        run: protocol_conflict::run,
    },
    Rule { name: "service-entry-overlap", codes: &[&codes::MSH0124, &codes::MSH0125, &codes::MSH0126], analyzer: "", run: overlap::run },
];
