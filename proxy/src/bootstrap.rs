//! The bootstrap: read from a file and from the command line, looked through for what can't be honoured.

use crate::config::{Finding, findings};
use crate::options::Options;
use serde_json::{Map, Value};
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

/// A bootstrap as it was given.
#[derive(Clone, Debug, Default)]
pub struct Bootstrap {
    pub value: Value,
    /// Where the admin port is to be; `None` for none.
    pub admin: Option<SocketAddr>,
    /// What was let in although nothing comes of it.
    pub harmless: Vec<Finding>,
}

/// A bootstrap after the start, for those who ask for it. As text it takes a tenth of the memory.
#[derive(Clone, Debug, Default)]
pub struct Kept(Box<str>);

impl From<Bootstrap> for Kept {
    fn from(bootstrap: Bootstrap) -> Kept {
        Kept(bootstrap.value.to_string().into())
    }
}

impl Kept {
    pub fn value(&self) -> Value {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

/// Why a bootstrap is none.
#[derive(Clone, Debug)]
pub enum BootstrapError {
    /// There is none, or it can't be read.
    Unreadable(String),
    /// It asks for what this proxy does not do.
    Unsupported(Vec<Finding>),
}

impl fmt::Display for BootstrapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BootstrapError::Unreadable(why) => f.write_str(why),
            BootstrapError::Unsupported(list) => {
                write!(f, "the configuration asks for what mesh-proxy does not do:")?;
                list.iter().try_for_each(|finding| write!(f, "\n  {finding}"))
            }
        }
    }
}
impl std::error::Error for BootstrapError {}

impl Bootstrap {
    /// Reads what the command line names.
    ///
    /// # Errors
    /// Why it can't be used.
    pub fn load(options: &Options) -> Result<Bootstrap, BootstrapError> {
        let mut value = match &options.config_path {
            Some(path) => read(path)?,
            None => Value::Null,
        };
        if let Some(text) = &options.config_yaml {
            let over = parse(text).map_err(|e| BootstrapError::Unreadable(format!("--config-yaml: {e}")))?;
            value = merge(value, over);
        }
        if value.is_null() {
            return Err(BootstrapError::Unreadable("no configuration: give one with -c FILE or --config-yaml TEXT".to_owned()));
        }
        name_node(&mut value, options);
        Bootstrap::new(value)
    }
    /// # Errors
    /// Everything that is asked for and not done.
    pub fn new(value: Value) -> Result<Bootstrap, BootstrapError> {
        if !value.is_object() {
            return Err(BootstrapError::Unreadable("the configuration is no object".to_owned()));
        }
        let (harmless, unsupported): (Vec<_>, Vec<_>) = findings(&value, "Bootstrap", "").into_iter().partition(|f| f.harmless.is_some());
        if !unsupported.is_empty() {
            return Err(BootstrapError::Unsupported(unsupported));
        }
        let admin = admin(&value)?;
        Ok(Bootstrap { value, admin, harmless })
    }
    /// `static_resources`
    pub fn resources(&self) -> &Value {
        get(&self.value, "static_resources").unwrap_or(&Value::Null)
    }
    /// `node.id`; "" for none.
    pub fn node_id(&self) -> &str {
        get(&self.value, "node").and_then(|n| get(n, "id")).and_then(Value::as_str).unwrap_or("")
    }
}

/// A field in either spelling.
pub fn get<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    let camel = || {
        let mut parts = name.split('_');
        let mut out = parts.next().unwrap_or("").to_owned();
        for part in parts {
            let mut chars = part.chars();
            out.extend(chars.next().map(|c| c.to_ascii_uppercase()));
            out.push_str(chars.as_str());
        }
        out
    };
    value.get(name).or_else(|| value.get(camel()))
}

fn read(path: &Path) -> Result<Value, BootstrapError> {
    let text = std::fs::read_to_string(path).map_err(|e| BootstrapError::Unreadable(format!("{}: {e}", path.display())))?;
    parse(&text).map_err(|e| BootstrapError::Unreadable(format!("{}: {e}", path.display())))
}

/// JSON where it is JSON, else YAML.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    if text.trim_start().starts_with('{')
        && let Ok(value) = serde_json::from_str(text)
    {
        return Ok(value);
    }
    serde_saphyr::from_str::<Value>(text).map_err(|e| e.to_string())
}

/// Protobuf's merge: fields of messages are merged, lists are joined, other values replaced.
fn merge(under: Value, over: Value) -> Value {
    match (under, over) {
        (Value::Object(mut under), Value::Object(over)) => {
            for (key, value) in over {
                let before = under.remove(&key).unwrap_or(Value::Null);
                under.insert(key, merge(before, value));
            }
            Value::Object(under)
        }
        (Value::Array(mut under), Value::Array(over)) => {
            under.extend(over);
            Value::Array(under)
        }
        (under, Value::Null) => under,
        (_, over) => over,
    }
}

fn name_node(value: &mut Value, options: &Options) {
    let given = [("id", &options.service_node), ("cluster", &options.service_cluster)];
    for (key, text) in given.into_iter().filter_map(|(k, v)| v.as_ref().map(|v| (k, v))) {
        if let Value::Object(top) = value
            && let Value::Object(node) = top.entry("node").or_insert_with(|| Value::Object(Map::new()))
        {
            node.insert(key.to_owned(), text.as_str().into());
        }
    }
}

/// The admin port changes things: it is for this machine alone.
fn admin(value: &Value) -> Result<Option<SocketAddr>, BootstrapError> {
    let Some(address) = get(value, "admin").and_then(|a| get(a, "address")).and_then(|a| get(a, "socket_address")) else { return Ok(None) };
    let ip = get(address, "address").and_then(Value::as_str).unwrap_or("");
    let port = get(address, "port_value").and_then(Value::as_u64).and_then(|p| u16::try_from(p).ok());
    let refuse = |what: &str| {
        let path = "admin.address.socket_address".to_owned();
        BootstrapError::Unsupported(vec![Finding { path, value: format!("\"{ip}\""), harmless: None, what: what.to_owned() }])
    };
    let ip: std::net::IpAddr = ip.parse().map_err(|_| refuse("no address"))?;
    if !ip.is_loopback() {
        return Err(refuse("the admin port can stop the proxy and shows its configuration: it listens on loopback addresses alone"));
    }
    Ok(Some(SocketAddr::new(ip, port.ok_or_else(|| refuse("no port"))?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn yaml_and_json_are_the_same() {
        let yaml = "admin:\n  address:\n    socket_address: {address: 127.0.0.1, port_value: 0}\nnode: {id: a}\n";
        let json = r#"{"admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}}, "node": {"id": "a"}}"#;
        assert_eq!(parse(yaml).expect("YAML"), parse(json).expect("JSON"));
        assert!(parse("a: [").is_err());
    }

    #[test]
    fn what_is_given_twice_is_merged() {
        let merged = merge(json!({"node": {"id": "a", "cluster": "c"}, "l": [1]}), json!({"node": {"id": "b"}, "l": [2]}));
        assert_eq!(merged, json!({"node": {"id": "b", "cluster": "c"}, "l": [1, 2]}));
    }

    #[test]
    fn the_admin_port_is_for_this_machine() {
        let at = |ip: &str| Bootstrap::new(json!({"admin": {"address": {"socket_address": {"address": ip, "port_value": 1}}}}));
        assert_eq!(at("127.0.0.1").expect("loopback").admin.map(|a| a.port()), Some(1));
        assert!(at("0.0.0.0").is_err_and(|e| e.to_string().contains("admin.address.socket_address")));
    }
}
