//! What is expected of a terminal UI by those who know others: YAML, sorting, the mouse, how often it reads.

use super::*;
use crate::theme::{Medium, Palette, Theme};

/// Lines that hold a text, by their place on the screen.
fn line_of(text: &str, word: &str) -> usize {
    text.lines().position(|l| l.contains(word)).unwrap_or_else(|| panic!("{word}\n{text}"))
}

#[test]
fn the_object_in_focus_is_shown_as_yaml() {
    let mut app = ready();
    // Of a finding.
    keys(&mut app, "4 y");
    let text = draw(&mut app);
    assert!(text.contains("VirtualService bookinfo/reviews") && text.contains("# bookinfo.yaml:") && text.contains("kind: VirtualService"), "{text}");
    // It is looked through, copied and left.
    keys(&mut app, "/ s p e c enter");
    let text = draw(&mut app);
    assert!(text.lines().nth(2).is_some_and(|l| l.contains("spec:")), "{text}");
    assert!(matches!(keys(&mut app, "c").as_slice(), [Effect::Copy(yaml)] if yaml.contains("kind: VirtualService\n")));
    assert!(matches!(keys(&mut app, "e").as_slice(), [Effect::Edit { file, line }] if file == "bookinfo.yaml" && *line > 1));
    keys(&mut app, "G ctrl-u l h n N q");
    assert!(draw(&mut app).contains("help: do this"), "the screen before is there again");
    // Of a node of the graph: all that says something of it.
    keys(&mut app, ": g r a p h space r e v i e w s enter y");
    let text = draw(&mut app);
    assert!(text.contains("and ") && text.contains("more"), "{text}");
    keys(&mut app, "esc");
    assert_eq!(app.tab(), Tab::Graph);
    // Of a row of Detail.
    keys(&mut app, "enter");
    let rows = draw(&mut app).lines().count();
    for _ in 0..rows {
        keys(&mut app, "j");
        if draw(&mut app).lines().any(|l| l.starts_with("▶") && l.contains("DestinationRule bookinfo/reviews")) {
            break;
        }
    }
    assert!(matches!(keys(&mut app, "e").as_slice(), [Effect::Edit { .. }]));
    keys(&mut app, "y");
    assert!(draw(&mut app).contains("kind: DestinationRule"));
    // What is no object says so.
    let mut other = ready();
    keys(&mut other, "8 y");
    assert!(draw(&mut other).contains("no object is in focus"));
    assert_eq!(keys(&mut other, ": y a m l enter"), []);
}

#[test]
fn all_services_and_workloads_are_a_list() {
    let mut app = busy();
    keys(&mut app, ": w l enter");
    let text = draw(&mut app);
    assert!(text.contains("workloads, gateways") && text.contains("REPLICAS") && text.contains("/kind:workload"), "{text}");
    // One is opened, and esc leads back to the list.
    keys(&mut app, "esc A");
    let text = draw(&mut app);
    assert!(text.contains("by name") && line_of(&text, "audit") < line_of(&text, "cart"), "{text}");
    keys(&mut app, "/ c a r t enter enter");
    assert!(draw(&mut app).contains("CALLED BY"));
    assert_eq!(keys(&mut app, "c"), [Effect::Copy("shop/cart".to_owned())]);
    keys(&mut app, "esc");
    assert!(draw(&mut app).contains("all 1"));
    keys(&mut app, "m");
    assert_eq!(app.tab(), Tab::Graph);
    // A configuration alone is one, too.
    let mut still = ready();
    keys(&mut still, "3 w");
    let text = draw(&mut still);
    assert!(text.contains("productpage") && !text.contains("RATE"), "{text}");
    keys(&mut still, "w");
    assert!(draw(&mut still).contains("CONFIGURATION"));
}

#[test]
fn letters_sort_lists() {
    let mut app = ready();
    keys(&mut app, "4");
    let first = |app: &mut App| {
        let text = draw(app);
        (line_of(&text, "IST0101"), line_of(&text, "IST0127"))
    };
    let (error, warning) = first(&mut app);
    assert!(error < warning, "the worst first");
    keys(&mut app, "E");
    let (error, warning) = first(&mut app);
    assert!(error > warning, "turned round");
    assert!(draw(&mut app).contains("by errors, turned round"));
    keys(&mut app, "A");
    assert!(draw(&mut app).contains("by name"));
    keys(&mut app, "R");
    assert!(draw(&mut app).contains("this list is not sorted by rate"), "what a list lacks is told");
    let mut busy = busy();
    keys(&mut busy, "R");
    assert!(draw(&mut busy).contains("Namespaces by rate"));
    keys(&mut busy, "o o");
    assert!(draw(&mut busy).contains("Namespaces ─"), "after the last column the order of before");
}

#[test]
fn a_click_on_a_title_sorts() {
    let mut app = busy();
    let click = |app: &mut App, title: &str| {
        let text = draw(app);
        let (y, line) = text.lines().enumerate().find(|(_, l)| l.contains("NAMESPACE")).expect("the titles of the namespaces");
        let x = line.chars().collect::<String>().find(title).map(|at| line[..at].chars().count()).expect("a title");
        app.update(Event::Click(x as u16, y as u16), Duration::ZERO);
        app.update(Event::Click(x as u16, y as u16), Duration::from_millis(100));
        draw(app)
    };
    assert!(click(&mut app, "RATE").contains("Namespaces by rate, turned round"), "two clicks are two, and open nothing");
    assert!(click(&mut app, "WARNINGS").contains("Namespaces by rate, turned round"), "what it is not sorted by changes nothing");
    assert_eq!(app.tab(), Tab::Overview);
}

#[test]
fn how_often_sources_are_read_is_changed_by_a_key() {
    let mut app = busy();
    keys(&mut app, "T");
    assert!(draw(&mut app).contains("⟳ 5s") && draw(&mut app).contains("read again every 5s"));
    keys(&mut app, "T T T T T");
    assert!(draw(&mut app).contains("⟳ 5m"));
    keys(&mut app, "T");
    assert!(!draw(&mut app).contains("⟳") && app.refresh.is_none());
    keys(&mut app, ": r e f r e s h space 3 0 s enter");
    assert_eq!(app.refresh, Some(Duration::from_secs(30)));
    keys(&mut app, ": r e f r e s h space n o w enter");
    assert!(draw(&mut app).contains("such as 30s"));
    assert!(matches!(keys(&mut app, ": r e f r e s h enter").as_slice(), [Effect::Load(_)]));
}

#[test]
fn the_mouse_moves_the_picture() {
    let mut app = busy();
    app.update(Event::Resize(60, 20), Duration::ZERO);
    for job in keys(&mut app, "2 z") {
        if let Effect::LayOut(job) = job {
            app.update(Event::LaidOut(Box::new(job.run())), Duration::ZERO);
        }
    }
    let before = draw(&mut app);
    let mut tell = |event: Event| {
        app.update(event, Duration::ZERO);
        draw(&mut app)
    };
    // A press that is not moved, and a drag that begins with it.
    let pressed = tell(Event::Click(59, 18));
    assert_eq!(pressed, before);
    let moved = tell(Event::Drag(53, 14));
    assert_ne!(moved, before);
    assert_eq!(tell(Event::Drag(59, 18)), before, "and back");
    assert_ne!(tell(Event::Wheel(3)), before);
    assert_eq!(tell(Event::Wheel(-3)), before);
}

#[test]
fn a_screen_that_is_read_aloud_has_words_and_lines() {
    for tab in "12345678".chars() {
        let mut app = App::new(Options { theme: Theme { medium: Medium::Read, ..Theme::default() }, ..options() });
        app.update(Event::Resize(160, 50), Duration::ZERO);
        app.update(Event::Loaded(Ok(Arc::new(with_traffic()))), Duration::ZERO);
        keys(&mut app, &tab.to_string());
        app.update(Event::Loaded(Ok(Arc::new(with_traffic()))), Duration::ZERO);
        let text = draw(&mut app);
        let marks: Vec<char> = text.chars().filter(|c| "●▲✖○◌─│╭╮╰╯▁▂▃▄▅▆▇█┆┄".contains(*c)).collect();
        assert!(marks.is_empty(), "screen {tab}: {marks:?}\n{text}");
    }
    let mut app = App::new(Options { theme: Theme { medium: Medium::Read, ..Theme::default() }, ..options() });
    app.update(Event::Resize(120, 40), Duration::ZERO);
    app.update(Event::Loaded(Ok(Arc::new(world()))), Duration::ZERO);
    let text = draw(&mut app);
    assert!(text.contains("What is wrong now, in focus:") && text.contains("failing"), "{text}");
}

#[test]
fn a_light_background_makes_the_colours_light() {
    let mut app = ready();
    assert_eq!(app.theme().palette, Palette::Dark);
    assert_eq!(app.update(Event::Background(Palette::Light), Duration::ZERO), []);
    assert_eq!(app.theme().palette, Palette::Light);
}

#[test]
fn the_filter_of_a_list_is_not_said_of_one_of_its_rows() {
    let mut app = busy();
    keys(&mut app, "3 w / s t o r e enter");
    let top = |app: &mut App| draw(app).lines().next().unwrap_or_default().to_owned();
    assert!(top(&mut app).contains("/store"));
    keys(&mut app, "enter");
    assert!(top(&mut app).contains("shop/store") && !top(&mut app).contains("  /store"), "{}", top(&mut app));
    // It is kept for the list, to which one key leads back, and is typed there.
    keys(&mut app, "esc");
    assert!(top(&mut app).contains("  /store"));
    keys(&mut app, "enter /");
    assert!(top(&mut app).contains("detail ▸ all 1"), "{}", top(&mut app));
    // Of what is shown whole there is nothing to clear: esc goes back at once.
    let mut app = busy();
    keys(&mut app, "3 w / s t o r e enter w esc");
    assert_eq!(app.tab(), Tab::Overview);
}

#[test]
fn what_a_proxy_holds_is_asked_for_and_shown_as_yaml_and_json() {
    use crate::world::held::{Part, Resource};
    let mut app = ready();
    keys(&mut app, "6");
    let wanted = |effects: Vec<Effect>| match &effects[..] {
        [Effect::Hold(wanted)] => wanted.clone(),
        other => panic!("{other:?}"),
    };
    let first = wanted(keys(&mut app, "y"));
    assert_eq!((first.proxy.as_str(), &first.resource), ("--from dump.json", &Resource::Proxy));
    assert!(draw(&mut app).contains("it is being read"));
    // Each column has resources of its own.
    keys(&mut app, "esc l");
    let listener = wanted(keys(&mut app, "y"));
    assert!(matches!(&listener.resource, Resource::Listener(l) if l.state == "active"), "{:?}", listener.resource);
    keys(&mut app, "esc l");
    assert!(matches!(wanted(keys(&mut app, "y")).resource, Resource::Chain(_, 0)));
    keys(&mut app, "esc l");
    let deeper = wanted(keys(&mut app, "y"));
    assert!(matches!(&deeper.resource, Resource::Route { .. } | Resource::Cluster(_)), "{:?}", deeper.resource);
    // An answer to another question is too late.
    let part = |title: &str| Part { title: title.to_owned(), yaml: "name: reviews\n".to_owned(), json: "{\n    \"name\": \"reviews\"\n}\n".to_owned() };
    app.update(Event::Held(first, Ok(vec![part("of before")])), Duration::ZERO);
    assert!(draw(&mut app).contains("it is being read"));
    app.update(Event::Held(deeper.clone(), Ok(vec![part("one \u{1b}[31m"), part("another")])), Duration::ZERO);
    let text = draw(&mut app);
    assert!(text.contains("# another") && text.contains("name: reviews") && !text.contains('\u{1b}') && text.contains("JSON"), "{text}");
    keys(&mut app, "tab");
    let text = draw(&mut app);
    assert!(text.contains("// another") && text.contains("\"name\": \"reviews\"") && text.contains("YAML"), "{text}");
    assert!(matches!(keys(&mut app, "c").as_slice(), [Effect::Copy(text)] if text.contains("\"name\": \"reviews\"")));
    keys(&mut app, "e");
    assert!(draw(&mut app).contains("no file"));
    // As JSON at once, and what could not be read says why.
    keys(&mut app, "esc");
    let third = wanted(keys(&mut app, ": j s o n enter"));
    app.update(Event::Held(third, Err("the proxy is gone".to_owned())), Duration::ZERO);
    assert!(draw(&mut app).contains("not available: the proxy is gone"));
    // Whoever has closed it is not told.
    keys(&mut app, "esc y esc");
    app.update(Event::Held(deeper, Ok(vec![part("late")])), Duration::ZERO);
    assert!(!draw(&mut app).contains("late"));
    keys(&mut app, "2 : j s o n enter");
    assert!(draw(&mut app).contains("objects are shown as YAML"));
}

/// The same on a small terminal.
fn small() -> App {
    let mut app = app();
    app.update(Event::Resize(80, 24), Duration::ZERO);
    app.update(Event::Loaded(Ok(Arc::new(with_traffic()))), Duration::ZERO);
    app
}

#[test]
fn a_small_terminal_says_how_to_go_on_and_cuts_no_help() {
    let mut app = small();
    for n in "12345678".chars() {
        keys(&mut app, &n.to_string());
        let text = draw(&mut app);
        let footer = text.lines().last().unwrap_or_default();
        assert!(footer.contains("1-8 screens  ? help"), "{n}: {footer}");
        keys(&mut app, "?");
        let help = draw(&mut app);
        // The last column within its frame.
        assert!(!help.lines().any(|l| l.chars().nth(76) == Some('…')), "{help}");
        keys(&mut app, "esc");
    }
    // Where one is comes before what else is known.
    keys(&mut app, "2");
    let text = draw(&mut app);
    assert!(text.lines().next().is_some_and(|top| top.contains("traffic of workloads ▸ 4 nodes 3 edges")), "{text}");
}

#[test]
fn a_small_terminal_tells_of_the_selected_node() {
    let mut app = small();
    keys(&mut app, "2");
    let about = |app: &mut App| draw(app).lines().rev().nth(1).unwrap_or_default().trim_end().to_owned();
    assert_eq!(about(&mut app), " ✖ cart  10/s 20% p95 20ms · 1 → it → 2 · i tells more");
    keys(&mut app, "l");
    assert!(about(&mut app).contains(" store  "), "{}", about(&mut app));
    // The inspector takes its side where that is asked for, and the picture stays the same.
    keys(&mut app, "i");
    let text = draw(&mut app);
    assert!(text.contains("╭ store ──") && text.contains("called by 1") && !text.contains("i tells more"), "{text}");
    keys(&mut app, "i");
    assert!(!draw(&mut app).contains("called by 1"));
    // However far it is moved, one key the other way is seen.
    keys(&mut app, &"L ".repeat(60));
    let far = draw(&mut app);
    keys(&mut app, "H");
    assert_ne!(far, draw(&mut app));
}

#[test]
fn what_nobody_has_asked_for_yet_is_being_read() {
    let mut app = small();
    keys(&mut app, "5");
    assert!(draw(&mut app).contains("Traces: not available"), "no source holds any");
    let unread = World { traces: Answer::unread(), ..with_traffic() };
    app.update(Event::Loaded(Ok(Arc::new(unread))), Duration::ZERO);
    let text = draw(&mut app);
    assert!(text.contains("Traces: being read…") && !text.contains("not available"), "{text}");
}

#[test]
fn traces_that_came_after_the_last_measurement_are_shown() {
    use crate::world::traces::Traces;
    use mesh_model::traces::{Span, Trace};
    let span = |at: i64| Span { id: "1".to_owned(), service: "web.shop".to_owned(), start: at * 1_000_000, duration: 1_000, ..Span::default() };
    let of = |at: i64| Traces::new(vec![Trace::new("t".to_owned(), vec![span(at)])], String::new());
    let measured = with_traffic();
    let (from, to) = measured.shown_time().expect("a time");
    let world = World { traces: Answer::Known(Arc::new(of(to + 90))), ..measured };
    assert_eq!(world.traced_time(), Some((from, to + 90)));
    // Of a recording a moment is shown, and nothing that came later.
    let timeline = Timeline::new([to - 60, to].map(|at| Mark { at, failing: None, changes: 0 }).to_vec());
    assert_eq!(World { timeline, ..world }.traced_time(), Some((from, to)));
}
