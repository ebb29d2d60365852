//! A pipe between two sockets.

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, splice};
use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Room in a pipe. Each page of a file that was sent takes a place of 4 KiB; with a quarter of it bodies of 16 MiB cost a quarter more,
/// with four times as much hardly less.
const CAPACITY: usize = 256 * 1024;
/// With less room than every pipe has by default it is not worth it: a user who has too many pipes gets smaller ones.
const LEAST: usize = 64 * 1024;

/// Bytes on their way, which are in no memory of ours.
#[derive(Debug)]
pub struct Pipe {
    inlet: OwnedFd,
    outlet: OwnedFd,
    held: usize,
}

impl Pipe {
    /// # Errors
    /// There are no descriptors left, or no room for pipes.
    pub fn open() -> io::Result<Pipe> {
        let (outlet, inlet) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        if fcntl_setpipe_size(&inlet, CAPACITY).is_err() && fcntl_getpipe_size(&inlet)? < LEAST {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        Ok(Pipe { inlet, outlet, held: 0 })
    }
    /// How many bytes are in it.
    pub fn held(&self) -> usize {
        self.held
    }
    /// Moves up to `most` bytes of a socket into the pipe; 0 at the end of what the peer sends. The pipe must be empty: the kernel says
    /// the same of a pipe without room as of a socket without bytes.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn poll_fill(&mut self, from: &TcpStream, most: usize, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.held > 0 {
            return Poll::Ready(Err(io::Error::other("a pipe with bytes in it can't be filled")));
        }
        loop {
            ready!(from.poll_read_ready(cx))?;
            match from.try_io(Interest::READABLE, || Ok(splice(from, None, &self.inlet, None, most, SpliceFlags::MOVE | SpliceFlags::NONBLOCK)?)) {
                Err(e) if comes_again(&e) => {}
                Err(e) => return Poll::Ready(Err(e)),
                Ok(n) => {
                    self.held = n;
                    return Poll::Ready(Ok(n));
                }
            }
        }
    }
    /// Moves bytes of the pipe, which has some, to a socket.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn poll_drain(&mut self, to: &TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        loop {
            ready!(to.poll_write_ready(cx))?;
            match to.try_io(Interest::WRITABLE, || Ok(splice(&self.outlet, None, to, None, self.held, SpliceFlags::MOVE | SpliceFlags::NONBLOCK)?)) {
                Err(e) if comes_again(&e) => {}
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Err(e) => return Poll::Ready(Err(e)),
                Ok(n) => {
                    self.held -= n;
                    return Poll::Ready(Ok(n));
                }
            }
        }
    }
}

/// Whether it is only not the moment: tokio has taken note, and waits.
fn comes_again(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
