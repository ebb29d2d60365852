//! Bytes that nobody looks at go from one socket to another within the kernel: `splice(2)` moves its pages into a pipe and out of it
//! again, where reading and writing copy them twice. It pays where much comes at once (`docs/performance.md`); where it can't be done
//! (another system than Linux, no pipe left, TLS, something in between) bytes are copied.

#[cfg(not(target_os = "linux"))]
mod nowhere;
#[cfg(target_os = "linux")]
mod pipe;
mod pool;

#[cfg(not(target_os = "linux"))]
pub use nowhere::Pipe;
#[cfg(target_os = "linux")]
pub use pipe::Pipe;
pub use pool::{Lease, PIPES, Pool};

use std::io;
use std::task::{Context, Poll};

/// A read of so many bytes says that there are more to come.
pub const MUCH: usize = 64 * 1024;
/// A pipe that got less than so many bytes was not worth it.
pub const LITTLE: usize = 16 * 1024;

/// With less to come it is not worth it.
pub const WORTH: u64 = 64 * 1024;

/// A stream that may be a socket and nothing else.
pub trait Splice {
    /// Whether its next bytes are those of a socket, and what is written to it is sent as it is.
    fn is_bare(&self) -> bool {
        false
    }
    /// Moves up to `most` bytes into an empty pipe, where it is bare; 0 at the end.
    fn poll_fill(&mut self, _pipe: &mut Pipe, _most: usize, _cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }
    /// Moves bytes out of a pipe that has some, where it is bare.
    fn poll_drain(&mut self, _pipe: &mut Pipe, _cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }
}

/// Whether a socket can't be spliced at all, as opposed to one that failed.
pub fn is_refused(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported)
}
