//! How names of headers are written over HTTP/1 (`header_key_format`).

use mesh_envoy::engine::field::{Message, Read};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// In small letters.
    #[default]
    Small,
    /// `proper_case_words`: each word begins with a capital.
    Proper,
    /// `preserve_case`: as the sender wrote them, which is for those who read messages.
    Kept(Keeping),
}

/// What is kept of a message beside the names of its headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keeping {
    /// Names that the sender did not write are in the form of [`Format::Proper`], not in small letters.
    pub others_are_proper: bool,
    /// The reason phrase of an answer stays.
    pub reason: bool,
}

impl Format {
    /// Of a message with `http_protocol_options`.
    ///
    /// # Errors
    /// A formatter that is not known.
    pub fn read(m: &Message<'_, '_>) -> Read<Format> {
        let options = m.message_or_empty("http_protocol_options")?;
        let format = options.message_or_empty("header_key_format")?;
        let Some(formatter) = format.message("stateful_formatter")? else {
            return Ok(if format.has("proper_case_words") { Format::Proper } else { Format::Small });
        };
        match formatter.any("typed_config")? {
            Some((name, config)) if name.ends_with(".PreserveCaseFormatterConfig") => {
                let others = config.enumeration("formatter_type_on_envoy_headers", &["DEFAULT", "PROPER_CASE"])?;
                Ok(Format::Kept(Keeping { others_are_proper: others == "PROPER_CASE", reason: config.flag("forward_reason_phrase")? }))
            }
            _ => Err(formatter.unknown("the formatter is not known to mesh-proxy")),
        }
    }
    /// What is kept of messages that are read.
    pub fn keeping(self) -> Option<Keeping> {
        if let Format::Kept(keeping) = self { Some(keeping) } else { None }
    }
}
