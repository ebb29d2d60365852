use super::*;
use std::collections::BTreeSet;

fn first(status: u16, flags: &str, details: &str, transport: &str, cluster: &str) -> &'static str {
    diagnose(&Symptom { status, flags, details, transport, cluster }).first().map_or("unknown", |c| c.id)
}

#[test]
fn lines_have_their_causes() {
    let out = "outbound|9080||a.b";
    for (status, flags, details, transport, cluster, want) in [
        (503, "URX", "via_upstream", "", out, "retries-exhausted-upstream-answered"),
        (500, "", "via_upstream", "", "inbound|80||", "application-answered"),
        (500, "-", "via_upstream", "", out, "upstream-answered"),
        (503, "DI,FI", "fault_filter_abort", "", out, "fault-injected"),
        (0, "UF,URX", "", "", out, "connection-failed"),
        (503, "UpstreamConnectionFailure", "", "TLS error: Secret is not supplied by SDS", out, "no-certificate-yet"),
        (
            503,
            "UF",
            "upstream_reset_before_response_started{connection_failure,delayed_connect_error:_111}",
            "delayed_connect_error:_111",
            out,
            "connection-refused",
        ),
        (503, "UF", "", "delayed connect error: 111", "inbound|80||", "application-not-listening"),
        (
            503,
            "UF",
            "",
            "TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_SAN_matcher",
            out,
            "certificate-name-mismatch",
        ),
        (503, "UF", "", "TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED", out, "certificate-rejected"),
        (0, "UH", "", "", "BlackHoleCluster", "black-hole"),
        (403, "UAEX", "ext_authz_error", "", "", "ext-authz-unreachable"),
        (403, "UAEX", "ext_authz_denied", "", "", "ext-authz-denied"),
        (401, "-", "jwt_authn_access_denied{Jwt_is_missing}", "", "", "jwt-missing"),
        (403, "-", "rbac_access_denied_matched_policy[none]", "", "inbound|80||", "no-allow-policy-matched"),
        (403, "-", "rbac_access_denied_matched_policy[ns[a]-policy[allow-none]-rule[0]]", "", "", "denied-by-policy"),
        (418, "-", "something_new", "", out, "unknown"),
    ] {
        assert_eq!(first(status, flags, details, transport, cluster), want, "{status} {flags} {details} {transport} {cluster}");
    }
}

#[test]
fn what_is_fine_needs_no_cause() {
    assert!(Symptom { status: 200, details: "via_upstream", ..Symptom::default() }.is_fine());
    assert!(!Symptom { status: 200, flags: "DI", ..Symptom::default() }.is_fine());
    assert!(!Symptom { status: 301, details: "direct_response", ..Symptom::default() }.is_fine());
    assert!(Symptom { status: 0, cluster: "outbound|3306||db.x", ..Symptom::default() }.is_fine());
    assert!(!Symptom { status: 0, flags: "DC", ..Symptom::default() }.is_fine());
    assert!(!Symptom { status: 0, cluster: "BlackHoleCluster", ..Symptom::default() }.is_fine());
    assert!(!Symptom { status: 404, ..Symptom::default() }.is_fine());
}

#[test]
fn every_flag_that_marks_a_failure_has_a_cause_and_every_cause_can_be_reached() {
    for flag in response_flags::ALL {
        assert!(!diagnose(&Symptom { status: 503, flags: flag.short, ..Symptom::default() }).is_empty() || flag.short == "DI", "{}", flag.short);
    }
    let mut ids = BTreeSet::new();
    for cause in all() {
        assert!(ids.insert(cause.id), "{} twice", cause.id);
        assert!(!cause.why.is_empty() && !cause.evidence.is_empty() && !cause.next.is_empty() && !cause.source.is_empty(), "{}", cause.id);
        // A line made of the cause's own conditions has it among its causes, and nothing before it takes all such lines.
        for w in cause.when {
            let reason = w.reason.first().map_or(String::new(), |r| format!("{{{}}}", r.trim_start_matches('=')));
            let details = w.details.first().map_or(String::new(), |d| format!("{d}{reason}"));
            let cluster = match w.directions.first() {
                Some(Direction::Inbound) => "inbound|80||",
                Some(Direction::Passthrough) => "PassthroughCluster",
                Some(Direction::BlackHole) => "BlackHoleCluster",
                _ => "outbound|80||a.b",
            };
            let transport = w.transport.first().unwrap_or(&"");
            let flags = w.flags.join(",");
            let symptom = Symptom { status: if w.status.0 == 400 { 500 } else { 0 }, flags: &flags, details: &details, transport, cluster };
            assert_eq!(diagnose(&symptom).first().map(|c| c.id), Some(cause.id), "{symptom:?}");
        }
    }
}

#[test]
fn words_have_causes() {
    let ids = |list: Vec<&'static Cause>| list.iter().map(|c| c.id).collect::<Vec<_>>();
    assert!(ids(of_flags(&["UF"])).contains(&"connection-failed"));
    assert!(!ids(of_flags(&["UF"])).contains(&"retries-exhausted"));
    assert_eq!(ids(of_flags(&["NC"])), ["cluster-not-found"]);
    assert_eq!(ids(of_details("jwt_authn_access_denied{Jwt_is_expired}"))[0], "jwt-expired");
    assert!(ids(of_details("via_upstream")).contains(&"application-answered"));
}
