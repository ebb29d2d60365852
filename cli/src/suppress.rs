//! ## MSH0004 UnusedIgnore (Warning)
//!
//! **What it checks.** A suppression, written as the annotation `galley.istio.io/analyze-suppress`, as a comment
//! `# meshctl: ignore CODE reason` or in `.meshctl.toml`, matches no finding, or names a code that does not exist.
//!
//! **Why it matters.** The mistake it was for is mended or has moved; what stays hides the next one. Where only a part
//! of the mesh is given and some references were not judged, it is an Info: the finding may need the rest to appear.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata:
//!   name: reviews # meshctl: ignore MSH0003 created by two teams
//!   namespace: shop
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: reviews, namespace: shop}
//! ```

use crate::entry::{Entry, Place};
use crate::glob;
use crate::select::{self, Codes};
use crate::status::Failure;
use globset::GlobSet;
use mesh_analyzers::{Code, Finding, Level};
use mesh_model::yaml::documents;
use mesh_model::{Object, Role, Snapshot, Source, Span};
use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

const ANNOTATION: &str = "galley.istio.io/analyze-suppress";

/// A suppression of `-S` or of the configuration file.
pub struct Pattern {
    pub codes: Codes,
    /// A glob over `Kind ns/name` or `Kind name.ns`; `*` for every object.
    pub object: String,
    /// Only findings in these files; the paths are relative to the configuration file.
    pub paths: Option<GlobSet>,
    /// As it was written, for the note that it matches nothing.
    pub written: String,
    /// The line of the configuration file; `None` on the command line.
    pub place: Option<Place>,
    pub used: Cell<bool>,
}

impl Pattern {
    /// `CODE=Kind ns/name`.
    pub fn parse(text: &str) -> Result<Pattern, Failure> {
        let Some((code, object)) = text.split_once('=') else {
            return Err(Failure::Usage(format!(
                "--suppress takes CODE=OBJECT, such as `IST0101=VirtualService shop/*`, not `{text}`; --ignore CODE hides a code everywhere"
            )));
        };
        let codes = select::codes_of(code).map_err(|e| Failure::Usage(format!("--suppress: {e}")))?;
        Ok(Pattern { codes, object: object.trim().to_owned(), paths: None, written: text.to_owned(), place: None, used: Cell::new(false) })
    }

    fn fits_object(&self, object: &Object) -> bool {
        let (kind, ns, name) = (object.kind_name(), object.namespace(), object.name());
        let fits = |text: &str| glob::matches(&self.object, text);
        self.object == "*" || fits(&object.origin()) || fits(&format!("{kind} {ns}/{name}")) || fits(&format!("{kind} {name}.{ns}"))
    }

    fn fits_path(&self, file: &str, base: &Path) -> bool {
        self.paths.as_ref().is_none_or(|set| set.is_match(relative(file, base)))
    }

    fn hits(&self, code: &Code, object: Option<&Object>, file: &str, base: &Path) -> bool {
        let hit = self.codes.contains(code.id)
            && object.map_or_else(|| glob::matches(&self.object, &format!("File {file}")), |o| self.fits_object(o))
            && self.fits_path(file, base);
        if hit {
            self.used.set(true);
        }
        hit
    }
}

/// A path as it stands below a folder; as it is where it does not.
pub fn relative(file: &str, base: &Path) -> std::path::PathBuf {
    let absolute = crate::config::normal(&std::path::absolute(file).unwrap_or_default());
    if let Ok(relative) = absolute.strip_prefix(base) {
        return relative.to_path_buf();
    }
    let real = absolute.canonicalize().unwrap_or(absolute);
    real.strip_prefix(base).map_or_else(|_| file.into(), Path::to_path_buf)
}

/// A comment `# meshctl: ignore CODE[,CODE] reason`.
struct Comment {
    source: Arc<Source>,
    /// The bytes of the comment's codes.
    span: Span,
    words: Vec<String>,
    applies: Applies,
    used: BTreeSet<&'static str>,
}

enum Applies {
    Line(u32),
    /// The bytes of a document.
    Document(Span),
}

/// The suppressions that stand in the input of one world.
pub struct InInput<'s> {
    snapshot: &'s Snapshot,
    comments: Vec<Comment>,
    /// Objects with the annotation, and the codes that it hid.
    annotated: Vec<(&'s Object, BTreeSet<&'static str>)>,
    by_object: HashMap<*const Object, usize>,
    by_source: HashMap<*const Source, Vec<usize>>,
}

impl<'s> InInput<'s> {
    pub fn new(snapshot: &'s Snapshot) -> InInput<'s> {
        let mut comments = Vec::new();
        let mut annotated = Vec::new();
        let mut last: Option<(&Arc<Source>, bool)> = None;
        for object in snapshot.objects.iter().filter(|o| o.role == Role::Judged) {
            // The objects of a source stand in a row.
            let has_annotation = match last {
                Some((source, has)) if Arc::ptr_eq(source, object.source()) => has,
                _ => {
                    let text = object.source().text();
                    comments_of(object.source(), &mut comments);
                    let has = memchr::memmem::find(text.as_bytes(), b"analyze-suppress").is_some();
                    last = Some((object.source(), has));
                    has
                }
            };
            if has_annotation && object.annotation(ANNOTATION).is_some() {
                annotated.push((object, BTreeSet::new()));
            }
        }
        let by_object = annotated.iter().enumerate().map(|(i, (o, _))| (std::ptr::from_ref::<Object>(o), i)).collect();
        let mut by_source: HashMap<*const Source, Vec<usize>> = HashMap::new();
        for (i, comment) in comments.iter().enumerate() {
            by_source.entry(Arc::as_ptr(&comment.source)).or_default().push(i);
        }
        InInput { snapshot, comments, annotated, by_object, by_source }
    }

    /// Whether the input itself hides a finding.
    pub fn hides(&mut self, finding: &Finding<'_>) -> bool {
        let code = finding.code;
        let mut hidden = false;
        if let Some((object, used)) = self.by_object.get(&std::ptr::from_ref(finding.object)).and_then(|i| self.annotated.get_mut(*i))
            && list(object).any(|word| word == "*" || word.eq_ignore_ascii_case(code.id))
        {
            used.insert(code.id);
            hidden = true;
        }
        let (source, start) = (finding.at.source(), finding.at.span().start);
        let mut line = None;
        for i in self.by_source.get(&Arc::as_ptr(source)).into_iter().flatten() {
            let Some(comment) = self.comments.get_mut(*i) else { continue };
            let applies = match comment.applies {
                Applies::Document(span) => span.start <= start && start < span.end,
                Applies::Line(n) => n == *line.get_or_insert_with(|| source.position(start).line),
            };
            if applies && comment.words.iter().any(|w| means(w, code)) {
                comment.used.insert(code.id);
                hidden = true;
            }
        }
        hidden
    }

    /// What hides nothing, of codes that were looked for.
    pub fn unused(&self, active: &Codes, seen: Seen, base: &Path) -> Vec<Entry> {
        let mut out = Vec::new();
        let world = &self.snapshot.world;
        for (object, used) in &self.annotated {
            let Some((_, value)) = object.at(&["metadata", "annotations"]).and_then(|a| a.get_entry(ANNOTATION)) else { continue };
            for word in list(object) {
                if let Some((message, help)) = unused_word(word, used, active) {
                    let entry = Entry::of_unused(Some(object), Place::of_node(object, value), &message, world, base);
                    out.push(Entry { help: Some(help), ..entry });
                }
            }
        }
        for comment in &self.comments {
            let object = self.snapshot.objects.iter().find(|o| Arc::ptr_eq(o.source(), &comment.source) && contains(o.tree().span(), comment.span.start));
            let place = Place::of_comment(&comment.source, comment.span);
            for word in &comment.words {
                if let Some((message, help)) = unused_word(word, &comment.used, active) {
                    // What looks like a comment may be a line of a Secret's value.
                    let (message, help) = match place.visible {
                        Some(_) => (message, help),
                        None => ("a suppression in a document with a Secret matches no finding".to_owned(), "remove it, or correct its code".to_owned()),
                    };
                    let entry = Entry::of_unused(object, place.clone(), &message, world, base);
                    out.push(Entry { help: Some(help), ..entry });
                }
            }
        }
        if seen == Seen::Part {
            for entry in &mut out {
                entry.level = Level::Info;
            }
        }
        out
    }
}

/// Whether everything was judged that the rules looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    Whole,
    Part,
}

fn contains(span: Span, at: u32) -> bool {
    span.start <= at && at < span.end
}

fn list(object: &Object) -> impl Iterator<Item = &str> {
    object.annotation(ANNOTATION).unwrap_or("").split(',').map(str::trim).filter(|w| !w.is_empty())
}

fn means(word: &str, code: &Code) -> bool {
    word == "*" || word.eq_ignore_ascii_case(code.id) || word.eq_ignore_ascii_case(code.name)
}

/// The message and help for a word of a suppression that hides nothing.
fn unused_word(word: &str, used: &BTreeSet<&'static str>, active: &Codes) -> Option<(String, String)> {
    match select::codes_of(word) {
        Err(help) => Some((format!("the suppression names `{word}`, which is no code"), help)),
        Ok(codes) if codes.iter().any(|c| used.contains(c)) || !codes.iter().any(|c| active.contains(c)) => None,
        Ok(_) => Some((format!("the suppression of `{word}` matches no finding"), "remove it".to_owned())),
    }
}

/// Whether a pattern of the command line or configuration hides something.
pub fn hidden_by(patterns: &[Pattern], code: &Code, object: Option<&Object>, file: &str, base: &Path) -> bool {
    // All of them, so that each is known to be used.
    patterns.iter().filter(|p| p.hits(code, object, file, base)).count() > 0
}

fn comments_of(source: &Arc<Source>, out: &mut Vec<Comment>) {
    let text = source.text();
    let mut found = memchr::memmem::find_iter(text.as_bytes(), b"meshctl:").peekable();
    if found.peek().is_none() {
        return;
    }
    let chunks = documents(text);
    for at in found {
        let line_start = text[..at].rfind(['\n', '\r']).map_or(0, |i| i + 1);
        let before = text[line_start..at].trim_end();
        let Some(content) = before.strip_suffix('#').map(|b| b.trim_end_matches('#')) else { continue };
        let line_end = text[at..].find(['\n', '\r']).map_or(text.len(), |i| at + i);
        let rest = &text[at + "meshctl:".len()..line_end];
        let Some(arguments) = rest.trim_start().strip_prefix("ignore").filter(|r| r.is_empty() || r.starts_with(char::is_whitespace)) else { continue };
        let words = words(arguments);
        let applies =
            if content.trim().is_empty() || content.trim() == "---" { own_line(source, &chunks, at) } else { Applies::Line(source.position(at as u32).line) };
        out.push(Comment { source: Arc::clone(source), span: Span::new(at, line_end), words, applies, used: BTreeSet::new() });
    }
}

/// `IST0101,IST0102 reason` or `IST0101, IST0102 reason`.
fn words(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    for token in text.split_whitespace() {
        out.extend(token.split(',').filter(|w| !w.is_empty()).map(str::to_owned));
        if !token.ends_with(',') {
            break;
        }
    }
    if out.is_empty() {
        out.push(String::new());
    }
    out
}

/// A comment of its own line is for the next line, or for the whole document when it stands at its top.
fn own_line(source: &Arc<Source>, chunks: &[mesh_model::yaml::Chunk], at: usize) -> Applies {
    let text = source.text();
    let is_content = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with(['#', '%']);
    let next = chunks.partition_point(|c| c.span.end as usize <= at);
    let after_separator = chunks.get(next).is_none_or(|c| at < c.span.start as usize);
    if let Some(chunk) = chunks.get(next) {
        let (start, end) = (chunk.span.start as usize, chunk.span.end as usize);
        let top = after_separator || !text[start..at].lines().any(is_content);
        if top {
            // A document of comments only belongs to the one below it.
            let empty = !text[start..end].lines().any(is_content);
            return Applies::Document(chunks.get(next + usize::from(empty)).map_or(chunk.span, |c| c.span));
        }
    }
    let mut line = source.position(at as u32).line + 1;
    while line < source.line_count() && !is_content(source.line(line)) {
        line += 1;
    }
    Applies::Line(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comments(text: &str) -> Vec<String> {
        let source = Source::new("a.yaml", text);
        let mut out = Vec::new();
        comments_of(&source, &mut out);
        out.iter()
            .map(|c| match c.applies {
                Applies::Line(n) => format!("{} line {n}", c.words.join("+")),
                Applies::Document(s) => format!("{} in {:?}", c.words.join("+"), source.slice(s).lines().rfind(|l| !l.is_empty()).unwrap_or("")),
            })
            .collect()
    }

    #[test]
    fn comments_are_for_their_line_the_next_or_the_document() {
        assert_eq!(comments("a: 1 # meshctl: ignore IST0101 known\n"), ["IST0101 line 1"]);
        assert_eq!(comments("a: 1\n# meshctl: ignore IST0101, MSH0003 known\n# more\n\nb: 2\n"), ["IST0101+MSH0003 line 5"]);
        assert_eq!(comments("# licence\n#meshctl:ignore IST01\na: 1\n---\nb: 2\n"), ["IST01 in \"a: 1\""]);
        assert_eq!(comments("# meshctl: ignore X\n---\na: 1\n---\nb: 2\n"), ["X in \"a: 1\""]);
        assert_eq!(comments("a: 1\n--- # meshctl: ignore X\nb: 2\n"), ["X in \"b: 2\""]);
        assert_eq!(comments("a: 1 # meshctl: ignored\nb: \"meshctl: ignore X\"\n"), [""; 0]);
        assert_eq!(comments("a: 1 # meshctl: ignore\n"), [" line 1"]);
    }

    #[test]
    fn objects_are_named_as_origins_or_as_istioctl_documents() {
        let fits = |pattern: &str| {
            let source = Source::new("a.yaml", "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: ratings, namespace: shop}\n");
            let manifest = mesh_model::snapshot::read_manifest(&source, Role::Judged, 0, mesh_model::yaml::Limits::default());
            Pattern::parse(pattern).is_ok_and(|p| p.fits_object(&manifest.objects[0]))
        };
        assert!(
            fits("IST0101=*")
                && fits("IST0101=DestinationRule shop/*")
                && fits("IST0101=DestinationRule *.shop")
                && fits("IST0101=DestinationRule ratings.shop")
        );
        assert!(!fits("IST0101=VirtualService *") && !fits("IST0101=DestinationRule other/*") && !fits("IST0101"));
    }
}
