//! Commands on the admin port of a real Envoy 1.40, over TCP and over a Unix socket, and what `pc log` changes there.

use crate::common;
use common::envoy::{Admin, Envoy, find};
use common::{Run, meshctl};
use std::path::Path;

fn start(program: &Path, admin: Admin) -> Envoy {
    let bootstrap = |_: &std::path::Path, address: &str| {
        format!(
            "\
node: {{id: sidecar~10.0.0.7~cart-1.shop~shop.svc.cluster.local, cluster: cart}}
admin: {{address: {address}}}
static_resources:
  listeners:
  - name: front
    address: {{socket_address: {{address: 127.0.0.1, port_value: {}}}}}
    filter_chains:
    - filters:
      - name: tcp
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: front
          cluster: outbound|80||reviews.shop.svc.cluster.local
  clusters:
  - name: outbound|80||reviews.shop.svc.cluster.local
    type: STATIC
    load_assignment:
      cluster_name: outbound|80||reviews.shop.svc.cluster.local
      endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: 9}}}}}}}}]}}]
",
            mesh_testserver::ports::free_address().port()
        )
    };
    Envoy::start(program, admin, bootstrap)
}

trait Ask {
    fn ask(&self, args: &[&str]) -> Run;
    fn levels(&self) -> serde_json::Value;
}

impl Ask for Envoy {
    fn ask(&self, args: &[&str]) -> Run {
        meshctl(self.folder.path(), &[args, &["--from", &self.admin]].concat())
    }

    /// The levels by `pc log`.
    fn levels(&self) -> serde_json::Value {
        let run = self.ask(&["pc", "log", "-o", "json"]);
        assert_eq!(run.status, 0, "{}", run.err);
        serde_json::from_str(&run.out).expect("JSON")
    }
}

#[test]
fn an_admin_port_is_read_and_only_its_levels_are_changed() {
    let Some(program) = find() else {
        return;
    };
    for admin in [Admin::Tcp, Admin::Unix] {
        let envoy = start(&program, admin);
        let before = envoy.levels();
        assert!(before["http"] == "warning" && before["rbac"] == "warning", "{before}");

        // Without --yes nothing changes, and what undoes it is told.
        let asked = envoy.ask(&["pc", "log", "--level", "http:debug,rbac:trace"]);
        assert!(asked.status == 64 && asked.err.contains("--level http:warning,rbac:warning --yes"), "{}", asked.err);
        assert_eq!(envoy.levels(), before);

        let changed = envoy.ask(&["pc", "log", "--level", "http:debug,rbac:trace", "--yes"]);
        assert!(changed.status == 0 && changed.err.contains("changes 2 of"), "{}{}", changed.out, changed.err);
        let now = envoy.levels();
        assert!(now["http"] == "debug" && now["rbac"] == "trace" && now["router"] == "warning", "{now}");

        // The command that was told undoes it.
        let undo = changed.err.lines().find_map(|l| l.split_once("undo it with: meshctl ")).map(|(_, c)| c.to_owned()).expect("a way back");
        let undone = meshctl(envoy.folder.path(), &undo.split(' ').collect::<Vec<_>>());
        assert_eq!((undone.status, envoy.levels()), (0, before.clone()), "{undo}: {}", undone.err);

        let all = envoy.ask(&["pc", "log", "--level", "error", "--yes"]);
        assert!(all.status == 0 && envoy.levels()["http"] == "error", "{}{}", all.out, all.err);
        let reset = envoy.ask(&["pc", "log", "--reset", "--yes"]);
        assert_eq!((reset.status, envoy.levels()), (0, before.clone()), "{}", reset.err);

        for (args, says) in [
            (&["pc", "cluster"][..], "reviews.shop.svc.cluster.local"),
            (&["pc", "listener"], "front"),
            (&["pc", "endpoint"], "127.0.0.1:9"),
            (&["pc", "bootstrap"], "cart-1.shop"),
            // Several sections at once, of which Envoy takes no mask.
            (&["pc", "cluster", "-o", "wide"], "1/1"),
            (&["ps"], "cart-1.shop"),
        ] {
            let run = envoy.ask(args);
            assert!(run.status == 0 && run.out.contains(says), "{args:?}: {} {}{}", run.status, run.out, run.err);
        }
        // It has no route configuration: that is said, and what there is is printed.
        let routes = envoy.ask(&["pc", "route"]);
        assert!(routes.status != 0 && routes.out.is_empty(), "{} {}{}", routes.status, routes.out, routes.err);
        let all = envoy.ask(&["pc", "all"]);
        assert!(all.status == 75 && all.out.contains("front") && all.err.contains("RoutesConfigDump"), "{} {}{}", all.status, all.out, all.err);
        let same = meshctl(envoy.folder.path(), &["snapshot", "diff", &envoy.admin, &envoy.admin]);
        assert!(same.status == 0 && same.out.contains("the same"), "{}{}", same.out, same.err);
    }
}
