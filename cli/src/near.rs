//! Names that nothing has: what was probably meant, and what there is.

use crate::status::Failure;
use mesh_analyzers::spelling;
use mesh_resolver::Mesh;
use mesh_resolver::why::{names, other_names};
use std::collections::BTreeSet;

/// Names that are listed of what there is.
const LISTED: usize = 10;

/// "did you mean `cart.shop`? There is: cart-v1.shop, …". `known` are whole names, `NAME.NAMESPACE` where they have a
/// namespace; `also` are other names that would have been understood. What was typed may have a kind before it, a namespace or neither.
pub fn meant<K: AsRef<str>, A: AsRef<str>>(typed: &str, known: impl IntoIterator<Item = K>, also: impl IntoIterator<Item = A>) -> String {
    let known: BTreeSet<String> = known.into_iter().map(|k| k.as_ref().to_owned()).collect();
    let also: BTreeSet<String> = also.into_iter().map(|a| a.as_ref().to_owned()).collect();
    let near = nearest(typed, &also, &known).map_or_else(|| "there".to_owned(), |near| format!("did you mean `{near}`? There"));
    let shown: Vec<&str> = known.iter().map(String::as_str).take(LISTED).collect();
    match (shown.as_slice(), known.len().saturating_sub(LISTED)) {
        ([], _) => format!("{near} is none at all"),
        (_, 0) => format!("{near} is: {}", shown.join(", ")),
        (_, more) => format!("{near} is: {} and {more} more", shown.join(", ")),
    }
}

/// The error for a name that stands for no workload and no Service.
pub fn no_workload(typed: &str, mesh: &Mesh<'_>) -> Failure {
    Failure::usage(format!("no workload or Service `{typed}` is in the input; {}", meant(typed, names(mesh), other_names(mesh))))
}

/// The name of another namespace or kind comes first, then one that is spelled alike, whole or without its namespace.
fn nearest<'k>(typed: &str, also: &'k BTreeSet<String>, known: &'k BTreeSet<String>) -> Option<&'k str> {
    fn bare(name: &str) -> &str {
        name.rsplit_once('/').map_or(name, |(_, own)| own)
    }
    fn first(name: &str) -> &str {
        bare(name).split('.').next().unwrap_or(name)
    }
    let all = || also.iter().chain(known).map(String::as_str);
    let elsewhere = || all().find(|name| *name != typed && first(name) == first(typed));
    let alike = || spelling::nearest(bare(typed), all().map(bare)).and_then(|near| all().find(|name| bare(name) == near));
    let by_name = || spelling::nearest(first(typed), all().map(first)).and_then(|near| all().find(|name| first(name) == near));
    elsewhere().or_else(alike).or_else(by_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_stands_before_what_there_is() {
        let known = ["cart-v1.shop", "web-v1.shop"];
        let also = ["cart.shop", "web.shop"];
        for (typed, near) in [("crat", "cart.shop"), ("deploy/crat-v1", "cart-v1.shop"), ("cart.shp", "cart.shop"), ("cart.prod", "cart.shop")] {
            let says = meant(typed, known, also);
            assert!(says.starts_with(&format!("did you mean `{near}`? There is: cart-v1.shop, web-v1.shop")), "{typed}: {says}");
        }
        assert!(meant("cart", ["Deployment/cart-v1.shop"], ["svc/cart.shop"]).starts_with("did you mean `svc/cart.shop`?"));
        assert_eq!(meant("zebra", known, also), "there is: cart-v1.shop, web-v1.shop");
        assert_eq!(meant("zebra", [""; 0], [""; 0]), "there is none at all");
        let many: Vec<String> = (0..14).map(|i| format!("svc-{i}.shop")).collect();
        assert!(meant("svc-x", &many, [""; 0]).ends_with(" and 4 more"));
    }
}
