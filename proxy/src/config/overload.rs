//! Limits of the proxy as a whole: `overload_manager` of a bootstrap, and those that its runtime sets.

use mesh_envoy::engine::field::{Message, Path, Read};
use rustc_hash::FxHashMap;
use serde_json::Value;
use std::time::Duration;

#[derive(Debug, Default)]
pub struct Limits {
    /// How often pressure is looked at.
    pub refresh: Duration,
    pub monitors: Vec<Monitor>,
    pub actions: Vec<Action>,
    /// Connections of clients on all listeners together.
    pub connections: Option<u64>,
    /// Connections by the names of listeners.
    pub of_listeners: FxHashMap<Box<str>, u64>,
}

#[derive(Debug)]
pub struct Monitor {
    pub name: Box<str>,
    /// Bytes of memory that are the whole; `None` where connections are counted, which are refused as they come.
    pub memory: Option<u64>,
}

#[derive(Debug)]
pub struct Action {
    pub name: Box<str>,
    pub kind: Kind,
    pub triggers: Vec<Trigger>,
}

/// The place of a monitor, and between which shares of its whole an action begins and is in full.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trigger {
    pub monitor: usize,
    pub begins: f64,
    pub is_full: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Requests are answered with 503.
    StopRequests,
    /// Connections of HTTP/1 end with their answer.
    EndConnections,
    /// Nobody is accepted; clients wait.
    StopConnections,
    /// Who is accepted is closed at once.
    RejectConnections,
    /// Free memory goes back to the system, which it does by itself.
    Shrink,
}

impl Kind {
    pub const COUNT: usize = 5;

    fn parse(name: &str) -> Option<Kind> {
        Some(match name.strip_prefix("envoy.overload_actions.")? {
            "stop_accepting_requests" => Kind::StopRequests,
            "disable_http_keepalive" => Kind::EndConnections,
            "stop_accepting_connections" => Kind::StopConnections,
            "reject_incoming_connections" => Kind::RejectConnections,
            "shrink_heap" => Kind::Shrink,
            _ => return None,
        })
    }
}

impl Limits {
    /// # Errors
    /// What can't be read, with its path.
    pub fn read(bootstrap: &Value) -> Read<Limits> {
        let m = Message::new(bootstrap, Path::root("bootstrap"))?;
        let runtime = runtime(&m)?;
        let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
        let of_listener = |key: &str| Some(key.strip_prefix("envoy.resource_limits.listener.")?.strip_suffix(".connection_limit")?.into());
        let manager = m.message_or_empty("overload_manager")?;
        let mut out = Limits {
            refresh: manager.duration("refresh_interval")?.unwrap_or(Duration::from_secs(1)).max(Duration::from_millis(1)),
            of_listeners: runtime.iter().filter_map(|(key, value)| Some((of_listener(key)?, number(value)?))).collect(),
            connections: runtime.get("overload.global_downstream_max_connections").and_then(number),
            ..Limits::default()
        };
        for monitor in manager.messages("resource_monitors")? {
            let Some((kind, config)) = monitor.any("typed_config")? else { return Err(monitor.unknown_field("typed_config", "a monitor needs one")) };
            let memory = if kind.ends_with("FixedHeapConfig") {
                Some(config.uint("max_heap_size_bytes")?.filter(|n| *n > 0).ok_or_else(|| config.unknown_field("max_heap_size_bytes", "no number"))?)
            } else {
                out.connections = Some(config.uint("max_active_downstream_connections")?.unwrap_or(0));
                None
            };
            out.monitors.push(Monitor { name: monitor.text("name")?.into(), memory });
        }
        for action in manager.messages("actions")? {
            let name = action.text("name")?;
            let kind = Kind::parse(name).ok_or_else(|| action.unknown_field("name", format!("`{name}` is not known to mesh-proxy")))?;
            let mut triggers = Vec::new();
            for trigger in action.messages("triggers")? {
                let name = trigger.text("name")?;
                let monitor = out.monitors.iter().position(|m| *m.name == *name);
                let monitor = monitor.ok_or_else(|| trigger.unknown_field("name", format!("there is no monitor `{name}`")))?;
                let share = |m: &Message<'_, '_>, field: &str| m.value(field).and_then(Value::as_f64).unwrap_or(0.0);
                let (begins, is_full) = match trigger.message("scaled")? {
                    Some(scaled) => (share(&scaled, "scaling_threshold"), share(&scaled, "saturation_threshold")),
                    None => {
                        let threshold = share(&trigger.message_or_empty("threshold")?, "value");
                        (threshold, threshold)
                    }
                };
                triggers.push(Trigger { monitor, begins, is_full });
            }
            out.actions.push(Action { name: name.into(), kind, triggers });
        }
        Ok(out)
    }
}

/// The static layers of `layered_runtime`, later ones over earlier ones, by their whole keys.
fn runtime(m: &Message<'_, '_>) -> Read<FxHashMap<String, Value>> {
    let mut out = FxHashMap::default();
    for layer in m.message_or_empty("layered_runtime")?.messages("layers")? {
        flatten(String::new(), layer.value("static_layer").unwrap_or(&Value::Null), &mut out);
    }
    Ok(out)
}

fn flatten(key: String, value: &Value, out: &mut FxHashMap<String, Value>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                flatten(if key.is_empty() { name.clone() } else { format!("{key}.{name}") }, value, out);
            }
        }
        Value::Null => {}
        other => drop(out.insert(key, other.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn limits_of_connections_stand_in_the_runtime_or_in_a_monitor() {
        let runtime = json!({"layers": [
            {"name": "a", "static_layer": {"overload.global_downstream_max_connections": 7, "envoy": {"resource_limits": {"listener": {"l": {"connection_limit": 3}}}}}},
            {"name": "b", "static_layer": {"overload": {"global_downstream_max_connections": "5000"}}}, {"name": "c", "admin_layer": {}}]});
        let limits = Limits::read(&json!({"layered_runtime": runtime})).expect("limits");
        assert_eq!((limits.connections, limits.of_listeners.get("l")), (Some(5000), Some(&3)));
        let monitor = json!({"name": "m", "typed_config": {"max_active_downstream_connections": 9,
            "@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"}});
        let limits = Limits::read(&json!({"layered_runtime": runtime, "overload_manager": {"resource_monitors": [monitor]}})).expect("limits");
        assert_eq!((limits.connections, limits.refresh), (Some(9), Duration::from_secs(1)));
        assert_eq!(Limits::read(&json!({})).expect("limits").connections, None);
    }
}
