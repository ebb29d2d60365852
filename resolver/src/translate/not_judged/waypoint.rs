//! What touches a waypoint and is not translated: by the policies that name it, its class, or a service behind it.

use super::{KINDS, NotJudged};
use crate::ambient::waypoint::{self, Waypoint};
use crate::translate::{Context, Origin, RegisteredService};
use mesh_model::{Kind, Object};

pub fn of<'a>(cx: &Context<'_, 'a>) -> Vec<NotJudged<'a>> {
    let mut out = Vec::new();
    let records = cx.control_plane.records;
    for service in std::iter::once(None).chain(cx.served().map(Some)) {
        let attached = |kind: Kind| cx.model.policies_at(kind, &cx.proxy, service);
        for (kind, what, effect) in KINDS.iter().filter(|(kind, ..)| !records || *kind != Kind::Telemetry || service.is_some()) {
            out.extend(attached(*kind).into_iter().map(|o| NotJudged { effect: *effect, ..NotJudged::new(Origin::whole(o), *what) }));
        }
        if let Some(Waypoint::PerhapsClosed(_, gateway)) = service.map(|s| waypoint::of_service(cx.model.mesh, s.object)) {
            out.push(NotJudged::new(Origin::whole(gateway), "it may let namespaces in that it asks for labels of, and their Namespaces are not in the input"));
        }
        let takes_bytes = service.is_some_and(|s| s.ports.iter().any(|p| !p.protocol.is_http()));
        super::custom_of(cx, cx.with_action("CUSTOM", service), takes_bytes, &mut out);
    }
    out
}

/// The objects that were read for it.
pub fn objects<'a>(cx: &Context<'_, 'a>) -> Vec<&'a Object> {
    let routes = |s: &RegisteredService<'a>| {
        let of = |v: &crate::translate::VirtualService<'a>| std::iter::once(v.object).chain(v.http.iter().filter_map(|r| r.object)).collect::<Vec<_>>();
        cx.routes_behind(s).into_iter().flat_map(of).collect::<Vec<_>>()
    };
    cx.served().flat_map(|s| cx.rules(s).0.into_iter().chain(routes(s))).collect()
}
