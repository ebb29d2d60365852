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

use crate::entry::{Entry, Place, Shown};
use crate::glob;
use crate::select::{self, Codes};
use crate::status::Failure;
use globset::GlobSet;
use mesh_analyzers::{Code, Finding, Level};
use mesh_model::yaml::{Chunk, documents};
use mesh_model::{Object, Role, Snapshot, Source, Span};
use std::cell::Cell;
use std::collections::{BTreeSet, HashMap, HashSet};
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
    by_line: HashMap<(*const Source, u32), Vec<usize>>,
    /// By the start of the document.
    by_document: HashMap<(*const Source, u32), Vec<usize>>,
    /// Sources with comments for a line: only there a finding's line is counted.
    with_lines: HashSet<*const Source>,
    /// Whether the comments of a document hide a code: asked once, however many findings it has.
    of_documents: HashMap<(*const Source, u32, &'static str), bool>,
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
        let mut by_line: HashMap<_, Vec<usize>> = HashMap::new();
        let mut by_document: HashMap<_, Vec<usize>> = HashMap::new();
        for (i, comment) in comments.iter().enumerate() {
            let source = Arc::as_ptr(&comment.source);
            match comment.applies {
                Applies::Line(line) => by_line.entry((source, line)).or_default().push(i),
                Applies::Document(span) => by_document.entry((source, span.start)).or_default().push(i),
            }
        }
        let with_lines = by_line.keys().map(|(source, _)| *source).collect();
        InInput { snapshot, comments, annotated, by_object, by_line, by_document, with_lines, of_documents: HashMap::new() }
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
        let source = Arc::as_ptr(finding.at.source());
        let document = finding.at.tree().span().start;
        if let Some(list) = self.by_document.get(&(source, document)) {
            let comments = &mut self.comments;
            hidden |= *self.of_documents.entry((source, document, code.id)).or_insert_with(|| any_hides(comments, list, code));
        }
        if self.with_lines.contains(&source)
            && let Some(list) = self.by_line.get(&(source, finding.at.position().line))
        {
            hidden |= any_hides(&mut self.comments, list, code);
        }
        hidden
    }

    /// What hides nothing, of codes that were looked for.
    pub fn unused(&self, active: &Codes, seen: Seen, base: &Path) -> Vec<Entry> {
        let mut out = Vec::new();
        let world = &Arc::from(self.snapshot.world.as_str());
        for (object, used) in &self.annotated {
            let Some((_, value)) = object.at(&["metadata", "annotations"]).and_then(|a| a.get_entry(ANNOTATION)) else { continue };
            for word in list(object) {
                if let Some(unused) = Unused::of(word, used, active, seen) {
                    let entry = Entry::of_unused(Some(object), Place::of_node(object, value), &unused.message, world, base);
                    out.push(Entry { help: Some(unused.help.into()), level: unused.level, ..entry });
                }
            }
        }
        let documents = self.documents();
        let mut document: Option<(*const Source, Shown)> = None;
        for comment in &self.comments {
            let source = Arc::as_ptr(&comment.source);
            let shown = match document {
                Some((of, shown)) if of == source && contains(shown.document, comment.span.start) => shown,
                _ => Shown::around(&comment.source, comment.span),
            };
            document = Some((source, shown));
            // Nothing but the comment is shown: the value before it may be secret.
            let place = Place { source: Arc::clone(&comment.source), span: comment.span, visible: shown.visible().map(|_| comment.span) };
            for word in &comment.words {
                if let Some(unused) = Unused::of(word, &comment.used, active, seen) {
                    let object = documents.get(&source).and_then(|list| {
                        let (span, object) = list.get(list.partition_point(|(span, _)| span.start <= comment.span.start).checked_sub(1)?)?;
                        contains(*span, comment.span.start).then_some(*object)
                    });
                    // What looks like a comment may be a line of a Secret's value.
                    let (message, help) = match place.visible {
                        Some(_) => (unused.message, unused.help),
                        None => ("a suppression in a document with a Secret matches no finding".to_owned(), "remove it, or correct its code".to_owned()),
                    };
                    let entry = Entry::of_unused(object, place.clone(), &message, world, base);
                    out.push(Entry { help: Some(help.into()), level: unused.level, ..entry });
                }
            }
        }
        out
    }

    /// The documents of the sources with comments, in their order, and the first object of each.
    fn documents(&self) -> HashMap<*const Source, Vec<(Span, &'s Object)>> {
        let mut out: HashMap<_, Vec<(Span, &Object)>> = self.comments.iter().map(|c| (Arc::as_ptr(&c.source), Vec::new())).collect();
        for object in &self.snapshot.objects {
            let Some(list) = out.get_mut(&Arc::as_ptr(object.source())) else { continue };
            let span = object.tree().span();
            if list.last().is_none_or(|(last, _)| *last != span) {
                list.push((span, object));
            }
        }
        out
    }
}

/// Whether one of the comments in a list is for a code. All that are count as used.
fn any_hides(comments: &mut [Comment], list: &[usize], code: &'static Code) -> bool {
    let mut hidden = false;
    for i in list {
        let Some(comment) = comments.get_mut(*i) else { continue };
        if comment.words.iter().any(|word| means(word, code)) {
            comment.used.insert(code.id);
            hidden = true;
        }
    }
    hidden
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

/// What is said of a word of a suppression that hides nothing.
struct Unused {
    message: String,
    help: String,
    level: Level,
}

impl Unused {
    fn of(word: &str, used: &BTreeSet<&'static str>, active: &Codes, seen: Seen) -> Option<Unused> {
        // What the rest of the mesh would show does not make a code of what is none.
        let wrong = |message: String, help: String| Some(Unused { message, help, level: Level::Warning });
        match select::codes_of(word) {
            _ if word.is_empty() => wrong("the suppression names no code".to_owned(), "write `# meshctl: ignore CODE reason`".to_owned()),
            Err(help) => wrong(format!("the suppression names `{word}`, which is no code"), help),
            Ok(codes) if codes.iter().any(|c| used.contains(c)) || !codes.iter().any(|c| active.contains(c)) => None,
            Ok(_) => {
                let level = if seen == Seen::Part { Level::Info } else { Level::Warning };
                Some(Unused { message: format!("the suppression of `{word}` matches no finding"), help: "remove it".to_owned(), level })
            }
        }
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
    let mut lines = Lines { source, chunks: documents(text), first: None, next: None };
    for at in found {
        let line_start = text[..at].rfind(['\n', '\r']).map_or(0, |i| i + 1);
        let before = text[line_start..at].trim_end();
        let Some(content) = before.strip_suffix('#').map(|b| b.trim_end_matches('#')) else { continue };
        let line_end = text[at..].find(['\n', '\r']).map_or(text.len(), |i| at + i);
        let rest = &text[at + "meshctl:".len()..line_end];
        let Some(arguments) = rest.trim_start().strip_prefix("ignore").filter(|r| r.is_empty() || r.starts_with(char::is_whitespace) || r.starts_with(':'))
        else {
            continue;
        };
        let words = words(arguments);
        let applies = if content.trim().is_empty() || content.trim() == "---" { lines.below(at) } else { Applies::Line(source.position(at as u32).line) };
        out.push(Comment { source: Arc::clone(source), span: Span::new(at, line_end), words, applies, used: BTreeSet::new() });
    }
}

/// `IST0101,IST0102 reason` or `IST0101, IST0102 reason`; with a colon before or behind them, as people write it too.
fn words(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    for token in text.trim_start_matches(':').split_whitespace() {
        out.extend(token.split(',').map(|w| w.trim_end_matches(':')).filter(|w| !w.is_empty()).map(str::to_owned));
        if !token.ends_with(',') {
            break;
        }
    }
    if out.is_empty() {
        out.push(String::new());
    }
    out
}

/// Whether a line is more than a comment or a directive.
fn is_content(line: &str) -> bool {
    !line.trim().is_empty() && !line.trim_start().starts_with(['#', '%'])
}

/// What stands below comments, which are asked about in their order: each line of a source is looked at once, however
/// many comments stand in a row.
struct Lines<'s> {
    source: &'s Source,
    chunks: Vec<Chunk>,
    /// The last chunk that was asked about, and where its content begins.
    first: Option<(usize, Option<usize>)>,
    /// The last line that was asked about, and the next one with content.
    next: Option<(u32, u32)>,
}

impl Lines<'_> {
    /// What a comment of its own line is for: the next line, or the whole document when it stands at its top.
    fn below(&mut self, at: usize) -> Applies {
        let index = self.chunks.partition_point(|c| c.span.end as usize <= at);
        if let Some(chunk) = self.chunks.get(index) {
            let span = chunk.span;
            let first = self.first_content(index, span);
            if at < span.start as usize || first.is_none_or(|first| at < first) {
                // A document of comments only belongs to the one below it.
                let below = index + usize::from(first.is_none());
                return Applies::Document(self.chunks.get(below).map_or(span, |c| c.span));
            }
        }
        Applies::Line(self.next_content(self.source.position(at as u32).line + 1))
    }

    /// Where the first line of a chunk begins that has content.
    fn first_content(&mut self, index: usize, span: Span) -> Option<usize> {
        match self.first {
            Some((of, first)) if of == index => first,
            _ => {
                let mut at = span.start as usize;
                let starts = self.source.slice(span).split_inclusive('\n').map(|line| {
                    at += line.len();
                    (at - line.len(), line)
                });
                let first = starts.into_iter().find(|(_, line)| is_content(line)).map(|(start, _)| start);
                self.first = Some((index, first));
                first
            }
        }
    }

    /// The first line from `line` on that has content; the last line where none has.
    fn next_content(&mut self, line: u32) -> u32 {
        let next = match self.next {
            Some((from, next)) if from <= line && line <= next => next,
            _ => {
                let last = self.source.line_count();
                (line..last).find(|n| is_content(self.source.line(*n))).unwrap_or(last.max(line))
            }
        };
        self.next = Some((line, next));
        next
    }
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
        assert_eq!(comments("a: 1 # meshctl: ignore IST0101: known\n"), ["IST0101 line 1"]);
        assert_eq!(comments("a: 1 # meshctl: ignore: IST0101, MSH0003 known\n"), ["IST0101+MSH0003 line 1"]);
    }

    #[test]
    fn comments_in_a_row_are_for_what_is_below_them_all() {
        let row = "# meshctl: ignore X\n".repeat(3);
        assert_eq!(comments(&format!("{row}a: 1\n---\n{row}b: 2\n")), [["X in \"a: 1\""; 3], ["X in \"b: 2\""; 3]].concat());
        assert_eq!(comments(&format!("a: 1\n{row}b: 2\n{row}")), [["X line 5"; 3], ["X line 9"; 3]].concat());
        // A hundred thousand of them would take minutes if each looked at those around it.
        let many = "# meshctl: ignore X\n".repeat(100_000);
        assert_eq!(comments(&format!("{many}a: 1\n{many}b: 2\n")).len(), 200_000);
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
