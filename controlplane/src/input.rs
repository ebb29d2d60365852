//! Where the mesh's objects come from: manifests that are watched, or anything that can be asked again.

use mesh_collectors::manifests;
use mesh_model::{Completeness, Kind, Object, ProblemKind, Role, Snapshot, Source as Text};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// What asking an input again gave.
pub enum Reading {
    /// Nothing has changed.
    Same,
    New {
        snapshot: Box<Snapshot>,
        /// What could not be read, and what is used in its place.
        problems: Vec<String>,
    },
    /// Nothing could be read; what was read before stays.
    Failed(Vec<String>),
}

/// An input that is asked again and again, on a thread of its own.
pub trait Input: Send {
    fn read(&mut self) -> Reading;
    /// How long to wait before it is asked again.
    fn pause(&self) -> Duration;
}

/// What a look at the folders shows of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Mark {
    length: u64,
    changed: SystemTime,
}

/// Manifests: files and folders. They are looked at twenty times a second; a change is read when two looks show the same.
pub struct Manifests {
    clusters: Vec<Cluster>,
    /// The cluster of which all counts; of the others only what a control plane reads in clusters that are not its own.
    own: u16,
    mesh_config: Option<PathBuf>,
    /// At the last look.
    seen: BTreeMap<PathBuf, Mark>,
    /// When it was read last.
    read: Option<BTreeMap<PathBuf, Mark>>,
    /// The text of each file when it could be read.
    good: BTreeMap<String, (u16, Arc<Text>)>,
    said: Vec<String>,
    /// How long the last look took.
    took: Duration,
}

/// The manifests of one cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// As proxies say it (`CLUSTER_ID`); "" where there is one only.
    pub name: String,
    pub paths: Vec<String>,
}

/// What a control plane reads in clusters beside its own, as istiod does by remote secrets: services, and what is behind
/// them. Rules of traffic and security are those of its own cluster.
const SHARED: &[Kind] = &[Kind::Namespace, Kind::Node, Kind::Service, Kind::ServiceAccount, Kind::Endpoints, Kind::EndpointSlice, Kind::Pod];

/// What the control plane of one of several clusters takes of what was read of all of them.
pub fn keep_what_counts(snapshot: &mut Snapshot, own: u16) {
    snapshot.objects.retain(|o| o.cluster == own || SHARED.contains(&o.kind) || Kind::TEMPLATES.contains(&o.kind));
}

/// A file that has changed is looked at again so soon, and others are looked at so often.
const SOON: Duration = Duration::from_millis(25);
const OFTEN: Duration = Duration::from_millis(50);

impl Manifests {
    pub fn new(paths: Vec<String>, mesh_config: Option<PathBuf>) -> Manifests {
        Manifests::of_clusters(vec![Cluster { name: String::new(), paths }], 0, mesh_config)
    }

    /// Of several clusters, for the control plane of the one with the index `own`. All control planes of a mesh are given
    /// the clusters in the same order.
    pub fn of_clusters(clusters: Vec<Cluster>, own: u16, mesh_config: Option<PathBuf>) -> Manifests {
        Manifests { clusters, own, mesh_config, seen: BTreeMap::new(), read: None, good: BTreeMap::new(), said: Vec::new(), took: Duration::ZERO }
    }

    fn look(&self) -> BTreeMap<PathBuf, Mark> {
        let mut out = BTreeMap::new();
        for path in self.clusters.iter().flat_map(|c| &c.paths).map(Path::new).chain(self.mesh_config.as_deref()) {
            look(path, &mut BTreeSet::new(), &mut out);
        }
        out
    }

    fn load(&mut self) -> Reading {
        let mut snapshot = Snapshot::new();
        snapshot.completeness = Completeness::Complete;
        snapshot.clusters = self.clusters.iter().map(|c| c.name.clone()).collect();
        // The mesh configuration is that of the own cluster: it is read first.
        let mut order: Vec<(u16, &Cluster)> = (0..).zip(&self.clusters).collect();
        order.sort_by_key(|(i, _)| *i != self.own);
        let mut config = None;
        for (i, cluster) in order {
            manifests::read(&mut snapshot, &cluster.paths, Role::Judged, i);
            if i == self.own {
                config = snapshot.mesh_config.clone();
            }
        }
        snapshot.mesh_config = config;
        let mut problems = Vec::new();
        let mut replaced: Vec<(u16, Arc<Text>)> = Vec::new();
        for p in &snapshot.problems {
            let is_broken = matches!(p.kind, ProblemKind::Syntax | ProblemKind::Unreadable);
            let line = p.place.as_ref().map_or_else(String::new, |(source, span)| format!(":{}", source.position(span.start).line));
            // A folder that is gone, or that nobody may read any more, takes nothing with it.
            let before = self.good.values().filter(|(_, text)| is_broken && is_of(text.name(), &p.subject));
            let kept: Vec<(u16, Arc<Text>)> = before.cloned().collect();
            let stays = match (kept.is_empty(), is_broken) {
                (false, _) => "; what it said before stays in force",
                (true, true) => "; it is left out",
                (true, false) => "",
            };
            for text in kept {
                if !replaced.iter().any(|r| r.1.name() == text.1.name()) {
                    replaced.push(text);
                }
            }
            problems.push(format!("{}{line}: {}{stays}", p.subject, p.message));
        }
        let broken: Vec<String> =
            snapshot.problems.iter().filter(|p| matches!(p.kind, ProblemKind::Syntax | ProblemKind::Unreadable)).map(|p| p.subject.clone()).collect();
        // What was taken away does not come back with its folder.
        let read: BTreeSet<&str> = snapshot.objects.iter().map(|o| o.source().name()).collect();
        self.good.retain(|name, _| read.contains(name.as_str()) || broken.iter().any(|b| is_of(name, b)));
        for object in &snapshot.objects {
            let source = object.source();
            if !broken.iter().any(|b| b == source.name()) && self.good.get(source.name()).is_none_or(|g| !Arc::ptr_eq(&g.1, source)) {
                self.good.insert(source.name().to_owned(), (object.cluster, Arc::clone(source)));
            }
        }
        for (cluster, text) in replaced {
            snapshot.objects.retain(|o| o.source().name() != text.name());
            manifests::add(&mut snapshot, text.name(), text.text().as_bytes().to_vec(), Role::Judged, cluster);
        }
        keep_what_counts(&mut snapshot, self.own);
        if let Some(path) = &self.mesh_config {
            match std::fs::read(path) {
                Ok(bytes) => mesh_config(&mut snapshot, &path.display().to_string(), bytes),
                Err(e) => problems.push(format!("{}: {e}", path.display())),
            }
        }
        problems.dedup();
        if snapshot.objects.is_empty() && !problems.is_empty() && self.read.is_none() {
            return Reading::Failed(problems);
        }
        // The same complaint is made once.
        let new: Vec<String> = problems.iter().filter(|p| !self.said.contains(p)).cloned().collect();
        self.said = problems;
        Reading::New { snapshot: Box::new(snapshot), problems: new }
    }
}

/// Whether a file is this one, or below this folder.
fn is_of(file: &str, path: &str) -> bool {
    file.strip_prefix(path.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A MeshConfig of its own stands in for that of the `istio` ConfigMap.
fn mesh_config(snapshot: &mut Snapshot, name: &str, bytes: Vec<u8>) {
    let source = Text::from_bytes(name, bytes);
    let span = mesh_model::Span::new(0, source.text().len());
    if let Some(tree) = mesh_model::yaml::parse_document(&source, span, mesh_model::yaml::Limits::default()).tree {
        snapshot.mesh_config = Some(Object::mesh_config(Arc::new(tree)));
    }
}

/// A link can lead back up: each folder is looked at once, as it is read.
fn look(path: &Path, folders: &mut BTreeSet<PathBuf>, out: &mut BTreeMap<PathBuf, Mark>) {
    let Ok(meta) = std::fs::metadata(path) else { return };
    if meta.is_dir() {
        let (true, Ok(entries)) = (folders.insert(std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())), std::fs::read_dir(path)) else { return };
        // In the order of their names, as they are read: of two ways to a folder the same one each time.
        let mut entries: Vec<PathBuf> = entries.flatten().filter(|e| !e.file_name().to_string_lossy().starts_with('.')).map(|e| e.path()).collect();
        entries.sort();
        entries.iter().for_each(|entry| look(entry, folders, out));
    } else if meta.is_file() {
        out.insert(path.to_owned(), Mark { length: meta.len(), changed: meta.modified().unwrap_or(SystemTime::UNIX_EPOCH) });
    }
}

impl Input for Manifests {
    fn read(&mut self) -> Reading {
        let start = Instant::now();
        let now = self.look();
        self.took = start.elapsed();
        let is_quiet = self.read.is_none() || now == self.seen;
        self.seen = now;
        if !is_quiet || self.read.as_ref() == Some(&self.seen) {
            return Reading::Same;
        }
        let reading = self.load();
        if matches!(reading, Reading::New { .. }) {
            self.read = Some(self.seen.clone());
        }
        reading
    }
    fn pause(&self) -> Duration {
        let is_quiet = self.read.as_ref() == Some(&self.seen);
        // Looking costs a fiftieth of one core at most.
        (if is_quiet { OFTEN } else { SOON }).max(self.took * 50)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str) -> String {
        format!("apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{ports: [{{port: 80}}]}}\n")
    }

    fn names(reading: Reading) -> (Vec<String>, Vec<String>) {
        match reading {
            Reading::New { snapshot, problems } => {
                let mut names: Vec<String> = snapshot.objects.iter().map(|o| o.name().to_owned()).collect();
                names.sort();
                (names, problems)
            }
            Reading::Same => (vec!["same".into()], vec![]),
            Reading::Failed(p) => (vec!["failed".into()], p),
        }
    }

    #[test]
    fn a_file_that_is_half_written_keeps_what_it_said_and_costs_no_other_file() {
        let dir = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("a file");
        write("a.yaml", &service("a"));
        write("b.yaml", &service("b"));
        let mut input = Manifests::new(vec![dir.path().display().to_string()], None);
        assert_eq!(names(input.read()).0, ["a", "b"]);
        assert_eq!(names(input.read()).0, ["same"]);
        write("a.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: sh");
        write("b.yaml", &(service("b") + "---\n" + &service("c")));
        assert_eq!(names(input.read()).0, ["same"], "it is still being written");
        let (found, problems) = names(input.read());
        assert_eq!(found, ["a", "b", "c"]);
        assert!(problems.len() == 1 && problems[0].contains("a.yaml:") && problems[0].contains("stays in force"), "{problems:?}");
        std::fs::remove_file(dir.path().join("b.yaml")).expect("gone");
        write("a.yaml", &service("d"));
        input.read();
        assert_eq!(names(input.read()), (vec!["d".to_owned()], vec![]));
    }

    #[test]
    fn a_folder_that_goes_away_keeps_what_it_said() {
        let dir = tempfile::tempdir().expect("a folder");
        let (folder, aside) = (dir.path().join("mesh"), dir.path().join("aside"));
        std::fs::create_dir(&folder).expect("a folder");
        for name in ["a", "b"] {
            std::fs::write(folder.join(format!("{name}.yaml")), service(name)).expect("a file");
        }
        let mut input = Manifests::new(vec![folder.display().to_string()], None);
        let mut again = || {
            let looks = [names(input.read()), names(input.read())];
            looks.into_iter().find(|(found, _)| *found != ["same"]).expect("a change")
        };
        assert_eq!(again().0, ["a", "b"]);
        std::fs::remove_file(folder.join("b.yaml")).expect("gone");
        assert_eq!(again().0, ["a"]);
        std::fs::rename(&folder, &aside).expect("gone");
        let (found, problems) = again();
        assert!(found == ["a"] && problems.len() == 1 && problems[0].contains("stays in force"), "{found:?} {problems:?}");
        std::fs::write(aside.join("c.yaml"), service("c")).expect("a file");
        std::fs::rename(&aside, &folder).expect("back");
        assert_eq!(again().0, ["a", "c"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_that_lead_in_circles_cost_nothing() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("a.yaml"), service("a")).expect("a file");
        // Each level would double the ways.
        for name in ["x", "y", "z"] {
            std::os::unix::fs::symlink(dir.path(), dir.path().join(name)).expect("a link");
        }
        let mut input = Manifests::new(vec![dir.path().display().to_string()], None);
        assert_eq!(input.look().len(), 1);
        assert_eq!(names(input.read()).0, ["a"]);
        assert_eq!(names(input.read()).0, ["same"]);
    }

    #[test]
    fn of_other_clusters_services_and_workloads_count_and_rules_do_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let rule = |name: &str| {
            format!("---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{host: a}}\n")
        };
        let cluster = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir(&path).expect("a folder");
            std::fs::write(path.join("all.yaml"), text).expect("a file");
            Cluster { name: name.to_owned(), paths: vec![path.display().to_string()] }
        };
        let clusters = vec![cluster("east", &(service("a") + &rule("east"))), cluster("west", &(service("a") + &rule("west")))];
        let mut input = Manifests::of_clusters(clusters, 1, None);
        let read = |input: &mut Manifests| match input.read() {
            Reading::New { snapshot, .. } => {
                let mut all: Vec<String> = snapshot.objects.iter().map(|o| format!("{} {} {}", snapshot.cluster_name(o), o.kind.name(), o.name())).collect();
                all.sort();
                all
            }
            _ => Vec::new(),
        };
        let all = ["east Service a", "west DestinationRule west", "west Service a"];
        assert_eq!(read(&mut input), all);
        // A file that is broken keeps what it said, and the cluster that it is of.
        std::fs::write(dir.path().join("east/all.yaml"), "kind: [").expect("a file");
        input.read();
        assert_eq!(read(&mut input), all);
    }

    #[test]
    fn nothing_to_read_is_said() {
        let mut input = Manifests::new(vec!["/nowhere/at/all".into()], None);
        let (found, problems) = names(input.read());
        assert!(found == ["failed"] && problems[0].contains("/nowhere/at/all"), "{problems:?}");
    }
}
