//! URLs as they are typed: `http://reviews:9080/reviews/0`, `tcp://10.0.0.1:3306`.

/// A URL taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// `http`, `https` or `tcp`.
    pub scheme: String,
    /// As typed: with its port if it has one.
    pub authority: String,
    /// Without brackets.
    pub host: String,
    pub port: u16,
    /// With its query; `/` where there is none.
    pub path: String,
}

impl Url {
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub fn parse(url: &str) -> Result<Url, String> {
        let wrong = |what: &str| format!("`{url}` {what}; a URL is http://reviews:9080/reviews/0");
        let (scheme, rest) = url.split_once("://").ok_or_else(|| {
            let path = if url.contains('/') { "" } else { "/" };
            format!("`{url}` has no scheme: write http://{url}{path}, or tcp://HOST:PORT for bytes")
        })?;
        let default_port = match scheme {
            "http" => 80,
            "https" => 443,
            "tcp" => 0,
            _ => return Err(wrong("has a scheme that is none of http, https, tcp")),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (host, port) = match authority.rsplit_once(':').filter(|(_, p)| !p.contains(']')) {
            Some((host, port)) => (host, port.parse().map_err(|_| wrong("has a port that is no number"))?),
            None if default_port == 0 => return Err(wrong("needs a port")),
            None => (authority, default_port),
        };
        if host.is_empty() || authority.contains('@') {
            return Err(wrong("has no host, or a user in it"));
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Url { scheme: scheme.to_owned(), authority: authority.to_owned(), host: host.trim_matches(['[', ']']).to_owned(), port, path })
    }
}

#[cfg(test)]
mod tests {
    use super::Url;

    #[test]
    fn urls_have_a_host_and_a_port() {
        let of = |t| Url::parse(t).map(|u| (u.host, u.port, u.path));
        assert_eq!(of("http://a:9080/b?c=1"), Ok(("a".into(), 9080, "/b?c=1".into())));
        assert_eq!(of("https://[::1]/"), Ok(("::1".into(), 443, "/".into())));
        assert_eq!(of("http://a?x"), Ok(("a".into(), 80, "/?x".into())));
        for bad in ["a:80", "ftp://a", "tcp://a", "http://:80", "http://u@a/", "http://a:x"] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
