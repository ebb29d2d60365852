//! Manifests: files, directories, globs and standard input.
//!
//! Directories are read recursively and in order, hidden ones aside, for `.yaml`, `.yml` and `.json`; a file that is
//! named itself may have any extension, and may be a pipe. Nothing else blocks: what is no file is not opened. Charts
//! and kustomizations are recognised and left to `helm` and `kustomize`.

mod find;
mod packaging;
mod template;

use crate::recording;
use find::{Found, Named, Search, plain};
use mesh_model::snapshot::{Manifest, read_manifest};
use mesh_model::yaml::Limits;
use mesh_model::{Problem, ProblemKind, Role, Snapshot, Source, Span};
use packaging::{Packaging, Part, loose_template};
use rayon::prelude::*;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use template::Templates;

/// A source's bytes are counted in 32 bits.
const SIZE_LIMIT: u64 = u32::MAX as u64 - 16;

/// How far reading has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub files_read: usize,
    pub files: usize,
    pub bytes_read: u64,
}

/// How to read.
#[derive(Clone, Copy)]
pub struct Options<'o> {
    pub role: Role,
    /// Index into [`Snapshot::clusters`].
    pub cluster: u16,
    /// Called after each file, from any thread.
    pub progress: Option<&'o (dyn Fn(Progress) + Sync)>,
    /// Files that are left out, unopened.
    pub exclude: Option<&'o dyn Fn(&Path) -> bool>,
}

impl Options<'_> {
    fn new(role: Role, cluster: u16) -> Self {
        Options { role, cluster, progress: None, exclude: None }
    }
}

/// Reads paths (`-` is standard input) into a snapshot. What can't be read becomes a problem.
pub fn read(snapshot: &mut Snapshot, paths: &[String], role: Role, cluster: u16) {
    read_with(snapshot, paths, &Options::new(role, cluster));
}

/// The same, with a hook that tells the progress.
pub fn read_with(snapshot: &mut Snapshot, paths: &[String], options: &Options<'_>) {
    let mut search = Search::default();
    for path in paths {
        if let Some(found) = recording::find(Path::new(path)) {
            recorded(snapshot, path, &found, options);
        } else if path == "-" {
            // In its place among the others.
            search.files.push(Found { path: PathBuf::from("-"), named: Named::Itself });
        } else {
            search.add(path);
        }
    }
    if let Some(exclude) = options.exclude {
        search.files.retain(|f| !exclude(&f.path));
    }
    let packaging = Packaging::new(&search.files);
    let &Options { role, cluster, progress, .. } = options;
    let (files, bytes) = (AtomicUsize::new(0), AtomicU64::new(0));
    let results: Vec<Option<Result<Text, Problem>>> = search
        .files
        .par_iter()
        .enumerate()
        .with_max_len(8)
        .map(|(i, file)| {
            let result = (*packaging.part(i) == Part::Manifest).then(|| read_file(file, role, cluster));
            let of_file: u64 = result.iter().flatten().map(|t| t.bytes).sum();
            let read = bytes.fetch_add(of_file, Ordering::Relaxed) + of_file;
            let done = files.fetch_add(1, Ordering::Relaxed) + 1;
            if let Some(hook) = progress {
                hook(Progress { files_read: done, files: search.files.len(), bytes_read: read });
            }
            result
        })
        .collect();
    let mut templates = Vec::new();
    for (file, result) in search.files.iter().zip(results) {
        match result {
            None => {}
            Some(Err(problem)) => snapshot.problems.push(problem),
            Some(Ok(text)) => {
                templates.extend(loose_template(&file.path.display().to_string(), text.templates));
                snapshot.add(&text.source, text.manifest);
            }
        }
    }
    snapshot.problems.extend(packaging.problems());
    snapshot.problems.extend(templates);
    snapshot.problems.extend(search.unreadable.into_iter().map(|u| Problem {
        kind: ProblemKind::Unreadable,
        subject: u.subject,
        message: u.message,
        help: u.help.map(Into::into),
        place: None,
    }));
}

/// The objects of a moment of a recording, or of an archive that is one.
fn recorded(snapshot: &mut Snapshot, name: &str, found: &recording::Found, options: &Options<'_>) {
    match found.capture() {
        Ok(capture) => recording::manifests(snapshot, name, &capture, options.role, options.cluster),
        Err(e) => snapshot.problems.push(Problem { kind: ProblemKind::Unreadable, subject: name.to_owned(), message: e.to_string(), help: None, place: None }),
    }
}

/// Adds the bytes of one source.
pub fn add(snapshot: &mut Snapshot, name: &str, bytes: Vec<u8>, role: Role, cluster: u16) {
    match parse(name, bytes, role, cluster) {
        Ok(text) => {
            snapshot.problems.extend(loose_template(name, text.templates));
            snapshot.add(&text.source, text.manifest);
        }
        Err(problem) => snapshot.problems.push(problem),
    }
}

struct Text {
    source: Arc<Source>,
    manifest: Manifest,
    templates: Templates,
    /// Of the input.
    bytes: u64,
}

fn read_file(file: &Found, role: Role, cluster: u16) -> Result<Text, Problem> {
    let name = file.path.display().to_string();
    let bytes = if name == "-" { bounded(std::io::stdin().lock(), 0) } else { open(&file.path) };
    let bytes = bytes.map_err(|message| Problem { kind: ProblemKind::Unreadable, subject: name.clone(), message, help: None, place: None })?;
    let is_json = file.path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
    if is_json && file.named == Named::Found && memchr::memmem::find(&bytes, b"apiVersion").is_none() {
        // Settings of some other tool, perhaps with comments and trailing commas that are no JSON.
        let manifest = Manifest { documents: 1, not_objects: 1, ..Manifest::default() };
        return Ok(Text { source: Source::new(name, ""), manifest, templates: Templates::None, bytes: bytes.len() as u64 });
    }
    parse(&name, bytes, role, cluster)
}

fn open(path: &Path) -> Result<Vec<u8>, String> {
    let file = std::fs::File::open(path).map_err(|e| plain(&e))?;
    let size = file.metadata().ok().filter(|m| m.is_file()).map_or(0, |m| m.len());
    if size > SIZE_LIMIT {
        return Err(too_big());
    }
    bounded(file, size)
}

fn too_big() -> String {
    "has more than 4 GiB; a source is limited to that".into()
}

/// All bytes of a reader, of which about `expected` are to come.
fn bounded(mut reader: impl Read, expected: u64) -> Result<Vec<u8>, String> {
    // One more, so that the end is seen without growing.
    let mut bytes = Vec::with_capacity(expected as usize + 1);
    reader.by_ref().take(SIZE_LIMIT + 1).read_to_end(&mut bytes).map_err(|e| plain(&e))?;
    if bytes.len() as u64 > SIZE_LIMIT { Err(too_big()) } else { Ok(bytes) }
}

fn parse(name: &str, bytes: Vec<u8>, role: Role, cluster: u16) -> Result<Text, Problem> {
    if is_utf16(&bytes) {
        return Err(Problem {
            kind: ProblemKind::Syntax,
            subject: name.to_owned(),
            message: "the file is UTF-16, not UTF-8".into(),
            help: Some("save it as UTF-8, for example with `iconv -f UTF-16 -t UTF-8`".into()),
            place: Some((Source::new(name, ""), Span::default())),
        });
    }
    let length = bytes.len() as u64;
    let source = Source::from_bytes(name, bytes);
    let mut manifest = read_manifest(&source, role, cluster, Limits::default());
    let templates = template::take_out(&source, &mut manifest);
    Ok(Text { source, manifest, templates, bytes: length })
}

/// By its mark, or by a zero beside the first character.
fn is_utf16(bytes: &[u8]) -> bool {
    matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, 1..=0x7f, 0, _, ..] | [1..=0x7f, 0, _, 0, ..])
}
