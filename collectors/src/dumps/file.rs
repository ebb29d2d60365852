//! One file or stream: a page, a packed page, or an archive.

use super::Limits;
use super::archive;
use super::group::Grouping;
use mesh_envoy::identify::{Content, identify};
use std::io::{Chain, Cursor, Read};

/// How much of a file that is nothing we know is read before it is refused.
const LOOK: usize = 1024 * 1024;

/// The first bytes of what gzip made.
const GZIP: &[u8] = &[0x1f, 0x8b];

pub(super) fn read(name: &str, mut stream: impl Read, group: &mut Grouping<'_>, limits: Limits) {
    let head = match head(&mut stream, LOOK) {
        Ok(head) => head,
        Err(e) => return group.problem(name, format!("it can't be read: {e}")),
    };
    let whole = Cursor::new(head.clone()).chain(stream);
    if head.starts_with(GZIP) {
        archive::read_packed(name, whole, group, limits);
    } else if archive::is_tar(&head) {
        archive::read_tar(name, whole, group, limits);
    } else {
        page(name, &head, whole, group, limits);
    }
}

/// Reads a page whole, unless its beginning shows that it is nothing we know.
pub(super) fn page<R: Read>(name: &str, head: &[u8], whole: Chain<Cursor<Vec<u8>>, R>, group: &mut Grouping<'_>, limits: Limits) {
    let what = identify(&String::from_utf8_lossy(head));
    if matches!(what, Content::Binary | Content::Html | Content::Empty | Content::OtherText | Content::Yaml | Content::Kubernetes) {
        return group.add(name, String::from_utf8_lossy(head).into_owned(), what);
    }
    let mut bytes = Vec::new();
    match whole.take(limits.page + 1).read_to_end(&mut bytes) {
        Err(e) => group.problem(name, format!("it can't be read: {e}")),
        Ok(n) if n as u64 > limits.page => group.problem(name, format!("it is larger than {} MiB", limits.page >> 20)),
        Ok(_) => match String::from_utf8(bytes) {
            Ok(text) => group.add(name, text, what),
            Err(e) => group.problem(name, format!("it is no UTF-8 from byte {}", e.utf8_error().valid_up_to())),
        },
    }
}

/// At most the first `n` bytes.
pub(super) fn head(stream: &mut impl Read, n: usize) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    stream.by_ref().take(n as u64).read_to_end(&mut out)?;
    Ok(out)
}
