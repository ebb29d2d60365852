//! The user's editor, at a line of a file.

use std::path::Path;
use std::process::Command;

/// Opens a file of this machine at a line, and comes back when the editor ends.
pub fn open(file: &str, line: u32) -> Result<(), String> {
    if !Path::new(file).is_file() {
        return Err(format!("{file} is no file of this machine; y shows the object"));
    }
    let named = |name: &str| std::env::var(name).ok().filter(|v| !v.trim().is_empty());
    let editor = named("VISUAL").or_else(|| named("EDITOR")).unwrap_or_else(|| "vi".to_owned());
    let words = mesh_tui::shell::words(&editor).map_err(|why| format!("$VISUAL or $EDITOR: {why}"))?;
    let Some((program, arguments)) = words.split_first() else { return Err("$VISUAL or $EDITOR names no program".to_owned()) };
    let status =
        Command::new(program).args(arguments).args(placed(program, file, line)).status().map_err(|e| format!("{program}: {e}; set $VISUAL or $EDITOR"))?;
    if status.success() { Ok(()) } else { Err(format!("{program} ended with {status}")) }
}

/// What the editor takes to open the file at the line; of one that is not known, the file alone.
fn placed(program: &str, file: &str, line: u32) -> Vec<String> {
    let name = Path::new(program).file_name().and_then(|n| n.to_str()).unwrap_or(program);
    // A name that begins like a flag is a file all the same.
    let file = if file.starts_with(['-', '+']) { format!("./{file}") } else { file.to_owned() };
    match name {
        "vi" | "vim" | "nvim" | "gvim" | "view" | "nano" | "pico" | "emacs" | "emacsclient" | "micro" | "kak" | "joe" | "mg" | "ne" | "gedit" => {
            vec![format!("+{line}"), file]
        }
        "hx" | "helix" | "subl" | "zed" => vec![format!("{file}:{line}")],
        "code" | "codium" | "cursor" => vec!["--wait".to_owned(), "--goto".to_owned(), format!("{file}:{line}")],
        _ => vec![file],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn editors_are_told_the_line_as_they_take_it() {
        let of = |program: &str, file: &str| placed(program, file, 7).join(" ");
        assert_eq!(of("/usr/bin/nvim", "k8s/a.yaml"), "+7 k8s/a.yaml");
        assert_eq!(of("hx", "a.yaml"), "a.yaml:7");
        assert_eq!(of("code", "a.yaml"), "--wait --goto a.yaml:7");
        assert_eq!(of("my-editor", "-a.yaml"), "./-a.yaml");
        assert!(open("kube:prod", 1).is_err_and(|e| e.contains("no file of this machine")));
    }
}
