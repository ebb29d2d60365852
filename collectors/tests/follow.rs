//! A cluster that is followed: what changes is seen, each list is read once, and what breaks is taken up again.

use mesh_collectors::kube::{Followed, Options, Secrets, Timeout, What};
use mesh_model::{Kind, Role, Snapshot};
use mesh_testserver::apiserver::{Data, Faults, Resource, Server, StreamingLists};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const SERVICES: &str = "/v1/services";

fn service(name: &str, port: u16) -> Value {
    json!({"metadata": {"name": name, "namespace": "shop"}, "spec": {"ports": [{"port": port}]}})
}

fn data() -> Data {
    let mut data = Data::default();
    let mut add = |group: &str, plural: &str, kind: &str, items: Vec<Value>| {
        data.add(Resource { group: group.into(), version: "v1".into(), plural: plural.into(), kind: kind.into(), is_namespaced: kind != "Namespace", items });
    };
    add("", "namespaces", "Namespace", vec![json!({"metadata": {"name": "shop"}})]);
    add("", "services", "Service", vec![service("a", 80), service("b", 80)]);
    add("", "pods", "Pod", Vec::new());
    add("networking.istio.io", "virtualservices", "VirtualService", Vec::new());
    data
}

struct Follower {
    server: Server,
    followed: Option<Followed>,
    what: What,
    config: std::path::PathBuf,
    _dir: tempfile::TempDir,
}

impl Follower {
    fn start(faults: Faults) -> Follower {
        let server = Server::start(data(), faults).expect("a server");
        let dir = tempfile::tempdir().expect("a folder");
        let config = dir.path().join("config");
        std::fs::write(&config, server.kubeconfig("test", "old", "shop")).expect("a kubeconfig");
        let options = Options { kubeconfig: Some(config.clone()), timeout: Timeout(Duration::from_secs(3)), ..Options::default() };
        let what = What {
            role: Role::Judged,
            cluster: 0,
            secrets: Secrets::Left,
            istio_namespace: "istio-system".into(),
            revision: None,
            namespaces: Vec::new(),
            deadline: Duration::from_secs(20),
        };
        let followed = Some(Followed::start(options, what.clone()).expect("a thread"));
        Follower { server, followed, what, config, _dir: dir }
    }
    fn read(&self) -> Snapshot {
        let mut snapshot = Snapshot::new();
        self.followed.as_ref().expect("it follows").read(&self.what, Duration::from_secs(10), &mut snapshot).unwrap_or_else(|e| panic!("{e}"));
        snapshot
    }
    /// Names and ports of the Services.
    fn services(&self) -> Vec<(String, String)> {
        let snapshot = self.read();
        let of =
            |o: &mesh_model::Object| (o.name().to_owned(), o.spec_at(&["ports"]).and_then(|p| p.items().next()).map_or("", |p| p.text_of("port")).to_owned());
        let mut all: Vec<_> = snapshot.objects.iter().filter(|o| o.kind == Kind::Service).map(of).collect();
        all.sort();
        all
    }
    /// Waits until the Services are these.
    #[track_caller]
    fn sees(&self, wanted: &[(&str, &str)]) {
        let wanted: Vec<(String, String)> = wanted.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        self.until("the services are there", || self.services() == wanted);
    }
    #[track_caller]
    fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let until = Instant::now() + Duration::from_secs(20);
        while !holds() {
            assert!(Instant::now() < until, "{what}: {:?} {:?} {:?}", self.services(), self.problems(), self.server.counts().requests());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    fn problems(&self) -> Vec<String> {
        self.read().problems.iter().map(|p| format!("{}: {}", p.subject, p.message)).collect()
    }
    /// How often Services were asked for: whole lists in pages, streaming lists, and watches from a version.
    fn asked(&self) -> (usize, usize, usize) {
        let all: Vec<String> = self.server.counts().requests().into_iter().filter(|r| r.starts_with("/api/v1/services?")).collect();
        let count = |wanted: &dyn Fn(&String) -> bool| all.iter().filter(|r| wanted(r)).count();
        (count(&|r| !r.contains("watch=true")), count(&|r| r.contains("sendInitialEvents=true")), count(&|r| r.contains("&resourceVersion=")))
    }
    /// Waits until every kind is watched.
    fn settle(&self) {
        self.services();
        self.until("every kind is watched", || self.server.counts().open_watches() == 4);
    }
}

#[test]
fn a_list_is_read_once_and_then_what_changes() {
    let f = Follower::start(Faults::default());
    f.sees(&[("a", "80"), ("b", "80")]);
    f.settle();
    let before = f.followed.as_ref().expect("it follows").generation();
    f.server.apply(SERVICES, service("c", 81));
    f.sees(&[("a", "80"), ("b", "80"), ("c", "81")]);
    f.server.apply(SERVICES, service("a", 90));
    f.server.remove(SERVICES, "shop", "b");
    f.sees(&[("a", "90"), ("c", "81")]);
    let followed = f.followed.as_ref().expect("it follows");
    assert!(followed.wait(before, Duration::ZERO));
    // The same again is no change.
    let now = followed.generation();
    f.server.apply(SERVICES, service("c", 81));
    assert!(!followed.wait(now, Duration::from_millis(300)));
    assert_eq!(f.asked(), (0, 1, 0));
    assert!(f.problems().is_empty(), "{:?}", f.problems());
}

#[test]
fn nothing_goes_on_when_it_is_dropped() {
    let mut f = Follower::start(Faults::default());
    f.settle();
    f.followed = None;
    let until = Instant::now() + Duration::from_secs(5);
    while f.server.counts().open_watches() > 0 {
        assert!(Instant::now() < until, "{} watches are open", f.server.counts().open_watches());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn lists_come_in_pages_where_they_can_not_be_streamed() {
    for streaming_lists in [StreamingLists::Failing, StreamingLists::Unknown] {
        let f = Follower::start(Faults { streaming_lists, ..Faults::default() });
        f.sees(&[("a", "80"), ("b", "80")]);
        f.settle();
        f.server.apply(SERVICES, service("c", 81));
        f.sees(&[("a", "80"), ("b", "80"), ("c", "81")]);
        let (lists, streams, watches) = f.asked();
        assert!((lists, watches) == (1, 1) && streams <= 1, "{streaming_lists:?}: {:?}", f.asked());
        assert!(f.problems().is_empty(), "{:?}", f.problems());
        // What was learned of the server is not tried again.
        f.server.while_away(|| {
            f.server.apply(SERVICES, service("d", 81));
            f.server.forget();
        });
        f.sees(&[("a", "80"), ("b", "80"), ("c", "81"), ("d", "81")]);
        f.until("it is listed anew", || f.asked().0 == 2);
        assert_eq!(f.asked().1, streams);
    }
}

#[test]
fn a_server_that_restarts_is_taken_up_where_it_was_left() {
    let f = Follower::start(Faults::default());
    f.settle();
    f.server.while_away(|| {
        f.server.apply(SERVICES, service("c", 81));
        f.server.remove(SERVICES, "shop", "a");
    });
    f.sees(&[("b", "80"), ("c", "81")]);
    f.settle();
    let (lists, streams, watches) = f.asked();
    assert!(lists == 0 && streams == 1 && watches >= 1, "{:?}", f.asked());
    f.until("nothing is late any more", || f.problems().is_empty());
}

#[test]
fn while_the_server_is_away_what_was_known_stays_and_that_is_said() {
    let f = Follower::start(Faults::default());
    f.settle();
    f.server.restart(Duration::from_secs(3));
    f.until("it is said", || f.problems().iter().any(|p| p.contains("services: they can't be followed now, and are shown as they were")));
    assert_eq!(f.services().len(), 2);
    f.until("it is over", || f.problems().is_empty());
}

#[test]
fn what_the_server_has_forgotten_is_listed_anew() {
    let f = Follower::start(Faults::default());
    f.settle();
    f.server.while_away(|| {
        f.server.apply(SERVICES, service("c", 81));
        f.server.remove(SERVICES, "shop", "a");
        f.server.forget();
    });
    f.sees(&[("b", "80"), ("c", "81")]);
    let (lists, streams, _) = f.asked();
    assert_eq!((lists, streams), (0, 2), "{:?}", f.server.counts().requests());
}

#[test]
fn bookmarks_spare_a_new_list() {
    let f = Follower::start(Faults::default());
    f.settle();
    // Other kinds change, until the version of the list would be too old.
    f.server.apply("/v1/pods", json!({"metadata": {"name": "p", "namespace": "shop"}, "spec": {"containers": []}}));
    f.server.bookmark();
    f.until("the change is seen", || f.read().objects.iter().any(|o| o.kind == Kind::Pod));
    f.until("every watch has its bookmark", || f.server.counts().bookmarks() == 4);
    f.server.while_away(|| f.server.forget());
    f.settle();
    f.server.apply(SERVICES, service("c", 81));
    f.sees(&[("a", "80"), ("b", "80"), ("c", "81")]);
    let (lists, streams, _) = f.asked();
    assert_eq!((lists, streams), (0, 1), "{:?}", f.server.counts().requests());
}

#[test]
fn a_login_that_expires_is_said_and_a_new_one_is_taken() {
    let f = Follower::start(Faults { token: Some("old".into()), ..Faults::default() });
    f.settle();
    f.server.set_faults(Faults { token: Some("new".into()), ..Faults::default() });
    f.server.restart(Duration::ZERO);
    f.until("it is said", || f.problems().iter().any(|p| p.contains("it can't be followed now, and is shown as it was") && p.contains("log in again")));
    assert_eq!(f.services().len(), 2);
    std::fs::write(&f.config, f.server.kubeconfig("test", "new", "shop")).expect("a kubeconfig");
    f.server.apply(SERVICES, service("c", 81));
    f.sees(&[("a", "80"), ("b", "80"), ("c", "81")]);
    f.until("it is over", || f.problems().is_empty());
}

#[test]
fn partial_rights_give_a_part_and_name_the_rest() {
    let forbidden = ["services", "virtualservices"].map(str::to_owned).into();
    let f = Follower::start(Faults { forbidden, allowed_namespaces: ["shop".to_owned()].into(), ..Faults::default() });
    f.sees(&[("a", "80"), ("b", "80")]);
    assert!(f.problems().iter().any(|p| p.contains("this user may not read services, virtualservices")), "{:?}", f.problems());
    f.server.apply(SERVICES, service("c", 81));
    f.sees(&[("a", "80"), ("b", "80"), ("c", "81")]);
    // Who may list and not watch is shown what there is.
    let f = Follower::start(Faults { forbidden: ["services:watch".to_owned()].into(), ..Faults::default() });
    f.sees(&[("a", "80"), ("b", "80")]);
    assert!(f.problems().is_empty(), "{:?}", f.problems());
}

#[test]
fn a_server_that_can_not_be_asked_is_an_error_in_bounded_time() {
    let f = Follower::start(Faults { token: Some("other".into()), ..Faults::default() });
    let start = Instant::now();
    let mut snapshot = Snapshot::new();
    let error = f.followed.as_ref().expect("it follows").read(&f.what, Duration::from_secs(10), &mut snapshot).expect_err("no login");
    assert!(error.to_string().contains("401") && error.to_string().contains("log in again"), "{error}");
    // One kind that does not answer costs that kind.
    let slow = vec![("/api/v1/services".to_owned(), Duration::from_secs(60))];
    let f = Follower::start(Faults { slow, ..Faults::default() });
    assert!(f.problems().iter().any(|p| p.contains("services: no answer within 3 s")), "{:?}", f.problems());
    assert!(f.read().objects.iter().any(|o| o.kind == Kind::Namespace));
    assert!(start.elapsed() < Duration::from_secs(30));
}
