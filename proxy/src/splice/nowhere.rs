//! Where there is no `splice(2)` there are no pipes.

use std::io;
use std::task::{Context, Poll};
use tokio::net::TcpStream;

#[derive(Debug)]
pub enum Pipe {}

impl Pipe {
    /// # Errors
    /// Always.
    pub fn open() -> io::Result<Pipe> {
        Err(io::ErrorKind::Unsupported.into())
    }
    pub fn held(&self) -> usize {
        match *self {}
    }
    /// # Errors
    /// Never: there is no pipe.
    pub fn poll_fill(&mut self, _: &TcpStream, _: usize, _: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match *self {}
    }
    /// # Errors
    /// Never: there is no pipe.
    pub fn poll_drain(&mut self, _: &TcpStream, _: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match *self {}
    }
}
