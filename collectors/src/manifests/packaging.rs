//! Helm charts and kustomizations: files that another tool turns into manifests. They are recognised, not judged.

use super::find::Found;
use super::template::Templates;
use mesh_model::yaml::{Limits, documents, parse_document};
use mesh_model::{Node, Problem, ProblemKind, Source};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Component, Path, PathBuf};

const KUSTOMIZATIONS: &[&str] = &["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// How far above a file its kustomization or chart is looked for.
const LEVELS: usize = 8;

/// What a file is part of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Manifest,
    /// A template of the chart in this directory.
    Template(PathBuf),
    /// A kustomization, or a file that the kustomization in this directory takes in.
    Kustomize(PathBuf),
}

/// Everything known of the charts and kustomizations around the input.
pub struct Packaging {
    parts: Vec<Part>,
    /// Kustomizations that another one takes in.
    taken: HashSet<PathBuf>,
    /// Kustomizations that can't be built alone.
    components: HashSet<PathBuf>,
    /// Kustomizations that can't be read and are no part of the input, where they would be a finding.
    unreadable: Vec<Problem>,
    /// Directories as they were given, by their clean form.
    shown: HashMap<PathBuf, PathBuf>,
}

impl Packaging {
    /// Looks at the files' names and at the kustomizations beside and above them.
    pub fn new(files: &[Found]) -> Packaging {
        let mut looked: HashMap<PathBuf, Option<PathBuf>> = HashMap::new();
        let mut shown = HashMap::new();
        for file in files {
            let mut dir = parent(&file.path);
            for _ in 0..LEVELS {
                let clean = clean(&dir);
                if looked.contains_key(&clean) {
                    break;
                }
                let found = KUSTOMIZATIONS.iter().map(|n| dir.join(n)).find(|p| p.is_file());
                shown.insert(clean.clone(), dir.clone());
                looked.insert(clean, found);
                match dir.parent() {
                    Some(up) if dir != Path::new(".") => dir = if up.as_os_str().is_empty() { PathBuf::from(".") } else { up.to_owned() },
                    _ => break,
                }
            }
        }
        let mut this = Packaging { parts: Vec::new(), taken: HashSet::new(), components: HashSet::new(), unreadable: Vec::new(), shown };
        let mut owners: HashMap<PathBuf, PathBuf> = HashMap::new();
        let kustomizations: BTreeMap<PathBuf, PathBuf> = looked.into_iter().filter_map(|(dir, file)| Some((dir, file?))).collect();
        let mut broken = HashSet::new();
        let judged: HashSet<PathBuf> = files.iter().map(|f| &f.path).filter(|p| is_kustomization(p)).map(|p| clean(p)).collect();
        for (dir, file) in &kustomizations {
            match this.read_kustomization(dir, file, &mut owners) {
                Ok(()) => _ = owners.insert(clean(file), dir.clone()),
                Err(problem) => {
                    broken.insert(dir.as_path());
                    if !judged.contains(&clean(file)) {
                        this.unreadable.push(*problem);
                    }
                }
            }
        }
        let mut charts = HashMap::new();
        this.parts = files
            .iter()
            .map(|f| {
                if let Some(chart) = chart_of(&f.path, &mut charts) {
                    Part::Template(chart)
                } else if let Some(dir) = owners.get(&clean(&f.path)) {
                    Part::Kustomize(dir.clone())
                } else if let Some(dir) = broken.get(clean(&parent(&f.path)).as_path()).filter(|_| !is_kustomization(&f.path)) {
                    // What it takes in is not known; these may well be patches.
                    Part::Kustomize(dir.to_path_buf())
                } else {
                    Part::Manifest
                }
            })
            .collect();
        this
    }

    pub fn part(&self, file: usize) -> &Part {
        self.parts.get(file).unwrap_or(&Part::Manifest)
    }

    /// Takes note of what a kustomization takes in; the problem, where it can't be read.
    fn read_kustomization(&mut self, dir: &Path, file: &Path, owners: &mut HashMap<PathBuf, PathBuf>) -> Result<(), Box<Problem>> {
        let problem = |message: String| {
            let help = Some("the files beside it are not judged: what it takes in is not known".into());
            Box::new(Problem { kind: ProblemKind::Unreadable, subject: file.display().to_string(), message, help, place: None })
        };
        let bytes = super::open(file).map_err(problem)?;
        let source = Source::from_bytes(file.display().to_string(), bytes);
        let mut trees = Vec::new();
        for chunk in documents(source.text()) {
            let parsed = parse_document(&source, chunk.span, Limits::default());
            if let Some(error) = parsed.error.filter(|e| !e.after_document) {
                let at = source.position(error.span.start);
                return Err(problem(format!("a kustomization that is not valid YAML: line {}, column {}: {}", at.line, at.column, error.message)));
            }
            trees.extend(parsed.tree);
        }
        for tree in trees {
            let root = tree.root();
            if root.text_of("kind") == "Component" {
                self.components.insert(dir.to_owned());
            }
            let mut take = |path: &str| {
                // A URL or inline YAML is no path of ours.
                if path.is_empty() || path.contains("://") || path.contains('\n') {
                    return;
                }
                let target = clean(&dir.join(path));
                if Path::new(path)
                    .extension()
                    .is_some_and(|e| e.eq_ignore_ascii_case("yaml") || e.eq_ignore_ascii_case("yml") || e.eq_ignore_ascii_case("json"))
                {
                    owners.entry(target).or_insert_with(|| dir.to_owned());
                } else {
                    self.taken.insert(target);
                }
            };
            const LISTS: &[&str] =
                &["resources", "bases", "components", "patchesStrategicMerge", "configurations", "crds", "generators", "transformers", "validators"];
            LISTS.iter().flat_map(|key| root.list(key)).map(Node::text).for_each(&mut take);
            const WITH_PATH: &[&str] = &["patches", "patchesJson6902", "replacements"];
            WITH_PATH.iter().flat_map(|key| root.list(key)).map(|p| p.text_of("path")).for_each(&mut take);
            root.list("helmCharts").map(|c| c.text_of("valuesFile")).for_each(&mut take);
            for generator in ["configMapGenerator", "secretGenerator"].iter().flat_map(|key| root.list(key)) {
                for from in generator.list("files") {
                    // `name=file`
                    take(from.text().rsplit('=').next().unwrap_or(""));
                }
            }
            if let Some(path) = root.at(&["openapi", "path"]) {
                take(path.text());
            }
        }
        Ok(())
    }

    /// What to say of the files that were left out: one problem a chart, one a kustomization that can be built.
    pub fn problems(&self) -> Vec<Problem> {
        let mut charts: BTreeMap<&Path, usize> = BTreeMap::new();
        let mut kustomizations: BTreeMap<&Path, usize> = BTreeMap::new();
        for part in &self.parts {
            match part {
                Part::Template(chart) => *charts.entry(chart).or_default() += 1,
                Part::Kustomize(dir) => *kustomizations.entry(dir).or_default() += 1,
                Part::Manifest => {}
            }
        }
        let mut out: Vec<Problem> = self.unreadable.clone();
        out.extend(charts.iter().map(|(dir, files)| chart_problem(dir, *files)));
        // A base is covered by what takes it in; one that nothing takes in is told itself.
        let roots: Vec<&Path> = kustomizations.keys().copied().filter(|d| !self.taken.contains(*d) && !self.components.contains(*d)).collect();
        let told = if roots.is_empty() { kustomizations.keys().copied().collect() } else { roots };
        for dir in told {
            let files = kustomizations.get(dir).copied().unwrap_or(0);
            let dir = self.shown.get(dir).map_or(dir, PathBuf::as_path).display().to_string();
            out.push(Problem {
                kind: ProblemKind::Kustomize,
                message: format!(
                    "a kustomization: its {} not judged as {}",
                    if files == 1 { "file is" } else { "files are" },
                    if files == 1 { "it stands" } else { "they stand" }
                ),
                help: Some(format!("type `kustomize build {} | meshctl analyze -`", quote(&dir)).into()),
                subject: dir,
                place: None,
            });
        }
        out
    }
}

fn chart_problem(dir: &Path, files: usize) -> Problem {
    let shown = dir.display().to_string();
    let name = dir.file_name().and_then(|n| n.to_str()).unwrap_or("release");
    Problem {
        kind: ProblemKind::HelmTemplate,
        message: format!("a Helm chart: its {} not rendered, and not judged", if files == 1 { "template is".into() } else { format!("{files} templates are") }),
        help: Some(format!("type `helm template {} {} | meshctl analyze -`", quote(name), quote(&shown)).into()),
        subject: shown,
        place: None,
    }
}

/// What to say of templates outside of any chart, or on standard input.
pub fn loose_template(subject: &str, templates: Templates) -> Option<Problem> {
    let message = match templates {
        Templates::None => return None,
        Templates::All => "a template that is not rendered, and not judged".to_owned(),
        Templates::Some(1) => "one of its documents is a template that is not rendered, and not judged".to_owned(),
        Templates::Some(n) => format!("{n} of its documents are templates that are not rendered, and not judged"),
    };
    Some(Problem {
        kind: ProblemKind::HelmTemplate,
        subject: subject.to_owned(),
        message,
        help: Some("render it first: `helm template NAME DIR | meshctl analyze -`".into()),
        place: None,
    })
}

/// A word as a shell wants it.
fn quote(word: &str) -> String {
    let safe = !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./@:+".contains(&b));
    if safe { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// The outermost chart whose templates a file belongs to.
fn chart_of(path: &Path, known: &mut HashMap<PathBuf, bool>) -> Option<PathBuf> {
    let mut is_chart = |dir: &Path| *known.entry(dir.to_owned()).or_insert_with(|| dir.join("Chart.yaml").is_file());
    let mut dir = parent(path);
    let mut chart = None;
    for _ in 0..LEVELS {
        let above = parent(&dir);
        if chart.is_none() {
            if dir.file_name().is_some_and(|n| n == "templates") && is_chart(&above) {
                chart = Some(above.clone());
            }
        } else if dir.file_name().is_some_and(|n| n == "charts") && is_chart(&above) {
            chart = Some(above.clone());
        }
        if above == dir {
            break;
        }
        dir = above;
    }
    chart
}

fn is_kustomization(path: &Path) -> bool {
    path.file_name().is_some_and(|name| KUSTOMIZATIONS.iter().any(|k| name == *k))
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(p) if p.as_os_str().is_empty() => PathBuf::from("."),
        Some(p) => p.to_owned(),
        None => path.to_owned(),
    }
}

/// A path without `.` and with `..` taken back where that can be told.
fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}
