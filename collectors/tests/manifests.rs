//! Which files are read, in which order, and what is said of the others.

use mesh_model::{ProblemKind, Role, Snapshot};
use std::fs;
use std::path::Path;

const ACCOUNT: &str = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: NAME}\n";

fn account(name: &str) -> String {
    ACCOUNT.replace("NAME", name)
}

fn read(paths: &[&str]) -> Snapshot {
    let mut snapshot = Snapshot::new();
    let paths: Vec<String> = paths.iter().map(|p| (*p).to_owned()).collect();
    mesh_collectors::manifests::read(&mut snapshot, &paths, Role::Judged, 0);
    snapshot
}

fn names(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.objects.iter().map(|o| o.name()).collect()
}

fn problems(snapshot: &Snapshot, root: &Path) -> Vec<String> {
    let short = |s: &str| s.replace(&format!("{}/", root.display()), "");
    snapshot.problems.iter().map(|p| format!("{:?} {}: {}; {}", p.kind, short(&p.subject), short(&p.message), short(p.help.as_deref().unwrap_or("")))).collect()
}

fn write(root: &Path, path: &str, text: impl AsRef<[u8]>) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().expect("parent")).expect("folder");
    fs::write(path, text).expect("file");
}

#[test]
fn directories_are_read_in_order_without_hidden_ones() {
    let dir = tempfile::tempdir().expect("folder");
    let root = dir.path();
    for (path, name) in [("b.yml", "b"), ("a/z.YAML", "z"), ("a/y.json.bak", "no"), (".git/x.yaml", "hidden"), ("c.txt", "text"), ("d.JSON", "json")] {
        write(root, path, account(name));
    }
    let at = |p: &str| root.join(p).display().to_string();
    assert_eq!(names(&read(&[&at("")])), ["z", "b", "json"]);
    assert_eq!(names(&read(&[&at("c.txt"), &at(".git"), &at("b.yml"), &at("")])), ["text", "hidden", "b", "z", "json"]);
    assert_eq!(names(&read(&[&at("**/*.yml"), &at("?.txt")])), ["b", "text"]);
    assert_eq!(names(&read(&[&at("*.{yml,JSON}")])), ["b", "json"]);
}

#[test]
fn what_is_missing_is_named() {
    let dir = tempfile::tempdir().expect("folder");
    let at = |p: &str| dir.path().join(p).display().to_string();
    assert_eq!(
        problems(&read(&[&at("none.yaml"), &at("*.yaml")]), dir.path()),
        ["Unreadable none.yaml: does not exist; ", "Unreadable *.yaml: matches no file; "]
    );
}

#[test]
fn a_broken_document_costs_only_itself() {
    let dir = tempfile::tempdir().expect("folder");
    let root = dir.path();
    let mut bytes = account("a").into_bytes();
    bytes.extend(b"---\na: \xff\n---\nb: [\n---\nc: \x00\n---\n");
    bytes.extend(account("z").into_bytes());
    write(root, "a.yaml", bytes);
    let utf16: Vec<u8> = "\u{feff}a: b".encode_utf16().flat_map(u16::to_le_bytes).collect();
    write(root, "b.yaml", utf16);
    write(root, "c.json", "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"one\"}}\n{\"apiVersion\":\"v1\"}");
    let snapshot = read(&[&root.display().to_string()]);
    assert_eq!(names(&snapshot), ["a", "z", "one"]);
    let kinds: Vec<_> = snapshot.problems.iter().map(|p| p.kind).collect();
    assert_eq!(kinds, [ProblemKind::Syntax, ProblemKind::Syntax, ProblemKind::Syntax, ProblemKind::Syntax, ProblemKind::Ignored]);
    let lines: Vec<_> = snapshot.problems.iter().filter_map(|p| p.place.as_ref()).map(|(source, span)| source.position(span.start).line).collect();
    assert_eq!(lines, [5, 7, 9, 1, 2], "{:#?}", problems(&snapshot, root));
    assert!(snapshot.problems[0].message.contains("offset 63"), "{}", snapshot.problems[0].message);
}

#[test]
fn a_value_behind_a_separator_is_told() {
    let dir = tempfile::tempdir().expect("folder");
    let other = "--- !ruby/object {}\n";
    write(dir.path(), "a.yaml", account("a") + "--- kind: x\n---\n" + &account("b"));
    write(dir.path(), "b.yaml", other);
    let snapshot = read(&[&dir.path().display().to_string()]);
    assert_eq!(names(&snapshot), ["a", "b"]);
    let places: Vec<_> = snapshot.problems.iter().filter_map(|p| p.place.as_ref()).map(|(s, span)| (s.position(span.start).line, s.slice(*span))).collect();
    assert_eq!(places, [(4, "--- kind: x")]);
}

#[cfg(unix)]
#[test]
fn links_and_pipes_never_block() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().expect("folder");
    let root = dir.path();
    write(root, "a/a.yaml", account("a"));
    symlink("gone", root.join("dangling.yaml")).expect("link");
    symlink("self.yaml", root.join("self.yaml")).expect("link");
    symlink("..", root.join("a/up")).expect("link");
    symlink("a.yaml", root.join("a/same.yaml")).expect("link");
    std::os::unix::net::UnixListener::bind(root.join("s.yaml")).expect("socket");
    let made = std::process::Command::new("mkfifo").arg(root.join("pipe.yaml")).status();
    let snapshot = read(&[&root.display().to_string()]);
    // A link to a file is a file of its own name.
    assert_eq!(names(&snapshot), ["a", "a"]);
    let said = problems(&snapshot, root);
    assert!(said.contains(&"Unreadable dangling.yaml: is a link to `gone`, which does not exist; ".to_owned()), "{said:#?}");
    assert!(said.contains(&"Unreadable s.yaml: is a socket, no file; ".to_owned()), "{said:#?}");
    assert!(said.iter().any(|p| p.starts_with("Unreadable self.yaml: is a link that leads nowhere")), "{said:#?}");
    if made.is_ok_and(|s| s.success()) {
        assert!(said.contains(&"Unreadable pipe.yaml: is a pipe; name it on the command line to read it".to_owned()), "{said:#?}");
        let pipe = root.join("pipe.yaml");
        let writer = std::thread::spawn(move || fs::write(pipe, account("piped")));
        assert_eq!(names(&read(&[&root.join("pipe.yaml").display().to_string()])), ["piped"]);
        writer.join().expect("writer").expect("written");
    }
}

#[test]
fn templates_and_kustomizations_are_left_to_their_tools() {
    let dir = tempfile::tempdir().expect("folder");
    let root = dir.path();
    write(root, "chart/Chart.yaml", "name: x\n");
    write(root, "chart/crds/crd.yaml", account("crd"));
    write(root, "chart/templates/a.yaml", account("a"));
    write(root, "chart/charts/sub/Chart.yaml", "name: y\n");
    write(root, "chart/charts/sub/templates/b.yaml", account("b"));
    write(root, "loose.yaml", account("{{ .Release.Name }}"));
    write(root, "base/kustomization.yaml", "resources: [c.yaml]\n");
    write(root, "base/c.yaml", account("c"));
    write(root, "base/d.yaml", account("d"));
    write(root, "over lay/kustomization.yaml", "resources: [../base]\npatchesStrategicMerge: [p.yaml]\n");
    write(root, "over lay/p.yaml", account("c"));
    let snapshot = read(&[&root.display().to_string()]);
    assert_eq!(names(&snapshot), ["d", "crd"]);
    assert_eq!(
        problems(&snapshot, root),
        [
            "HelmTemplate chart: a Helm chart: its 2 templates are not rendered, and not judged; type `helm template chart chart | meshctl analyze -`"
                .to_owned(),
            format!(
                "Kustomize over lay: a kustomization: its files are not judged as they stand; type `kustomize build '{}' | meshctl analyze -`",
                root.join("over lay").display()
            )
            .replace(&format!("{}/", root.display()), ""),
            "HelmTemplate loose.yaml: a template that is not rendered, and not judged; render it first: `helm template NAME DIR | meshctl analyze -`"
                .to_owned(),
        ]
    );
    // One of its files alone is still part of it.
    let alone = read(&[&root.join("base/c.yaml").display().to_string(), &root.join("chart/templates/a.yaml").display().to_string()]);
    assert_eq!((names(&alone).len(), alone.problems.len()), (0, 2));
}

#[test]
fn a_template_costs_only_its_own_document() {
    let dir = tempfile::tempdir().expect("folder");
    let root = dir.path();
    write(root, "a.yaml", format!("{}---\nname: {{{{ .Values.name }}}}\n---\n{}---\n{}", account("a"), account("{{ .x }}"), account("b")));
    write(root, "b.yaml", format!("{}---\nalert: \"{{{{ $value }}}}\"\nexpr: [\n", account("c")));
    let snapshot = read(&[&root.display().to_string()]);
    assert_eq!(names(&snapshot), ["a", "b", "c"]);
    let said = problems(&snapshot, root);
    assert!(said[0].starts_with("Syntax b.yaml"), "{said:#?}");
    assert_eq!(snapshot.problems[1].message, "2 of its documents are templates that are not rendered, and not judged");
    assert_eq!((said.len(), snapshot.problems[1].subject.ends_with("a.yaml")), (2, true), "{said:#?}");
}

#[test]
fn a_broken_kustomization_is_told() {
    let dir = tempfile::tempdir().expect("folder");
    let root = dir.path();
    write(root, "base/kustomization.yaml", "resources: [a.yaml\n");
    write(root, "base/patch.yaml", account("patch"));
    write(root, "other/a.yaml", account("a"));
    let snapshot = read(&[&root.display().to_string()]);
    assert_eq!(names(&snapshot), ["a"]);
    let kinds: Vec<_> = snapshot.problems.iter().map(|p| p.kind).collect();
    assert_eq!(kinds, [ProblemKind::Syntax, ProblemKind::Kustomize], "{:#?}", problems(&snapshot, root));
    // It is no part of the input here, but what is can't be judged without it.
    let said = problems(&read(&[&root.join("base/patch.yaml").display().to_string()]), root);
    assert!(said[0].starts_with("Unreadable base/kustomization.yaml: a kustomization that is not valid YAML: line 1, column 12: "), "{said:#?}");
}

#[test]
fn bytes_are_counted_with_the_file_they_are_of() {
    let dir = tempfile::tempdir().expect("folder");
    write(dir.path(), "a.yaml", account("a"));
    write(dir.path(), "b.json", "{\"no\": \"object\"}");
    let most = std::sync::Mutex::new((0, 0));
    let progress = |p: mesh_collectors::manifests::Progress| {
        let mut most = most.lock().expect("lock");
        *most = (*most).max((p.files_read, p.bytes_read));
    };
    let options = mesh_collectors::manifests::Options { role: Role::Judged, cluster: 0, progress: Some(&progress), exclude: None };
    mesh_collectors::manifests::read_with(&mut Snapshot::new(), &[dir.path().display().to_string()], &options);
    assert_eq!(*most.lock().expect("lock"), (2, account("a").len() as u64 + 16));
}
