//! Addresses that several workloads have: who answers there is not told by them.

use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits;
use mesh_model::{Completeness, Role, Snapshot, Source};
use mesh_resolver::Mesh;
use mesh_resolver::translate::Model;
use mesh_resolver::why::{Answer, Mark, Question, Url, Why};

fn pod(name: &str, ip: &str, port: u16, more: &str) -> String {
    format!(
        "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: shop, labels: {{app: {name}}}}}, spec: {{{more}containers: [{{name: app, ports: [{{containerPort: {port}}}]}}]}}, status: {{phase: Running, podIP: {ip}, podIPs: [{{ip: {ip}}}], conditions: [{{type: Ready, status: 'True'}}]}}}}\n"
    )
}

fn ask(more: &str, url: &str) -> Answer {
    let text = "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {istio-injection: enabled}}}\n".to_owned()
        + "---\n{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}, spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: app}]}}}}\n"
        + "---\n{apiVersion: v1, kind: Service, metadata: {name: agent, namespace: shop}, spec: {clusterIP: 10.8.0.1, selector: {app: agent}, ports: [{name: http, port: 80, targetPort: 9100}]}}\n"
        + more;
    let source = Source::new("", text);
    let mut snapshot = Snapshot::new();
    snapshot.completeness = Completeness::Complete;
    snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
    let mesh = Mesh::new(&snapshot);
    let model = Model::supposing(&mesh);
    Why::new(&model, &[]).ask("web.shop", None, &Question::get(Url::parse(url).expect("a URL"))).expect("an answer")
}

#[test]
fn of_pods_that_share_a_nodes_address_the_one_with_the_port_answers() {
    const NODE: &str = "hostNetwork: true, ";
    let pods = pod("agent", "10.0.0.9", 9100, NODE) + &pod("other", "10.0.0.9", 9200, NODE);
    let answer = ask(&pods, "http://agent.shop/");
    assert_eq!(answer.outcomes[0].server, "Pod shop/agent", "{:?}", answer.parts);
    // Nor does it depend on their order.
    let answer = ask(&(pod("other", "10.0.0.9", 9200, NODE) + &pod("agent", "10.0.0.9", 9100, NODE)), "http://agent.shop/");
    assert_eq!(answer.outcomes[0].server, "Pod shop/agent", "{:?}", answer.parts);
}

#[test]
fn an_address_of_several_is_nobodys_to_judge() {
    let pods = pod("agent", "10.0.0.9", 9100, "") + &pod("stranger", "10.0.0.9", 9100, "");
    for (url, is_address) in [("http://agent.shop/", false), ("http://10.0.0.9:9100/", true)] {
        let answer = ask(&pods, url);
        assert_eq!(answer.mark(), Mark::NotJudged, "{url}: {:?}", answer.parts);
        let says = "the address of Pod shop/agent, Pod shop/stranger: which of them answers is not told by it";
        assert!(answer.outcomes.iter().all(|o| o.mark == Mark::NotJudged && o.says.contains(says)), "{url}: {:?}", answer.outcomes);
        let at_host = answer.parts[0].steps.iter().any(|s| s.says.contains(says));
        assert_eq!(at_host, is_address, "{url}: {:?}", answer.parts[0]);
    }
    // A Pod that has ended has no address any more.
    let ended = pods.replacen("phase: Running, podIP: 10.0.0.9", "phase: Succeeded, podIP: 10.0.0.9", 1);
    let answer = ask(&ended, "http://10.0.0.9:9100/");
    assert_eq!(answer.outcomes[0].server, "Pod shop/stranger", "{:?}", answer.parts);
}
