//! What the proxy of a pod itself says of the policies that are to hold, where it can be asked.

use super::{Facts, policies};
use crate::args::proxy_config::ProxyConfigCommand;
use crate::args::{Cli, Command, SourceArgs};
use crate::cluster::Source;
use crate::commands::authz;
use crate::context::{Context, Notes};
use crate::dump::Need;
use crate::reach;
use crate::status::Failure;
use clap::Parser;
use mesh_envoy::dump::SectionKind;
use mesh_model::Role;

const ABOUT: &str = "what its proxy holds";

/// Asks the proxy of `NAME.NAMESPACE`; that it can't be asked is no failure of what the objects say.
pub fn of_pod(pod: &str, cluster: &Source, context: &Context, facts: &mut Facts) {
    let quiet = Context { notes: Notes::Quiet, ..context.clone() };
    let held = place(pod, cluster).and_then(|place| {
        let found = reach::page(pod, &place, Need::Sections(&[SectionKind::Listeners]), &quiet)?;
        if let Some(lacks) = found.problems.first() {
            return Err(Failure::none(lacks.clone()));
        }
        authz::policies_in(&found.page.text)
    });
    let held = match held {
        Ok(held) => held,
        Err(error) => return facts.say(ABOUT, format!("not seen: {error}")),
    };
    let wanted: Vec<String> = facts.objects(policies::ABOUT).filter(|o| o.starts_with("AuthorizationPolicy ")).map(str::to_owned).collect();
    for (action, name) in &held {
        // `policy.namespace`, as the filter's rules are named.
        let (policy, namespace) = name.rsplit_once('.').unwrap_or((name, ""));
        let object = format!("AuthorizationPolicy {namespace}/{policy}");
        if wanted.contains(&object) {
            facts.push(ABOUT, object, format!("{action}, in force"));
        } else {
            facts.warn(ABOUT, format!("{object}: {action}, in force though no such object applies"));
        }
    }
    let is_held =
        |object: &String| held.iter().any(|(_, name)| name.rsplit_once('.').is_some_and(|(p, ns)| *object == format!("AuthorizationPolicy {ns}/{p}")));
    for object in wanted.iter().filter(|o| !is_held(o)) {
        facts.warn(ABOUT, format!("{object}: not in force in this proxy (`meshctl ps {pod}` says what it lacks)"));
    }
    if held.is_empty() && wanted.is_empty() {
        facts.say(ABOUT, "no policy of authorization");
    }
}

/// The arguments of a command on the same pod of the same cluster.
fn place(pod: &str, cluster: &Source) -> Result<SourceArgs, Failure> {
    let context = cluster.context.as_ref().map(|c| format!("--context={c}"));
    let words = ["meshctl", "proxy-config", "listener", pod].map(str::to_owned).into_iter().chain(context);
    match Cli::try_parse_from(words).map(|c| c.command) {
        Ok(Some(Command::ProxyConfig(args))) => match args.what {
            ProxyConfigCommand::Listener(a) => Ok(a.source.source),
            _ => Err(Failure::none("`proxy-config listener` is not called so")),
        },
        _ => Err(Failure::none("`proxy-config listener` is not called so")),
    }
}

/// The one cluster that is read, and nothing beside it.
pub fn cluster(from: &[String]) -> Option<Source> {
    match from {
        [one] => Source::parse(one, Role::Judged),
        _ => None,
    }
}
