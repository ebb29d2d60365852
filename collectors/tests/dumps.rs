//! Pages from files, folders and archives: whose they are, and what is refused.

use flate2::Compression;
use flate2::write::GzEncoder;
use mesh_collectors::dumps::{Choice, Dumps, Limits, PodName, Proxy, Want, read_path, read_stream};
use mesh_envoy::identify::Content;
use std::io::Write;

const ALL: &[Content] = &[Content::ConfigDump, Content::Clusters, Content::Certs, Content::Ztunnel, Content::Syncz, Content::ServerInfo];

fn dump_of(name: &str) -> String {
    format!(r#"{{"configs": [{{"@type": "x.BootstrapConfigDump", "bootstrap": {{"node": {{"id": "sidecar~10.0.0.7~{name}~x"}}}}}}]}}"#)
}

const CLUSTERS: &str = r#"{"cluster_statuses": []}"#;
const VIEW: &str = r#"{"configs":[{"@type":"type.googleapis.com/envoy.admin.v3.BootstrapConfigDump"},{"@type":"x"}]}"#;

fn tar(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, bytes) in entries {
        let mut header = tar::Header::new_ustar();
        // By hand: the library refuses to write names that lead out of an archive.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, *bytes).expect("an entry");
    }
    builder.into_inner().expect("an archive")
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("packed");
    encoder.finish().expect("packed")
}

fn read(bytes: &[u8], pod: Option<&str>, limits: Limits) -> Dumps {
    let pod = pod.map(|p| PodName::parse(p, None).expect("a name"));
    read_stream("a", bytes, &Want { pod: pod.as_ref(), contents: ALL }, limits)
}

fn names(list: &[Proxy]) -> Vec<&str> {
    list.iter().map(|p| p.name.as_str()).collect()
}

fn problems(dumps: &Dumps) -> String {
    dumps.problems.iter().map(|(s, m)| format!("{s}: {m}\n")).collect()
}

#[test]
fn a_bug_report_is_read_by_pod() {
    let cart = dump_of("cart-1.shop");
    let web = dump_of("web-1.shop");
    let entries: &[(&str, &[u8])] = &[
        ("bug-report/versions", b"1.30"),
        ("bug-report/proxies/shop/cart-1/config_dump?include_eds", cart.as_bytes()),
        ("bug-report/proxies/shop/cart-1/certs", br#"{"certificates": []}"#),
        ("bug-report/proxies/shop/cart-1/cart-1.log", b"warning envoy\n"),
        ("bug-report/proxies/shop/web-1/config_dump?include_eds", web.as_bytes()),
        ("bug-report/istio/istio-system/istiod-1/debug/syncz", br#"[{"proxy": "cart-1.shop", "cluster_sent": "a"}]"#),
    ];
    for archive in [gz(&tar(entries)), tar(entries)] {
        let all = read(&archive, None, Limits::default());
        assert_eq!(
            (names(&all.proxies), names(&all.control_planes), problems(&all).as_str()),
            (vec!["cart-1.shop", "web-1.shop"], vec!["istiod-1.istio-system"], "")
        );
        assert_eq!(all.proxies[0].pages.len(), 2);
        let several = Dumps::choose(&all.proxies, None).expect_err("several");
        assert_eq!(several, Choice::Several(vec!["cart-1.shop".into(), "web-1.shop".into()]));

        let pod = PodName::parse("web-1", Some("shop")).expect("a name");
        let one = read(&archive, Some("web-1.shop"), Limits::default());
        let found = Dumps::choose(&one.proxies, Some(&pod)).expect("web-1");
        assert_eq!(found.page(&[Content::ConfigDump]).map(|p| p.text.as_str()), Some(web.as_str()));
        // Of the others the names are known, and nothing is kept.
        assert!(names(&one.proxies).contains(&"cart-1.shop") && one.proxies[0].pages.iter().all(|p| p.text.is_empty()));
        let other = PodName::parse("db-1", None).expect("a name");
        assert!(matches!(Dumps::choose(&one.proxies, Some(&other)), Err(Choice::Other(list)) if list.len() == 2));
    }
}

#[test]
fn entries_that_lead_out_of_an_archive_are_passed_over_and_said() {
    let dump = dump_of("cart-1.shop");
    let mut builder = tar::Builder::new(tar(&[("../../etc/dump.json", dump.as_bytes()), ("/etc/dump.json", dump.as_bytes())]));
    // The two blocks of zeros end an archive; what is appended follows them only for readers that do not stop.
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "dump.json", "/etc/passwd").expect("a link");
    let strange =
        read(&tar(&[("../../etc/dump.json", dump.as_bytes()), ("/etc/dump.json", dump.as_bytes()), ("ok.json", dump.as_bytes())]), None, Limits::default());
    assert_eq!(names(&strange.proxies), ["cart-1.shop"]);
    assert_eq!(strange.proxies[0].pages.len(), 1);
    assert!(problems(&strange).contains("2 entries lead out of the archive"), "{}", problems(&strange));
    let mut only_link = tar::Builder::new(Vec::new());
    only_link.append_link(&mut header, "dump.json", "/etc/passwd").expect("a link");
    let linked = read(&only_link.into_inner().expect("an archive"), None, Limits::default());
    assert!(linked.proxies.is_empty() && problems(&linked).contains("1 link was passed over"), "{}", problems(&linked));
}

#[test]
fn bombs_end_early_and_are_said() {
    // A page of blanks packs a thousandfold.
    let blanks = vec![b' '; 40 << 20];
    let bomb = read(&gz(&tar(&[("a.json", &blanks)])), None, Limits::default());
    assert!(problems(&bomb).contains("more than 300 times its size"), "{}", problems(&bomb));
    let bomb = read(&gz(&blanks), None, Limits::default());
    assert!(bomb.proxies.iter().all(|p| p.pages.iter().all(|p| p.text.len() < 2 << 20)), "a packed page");

    let dump = dump_of("cart-1.shop");
    let small = Limits { total: 3 * dump.len() as u64, entries: 10, ..Limits::default() };
    let names: Vec<String> = (0..20).map(|i| format!("{i}.json")).collect();
    let entries: Vec<(&str, &[u8])> = names.iter().map(|n| (n.as_str(), dump.as_bytes())).collect();
    let large = read(&tar(&entries), None, small);
    assert!(problems(&large).contains("the rest was not read") && large.proxies[0].pages.len() == 3, "{}", problems(&large));
    let empty: Vec<(&str, &[u8])> = names.iter().map(|n| (n.as_str(), &b"{}"[..])).collect();
    assert!(problems(&read(&tar(&empty), None, Limits { total: 1 << 20, ..small })).contains("more than 10 entries"));
    let page = read(dump.as_bytes(), None, Limits { page: 8, ..small });
    assert!(page.proxies.is_empty() && problems(&page).contains("larger than"), "{}", problems(&page));
}

#[test]
fn a_torn_archive_costs_what_is_missing() {
    let dump = dump_of("cart-1.shop");
    let whole = gz(&tar(&[("proxies/shop/cart-1/config_dump", dump.as_bytes()), ("proxies/shop/web-1/config_dump", dump_of("web-1.shop").as_bytes())]));
    for cut in 1..whole.len() {
        let part = read(&whole[..cut], None, Limits::default());
        assert!(!part.problems.is_empty() || !part.proxies.is_empty(), "{cut}");
    }
    let unpacked = tar(&[("proxies/shop/cart-1/config_dump", dump.as_bytes()), ("proxies/shop/web-1/config_dump", dump.as_bytes())]);
    let part = read(&unpacked[..1100 + dump.len().div_ceil(512) * 512], None, Limits::default());
    assert_eq!(names(&part.proxies), ["cart-1.shop"]);
    assert!(problems(&part).contains("ends early"), "{}", problems(&part));
}

#[test]
fn a_folder_is_one_proxy_several_or_a_proxy_a_folder() {
    let dir = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        std::fs::write(path, text).expect("a file");
    };
    write("pods/a/config_dump.json", &dump_of("a-1.shop"));
    write("pods/a/clusters.json", CLUSTERS);
    write("pods/b/clusters.json", CLUSTERS);
    write("pods/b/certs.json", r#"{"certificates": []}"#);
    write("flat/config_dump_c-1.json", &dump_of("c-1.shop"));
    write("flat/clusters_c-1.json", CLUSTERS);
    write("flat/config_dump_d-1.json", &dump_of("d-1.shop"));
    write("flat/what.json", CLUSTERS);
    write("istiod/config_dump_d-1.json", VIEW);
    write("notes.txt", "nothing");
    let read = |at: &str| read_path(&dir.path().join(at), &Want { pod: None, contents: ALL }, Limits::default());
    let pods = read("pods");
    assert_eq!((names(&pods.proxies), pods.proxies[0].pages.len()), (vec!["a-1.shop", "b"], 2));
    let flat = read("");
    let d: Vec<&str> = names(&flat.proxies);
    assert!(d.contains(&"c-1.shop") && d.contains(&"d-1.shop") && d.iter().any(|n| n.ends_with("what.json")), "{d:?}");
    assert_eq!(flat.proxies.iter().find(|p| p.name == "c-1.shop").map(|p| p.pages.len()), Some(2));
    assert_eq!(names(&flat.views), ["d-1.shop"]);
}

#[test]
fn garbage_is_refused_after_its_first_mebibyte() {
    struct Endless(u64);
    impl std::io::Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0 += buffer.len() as u64;
            assert!(self.0 < 4 << 20, "it is read on and on");
            buffer.fill(b'x');
            Ok(buffer.len())
        }
    }
    let dumps = read_stream("a", Endless(0), &Want { pod: None, contents: ALL }, Limits::default());
    assert_eq!(dumps.proxies[0].pages[0].content, Content::OtherText);
}
