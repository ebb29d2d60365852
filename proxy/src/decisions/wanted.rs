//! Which decisions are asked for: the parameters of `/requests` and `/requests/live`.

use super::Decision;
use crate::percent::decode;
use mesh_envoy::engine::domain::without_port;

/// All that is given has to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// One of these response flags.
    flags: Vec<String>,
    /// `503`, or `5xx` for all of its hundred.
    statuses: Vec<String>,
    cluster: Option<String>,
    /// A beginning.
    path: Option<String>,
    /// With or without its port.
    host: Option<String>,
    /// With a flag, or a status of 500 or more.
    failed: bool,
}

impl Wanted {
    /// Takes one parameter. `None`: it is none of these.
    ///
    /// # Errors
    /// What is wrong with its value.
    pub fn take(&mut self, name: &str, value: &str) -> Option<Result<(), String>> {
        let list = |value: &str| decode(value).split(',').map(|v| v.trim().to_owned()).filter(|v| !v.is_empty()).collect::<Vec<_>>();
        match name {
            "flag" => self.flags = list(value),
            "status" => {
                self.statuses = list(value);
                let is_status = |s: &String| s.len() == 3 && s.starts_with(|c: char| c.is_ascii_digit()) && (s.ends_with("xx") || s.parse::<u16>().is_ok());
                if let Some(wrong) = self.statuses.iter().find(|s| !is_status(s)) {
                    return Some(Err(format!("status: `{wrong}` is neither one such as 503 nor several such as 5xx")));
                }
            }
            "cluster" => self.cluster = Some(decode(value)),
            "path" => self.path = Some(decode(value)),
            "host" => self.host = Some(decode(value)),
            "failed" => self.failed = !matches!(value, "false" | "0"),
            _ => return None,
        }
        Some(Ok(()))
    }
    /// Their names.
    pub const NAMES: &str = "flag, status, cluster, path, host, failed";

    pub fn holds(&self, d: &Decision) -> bool {
        let status = |s: &String| *s == d.status.to_string() || s.strip_suffix("xx").is_some_and(|c| c == (d.status / 100).to_string());
        let host = |h: &String| h.eq_ignore_ascii_case(&d.authority) || h.eq_ignore_ascii_case(without_port(&d.authority));
        (self.flags.is_empty() || self.flags.iter().any(|f| d.flags.iter().any(|own| own.eq_ignore_ascii_case(f))))
            && (self.statuses.is_empty() || self.statuses.iter().any(status))
            && self.cluster.as_ref().is_none_or(|c| *c == d.cluster.as_deref().unwrap_or(""))
            && self.path.as_ref().is_none_or(|p| d.path.starts_with(p.as_str()))
            && self.host.as_ref().is_none_or(host)
            && (!self.failed || !d.flags.is_empty() || d.status >= 500)
    }
}
