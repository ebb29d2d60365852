//! A translation as lists of xDS resources in protobuf JSON, the form that the matching engine compiles.

use super::{Piece, Translation};
use serde::Serialize;
use serde_json::{Value, json};

impl Translation<'_> {
    /// `{"listeners": […], "clusters": […], "routes": […], "endpoints": […]}`. Clusters whose endpoints the input does
    /// not hold are not among the endpoints: they are unknown, not empty.
    pub fn resources(&self) -> Value {
        json!({
            "listeners": list(&self.listeners),
            "clusters": list(&self.clusters),
            "routes": list(&self.routes),
            "endpoints": list(&self.endpoints),
        })
    }
}

fn list<M: Serialize>(pieces: &[Piece<'_, M>]) -> Vec<Value> {
    // Our own messages are JSON always.
    pieces.iter().map(|p| serde_json::to_value(&p.message).unwrap_or_default()).collect()
}
