//! The mesh's manifests on disk: as they come, with objects that somebody put in place of others or beside them.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

/// An object of Kubernetes or Istio that a scenario writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    pub file: &'static str,
    pub kind: &'static str,
    /// In the mesh's namespace.
    pub name: String,
    /// The whole document.
    pub text: String,
}

/// Documents have it between them.
pub const BETWEEN: &str = "\n---\n";

/// Writes files that differ from what lies there, each whole or not at all, and readable by this user alone.
pub fn write(folder: &Path, files: &[(&str, String)], objects: &[Object]) -> io::Result<()> {
    for (name, text) in files {
        let wanted = with(name, text, objects);
        let path = folder.join(name);
        if std::fs::read_to_string(&path).is_ok_and(|there| there == wanted) {
            continue;
        }
        // Folders are read by the control plane: what begins with a dot is passed over.
        let draft = folder.join(format!(".{name}"));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&draft)?.write_all(wanted.as_bytes())?;
        std::fs::rename(&draft, &path)?;
    }
    Ok(())
}

fn with(file: &str, text: &str, objects: &[Object]) -> String {
    let mut documents: Vec<String> = text.split(BETWEEN).map(|d| d.trim_end().to_owned()).collect();
    for object in objects {
        let is_it = |d: &&mut String| is(d, object.kind, &object.name);
        match documents.iter_mut().find(is_it) {
            Some(document) => *document = object.text.trim_end().to_owned(),
            None if object.file == file => documents.push(object.text.trim_end().to_owned()),
            None => {}
        }
    }
    documents.join(BETWEEN).trim_end().to_owned() + "\n"
}

/// Whether a document of ours is an object: they have `kind` and `name` on lines that say nothing else of that form.
pub fn is(document: &str, kind: &str, name: &str) -> bool {
    let has_kind = document.lines().any(|l| l.strip_prefix("kind: ").is_some_and(|k| k.trim() == kind));
    let names = |l: &str| l.trim_start().strip_prefix("name: ").is_some_and(|n| n.trim() == name) || l.contains(&format!("metadata: {{name: {name},"));
    let head = document.split("\nspec:").next().unwrap_or(document);
    has_kind && head.lines().any(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_takes_the_place_of_its_like_and_others_stay() {
        let text = "kind: A\nmetadata: {name: x, namespace: n}\nspec: {a: 1}\n---\nkind: B\nmetadata:\n  name: x\n  namespace: n\nspec:\n  name: y\n";
        let object = |kind, name: &str| Object { file: "f", kind, name: name.into(), text: format!("kind: {kind}\nnew\n") };
        assert_eq!(with("f", text, &[]), text);
        assert_eq!(with("f", text, &[object("B", "x")]), "kind: A\nmetadata: {name: x, namespace: n}\nspec: {a: 1}\n---\nkind: B\nnew\n");
        assert!(with("f", text, &[object("B", "y")]).ends_with("  name: y\n---\nkind: B\nnew\n"));
        assert_eq!(with("g", text, &[object("B", "y")]), text);
    }
}
