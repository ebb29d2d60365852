//! What a person names as a source.

use std::path::PathBuf;

/// Where an admin port is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `http://host:15000`, without a path; `https://` too.
    Url(String),
    /// `unix:PATH`.
    Unix(PathBuf),
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Endpoint::Url(url) => f.write_str(url),
            Endpoint::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Stdin,
    /// A file, an archive or a folder: what is in it decides.
    Path(PathBuf),
    Live(Endpoint),
    /// `NAME.NAMESPACE=http://host:15000`: the admin port of a proxy whose name is known.
    Named(String, Endpoint),
    /// The proxies of a cluster: of a context, or of the current one.
    Cluster(Option<String>),
}

impl Source {
    /// `-`, a path, `http://host:15000`, `unix:PATH` (each of these two with `NAME=` before it too), `kube` or `kube:CONTEXT`; what can't be one is an error that says why.
    pub fn parse(text: &str) -> Result<Source, String> {
        if text == "-" {
            return Ok(Source::Stdin);
        }
        if let Some((name, place)) = text.split_once('=')
            && ["http://", "https://", "unix:"].iter().any(|s| place.starts_with(s))
            && !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
        {
            return match Source::parse(place)? {
                Source::Live(endpoint) => Ok(Source::Named(name.to_owned(), endpoint)),
                other => Ok(other),
            };
        }
        if let Some(path) = text.strip_prefix("unix:") {
            // `unix:///run/admin.sock` is `unix:/run/admin.sock`.
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() { Err("unix: takes the path of a socket".to_owned()) } else { Ok(Source::Live(Endpoint::Unix(path.into()))) };
        }
        if text == "kube" {
            return Ok(Source::Cluster(None));
        }
        if let Some(context) = text.strip_prefix("kube:") {
            return if context.is_empty() { Err("kube: takes the name of a context".to_owned()) } else { Ok(Source::Cluster(Some(context.to_owned()))) };
        }
        let Some((scheme, rest)) = text.split_once("://") else { return Ok(Source::Path(text.into())) };
        if !matches!(scheme, "http" | "https") {
            return Err(format!("`{scheme}://` is no kind of source: a path, `-`, http://host:15000, unix:PATH and kube are"));
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
        if authority.is_empty() || authority.contains('@') {
            return Err("an admin port is named as http://host:15000, without a user".to_owned());
        }
        let path = rest.get(authority.len()..).unwrap_or("").trim_matches('/');
        if !path.is_empty() {
            return Err(format!("an admin port is named without a path: {scheme}://{authority}"));
        }
        Ok(Source::Live(Endpoint::Url(format!("{scheme}://{authority}"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_told_by_their_spelling() {
        assert_eq!(Source::parse("-"), Ok(Source::Stdin));
        assert_eq!(Source::parse("a.json"), Ok(Source::Path("a.json".into())));
        assert_eq!(Source::parse("unix:/run/a.sock"), Ok(Source::Live(Endpoint::Unix("/run/a.sock".into()))));
        assert_eq!(Source::parse("http://127.0.0.1:15000/"), Ok(Source::Live(Endpoint::Url("http://127.0.0.1:15000".into()))));
        let url = Endpoint::Url("http://127.0.0.1:15000".into());
        assert_eq!(Source::parse("cart-v1.shop=http://127.0.0.1:15000"), Ok(Source::Named("cart-v1.shop".into(), url)));
        assert_eq!(Source::parse("a=b.yaml"), Ok(Source::Path("a=b.yaml".into())));
        assert_eq!(Source::parse("kube"), Ok(Source::Cluster(None)));
        assert_eq!(Source::parse("kube:east"), Ok(Source::Cluster(Some("east".into()))));
        for wrong in ["unix:", "ftp://a", "http://", "http://u:p@a:1", "http://a:1/config_dump", "http://a:1/?x=http://b", "kube:"] {
            assert!(Source::parse(wrong).is_err(), "{wrong}");
        }
    }
}
