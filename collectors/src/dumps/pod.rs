//! Names of pods, as people type them.

/// `NAME`, `NAME.NAMESPACE` or `pod/NAME.NAMESPACE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodName {
    pub name: String,
    pub namespace: Option<String>,
}

impl PodName {
    /// Splits at the last dot, as istioctl does; `namespace` is for names without one. Only pods have a name in a dump:
    /// `deployment/x` is an error that says so.
    pub fn parse(text: &str, namespace: Option<&str>) -> Result<PodName, String> {
        let text = match text.split_once('/') {
            None => text,
            Some(("pod" | "pods" | "po", name)) => name,
            Some((kind, _)) => return Err(format!("`{text}`: which pods a {kind} has is known to a cluster only; name the pod")),
        };
        let (name, own) = text.rsplit_once('.').map_or((text, None), |(n, ns)| (n, Some(ns)));
        if name.is_empty() {
            return Err("a pod's name is `NAME` or `NAME.NAMESPACE`".to_owned());
        }
        Ok(PodName { name: name.to_owned(), namespace: own.or(namespace).map(str::to_owned) })
    }
    /// Whether a proxy called `NAME.NAMESPACE` (or `NAME`, where no more is known) is meant.
    pub fn fits(&self, proxy: &str) -> bool {
        let (name, namespace) = proxy.rsplit_once('.').map_or((proxy, None), |(n, ns)| (n, Some(ns)));
        let whole = proxy == self.name && self.namespace.is_none();
        whole || (name == self.name && (self.namespace.is_none() || namespace.is_none() || self.namespace.as_deref() == namespace))
    }
}

impl std::fmt::Display for PodName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(ns) => write!(f, "{}.{ns}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_are_named_with_and_without_their_namespace() {
        let fits = |text: &str, ns: Option<&str>, proxy: &str| PodName::parse(text, ns).is_ok_and(|p| p.fits(proxy));
        assert!(fits("cart-1.shop", None, "cart-1.shop") && fits("cart-1", None, "cart-1.shop") && fits("pod/cart-1", Some("shop"), "cart-1.shop"));
        assert!(!fits("cart-1.web", None, "cart-1.shop") && !fits("cart", None, "cart-1.shop") && !fits("cart-1", Some("web"), "cart-1.shop"));
        assert!(fits("cart-1.shop", Some("web"), "cart-1") && PodName::parse("deployment/cart", None).is_err() && PodName::parse(".x", None).is_err());
    }
}
