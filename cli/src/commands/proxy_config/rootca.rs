//! `proxy-config rootca-compare`: which roots each of two proxies trusts.

use super::{Answer, show};
use crate::args::proxy_config::RootcaCompareArgs;
use crate::commands::certs::read;
use crate::commands::proxy_config::Format;
use crate::commands::proxy_status::compare::pair;
use crate::context::Context;
use crate::print::table::Table;
use crate::print::time::rfc3339;
use crate::status::{Failure, Outcome, Status};
use crate::term::safe;
use mesh_envoy::certificate::Certificate;

pub fn run(args: &RootcaCompareArgs, context: &Context) -> Outcome {
    let (a, b, problems) = pair(&args.a, &args.b, &args.source)?;
    let (left, right) = (roots(&a.text, &args.a)?, roots(&b.text, &args.b)?);
    let mut all = left.clone();
    all.extend(right.iter().filter(|c| !left.contains(c)).cloned());
    let mut table = Table::new(["ROOT", "SERIAL", "NOT AFTER", "TRUSTED BY"]);
    for root in &all {
        let by = match (left.contains(root), right.contains(root)) {
            (true, true) => "both".to_owned(),
            (true, false) => args.a.clone(),
            _ => args.b.clone(),
        };
        table.row(vec![root.subject.clone(), root.serial.clone(), rfc3339(root.not_after), by]);
    }
    let common: Vec<&Certificate> = left.iter().filter(|c| right.contains(c)).collect();
    let expired = common.iter().filter(|c| !c.valid_at(context.now)).count();
    let verdict = match (common.len(), expired) {
        (0, _) => format!("no root in common: {} and {} do not accept each other's certificates", safe(&args.a), safe(&args.b)),
        (n, e) if n == e => "the roots in common are not valid now".to_owned(),
        (1, _) => "1 root in common".to_owned(),
        (n, _) => format!("{n} roots in common"),
    };
    let is_fine = common.len() > expired;
    let status = Answer::whole(format!("{}{verdict}\n", show(&table, Format::Table))).with(problems).give(context)?;
    Ok(if is_fine { status } else { Status::NotFine })
}

/// The certificates of every trust bundle that a proxy holds.
fn roots(text: &str, name: &str) -> Result<Vec<Certificate>, Failure> {
    let roots = read::of_dump(name, text)?.roots;
    if roots.is_empty() { Err(Failure::none(format!("{name} holds no trust bundle (its secret ROOTCA is missing)"))) } else { Ok(roots) }
}
