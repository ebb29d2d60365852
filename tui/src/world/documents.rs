//! The objects that were read, to be shown as YAML.

use mesh_model::{Object, Role, Snapshot};
use std::collections::BTreeMap;

/// Writes an object as a YAML document without what may be secret; the error says why it can't be.
pub type Writing = fn(&Object) -> Result<String, String>;

/// Every object of the sources by its origin, `VirtualService bookinfo/reviews`. They share the trees that were read.
#[derive(Clone, Debug)]
pub struct Documents {
    objects: BTreeMap<String, Vec<Object>>,
    write: Writing,
}

/// One object as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub origin: String,
    /// The source that it stands in, and its line there.
    pub file: String,
    pub line: u32,
    pub text: Result<String, String>,
}

impl Documents {
    pub(super) fn new(snapshot: &Snapshot, write: Writing) -> Documents {
        let mut objects: BTreeMap<String, Vec<Object>> = BTreeMap::new();
        for object in snapshot.objects.iter().filter(|o| o.role != Role::Assumed) {
            objects.entry(object.origin()).or_default().push(object.clone());
        }
        Documents { objects, write }
    }
    /// The documents of some objects, in their order; those that were not read are left out.
    pub fn of(&self, origins: &[String]) -> Vec<Document> {
        let known = origins.iter().filter_map(|o| Some((o, self.objects.get(o)?)));
        let document = |(origin, object): (&String, &Object)| {
            let source = object.source();
            Document {
                origin: origin.clone(),
                file: source.name().to_owned(),
                line: source.position(object.root().span().start).line,
                text: (self.write)(object),
            }
        };
        known.flat_map(|(origin, list)| list.iter().map(move |o| (origin, o))).map(document).collect()
    }
}
