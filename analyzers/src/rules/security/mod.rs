//! mTLS, identities, tokens.

use crate::codes::{
    KIA0002, KIA0003, KIA0004, KIA0102, KIA0105, KIA0106, KIA0108, KIA0201, MSH0301, MSH0302, MSH0303, MSH0304, MSH0305, MSH0306, MSH0307, MSH0308, MSH0309,
    MSH0310,
};
use crate::rule::Rule;

mod identity_needs_mtls;
mod mtls_conflict;
mod operations;
mod peer_authentication;
mod port_strict;
mod ports;
mod principals;
mod same_scope;
mod selected;
mod token_not_required;
mod token_rules;

pub const RULES: &[Rule] = &[
    Rule { name: "same-scope", codes: &[&KIA0002, &KIA0201], analyzer: "", run: same_scope::run },
    Rule { name: "peer-authentication", codes: &[&KIA0003, &KIA0004, &MSH0308], analyzer: "", run: peer_authentication::run },
    Rule { name: "authorization-principals", codes: &[&MSH0301, &KIA0106, &KIA0108], analyzer: "", run: principals::run },
    Rule { name: "authorization-operations", codes: &[&KIA0102, &MSH0302, &MSH0306], analyzer: "", run: operations::run },
    Rule { name: "authorization-ports", codes: &[&MSH0305, &MSH0307], analyzer: "", run: ports::run },
    Rule { name: "identity-needs-mtls", codes: &[&KIA0105], analyzer: "", run: identity_needs_mtls::run },
    Rule { name: "strict-port-left-out", codes: &[&MSH0310], analyzer: "", run: port_strict::run },
    Rule { name: "token-not-required", codes: &[&MSH0303], analyzer: "", run: token_not_required::run },
    Rule { name: "token-rules", codes: &[&MSH0309], analyzer: "", run: token_rules::run },
    Rule { name: "mtls-conflict", codes: &[&MSH0304], analyzer: "", run: mtls_conflict::run },
];
