//! What is asked when, and how old what is shown is.

use super::*;
use crate::world::sections::Sections;
use mesh_model::graph::GraphType;

/// A world of sources that give nothing.
fn nothing(asked: Asked<'_>) -> World {
    let snapshot = Snapshot::new();
    let mesh = mesh_resolver::Mesh::new(&snapshot);
    World::new(Input {
        asked,
        context: String::new(),
        arguments: String::new(),
        objects: Vec::new(),
        sources: Vec::new(),
        mesh: &mesh,
        findings: Answer::unavailable("none", "none"),
        explanations: BTreeMap::new(),
        proxies: Vec::new(),
        sync: Vec::new(),
        traffic: Answer::unavailable("none", "none"),
        typed: None,
        logs: Answer::unavailable("none", "none"),
        traces: Answer::unavailable("none", "none"),
        timeline: None,
        history: None,
        faults: Vec::new(),
        before: None,
        created: None,
        write: written,
        on_one_machine: |_, _| Vec::new(),
    })
}

/// A world as it comes from a reading of some sections.
fn part(load: Load, old: Sections) -> Event {
    Event::Loaded(Ok(Arc::new(World { fresh: load.sections, old, ..with_traffic() })))
}

#[test]
fn a_screen_asks_for_what_it_shows_and_only_when_it_is_shown() {
    let of = |list: &[Section]| Sections::of(list);
    let at = Duration::from_secs;
    let mut app = app();
    app.refresh = Some(at(15));
    let first = app.reading().expect("the first reading");
    assert_eq!(first.sections, needs(Tab::Overview));
    app.update(part(first, Sections::NONE), at(0));
    let press = |app: &mut App, key: &str, second: u64| -> Option<Sections> {
        let effects = app.update(Event::Key(Key::parse(key).expect("a key")), at(second));
        let [Effect::Load(load)] = effects.as_slice() else { return None };
        app.update(part(*load, Sections::NONE), at(second));
        Some(load.sections)
    };
    // What the first screen read is there for others; what none has shown is asked when it is.
    for key in ["2", "4", "6", "7", "1"] {
        assert_eq!(press(&mut app, key, 1), None, "{key}");
    }
    assert_eq!(press(&mut app, "5", 2), Some(of(&[Section::Traces])));
    assert_eq!(press(&mut app, "3", 3), Some(of(&[Section::Logs])));
    assert_eq!(press(&mut app, "8", 4), None);
    // In time each screen asks for its own: logs alone here, traces alone there.
    let tick = |app: &mut App, second: u64| -> Option<Sections> {
        let effects = app.update(Event::Tick, at(second));
        let [Effect::Load(load)] = effects.as_slice() else { return None };
        app.update(part(*load, Sections::NONE), at(second));
        Some(load.sections)
    };
    assert_eq!(tick(&mut app, 17), None);
    assert_eq!(tick(&mut app, 18), Some(of(&[Section::Logs])));
    press(&mut app, "5", 19);
    assert_eq!(tick(&mut app, 19), Some(of(&[Section::Traces])));
    press(&mut app, "4", 20);
    assert_eq!(tick(&mut app, 20), Some(of(&[Section::Configuration])));
    // r reads what is shown now, and what else was read is read again when it is shown.
    assert_eq!(press(&mut app, "r", 21), Some(of(&[Section::Configuration])));
    assert_eq!(press(&mut app, "8", 21), Some(of(&[Section::Logs])));
    assert_eq!(press(&mut app, "5", 21), Some(of(&[Section::Traces])));
    // A change of a cluster is nothing to traces, and is read once its objects are shown.
    assert_eq!(app.update(Event::Changed, at(22)), []);
    assert_eq!(press(&mut app, "4", 22), Some(of(&[Section::Configuration])));
    // Another window is of what is measured.
    press(&mut app, "1", 23);
    assert_eq!(press(&mut app, "t", 24), Some(of(&[Section::Metrics, Section::Configuration])));
}

#[test]
fn stale_figures_say_how_old_they_are() {
    let at = Duration::from_secs;
    let shown = |app: &App, second: u64| {
        let mut buffer = Buffer::empty(Rect::new(0, 0, app.size.0, app.size.1));
        app.draw(&mut buffer, at(second));
        text(&buffer)
    };
    let mut app = app();
    app.update(Event::Resize(120, 40), Duration::ZERO);
    app.refresh = Some(at(15));
    let all = Load { ask: Ask::default(), sections: Sections::ALL };
    app.update(part(all, Sections::NONE), at(0));
    assert!(!shown(&app, 45).contains(" old"), "three refreshes are no long time");
    // The metrics did not answer, and the rest did.
    app.update(Event::Tick, at(15));
    app.update(part(Load { sections: needs(Tab::Overview), ..all }, Sections::of(&[Section::Metrics])), at(15));
    let overview = shown(&app, 32);
    assert!(overview.contains("What is wrong now · 30s old") && overview.contains("Namespaces · 30s old"), "{overview}");
    assert!(overview.contains("mTLS 100% (30s old)") && !overview.contains("warnings, 1 infos (") && overview.contains("certificates ─"), "{overview}");
    keys(&mut app, "2");
    assert!(shown(&app, 140).contains("2m old · ●"), "{}", shown(&app, 140));
    keys(&mut app, ": d e t a i l space c a r t enter");
    let detail = shown(&app, 140);
    assert!(detail.contains("CALLED BY 1  2m old") && detail.contains("FINDINGS  2m old"), "{detail}");
    keys(&mut app, "4");
    assert!(!shown(&app, 32).contains(" old"), "{}", shown(&app, 32));
    // Without a refresh nothing is asked again: files are as old as they are.
    let mut still = ready();
    keys(&mut still, "1");
    assert!(!shown(&still, 4_000).contains(" old"));
}

#[test]
fn what_a_source_gave_stays_when_it_fails_and_only_for_the_same_time() {
    let before = with_traffic();
    let failed = Sections::of(&[Section::Metrics]);
    let asked = Asked { sections: needs(Tab::Graph), failed, before: Some(&before), ..Asked::all() };
    let kept = nothing(asked);
    assert!(kept.traffic.known().is_some() && kept.old == failed, "{:?}", kept.old);
    assert!(kept.proxies.known().is_some(), "they were not asked");
    let other = nothing(Asked { ask: Ask::default().wider(), ..asked });
    assert!(other.traffic.known().is_none() && other.old == Sections::NONE, "rates of another window are other figures");
    // A proxy that is silent is shown as it was.
    let silent = ["dump.json".to_owned()];
    let of_proxies = Asked { sections: needs(Tab::Proxies), silent: &silent, ..Asked::all() };
    let gone = nothing(Asked { before: Some(&before), ..of_proxies });
    assert!(gone.proxies.known().is_some_and(|p| p.len() == 1 && p[0].is_old) && gone.old == Sections::of(&[Section::Proxies]));
    assert!(nothing(of_proxies).proxies.known().is_none());
    // Calls are explained by what proxies say: metrics that came before those are read again with them.
    let load = Load { ask: Ask::default(), sections: needs(Tab::Proxies) };
    let of_graph = nothing(Asked { sections: needs(Tab::Graph), ..Asked::all() });
    assert_eq!((load.whole(Some(&of_graph)), load.whole(Some(&before)), load.whole(None)), (needs(Tab::Overview), load.sections, load.sections));
    let first = nothing(Asked { sections: Sections::of(&[Section::Traces]), ..Asked::all() });
    assert!(matches!(&first.findings, Answer::Unavailable { why, .. } if why.contains("not been read yet")));
}

#[test]
fn another_type_of_graph_is_asked_for_and_what_is_selected_stays_selected() {
    use crate::world::traffic::tests::{sample, sample_of_services};
    let mut app = busy();
    // The store is a workload that serves `stores`.
    keys(&mut app, ": g r a p h space s t o r e enter");
    assert!(draw(&mut app).contains("traffic of workloads") && draw(&mut app).contains("╭ store ─"));
    let services = Ask { graph: GraphType::Service, ..Ask::default() };
    let asked = Load { ask: services, sections: needs(Tab::Graph).whole() };
    let metrics = Load { ask: services, sections: Sections::of(&[Section::Metrics]).whole() };
    assert_eq!(keys(&mut app, ": t y p e space s e r v i c e s enter"), [Effect::Load(metrics)]);
    assert!(draw(&mut app).contains("traffic of workloads"), "what is there is shown until the other comes");
    let typed = World { typed: Some(Arc::new(sample_of_services())), fresh: asked.sections, ..with_traffic() };
    app.update(Event::Loaded(Ok(Arc::new(typed))), Duration::ZERO);
    let text = draw(&mut app);
    assert!(text.contains("traffic of services ▸ 2 nodes 1 edges") && text.contains("╭ stores ─"), "{text}");
    let copied = |effects: Vec<Effect>| match &effects[..] {
        [Effect::Copy(text)] => text.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!((copied(keys(&mut app, "c")), copied(keys(&mut app, "C"))), ("shop/stores".to_owned(), "meshctl graph --type service".to_owned()));
    // Other screens are of workloads: the service's detail is that of who answers for it, and from there one comes back to it.
    keys(&mut app, "enter");
    assert_eq!((app.tab(), copied(keys(&mut app, "c")).as_str()), (Tab::Detail, "shop/store"));
    keys(&mut app, "m");
    assert_eq!((app.tab(), copied(keys(&mut app, "c")).as_str()), (Tab::Graph, "shop/stores"));
    // Back to workloads.
    assert_eq!(keys(&mut app, "g"), [Effect::Load(Load { ask: Ask::default(), ..metrics })]);
    app.update(Event::Loaded(Ok(Arc::new(World { fresh: asked.sections, ..with_traffic() }))), Duration::ZERO);
    assert_eq!(copied(keys(&mut app, "c")), "shop/store");
    assert_eq!(sample().graph_type, GraphType::Workload);
    // Whoever types faster than sources are read gets what was typed last.
    let apps = Ask { graph: GraphType::App, ..Ask::default() };
    assert_eq!(keys(&mut app, "g"), [Effect::Load(Load { ask: apps, ..metrics })]);
    assert!(keys(&mut app, "g g").is_empty());
    let next = app.update(Event::Loaded(Ok(Arc::new(World { fresh: asked.sections, ..with_traffic() }))), Duration::ZERO);
    assert_eq!(next, [Effect::Load(metrics)]);
}

#[test]
fn a_graph_of_the_configuration_has_one_type() {
    let mut app = ready();
    assert!(keys(&mut app, "2 g").is_empty());
    assert!(draw(&mut app).contains("types are of traffic"));
}
