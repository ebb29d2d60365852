//! The top of the help: which meshctl this is, three examples, the six groups.

/// The first line of `--help` and `--version`: another company ships a CLI of this name.
pub const ABOUT: &str = "meshctl, the troubleshooting toolkit for Istio (github.com/meshctl-mesh/meshctl)";

pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (the toolkit for Istio, github.com/meshctl-mesh/meshctl)");

/// The groups, and the commands of each that exist, with what the help says of them.
const GROUPS: &[(&str, &[(&str, &str)])] = &[
    ("START HERE", &[("demo", ""), ("why", " [FROM [URL]]"), ("check", ""), ("explain", " WORD|LOG"), ("tui", " (ui)")]),
    ("BEFORE YOU MERGE", &[("analyze", " [PATH…]"), ("validate", ""), ("plan", ""), ("test", " FILE…"), ("gen", " KIND")]),
    ("TRAFFIC", &[("graph", ""), ("top", ""), ("canary", " [X]"), ("traces", ""), ("route", ""), ("logs", " POD"), ("changes", "")]),
    ("SECURITY", &[("authz", " who-can TO|matrix|can|check"), ("mtls", ""), ("certs", "")]),
    ("PROXIES", &[("proxy-config", ""), ("proxy-status", ""), ("ztunnel-config", ""), ("drift", ""), ("describe", "")]),
    ("DATA AND SET-UP", &[("snapshot", " record…"), ("controlplane", ""), ("completion", ""), ("man", ""), ("version", "")]),
];

/// The commands that exist.
pub fn available() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().flat_map(|(_, list)| list.iter().map(|(command, _)| *command))
}

pub fn top_level() -> String {
    let mut out = format!(
        "{ABOUT}\n\n\
         Usage: meshctl COMMAND [ARGS]\n\n\
         Examples:\n  \
           meshctl check                      # something is broken: in the cluster\n  \
           meshctl analyze k8s/               # lint a pull request, with no cluster\n  \
           meshctl analyze testdata/bookinfo  # try it: a mesh with mistakes\n\n"
    );
    for (group, commands) in GROUPS {
        let uses: Vec<String> = commands.iter().map(|(command, text)| format!("{command}{text}")).collect();
        out.push_str(&format!("{group:17}{}\n", uses.join(" · ")));
    }
    out.push_str(
        "\nOptions of every command:\n  \
           -h, --help         Print help (`meshctl COMMAND --help` for a command's own)\n  \
           -V, --version      Print the version\n  \
           -q, --quiet        No summary, notes or progress on stderr\n  \
           --color WHEN       auto, always or never\n  \
           --out FILE         Write the answer to a file instead of standard output\n  \
           --now TIME         The instant of ages and expiries, instead of the clock\n  \
           --at TIME          Of recordings and metrics: what was then\n  \
           --compat istioctl  Behave and print as istioctl does\n  \
           --allow-partial    Exit with 0 where only a part could be seen\n\n\
         Exit status: 0 fine · 79 not fine · 75 answered in part ·\n\
         65 unreadable input · 64 usage · 1 no answer\n",
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
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        // What clap knows, but for the command that prints this.
        let mut exist: Vec<String> = Cli::command().get_subcommands().map(|c| c.get_name().to_owned()).filter(|c| c != "help").collect();
        let mut listed: Vec<String> = available().map(str::to_owned).collect();
        exist.sort();
        listed.sort();
        assert_eq!(exist, listed);
        for option in Cli::command().get_arguments().filter_map(|a| a.get_long()) {
            assert!(help.contains(&format!("--{option}")), "{option}");
        }
    }

    #[test]
    fn the_definitions_are_sound() {
        Cli::command().debug_assert();
    }
}
