//! Puts the doc comments of the rules into the binary, for `meshctl explain`.

#[path = "src/explain/pages.rs"]
mod pages;

use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("..");
    // The folder for files that come and go, the files for their text.
    println!("cargo::rerun-if-changed=../analyzers/src");
    for path in pages::sources(&root)? {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    let mut out = String::from("/// Code and page, sorted.\npub static PAGES: &[(&str, &str)] = &[\n");
    for (code, text) in pages::pages(&root)? {
        out.push_str(&format!("    ({code:?}, {text:?}),\n"));
    }
    out.push_str("];\n");
    std::fs::write(PathBuf::from(std::env::var("OUT_DIR")?).join("pages.rs"), out)?;
    Ok(())
}
