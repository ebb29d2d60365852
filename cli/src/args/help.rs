//! The top of the help: which meshctl this is, three examples, the six groups.

/// The first line of `--help` and `--version`: another company ships a CLI of this name.
pub const ABOUT: &str = "meshctl, the observability and troubleshooting toolkit for Istio (github.com/meshctl-mesh/meshctl)";

pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (the toolkit for Istio, github.com/meshctl-mesh/meshctl)");

/// The groups and the commands of each that exist.
pub const AVAILABLE: &[(&str, &[&str])] = &[
    ("START HERE", &["explain", "tui"]),
    ("BEFORE YOU MERGE", &["analyze", "validate"]),
    ("TRAFFIC", &["graph"]),
    ("SECURITY", &["authz"]),
    ("PROXIES", &["proxy-config", "proxy-status", "ztunnel-config"]),
    ("DATA AND SET-UP", &["snapshot", "completion", "man", "version"]),
];

/// What the groups will hold. Asking for one of these says so.
pub const TO_COME: &[(&str, &[&str])] = &[
    ("START HERE", &["why", "check", "demo"]),
    ("BEFORE YOU MERGE", &["plan", "test", "gen"]),
    ("TRAFFIC", &["top", "canary", "logs", "traces", "changes"]),
    ("SECURITY", &["mtls", "certs"]),
    ("PROXIES", &["drift", "describe"]),
    ("DATA AND SET-UP", &["controlplane"]),
];

const USES: &[(&str, &str)] = &[
    ("START HERE", "explain WORD|FILE (codes, flags, metrics, access logs …) · tui PATH… (ui)"),
    ("BEFORE YOU MERGE", "analyze [PATH…] · validate [PATH…] (its schema part)"),
    ("TRAFFIC", "graph (who calls whom: text, json, dot, mermaid)"),
    ("SECURITY", "authz check · authz can"),
    ("PROXIES", "proxy-config (pc) · proxy-status (ps) · ztunnel-config (zc)"),
    ("DATA AND SET-UP", "snapshot diff A B · completion SHELL · man [COMMAND] · version"),
];

pub fn top_level() -> String {
    let mut out = format!(
        "{ABOUT}\n\n\
         Usage: meshctl COMMAND [ARGS]\n\n\
         Examples:\n  \
           meshctl explain IST0101                  something is broken: what a finding means\n  \
           meshctl analyze k8s/                     lint a pull request, with no cluster\n  \
           meshctl analyze testdata/bookinfo        try it, on a mesh with mistakes\n\n"
    );
    for (group, _) in AVAILABLE {
        let uses = USES.iter().find(|(g, _)| g == group).map_or("not in this version yet", |(_, text)| text);
        out.push_str(&format!("{group:18}{uses}\n"));
    }
    out.push_str(
        "\nOptions of every command:\n  \
           -h, --help       Print help (`meshctl COMMAND --help` for a command's own)\n  \
           -V, --version    Print the version\n  \
           -q, --quiet      No summary, notes or progress on stderr\n  \
           --color WHEN     auto, always or never\n\n\
         Exit status: 0 fine · 79 not fine · 75 answered in part · 65 unreadable input · 64 usage · 1 no answer\n",
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Cli;
    use clap::CommandFactory;

    #[test]
    fn the_help_fits_a_terminal_and_lists_what_exists() {
        let help = top_level();
        assert!(help.lines().count() <= 40);
        for line in help.lines().skip(1) {
            assert!(line.chars().count() <= 110, "{line}");
        }
        let mut exist: Vec<String> = Cli::command().get_subcommands().filter(|c| !c.is_hide_set()).map(|c| c.get_name().to_owned()).collect();
        let mut listed: Vec<String> = AVAILABLE.iter().flat_map(|(_, list)| list.iter().map(|s| (*s).to_owned())).collect();
        exist.sort();
        listed.sort();
        assert_eq!(exist, listed);
        for (group, commands) in AVAILABLE {
            let line = help.lines().find(|l| l.starts_with(group)).expect("a line a group");
            for command in *commands {
                assert!(line.contains(command), "{line}");
            }
        }
    }

    #[test]
    fn the_definitions_are_sound() {
        Cli::command().debug_assert();
    }
}
