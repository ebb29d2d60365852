//! The text of a dump, from wherever it is.

use crate::args::DumpArgs;
use crate::status::Failure;

pub fn text(args: &DumpArgs) -> Result<String, Failure> {
    match (&args.pod, args.from.as_deref()) {
        (None, Some("-")) => std::io::read_to_string(std::io::stdin()).map_err(|e| Failure::input(format!("standard input can't be read: {e}"))),
        (None, Some(path)) => std::fs::read_to_string(path).map_err(|e| Failure::input(format!("{path} can't be read: {e}"))),
        _ => Err(Failure::usage("give a dump with --from (or `-` for standard input)")),
    }
}
