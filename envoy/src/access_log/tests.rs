use super::*;
use proptest::prelude::*;

const DENIED: &str = r#"[2026-11-22T11:53:53.803Z] "GET /deny HTTP/1.1" 403 - rbac_access_denied_matched_policy[ns[istio-system]-policy[gw-deny]-rule[0]] - "-" 0 19 0 - "10.77.0.1" "curl/7.88.1" "52614537-8382-43c9-84e6-993315115651" "a.foo.example.com" "-" - - 127.0.0.1:8080 127.0.0.1:41738 - -"#;
const ENVOY: &str = r#"[2026-11-22T11:53:53.803Z] "GET /x HTTP/1.1" 503 UF 0 91 5 - "-" "curl" "id" "shop" "10.0.0.1:80""#;
const JSON: &str = r#"{"response_code":503,"response_flags":"URX,UF","response_code_details":"upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}","upstream_cluster":"inbound|9080||","route_name":null,"method":"GET","path":"/p"}"#;

fn entry(line: &str) -> Entry<'_> {
    match Reader::default().read(line) {
        Line::Entry(e) => *e,
        other => panic!("{other:?}: {line}"),
    }
}

#[test]
fn lines_of_the_default_formats_are_read() {
    let e = entry(DENIED);
    assert_eq!((e.code(), e.text(Field::Method), e.text(Field::Path)), (403, "GET", "/deny"));
    assert_eq!(e.text(Field::ResponseCodeDetails), "rbac_access_denied_matched_policy[ns[istio-system]-policy[gw-deny]-rule[0]]");
    assert_eq!((e.text(Field::UpstreamCluster), e.text(Field::DownstreamLocalAddress)), ("", "127.0.0.1:8080"));
    let e = entry(ENVOY);
    assert_eq!((e.code(), e.flags().collect::<Vec<_>>(), e.text(Field::UpstreamHost)), (503, vec!["UF"], "10.0.0.1:80"));
    let e = entry(JSON);
    assert_eq!((e.code(), e.flags().count(), e.transport_failure()), (503, 2, "delayed_connect_error:_Connection_refused"));
    assert_eq!(e.text(Field::RouteName), "");
}

#[test]
fn values_may_hold_what_ends_them() {
    let e = entry(&DENIED.replace("curl/7.88.1", r#"odd" "agent"#).clone()).text(Field::UserAgent).to_owned();
    assert_eq!(e, r#"odd" "agent"#);
    let spaces = DENIED.replace("/deny", "/a b HTTP/1.1 c");
    assert_eq!(entry(&spaces).text(Field::Path), "/a b HTTP/1.1 c");
}

#[test]
fn other_lines_are_other_lines() {
    let reader = Reader::default();
    for line in [
        "",
        "GET / 200",
        r#"{"level":"info","method":"GET","path":"/","status_code":200}"#,
        r#"{"a":"#,
        "[2026-11-22 11:53:53][info] \"x\"",
        "2026-11-22T11:53:24.152661Z\tinfo\tFLAG: --concurrency=\"0\"",
    ] {
        assert_eq!(reader.read(line), Line::Other, "{line}");
    }
    assert!(matches!(reader.read(&DENIED.replace(" 403 ", " x ")), Line::Broken(_)));
    assert!(matches!(reader.read(r#"{"response_flags":"UF","#), Line::Broken(_)));
}

#[test]
fn formats_are_read_and_their_mistakes_placed() {
    let Ok(Format::Text(pieces)) = Format::parse(r"%START_TIME(%Y-%m (%d))% 100%% %REQ(X-A?:B):5%\n") else { panic!("a format") };
    let shown: Vec<String> = pieces
        .iter()
        .map(|p| match p {
            Piece::Literal(l) => l.clone(),
            Piece::Operator(o) => o.to_string(),
        })
        .collect();
    assert_eq!(shown, ["%START_TIME(%Y-%m (%d))%", " 100% ", "%REQ(X-A?:B):5%"]);
    assert_eq!(Format::parse("%A% %b%").map_err(|e| e.offset), Err(4));
    assert!(Format::parse("no operator").is_err() && Format::parse("{\"a\": \"%x\"}").is_err() && Format::parse("{").is_err());
    let json = Format::parse(r#"{"http": {"status": "%RESPONSE_CODE%", "flags": "%RESPONSE_FLAGS%"}, "path": "%TRACE_ID%"}"#).expect("a format");
    let reader = Reader::of(json);
    let Line::Entry(e) = reader.read(r#"{"http": {"status": 404, "flags": "NR"}, "path": "abc"}"#) else { panic!("an entry") };
    assert_eq!((e.code(), e.text(Field::ResponseFlags), e.text(Field::Path)), (404, "NR", ""));
}

fn unwrapped(lines: &[&str]) -> Vec<(String, Origin)> {
    let mut out = Vec::new();
    let mut unwrapper = Unwrapper::default();
    for line in lines {
        unwrapper.lines(line, &mut |l, o, layer| {
            let read = layer == Layer::Innermost || matches!(Reader::default().read(l), Line::Entry(_));
            if read {
                out.push((l.to_owned(), o.clone()));
            }
            read
        });
    }
    out
}

#[test]
fn lines_come_out_of_their_wrapping() {
    let quoted = serde_json::Value::from(ENVOY).to_string();
    let end = serde_json::Value::from(format!("{ENVOY}\n")).to_string();
    let at = ENVOY.len() / 2;
    let (head, tail) = ENVOY.split_at(at);
    let json = serde_json::Value::from(JSON).to_string();
    for (lines, want) in [
        (vec![format!("[pod/shop-1/istio-proxy] {ENVOY}")], ENVOY),
        (vec![format!("2026-11-22T11:53:53.803123456Z {ENVOY}")], ENVOY),
        (vec![format!("[pod/shop-1/istio-proxy] 2026-11-22T11:53:53.803123456Z {ENVOY}")], ENVOY),
        (vec![format!("2026-11-22T11:53:53.803123456+01:00 stdout F {ENVOY}")], ENVOY),
        (vec![format!("2026-11-22T11:53:53.8Z stdout P {head}"), format!("2026-11-22T11:53:53.8Z stdout F {tail}")], ENVOY),
        (vec![format!(r#"{{"log":{end},"stream":"stdout","time":"2026-11-22T11:53:53.8Z"}}"#)], ENVOY),
        (vec![format!(r#"{{"date":1.5,"kubernetes":{{"pod_name":"shop-1","namespace_name":"ns"}},"log":{quoted}}}"#)], ENVOY),
        (vec![format!(r#"[0] kube.x: [[1700000000.1, {{}}], {{"log"=>{quoted}}}]"#)], ENVOY),
        (vec![format!(r#"{{"@timestamp":"x","message":{json},"kubernetes":{{"pod":{{"name":"shop-1"}}}}}}"#)], JSON),
        (vec![format!(r#"{{"container_name":"envoy","source":"stdout","log":{json},"ecs_cluster":"c"}}"#)], JSON),
        (vec![format!(r#"{{"_index":"i","_source":{{"message":{quoted}}}}}"#)], ENVOY),
        (vec![format!(r#"{{"labels":{{"pod":"shop-1"}},"line":{quoted},"timestamp":"x"}}"#)], ENVOY),
        (vec![format!(r#"2026-11-22T11:53:53Z {{pod="shop-1", app="a"}} {ENVOY}"#)], ENVOY),
        (vec![format!(r#"{{"data":{{"resultType":"streams","result":[{{"stream":{{"pod":"shop-1"}},"values":[["17",{quoted}]]}}]}}}}"#)], ENVOY),
        (vec![ENVOY.to_owned()], ENVOY),
        (vec![JSON.to_owned()], JSON),
    ] {
        let found = unwrapped(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let texts: Vec<&str> = found.iter().map(|(l, _)| l.trim_end()).collect();
        assert_eq!(texts, [want], "{lines:?}");
        let pod = &found[0].1.pod;
        assert!(pod.is_empty() || pod == "shop-1");
    }
}

/// A value as Envoy could print it for an operator.
fn value(operator: &Operator) -> BoxedStrategy<String> {
    match operator.class() {
        Class::Number => "[0-9]{1,6}".boxed(),
        Class::Flags => "(UF|URX,UF|NR|DC)".boxed(),
        Class::Token => "[a-z0-9.:|/_]{1,12}".boxed(),
        Class::Time => "[0-9TZ:.-]{4,24}".boxed(),
        // No quote, bracket, space or percent: those would make another line that reads as well.
        Class::Any => "[a-zA-Z0-9/._:{}|=?&-]{2,16}".boxed(),
    }
}

fn format_and_values() -> impl Strategy<Value = (String, Vec<String>)> {
    let operators = prop::sample::subsequence(
        vec![
            "%START_TIME%",
            "%REQ(:METHOD)%",
            "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
            "%PROTOCOL%",
            "%RESPONSE_CODE%",
            "%RESPONSE_FLAGS%",
            "%RESPONSE_CODE_DETAILS%",
            "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
            "%BYTES_SENT%",
            "%UPSTREAM_CLUSTER%",
            "%REQUESTED_SERVER_NAME%",
            "%ROUTE_NAME%",
        ],
        1..12,
    );
    (operators, prop::sample::select(vec![" ", "\" \"", "\t", "; ", "] [", " \u{fc} "]), "[\\[\"]?").prop_flat_map(|(operators, between, edge)| {
        let format = format!("{edge}{}{edge}", operators.join(between));
        let values: Vec<BoxedStrategy<String>> = operators.iter().map(|o| value(&Operator::parse(&o[1..]).expect("an operator").0)).collect();
        (Just(format), values)
    })
}

proptest! {
    #[test]
    fn what_a_format_prints_it_reads((format, values) in format_and_values()) {
        let format = Format::parse(&format).expect("a format");
        let Format::Text(pieces) = &format else { panic!("text") };
        let operators: Vec<&Operator> = pieces.iter().filter_map(|p| if let Piece::Operator(o) = p { Some(o) } else { None }).collect();
        let line = format.render(&|o| operators.iter().position(|x| *x == o).map(|i| values[i].clone()));
        let entry = format.read(&line);
        prop_assert!(entry.is_some(), "{line}");
        for (o, v) in operators.iter().zip(&values) {
            if let (Some(field), Some(entry)) = (o.field(), &entry) {
                prop_assert_eq!(entry.text(field), v, "{} in {}", o, &line);
            }
        }
    }

    #[test]
    fn a_json_format_reads_what_it_prints(code in 100u16..600, flags in "(UF|NR|-)", path in "\\PC{0,20}") {
        let format = Format::parse(r#"{"a": {"code": "%RESPONSE_CODE%"}, "f": "%RESPONSE_FLAGS%", "p": "%REQ(:PATH)%", "u": "%UPSTREAM_HOST%"}"#).expect("a format");
        let line = format.render(&|o| match o.name.as_str() {
            "RESPONSE_CODE" => Some(code.to_string()),
            "RESPONSE_FLAGS" => Some(flags.clone()),
            "REQ" => Some(path.clone()),
            _ => Some("h".to_owned()),
        });
        let Line::Entry(e) = Reader::of(format).read(&line) else { return Err(TestCaseError::fail(line)) };
        prop_assert_eq!(e.code(), code);
        prop_assert_eq!(e.text(Field::Path), if path == "-" { "" } else { path.as_str() });
    }

    #[test]
    fn nothing_panics(format in "(%[A-Z_]{0,8}(\\([^)]{0,4}\\))?(:[0-9]{0,3})?%|[ \"%a\u{fc}]{0,3}){0,8}", lines in prop::collection::vec("(\\[pod/a/b\\] |\\{\"log\":|20[0-9-T:.Z]{0,20} |stdout [FP] |[\\PC]){0,6}", 0..6)) {
        let reader = Format::parse(&format).map_or_else(|_| Reader::default(), Reader::of);
        let mut unwrapper = Unwrapper::default();
        for line in &lines {
            unwrapper.lines(line, &mut |l, _, _| matches!(reader.read(l), Line::Entry(_)));
            reader.read(line);
        }
    }
}

#[test]
fn a_hostile_line_costs_no_more_than_its_length_times_the_format() {
    // Every quote could end every value; a search without memory would take for ever.
    let format = Format::parse(&vec!["\"%REQ(A)%\""; 40].join(" ")).expect("a format");
    let line = format!("{}x", "\" \"".repeat(3000));
    assert_eq!(Reader::of(format).read(&line), Line::Other);
}
