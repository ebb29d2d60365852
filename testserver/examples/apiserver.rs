//! Plays a cluster from a folder of lists, for trying things by hand:
//!     cargo run -p mesh-testserver --example apiserver -- DIR KUBECONFIG
//! It writes KUBECONFIG and stops by itself after five minutes, or when its standard input ends.

use mesh_testserver::apiserver::{Data, Faults, Server};
use std::io::Read;

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, kubeconfig] = arguments.as_slice() else { return Err(std::io::Error::other("usage: apiserver DIR KUBECONFIG")) };
    let server = Server::start(Data::read(dir.as_ref())?, Faults::default())?;
    std::fs::write(kubeconfig, server.kubeconfig("test", "token", "default"))?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
