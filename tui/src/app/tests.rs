//! The state without a terminal: keys in, effects and pictures out.

mod manners;
mod reading;

use super::*;
use crate::svg::text;
use crate::world::proxies::Pages;
use crate::world::sections::Section;
use crate::world::timeline::{Mark, Timeline};
use crate::world::{Answer, Asked, Finding, Input, Level, Source, SourceLine};
use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits;
use mesh_model::{Role, Snapshot, Timestamp};
use proptest::prelude::*;
use ratatui::buffer::Buffer;

const MANIFESTS: &str = concat!(include_str!("../../../testdata/bookinfo/apps.yaml"), "\n---\n", include_str!("../../../testdata/bookinfo/traffic.yaml"));
const DUMP: &str = include_str!("../../../testdata/recorded/bookinfo/envoy/productpage-v1-79f59ff6bd-b7wxt/config_dump.json");
const CLUSTERS: &str = include_str!("../../../testdata/recorded/bookinfo/envoy/productpage-v1-79f59ff6bd-b7wxt/clusters.json");

/// An object as its source has it.
fn written(object: &mesh_model::Object) -> Result<String, String> {
    Ok(object.source().slice(object.root().span()).to_owned())
}

fn world() -> World {
    world_of(MANIFESTS, DUMP, CLUSTERS)
}

fn world_of(manifests: &str, dump: &str, clusters: &str) -> World {
    let source = mesh_model::Source::new("bookinfo.yaml", manifests);
    let mut snapshot = Snapshot::new();
    snapshot.as_of = Timestamp(1_795_348_800);
    snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
    let mesh = mesh_resolver::Mesh::new(&snapshot);
    let finding = |level, code: &str, object: &str| Finding {
        code: code.to_owned(),
        level,
        object: object.to_owned(),
        namespace: "bookinfo".to_owned(),
        message: format!("something about {object} \u{1b}[31m"),
        help: Some("do this".to_owned()),
        place: "bookinfo.yaml:7:3".to_owned(),
        lines: vec![SourceLine { number: 7, text: "  host: reviews".to_owned(), marked: Some((8, 15)) }],
        related: Vec::new(),
        fix: Some(("write it so".to_owned(), "reviews".to_owned())),
    };
    World::new(Input {
        asked: Asked::all(),
        context: "bookinfo.yaml".to_owned(),
        arguments: "bookinfo.yaml".to_owned(),
        objects: vec!["bookinfo.yaml".to_owned()],
        sources: vec![
            Source { section: Some(Section::Configuration), name: "bookinfo.yaml".to_owned(), state: Ok("some".to_owned()) },
            Source { section: Some(Section::Proxies), name: "gone".to_owned(), state: Err("not there".to_owned()) },
        ],
        mesh: &mesh,
        findings: Answer::Known(vec![
            finding(Level::Warning, "IST0127", "VirtualService bookinfo/bookinfo"),
            finding(Level::Error, "IST0101", "VirtualService bookinfo/reviews"),
        ]),
        explanations: BTreeMap::from([("IST0101".to_owned(), "## IST0101\n\n**What it checks.** References.\n".to_owned())]),
        proxies: vec![Pages {
            name: "x",
            from: "dump.json",
            arguments: "--from dump.json",
            config_dump: Some(dump),
            clusters: Some(clusters),
            ..Pages::default()
        }],
        sync: Vec::new(),
        traffic: Answer::unavailable("no source holds metrics", "add some"),
        typed: None,
        logs: Answer::unavailable("no source holds access logs", "add some"),
        traces: Answer::unavailable("no source holds traces", "add some"),
        timeline: None,
        history: None,
        faults: Vec::new(),
        before: None,
        created: None,
        write: written,
        on_one_machine: |_, _| Vec::new(),
    })
}

fn options() -> Options {
    Options {
        theme: Theme::default(),
        keymap: Keymap::default(),
        mouse: MouseUse::Taken,
        context: "bookinfo.yaml".to_owned(),
        open: None,
        refresh: None,
        ask: Ask::default(),
    }
}

fn app() -> App {
    App::new(options())
}

fn draw(app: &mut App) -> String {
    let mut buffer = Buffer::empty(Rect::new(0, 0, app.size.0, app.size.1));
    let shown = app.draw(&mut buffer, Duration::ZERO);
    app.shown(shown);
    text(&buffer)
}

/// Types keys, `enter`, `ctrl-p` and single characters; the effects of all.
fn keys(app: &mut App, keys: &str) -> Vec<Effect> {
    keys.split(' ').filter(|k| !k.is_empty()).flat_map(|k| app.update(Event::Key(Key::parse(k).expect("a key")), Duration::ZERO)).collect()
}

/// Asking for what a screen shows.
fn loads(tab: Tab, ask: Ask) -> Effect {
    Effect::Load(Load { ask, sections: needs(tab) })
}

fn ready() -> App {
    let mut app = app();
    app.update(Event::Resize(120, 40), Duration::ZERO);
    app.update(Event::Loaded(Ok(Arc::new(world()))), Duration::ZERO);
    app
}

#[test]
fn a_greeting_stands_until_a_key_is_typed() {
    let mut app = app().greeting(Some("type this elsewhere".to_owned()));
    app.update(Event::Loaded(Ok(Arc::new(world()))), Duration::ZERO);
    app.update(Event::Tick, Duration::from_secs(600));
    assert!(draw(&mut app).lines().last().is_some_and(|l| l.contains("type this elsewhere")));
    keys(&mut app, "j");
    assert!(draw(&mut app).lines().last().is_some_and(|l| !l.contains("type this elsewhere") && l.contains("help")));
}

#[test]
fn what_is_read_and_what_failed_is_said_on_every_screen() {
    for size in [(80, 24), (120, 40), (200, 60)] {
        for n in "12345678".chars() {
            let mut app = app();
            app.update(Event::Resize(size.0, size.1), Duration::ZERO);
            keys(&mut app, &n.to_string());
            assert!(draw(&mut app).contains("The sources are being read"));
            // What the screen needs and the first one did not is asked then.
            while !app.update(Event::Loaded(Err("no such folder".to_owned())), Duration::ZERO).is_empty() {}
            assert!(draw(&mut app).contains("no such folder"));
            assert_eq!(keys(&mut app, "r"), [loads(app.tab(), Ask::default())]);
            app.update(Event::Loaded(Ok(Arc::new(world()))), Duration::ZERO);
            let text = draw(&mut app);
            // On a narrow screen where one is comes first.
            assert!(!text.contains("no such folder") && (text.contains("read-only") || size.0 < 120), "{text}");
            assert!(text.lines().next().is_some_and(|top| top.contains("just read") && top.contains("1 failed")) || size.0 < 120, "{text}");
            // A source that fails later takes nothing away.
            keys(&mut app, "r");
            app.update(Event::Loaded(Err("gone".to_owned())), Duration::ZERO);
            assert!(draw(&mut app).contains("not read again: gone"));
        }
    }
}

/// The same with traffic.
fn with_traffic() -> World {
    let traffic = crate::world::traffic::tests::sample();
    let shown = Some(crate::world::traffic::Times { window: traffic.window, at: traffic.at, span: traffic.span });
    World { traffic: Answer::Known(Arc::new(traffic)), shown, ..world() }
}

fn busy() -> App {
    let mut app = app();
    app.update(Event::Resize(160, 50), Duration::ZERO);
    app.update(Event::Loaded(Ok(Arc::new(with_traffic()))), Duration::ZERO);
    app
}

#[test]
fn a_failure_is_followed_from_the_picture_to_its_cause() {
    let mut app = busy();
    keys(&mut app, "2");
    let text = draw(&mut app);
    assert!(text.contains("traffic") && text.contains("20%") && text.contains("9.0/s"), "{text}");
    keys(&mut app, "a a a");
    assert!(draw(&mut app).contains("tls 100%"));
    keys(&mut app, ": d e t a i l space c a r t enter");
    let text = draw(&mut app);
    assert!(text.contains("LIKELY CAUSE") && text.contains("its calls to store fail with 503 UO"), "{text}");
    assert!(text.contains("CALLED BY 1") && text.contains("HURT IF IT STOPS 1"), "{text}");
    // From the cause to where it starts.
    keys(&mut app, "j enter");
    assert!(draw(&mut app).contains("503 UO"));
}

#[test]
fn expressions_find_and_hide() {
    let mut app = busy();
    keys(&mut app, "2 f e r r > 1 enter");
    let text = draw(&mut app);
    assert!(text.contains("found 0 nodes 2 edges"), "{text}");
    keys(&mut app, "F n a m e = a u d i t enter");
    let text = draw(&mut app);
    assert!(text.contains("hidden: name=audit") && text.contains("3 nodes 2 edges"), "{text}");
    keys(&mut app, ": h i d e space e r enter");
    assert!(draw(&mut app).contains("hide: "), "a mistake is told");
    keys(&mut app, ": h i d e enter : f i n d enter");
    assert!(draw(&mut app).contains("4 nodes 3 edges"));
}

#[test]
fn time_goes_where_the_recording_reaches() {
    let mut app = busy();
    assert_eq!(keys(&mut app, ">"), [], "there is nothing later");
    assert_eq!(keys(&mut app, "t"), [loads(Tab::Graph, Ask { window: 1800, ..Ask::default() })], "proxies are the same whatever rates look back");
    assert_eq!(keys(&mut app, "<"), [], "the sources are being read");
    app.update(Event::Loaded(Err("gone".to_owned())), Duration::ZERO);
    assert_eq!(keys(&mut app, "<"), [loads(Tab::Overview, Ask { window: 1800, back: 900, ..Ask::default() })]);
    let mut still = ready();
    assert_eq!(keys(&mut still, "t < >"), [], "without traffic there is no window");
}

#[test]
fn a_recording_is_stepped_through_jumped_in_and_played() {
    let mark = |at, changes, failing| Mark { at, changes, failing: Some(failing) };
    let line = Timeline::new(vec![mark(1_000, 0, 0.0), mark(1_060, 1, 0.0), mark(1_120, 0, 20.0), mark(1_180, 0, 0.0)]);
    let replayed = || Event::Loaded(Ok(Arc::new(World { timeline: line.clone(), ..with_traffic() })));
    let mut app = busy();
    app.update(replayed(), Duration::ZERO);
    let goes = |app: &mut App, typed: &str, back: i64| {
        assert_eq!(keys(app, typed), [loads(Tab::Overview, Ask { back, ..Ask::default() })], "{typed}");
        app.update(replayed(), Duration::ZERO);
    };
    goes(&mut app, "<", 60);
    goes(&mut app, "{", 120);
    assert_eq!(keys(&mut app, "}"), []);
    assert!(draw(&mut app).contains("no configuration changes later"));
    goes(&mut app, "!", 60);
    let text = draw(&mut app);
    assert!(text.contains("replay 00:18:40Z") && text.contains("◆") && text.contains("3/4"), "{text}");
    goes(&mut app, ": a t space f i r s t enter", 180);
    assert_eq!(keys(&mut app, ": a t space n e v e r enter"), []);
    // Played, it goes on by itself to the end.
    assert_eq!(keys(&mut app, "space"), []);
    for (second, back) in [(1, 120), (2, 60), (3, 0)] {
        let at = Duration::from_secs(second);
        assert_eq!(app.update(Event::Tick, at), [loads(Tab::Overview, Ask { back, ..Ask::default() })]);
        assert_eq!(app.update(Event::Tick, at), [], "it is being read");
        app.update(replayed(), at);
        assert_eq!(app.update(Event::Tick, at), [], "it stands for a while");
    }
    assert_eq!(app.update(Event::Tick, Duration::from_secs(9)), []);
    assert!(!app.is_playing);
    goes(&mut app, "space", 180);
}

#[test]
fn what_is_alive_is_read_again_unless_it_is_paused() {
    let mut app = busy();
    app.refresh = Some(Duration::from_secs(15));
    assert!(draw(&mut app).contains("⟳ 15s"));
    let at = Duration::from_secs;
    assert_eq!(app.update(Event::Tick, at(14)), []);
    assert_eq!(app.update(Event::Tick, at(15)), [loads(Tab::Overview, Ask::default())]);
    assert_eq!(app.update(Event::Tick, at(16)), [], "it is being read");
    app.update(Event::Loaded(Err("gone".to_owned())), at(17));
    assert_eq!(app.update(Event::Tick, at(31)), []);
    app.update(Event::Key(Key::parse("space").expect("a key")), at(31));
    assert_eq!(app.update(Event::Tick, at(60)), [], "paused");
    // A cluster that is followed has no interval, and is paused as well: that is to be seen.
    let mut followed = ready();
    assert!(!draw(&mut followed).contains("paused"));
    keys(&mut followed, "space");
    assert!(draw(&mut followed).contains(" · paused") && !draw(&mut followed).contains("by r alone"));
    assert_eq!(followed.update(Event::Changed, at(1)), [], "paused");
    keys(&mut followed, "space");
    assert_eq!(followed.update(Event::Changed, at(2)), [loads(Tab::Overview, Ask::default())]);
}

#[test]
fn the_worst_is_first_and_one_key_leads_to_it() {
    let mut app = ready();
    let text = draw(&mut app);
    let (gone, error) = (text.find("not read: not there"), text.find("IST0101"));
    assert!(gone < error && gone.is_some(), "{text}");
    keys(&mut app, "j enter");
    assert_eq!(app.tab(), Tab::Findings);
    let text = draw(&mut app);
    assert!(text.contains("  host: reviews") && text.contains("^^^^^^^") && text.contains("help: do this"), "{text}");
    keys(&mut app, "x");
    assert!(draw(&mut app).contains("What it checks."));
    assert_eq!(keys(&mut app, "C"), [Effect::Copy("meshctl explain IST0101".to_owned())]);
    assert_eq!(keys(&mut app, "q"), []);
    assert_eq!(app.tab(), Tab::Overview);
    assert_eq!(keys(&mut app, "esc"), [], "esc never quits");
    assert_eq!(keys(&mut app, "q"), [Effect::Quit]);
}

#[test]
fn commands_filters_and_the_palette_lead_everywhere() {
    let mut app = ready();
    keys(&mut app, ": g r a p h space r e v i e w s enter");
    assert_eq!(app.tab(), Tab::Graph);
    assert_eq!(keys(&mut app, "c"), [Effect::Copy("bookinfo/reviews".to_owned())]);
    keys(&mut app, "e");
    assert!(draw(&mut app).contains("1 hop around reviews"));
    keys(&mut app, "e / n s : n o w h e r e enter");
    assert!(draw(&mut app).contains("Nothing that the filter lets through"));
    keys(&mut app, "esc");
    assert!(draw(&mut app).contains("reviews"));
    keys(&mut app, "ctrl-p p r o d u c t p a g e - v 1 - 7 enter");
    assert_eq!(app.tab(), Tab::Proxies);
    assert!(draw(&mut app).contains("1.32-dev"));
    keys(&mut app, ": n o n s e n s e enter");
    assert!(draw(&mut app).contains("there is no command `nonsense`"));
    keys(&mut app, "- [");
    assert!(matches!(keys(&mut app, ": w space a . s v g enter").as_slice(), [Effect::Write { path, text }] if path == "a.svg" && text.starts_with("<svg")));
    assert_eq!(keys(&mut app, ": q ctrl-c"), [Effect::Quit], "ctrl-c quits whatever is typed");
    assert_eq!(keys(&mut app, "ctrl-z"), [Effect::Suspend]);
}

#[test]
fn one_walks_among_boxes_and_collapses_them() {
    let mut app = busy();
    keys(&mut app, "2 b");
    let text = draw(&mut app);
    assert!(text.contains("nodes, worst first") && text.contains("4 nodes"), "{text}");
    assert_eq!(keys(&mut app, "c"), [Effect::Copy("shop".to_owned())]);
    assert!(matches!(keys(&mut app, "C").as_slice(), [Effect::Copy(c)] if c.contains("-n shop")));
    keys(&mut app, "x");
    let text = draw(&mut app);
    assert!(text.contains("drawn as one node") && text.contains("1 nodes 0 edges"), "{text}");
    keys(&mut app, "enter");
    assert!(draw(&mut app).contains("4 nodes 3 edges"), "enter opens a collapsed one");
    keys(&mut app, "enter");
    assert!(draw(&mut app).contains("called by 1"), "and goes into an open one, to its worst node");
    // Of a mesh with several namespaces one steps from box to box, and esc leaves them.
    let mut app = ready();
    keys(&mut app, "2 b");
    let boxed = |app: &mut App| keys(app, "c");
    let first = boxed(&mut app);
    keys(&mut app, "k k k k j");
    assert_ne!(boxed(&mut app), Vec::new());
    assert!(first.iter().all(|e| matches!(e, Effect::Copy(name) if !name.contains('/'))), "{first:?}");
    keys(&mut app, "esc");
    assert!(matches!(keys(&mut app, "c").as_slice(), [Effect::Copy(name)] if name.contains('/')));
    assert_eq!(app.tab(), Tab::Graph);
}

#[test]
fn the_whole_graph_is_written_whatever_the_window_shows() {
    let mut app = busy();
    app.update(Event::Resize(40, 12), Duration::ZERO);
    keys(&mut app, "2");
    // Laying out takes its time: it is an effect, so that no key waits.
    let asked = keys(&mut app, ": w space g . t x t enter");
    let [Effect::DrawWhole(whole)] = asked.as_slice() else { panic!("{asked:?}") };
    let (path, text) = whole.clone().run();
    let written = app.update(Event::Drawn { path, text }, Duration::ZERO);
    let [Effect::Write { path, text }] = written.as_slice() else { panic!("{written:?}") };
    assert_eq!(path, "g.txt");
    for name in ["web", "cart", "store", "audit"] {
        assert!(text.contains(name), "{name}: {text}");
    }
    assert!(!text.contains("read-only") && text.lines().any(|l| l.chars().count() > 40), "{text}");
    assert!(matches!(keys(&mut app, ": s c r e e n space s . t x t enter").as_slice(), [Effect::Write { text, .. }] if text.contains("meshctl")));
}

#[test]
fn a_request_is_asked_about_at_the_selected_proxy_and_its_way_is_shown() {
    use crate::world::way::{Question, Station, Step, Way};
    let mut app = ready();
    keys(&mut app, "6");
    let asked = keys(&mut app, "w a : 8 0 / space - H space ' x : space y ' enter");
    let [Effect::Ask(question)] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(question.words, ["GET", "http://a:80/", "-H", "x: y"]);
    assert_eq!(question.command(), "meshctl route --from dump.json GET http://a:80/ -H 'x: y'");
    assert!(draw(&mut app).contains("being asked"));
    let way = Way {
        request: "GET http://a:80/".to_owned(),
        stations: vec![Station {
            proxy: "p".to_owned(),
            steps: vec![Step {
                health: crate::graph::Health::Ok,
                kind: "route".to_owned(),
                text: "default \u{1b}[31m".to_owned(),
                passed: vec!["not jason: no".to_owned()],
            }],
            ends: vec![(crate::graph::Health::Failing, "the proxy answers 404".to_owned())],
        }],
        ends: Vec::new(),
        assumed: vec!["something".to_owned()],
        problems: Vec::new(),
    };
    // An answer to another question comes too late.
    let other = Question { words: vec!["GET".to_owned()], ..question.clone() };
    app.update(Event::Told(other, Ok(way.clone())), Duration::ZERO);
    assert!(draw(&mut app).contains("being asked"));
    app.update(Event::Told(question.clone(), Ok(way)), Duration::ZERO);
    let text = draw(&mut app);
    for part in ["the proxy answers 404", "route", "not jason: no", "assumed", "something"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains('\u{1b}'));
    assert_eq!(keys(&mut app, "C"), [Effect::Copy(question.command())]);
    // What it was asked of has been read again: it says so.
    let again = "the sources were read again since";
    assert!(!text.contains(again));
    let world = app.world().expect("a world");
    app.update(Event::Loaded(Ok(world)), Duration::ZERO);
    assert!(draw(&mut app).contains(again));
    // The same words asked again are another question, and the late answer to the first is not its own.
    let effects = keys(&mut app, "w enter");
    let [Effect::Ask(second)] = effects.as_slice() else { panic!("{effects:?}") };
    app.update(Event::Told(question.clone(), Err("too late".to_owned())), Duration::ZERO);
    assert!(second.words == question.words && draw(&mut app).contains("being asked"));
    app.update(Event::Told(second.clone(), Err("in time".to_owned())), Duration::ZERO);
    assert!(draw(&mut app).contains("in time") && !draw(&mut app).contains(again));
    // What was typed is there to be changed.
    assert!(matches!(keys(&mut app, "w backspace z ' enter").as_slice(), [Effect::Ask(q)] if q.words[3] == "x: yz"));
    app.update(Event::Told(question.clone(), Err("too late".to_owned())), Duration::ZERO);
    keys(&mut app, "esc");
    assert!(draw(&mut app).contains("Listeners"));
    keys(&mut app, "w ' enter");
    assert!(draw(&mut app).contains("opened and not closed"));
}

#[test]
fn the_command_of_a_detail_prints_that_very_node() {
    let mut app = busy();
    keys(&mut app, ": d e t a i l space c a r t enter");
    assert_eq!(keys(&mut app, "C"), [Effect::Copy("meshctl tui --no-tui --open shop/cart bookinfo.yaml".to_owned())]);
    let text = crate::print::node(&with_traffic(), &("shop".to_owned(), "cart".to_owned()));
    assert!(text.contains("LIKELY CAUSE") && text.contains("HURT IF IT STOPS 1"), "{text}");
}

#[test]
fn what_is_slow_and_what_is_tried_again_is_ranked_behind_what_fails() {
    use mesh_analyzers::ranking::{Ending, Fault, FaultKind, Suspect};
    let fault = |kind, share: f64| Fault {
        from: "shop/web".to_owned(),
        to: "shop/cart".to_owned(),
        ending: Ending { code: 503, flags: "UO".to_owned(), rate: 2.0, host: String::new() },
        share,
        kind,
        costs: 2.0,
        suspects: vec![Suspect { subject: format!("{kind:?}"), why: "why".to_owned(), evidence: Vec::new(), score: 1 }],
    };
    let faults = [fault(FaultKind::Retried(3.0), 1.0), fault(FaultKind::Slow(2_500.0), 1.0), fault(FaultKind::Fails, 0.4)];
    let texts: Vec<String> = crate::world::suspected(&crate::world::traffic::tests::sample(), &faults).into_iter().map(|p| p.text).collect();
    assert_eq!(
        texts,
        [
            "why: 40% of shop/web → shop/cart ends with 503 UO",
            "why: a request of shop/web → shop/cart arrives 3.0 times",
            "why: shop/web → shop/cart takes 2.5s (95th percentile)",
        ]
    );
}

#[test]
fn one_walks_from_the_listener_to_the_endpoint() {
    let mut app = ready();
    keys(&mut app, "6 enter enter");
    let text = draw(&mut app);
    assert!(text.contains("Listeners") && text.contains("Filter chains"), "{text}");
    keys(&mut app, "left / 9 0 8 0 enter right right");
    let text = draw(&mut app);
    assert!(text.contains("Routes") && text.contains("virtual host"), "{text}");
}

#[test]
fn a_click_selects_and_a_second_one_opens() {
    let mut app = ready();
    draw(&mut app);
    let (spot, _) = *app.spots.iter().find(|(_, s)| *s == 1).expect("a second row");
    app.update(Event::Click(spot.x, spot.y), Duration::from_millis(0));
    app.update(Event::Click(spot.x, spot.y), Duration::from_millis(100));
    assert_eq!(app.tab(), Tab::Findings);
}

#[test]
fn nothing_that_is_shown_is_a_control_character() {
    let mut app = ready();
    for screen in ["1", "2", "3", "4", "4 x", "5", "6", "7", "8", "?", ":", "ctrl-p"] {
        keys(&mut app, screen);
        assert!(!draw(&mut app).chars().any(|c| c.is_control() && c != '\n'), "{screen}");
        keys(&mut app, "esc");
    }
}

fn any_event() -> impl Strategy<Value = Event> {
    let letter = prop_oneof![
        proptest::sample::select("hjklgGHJKLoOxXdevzibwyTAERPS'=+_-[]{}pnN/:?q12345678rcCtMfmasF<>! \u{e9}日".chars().collect::<Vec<_>>())
            .prop_map(|c| c.to_string()),
        proptest::sample::select(vec![
            "enter",
            "esc",
            "tab",
            "backtab",
            "up",
            "down",
            "left",
            "right",
            "pgup",
            "pgdn",
            "ctrl-d",
            "ctrl-u",
            "ctrl-p",
            "ctrl-w",
            "backspace",
            "home",
            "end",
            "f5"
        ])
        .prop_map(str::to_owned),
    ];
    prop_oneof![
        8 => letter.prop_map(|k| Event::Key(Key::parse(if k == " " { "space" } else { &k }).expect("a key"))),
        1 => (1u16..=300, 1u16..=100).prop_map(|(w, h)| Event::Resize(w, h)),
        1 => (0u16..300, 0u16..100).prop_map(|(x, y)| Event::Click(x, y)),
        1 => (-9i32..9).prop_map(Event::Wheel),
        1 => (0u16..300, 0u16..100).prop_map(|(x, y)| Event::Drag(x, y)),
        1 => "\\PC{0,12}".prop_map(Event::Paste),
        1 => Just(Event::Tick),
        1 => proptest::bool::ANY.prop_map(|ok| Event::Loaded(if ok { Ok(Arc::new(with_traffic())) } else { Err("x".to_owned()) })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_snapshot_is_too_odd(
        cuts in proptest::collection::vec((0usize..3, 0.0f64..1.0, 0usize..40, "\\PC{0,6}"), 1..12),
        size in (1u16..=300, 1u16..=100),
    ) {
        let mut texts = [MANIFESTS.to_owned(), DUMP.to_owned(), CLUSTERS.to_owned()];
        for (which, at, length, put) in cuts {
            // A piece of one of the sources is lost, and something else stands there.
            let text = &mut texts[which];
            let from = text.floor_char_boundary((text.len() as f64 * at) as usize);
            let to = text.floor_char_boundary((from + length).min(text.len()));
            text.replace_range(from..to.max(from), &put);
        }
        let mut app = app();
        app.update(Event::Resize(size.0, size.1), Duration::ZERO);
        app.update(Event::Loaded(Ok(Arc::new(world_of(&texts[0], &texts[1], &texts[2])))), Duration::ZERO);
        for screen in ["1", "2", "v", "v", "3", "4", "5", "6", "l", "l", "l", "7", "8"] {
            keys(&mut app, screen);
            let text = draw(&mut app);
            prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
        }
    }

    #[test]
    fn no_sequence_of_events_is_too_odd(events in proptest::collection::vec(any_event(), 1..60)) {
        let mut app = ready();
        for event in events {
            app.update(event, Duration::ZERO);
            draw(&mut app);
        }
    }
}
