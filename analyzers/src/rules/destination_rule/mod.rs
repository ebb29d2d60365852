//! DestinationRules.

use crate::codes;
use crate::rule::Rule;

mod ca_certificate;
mod subset_endpoints;

pub const RULES: &[Rule] = &[
    Rule { name: "ca-certificate", codes: &[&codes::IST0128, &codes::IST0129], analyzer: "destinationrule.CaCertificateAnalyzer", run: ca_certificate::run },
    Rule {
        name: "subset-endpoints",
        codes: &[&codes::IST0173, &codes::IST0174, &codes::KIA0203, &codes::MSH0002],
        analyzer: "destinationrule.SubsetSelectPodAnalyzer",
        run: subset_endpoints::run,
    },
];
