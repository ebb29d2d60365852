//! A VirtualService that has no route of its own, of which a delegate is missing.

use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits;
use mesh_model::{Completeness, Role, Snapshot, Source};
use mesh_resolver::Mesh;
use mesh_resolver::translate::Model;
use mesh_resolver::why::{Mark, Question, Stage, Url, Why};

#[test]
fn what_one_of_delegates_alone_lost_is_told() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/why/delegate-missing-of-delegates-alone.yaml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let source = Source::new("mesh.yaml", text);
    let mut snapshot = Snapshot::new();
    snapshot.completeness = Completeness::Complete;
    snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
    let mesh = Mesh::new(&snapshot);
    let model = Model::supposing(&mesh);
    for (url, lost) in [("http://cart/api/x", true), ("http://cart/other", false)] {
        let answer = Why::new(&model, &[]).ask("web.shop", None, &Question::get(Url::parse(url).expect("a URL"))).expect("an answer");
        let route = answer.parts.iter().flat_map(|p| &p.steps).find(|s| s.stage == Stage::Route).expect("a route");
        let object = route.thing.as_ref().map_or("", |t| t.object.as_str());
        let expected = if lost { (Mark::Doubtful, "VirtualService shop/root") } else { (Mark::Good, "VirtualService shop/rest") };
        assert_eq!((route.mark, object), expected, "{url}: {route:?}");
        assert_eq!(route.says.contains("shop/api"), lost, "{route:?}");
        assert_eq!(answer.mark(), expected.0, "{:?}", answer.parts);
    }
}
