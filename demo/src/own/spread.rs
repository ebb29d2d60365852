//! One mesh of manifests over several clusters: each has a folder in which everything is but the workloads that are elsewhere. The
//! folders follow what they are made of, and have its files at the same places with the same lines.

use super::supply::ADDED;
use crate::clusters::SYSTEM;
use crate::{DemoError, Say};
use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits;
use mesh_model::{Kind, Object, Role, Source};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// The label of a workload, or of its template, that says which cluster it is in.
pub const LABEL: &str = "topology.istio.io/cluster";
/// What is said again within this is the same thing, said by another control plane.
const SAME: Duration = Duration::from_secs(5);
/// Workloads that a note or an error names.
const SHOWN: usize = 20;

/// Labels by their keys.
pub type Labels = BTreeMap<String, String>;

/// A folder for each cluster.
pub struct Spread {
    sources: Vec<PathBuf>,
    pub clusters: Vec<String>,
    places: Vec<(String, String)>,
    /// Folders are in it, called as the clusters.
    root: PathBuf,
    /// What was read last of each file, by its place in the folders.
    read: BTreeMap<PathBuf, Vec<u8>>,
    /// Whose turn it was, where nothing else says where a workload is.
    turns: BTreeMap<String, usize>,
    written: BTreeMap<PathBuf, String>,
    /// The labels that manifests give the control plane's namespace, by cluster: it has another network in each.
    pub system: Vec<Labels>,
    seen: Option<Marks>,
    /// As of the look before; files are read when two looks show the same.
    last: Option<Marks>,
}

/// What a look shows of files, by their places in the folders.
type Marks = BTreeMap<PathBuf, (PathBuf, u64, SystemTime)>;

/// What the folders are to have, and what is to be said.
#[derive(Debug, Default)]
struct Parts {
    /// By cluster and place.
    files: BTreeMap<PathBuf, String>,
    system: Vec<Labels>,
    notes: Vec<String>,
}

impl Spread {
    /// Makes the folders, below `root`. `places` are `NAME` or `NAME.NAMESPACE` of workloads, and their clusters. What is to be said comes with them.
    ///
    /// # Errors
    /// A place for a workload that is not there or in a cluster that is not, and folders that can't be written.
    pub fn begin(sources: &[PathBuf], clusters: &[String], places: &[(String, String)], root: &Path) -> Result<(Spread, Vec<String>), DemoError> {
        let mut this = Spread {
            sources: sources.to_vec(),
            clusters: clusters.to_vec(),
            places: places.to_vec(),
            root: root.to_owned(),
            read: BTreeMap::new(),
            turns: BTreeMap::new(),
            written: BTreeMap::new(),
            system: Vec::new(),
            seen: None,
            last: None,
        };
        for name in clusters {
            fs::create_dir_all(this.folder(name).join(ADDED)).map_err(DemoError::Folder)?;
        }
        this.seen = this.look();
        this.last.clone_from(&this.seen);
        let notes = this.make().map_err(DemoError::Folder)?;
        let all = this.workloads();
        for (name, cluster) in places {
            if !clusters.contains(cluster) {
                return Err(DemoError::Usage(format!("--place {name}={cluster}: there is no cluster {cluster}; there are {}", clusters.join(", "))));
            }
            if !all.iter().any(|w| is_called(w, name)) {
                let names: Vec<&str> = all.iter().map(|w| w.id.as_str()).collect();
                return Err(DemoError::Usage(format!("--place: no workload is called {name}; there are {}", some(&names))));
            }
        }
        Ok((this, notes))
    }

    pub fn folder(&self, cluster: &str) -> PathBuf {
        self.root.join(cluster)
    }

    /// Takes up what has changed; what is to be said of it.
    pub fn follow(&mut self) -> Vec<String> {
        // Of a folder that is gone everything stays, as with one cluster.
        let Some(now) = self.look() else { return Vec::new() };
        let is_quiet = self.last.as_ref() == Some(&now);
        if is_quiet && self.seen.as_ref() != Some(&now) {
            self.seen = Some(now.clone());
            self.last = Some(now);
            return self.make().unwrap_or_else(|e| {
                // It is tried again.
                self.seen = None;
                vec![format!("{}: {e}; what was there stays until it can be written", self.root.display())]
            });
        }
        self.last = Some(now);
        Vec::new()
    }

    /// Says what is said of files of the folders with the names of those that they are made of, and once what all control planes say.
    pub fn heard(&self, say: &Say) -> Say {
        let (say, names) = (say.clone(), Renamed::new(&self.sources, self.clusters.iter().map(|c| self.folder(c)).collect()));
        let last: Mutex<BTreeMap<String, Instant>> = Mutex::default();
        Arc::new(move |what| {
            let what = names.rename(what);
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            last.retain(|_, at| at.elapsed() < SAME);
            if last.insert(what.clone(), Instant::now()).is_none() {
                say(&what);
            }
        })
    }

    fn look(&self) -> Option<Marks> {
        let mut out = Marks::new();
        for (source, name) in self.sources.iter().zip(names(&self.sources)) {
            let meta = fs::metadata(source).ok()?;
            let name = if self.sources.len() == 1 && meta.is_dir() { PathBuf::new() } else { name };
            look(source, &name, &mut BTreeSet::new(), &mut out);
        }
        Some(out)
    }

    /// Reads the files, and writes what the folders are to have.
    fn make(&mut self) -> io::Result<Vec<String>> {
        let marks = self.seen.clone().unwrap_or_default();
        let mut notes = Vec::new();
        self.read.retain(|place, _| marks.contains_key(place));
        for (place, (path, ..)) in &marks {
            match fs::read(path) {
                Ok(bytes) => drop(self.read.insert(place.clone(), bytes)),
                Err(e) => notes.push(format!("{}: {e}", path.display())),
            }
        }
        let all = self.workloads();
        let wanted = self.clusters_of(&all, &mut notes);
        let parts = parts(&self.read, &self.clusters, &wanted);
        notes.extend(parts.notes);
        self.system = parts.system;
        for (place, text) in &parts.files {
            if self.written.get(place) != Some(text) {
                write(&self.root.join(place), text)?;
            }
        }
        for gone in self.written.keys().filter(|p| !parts.files.contains_key(*p)) {
            let _ = fs::remove_file(self.root.join(gone));
        }
        self.written = parts.files;
        Ok(notes)
    }

    /// All workloads of the files, by their names.
    fn workloads(&self) -> Vec<Member> {
        let mut out: Vec<Member> = Vec::new();
        for (place, bytes) in &self.read {
            let folder = folder_of(place, &self.clusters);
            out.extend(objects(place, bytes).iter().filter(|o| is_workload(o)).map(|o| Member::of(o, folder)));
        }
        out.sort();
        out
    }

    /// In which clusters the workloads of a name are that no folder places.
    fn clusters_of(&mut self, all: &[Member], notes: &mut Vec<String>) -> BTreeMap<String, usize> {
        let index = |name: &str| self.clusters.iter().position(|c| c == name);
        let asked = |m: &Member| self.places.iter().find(|(name, _)| is_called(m, name)).and_then(|(_, cluster)| index(cluster));
        let is_placed = all.iter().any(|m| m.folder.is_some() || index(&m.label).is_some()) || !self.places.is_empty();
        let mut out = BTreeMap::new();
        let mut turns = BTreeMap::new();
        let mut numbers = vec![0usize; self.clusters.len()];
        for m in all.iter().filter(|_| !is_placed) {
            numbers.iter_mut().zip(0..).filter(|(_, i)| self.turns.get(&m.owner) == Some(i)).for_each(|(n, _)| *n += 1);
        }
        for m in all {
            if !m.label.is_empty() && index(&m.label).is_none() {
                notes.push(format!("{}: its label {LABEL} says {}, and there is no such cluster; there are {}", m.id, m.label, self.clusters.join(", ")));
            }
            let said = asked(m).or_else(|| index(&m.label));
            if let Some(i) = said {
                out.insert(m.id.clone(), i);
            } else if m.folder.is_none() && is_placed {
                out.insert(m.id.clone(), 0);
            } else if m.folder.is_none() {
                // Who is here already stays where it is.
                let known = self.turns.get(&m.owner).or_else(|| turns.get(&m.owner)).copied();
                let i = known.unwrap_or_else(|| (0..numbers.len()).min_by_key(|i| numbers[*i]).unwrap_or(0));
                if known.is_none() {
                    numbers[i] += 1;
                }
                turns.insert(m.owner.clone(), i);
                out.insert(m.id.clone(), i);
            }
        }
        if !is_placed && turns != self.turns {
            let of = |i: usize| turns.iter().filter(|(_, at)| **at == i).map(|(name, _)| name.as_str()).collect::<Vec<_>>();
            let lists: Vec<String> = self.clusters.iter().enumerate().map(|(i, c)| format!("{c} has {}", some(&of(i)))).collect();
            notes.push(format!(
                "nothing says which workload is in which cluster, so that they are dealt out in turn ({}); --place NAME=CLUSTER says it, or the label {LABEL}, or folders that are called as the clusters",
                lists.join("; ")
            ));
        }
        self.turns = turns;
        out
    }
}

/// What files of the folders are made of.
struct Renamed {
    sources: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Renamed {
    fn new(sources: &[PathBuf], mut folders: Vec<PathBuf>) -> Renamed {
        // One folder's name may be the beginning of another's.
        folders.sort_by_key(|f| std::cmp::Reverse(f.as_os_str().len()));
        Renamed { sources: sources.to_vec(), folders }
    }

    fn rename(&self, text: &str) -> String {
        let mut out = text.to_owned();
        let is_one = matches!(self.sources.as_slice(), [one] if one.is_dir());
        // What is added is of no source.
        let own: Vec<(String, String)> = self.folders.iter().zip(0..).map(|(f, i)| (f.join(ADDED).display().to_string(), format!("\u{0}{i}\u{0}"))).collect();
        for (folder, (added, kept)) in self.folders.iter().zip(&own) {
            out = out.replace(added, kept);
            for (source, name) in self.sources.iter().zip(names(&self.sources)) {
                let place = if is_one { folder.clone() } else { folder.join(name) };
                out = out.replace(&place.display().to_string(), &source.display().to_string());
            }
        }
        own.iter().fold(out, |out, (added, kept)| out.replace(kept, added))
    }
}

/// A workload as it is looked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Member {
    /// `NAME.NAMESPACE` of what has made it: Pods of a Deployment are in the cluster that it is in.
    owner: String,
    /// `NAME.NAMESPACE`
    id: String,
    /// Its label, "" where it has none.
    label: String,
    folder: Option<usize>,
}

impl Member {
    fn of(o: &Object, folder: Option<usize>) -> Member {
        let label = o.spec_at(&["template", "metadata", "labels"]).and_then(|l| l.get(LABEL)).map(|n| n.text().to_owned());
        let label = label.or_else(|| o.label(LABEL).map(str::to_owned)).unwrap_or_default();
        Member { owner: format!("{}.{}", super::plan::owner(o), o.namespace()), id: id(o), label, folder }
    }
}

fn id(o: &Object) -> String {
    format!("{}.{}", o.name(), o.namespace())
}

fn is_called(m: &Member, name: &str) -> bool {
    [&m.id, &m.owner].iter().any(|id| *id == name || id.rsplit_once('.').is_some_and(|(n, _)| n == name))
}

fn is_workload(o: &Object) -> bool {
    o.kind == Kind::Pod || Kind::TEMPLATES.contains(&o.kind)
}

fn some(names: &[&str]) -> String {
    let more = if names.len() > SHOWN { format!(" and {} more", names.len() - SHOWN) } else { String::new() };
    if names.is_empty() { "nobody".to_owned() } else { names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ") + &more }
}

/// The cluster whose name a folder on the way to a file has.
fn folder_of(place: &Path, clusters: &[String]) -> Option<usize> {
    let folders = place.parent().into_iter().flat_map(Path::components);
    folders.filter_map(|c| if let Component::Normal(name) = c { name.to_str() } else { None }).find_map(|name| clusters.iter().position(|c| c == name))
}

fn objects(place: &Path, bytes: &[u8]) -> Vec<Object> {
    read_manifest(&source(place, bytes), Role::Judged, 0, Limits::default()).objects
}

fn source(place: &Path, bytes: &[u8]) -> Arc<Source> {
    Source::from_bytes(place.display().to_string(), bytes.to_vec())
}

/// What each folder is to have of the files, when workloads are in these clusters, by `NAME.NAMESPACE`.
fn parts(read: &BTreeMap<PathBuf, Vec<u8>>, clusters: &[String], wanted: &BTreeMap<String, usize>) -> Parts {
    let mut out = Parts { system: vec![Labels::new(); clusters.len()], ..Parts::default() };
    for (place, bytes) in read {
        let (source, folder) = (source(place, bytes), folder_of(place, clusters));
        let manifest = read_manifest(&source, Role::Judged, 0, Limits::default());
        for (i, cluster) in clusters.iter().enumerate() {
            let is_of_folder = folder.is_none_or(|f| f == i);
            let is_system = |o: &Object| o.kind == Kind::Namespace && o.name() == SYSTEM;
            let stays = |o: &&Object| !is_system(o) && if is_workload(o) { wanted.get(&id(o)).map_or(folder == Some(i), |at| *at == i) } else { is_of_folder };
            for o in manifest.objects.iter().filter(|o| is_system(o) && is_of_folder) {
                out.system[i].extend(o.labels().map(|(k, v)| (k.text().to_owned(), v.text().to_owned())));
            }
            let kept = manifest.objects.iter().filter(stays).count();
            if kept == 0 && (!is_of_folder || !manifest.objects.is_empty() && manifest.errors.is_empty()) {
                continue;
            }
            let text = without(source.text(), manifest.objects.iter().filter(|o| !stays(o)));
            let left = read_manifest(&Source::new(source.name(), text.as_str()), Role::Judged, 0, Limits::default());
            if left.objects.len() != kept {
                out.notes.push(format!("{}: its objects can't be told apart by cluster; write each as a document of its own", place.display()));
            }
            out.files.insert(Path::new(cluster).join(place), text);
        }
    }
    out
}

/// A text with blanks in place of some of its objects; lines stay where they are.
fn without<'o>(text: &str, objects: impl Iterator<Item = &'o Object>) -> String {
    let mut out = text.as_bytes().to_vec();
    for o in objects {
        let span = o.root().span();
        let (start, end) = (span.start as usize, (span.end as usize).min(out.len()));
        for b in &mut out[start..end] {
            if *b != b'\n' && *b != b'\r' {
                *b = b' ';
            }
        }
        // An item of a list has its place still.
        if o.root().id() != o.tree().root().id() {
            let word = b"null";
            if end - start > word.len() {
                out[start..start + word.len()].copy_from_slice(word);
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

/// What sources are called in the folders: as they are, with a number where two are called alike.
fn names(sources: &[PathBuf]) -> Vec<PathBuf> {
    let name = |p: &PathBuf| p.file_name().map_or_else(|| "manifests".to_owned(), |n| n.to_string_lossy().into_owned());
    let is_alone = |n: &str| sources.iter().filter(|p| name(p) == n).count() == 1;
    sources
        .iter()
        .zip(1..)
        .map(|(p, i)| Some(name(p)).filter(|n| is_alone(n)).map_or_else(|| PathBuf::from(format!("{i}")).join(name(p)), PathBuf::from))
        .collect()
}

/// Files that a reader of manifests would look at. A link can lead back up: each folder is looked at once.
fn look(path: &Path, place: &Path, folders: &mut BTreeSet<PathBuf>, out: &mut Marks) {
    let Ok(meta) = fs::metadata(path) else { return };
    if meta.is_dir() {
        let (true, Ok(entries)) = (folders.insert(fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())), fs::read_dir(path)) else { return };
        let mut names: Vec<_> = entries.flatten().map(|e| e.file_name()).filter(|n| !n.to_string_lossy().starts_with('.')).collect();
        names.sort();
        for name in names {
            let below = path.join(&name);
            let is_read = below.is_dir() || below.extension().is_some_and(|e| ["yaml", "yml", "json"].iter().any(|y| e.eq_ignore_ascii_case(y)));
            if is_read || name == "Kustomization" {
                look(&below, &place.join(&name), folders, out);
            }
        }
    } else if meta.is_file() {
        out.insert(place.to_owned(), (path.to_owned(), meta.len(), meta.modified().unwrap_or(SystemTime::UNIX_EPOCH)));
    }
}

/// Whole or not at all, for this user alone.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)?;
    // What begins with a dot is passed over by who reads the folder.
    let draft = folder.join(format!(".{}", path.file_name().unwrap_or_default().to_string_lossy()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&draft)?.write_all(text.as_bytes())?;
    fs::rename(&draft, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(name: &str, more: &str) -> String {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: shop{more}}}\nspec: {{selector: {{matchLabels: {{app: {name}}}}}, template: {{metadata: {{labels: {{app: {name}}}}}}}}}\n"
        )
    }
    const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: shop}\nspec: {ports: [{port: 80}]}\n";

    fn spread(files: &[(&str, &str)], places: &[(&str, &str)]) -> Result<(tempfile::TempDir, tempfile::TempDir, Spread, Vec<String>), DemoError> {
        let (from, to) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        for (name, text) in files {
            write(&from.path().join(name), text).expect("a file");
        }
        let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>();
        let clusters = ["east".to_owned(), "west".to_owned()];
        Spread::begin(&[from.path().to_owned()], &clusters, &pairs(places), to.path()).map(|(s, notes)| (from, to, s, notes))
    }

    /// Objects of a cluster, as `KIND NAME` and the line where each is.
    fn there(s: &Spread, cluster: &str) -> Vec<String> {
        let mut out = Vec::new();
        for (place, text) in s.written.iter().filter(|(p, _)| p.starts_with(cluster)) {
            out.extend(objects(place, text.as_bytes()).iter().map(|o| format!("{} {} {}", o.kind.name(), o.name(), o.root().position().line)));
        }
        out.sort();
        out
    }

    #[test]
    fn a_workload_is_in_one_cluster_at_its_line_and_all_else_in_both() {
        let text = [SERVICE, &deployment("a", ""), &deployment("b", ", labels: {topology.istio.io/cluster: west}"), &deployment("c", "")].join("---\n");
        let (_from, _to, s, notes) = spread(&[("all.yaml", &text)], &[("c.shop", "west")]).expect("spread");
        assert_eq!(there(&s, "east"), ["Deployment a 6", "Service a 1"]);
        assert_eq!(there(&s, "west"), ["Deployment b 11", "Deployment c 16", "Service a 1"]);
        assert!(notes.is_empty(), "{notes:?}");
    }

    #[test]
    fn folders_are_of_the_clusters_that_they_are_called_by() {
        let files = [
            ("all.yaml", SERVICE),
            ("east/a.yaml", &deployment("a", "")),
            ("x/west/a.yaml", &(deployment("a", "") + "---\n" + &SERVICE.replace("name: a", "name: w"))),
        ];
        let (_from, _to, s, _) = spread(&files, &[]).expect("spread");
        assert_eq!(there(&s, "east"), ["Deployment a 1", "Service a 1"]);
        assert_eq!(there(&s, "west"), ["Deployment a 1", "Service a 1", "Service w 6"]);
    }

    #[test]
    fn what_nothing_places_is_dealt_out_and_stays_where_it_is() {
        let of = |names: &[&str]| names.iter().map(|n| deployment(n, "")).collect::<Vec<_>>().join("---\n");
        let (from, _to, mut s, notes) = spread(&[("all.yaml", &of(&["b", "c", "d"]))], &[]).expect("spread");
        assert!(notes.len() == 1 && notes[0].contains("east has b.shop, d.shop; west has c.shop"), "{notes:?}");
        fs::write(from.path().join("all.yaml"), of(&["a", "b", "c", "d"])).expect("a file");
        assert!(s.follow().is_empty());
        let notes = s.follow();
        assert!(notes.len() == 1 && notes[0].contains("east has b.shop, d.shop; west has a.shop, c.shop"), "{notes:?}");
        assert_eq!(there(&s, "west"), ["Deployment a 1", "Deployment c 11"]);
    }

    #[test]
    fn items_of_lists_are_told_apart_and_what_is_broken_keeps_its_lines() {
        let list = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: apps/v1\n  kind: Deployment\n  metadata: {name: a, namespace: shop}\n- apiVersion: apps/v1\n  kind: Deployment\n  metadata: {name: b, namespace: shop}\n";
        let broken = format!("{}---\nkind: [\n", deployment("c", ""));
        let (from, to, s, notes) = spread(&[("list.yaml", list), ("broken.yaml", &broken)], &[("b", "west"), ("c", "west")]).expect("spread");
        assert_eq!((there(&s, "east"), there(&s, "west")), (vec!["Deployment a 4".to_owned()], vec!["Deployment b 7".to_owned(), "Deployment c 1".to_owned()]));
        assert!(notes.is_empty(), "{notes:?}");
        let east = fs::read_to_string(to.path().join("east/broken.yaml")).expect("a file");
        assert_eq!(east.lines().position(|l| l == "kind: ["), broken.lines().position(|l| l == "kind: ["));
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let listener = heard.clone();
        let say = s.heard(&(Arc::new(move |what: &str| listener.lock().expect("unbroken").push(what.to_owned())) as Say));
        for cluster in ["east", "west"] {
            say(&format!("{}/{cluster}/broken.yaml:6: bad", to.path().display()));
        }
        assert_eq!(*heard.lock().expect("unbroken"), [format!("{}: bad", from.path().join("broken.yaml:6").display())]);
    }

    #[test]
    fn a_file_is_told_by_its_source_whatever_the_clusters_are_called() {
        let folders = ["eu", "eu2"].map(|c| Path::new("/tmp/spread").join(c)).to_vec();
        let renamed = Renamed::new(&[std::env::temp_dir()], folders);
        let file = std::env::temp_dir().join("a.yaml");
        for cluster in ["eu", "eu2"] {
            assert_eq!(renamed.rename(&format!("/tmp/spread/{cluster}/a.yaml:6: bad")), format!("{}:6: bad", file.display()));
        }
        assert_eq!(renamed.rename(&format!("/tmp/spread/eu2/{ADDED}/x.yaml")), format!("/tmp/spread/eu2/{ADDED}/x.yaml"));
    }

    #[test]
    fn places_for_nobody_and_nowhere_are_refused() {
        for (place, says) in [(("x", "west"), "no workload is called x; there are a.shop"), (("a", "mars"), "there is no cluster mars; there are east, west")] {
            let got = spread(&[("a.yaml", &deployment("a", ""))], &[place]).map(|_| ());
            assert!(got.as_ref().is_err_and(|e| e.to_string().contains(says)), "{got:?}");
        }
    }

    #[test]
    fn the_control_planes_namespace_is_each_clusters_own() {
        let text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: istio-system, labels: {a: b}}\n";
        let (_from, _to, s, _) = spread(&[("ns.yaml", text), ("a.yaml", SERVICE)], &[]).expect("spread");
        assert_eq!(there(&s, "east"), ["Service a 1"]);
        assert_eq!(s.system, vec![Labels::from([("a".to_owned(), "b".to_owned())]); 2]);
    }
}
