//! Pages of proxies and control planes, under the paths that a capture has for them.

use crate::args::{DumpArgs, SourceArgs};
use crate::commands::proxy_status;
use crate::context::Context;
use crate::dump::{Need, block_on};
use crate::reach;
use mesh_collectors::dumps::admin::{Admin, AdminError, Options};
use mesh_collectors::dumps::{Dumps, Endpoint, Limits, Page, Proxy, Source, Want, read_path};
use mesh_collectors::recording::tidy;
use mesh_collectors::telemetry::scrape::{self, Target};
use mesh_envoy::identify::Content;
use mesh_envoy::node;
use std::time::Duration;

/// Pages with their paths, and what could not be had.
pub type Pages = (Vec<(String, Page)>, Vec<String>);

/// What one answer of a live port may take.
const ANSWER: Duration = Duration::from_secs(30);
/// Bytes of one page.
const PAGE: u64 = 256 << 20;

/// Every sort of page that is kept.
const ALL: &[Content] = &[
    Content::Certs,
    Content::Clusters,
    Content::ClustersText,
    Content::ConfigDump,
    Content::Istiod,
    Content::Listeners,
    Content::Logging,
    Content::ServerInfo,
    Content::Stats,
    Content::Syncz,
    Content::Ztunnel,
];

fn options(left: Duration) -> Options {
    Options { answer: left.min(ANSWER), page: PAGE, ..Options::default() }
}

/// A page of metrics.
pub fn page(target: &Target, left: Duration) -> Result<Page, String> {
    block_on(scrape::once(target, options(left))).map_err(|e| e.to_string())?.map_err(|e| e.to_string())
}

/// What is asked of a port: of Envoy's, then of istiod's, then of what has metrics alone. The first answers of a kind count.
const ENVOY: &[(&str, &str)] = &[
    ("/config_dump?include_eds", "config_dump.json"),
    ("/clusters?format=json", "clusters.json"),
    ("/certs", "certs.json"),
    ("/server_info", "server_info.json"),
    ("/stats/prometheus", "stats_prometheus.txt"),
];
const ISTIOD: &[(&str, &str)] = &[("/debug/syncz", "debug_syncz.json"), ("/debug/registryz", "debug_registryz.json"), ("/metrics", "metrics.txt")];

/// All pages of a live port.
pub fn live(endpoint: &Endpoint, left: Duration) -> Pages {
    let name = tidy(&endpoint.to_string());
    let (mut pages, mut problems) = (Vec::new(), Vec::new());
    for list in [ENVOY, ISTIOD] {
        let mut folder = None;
        for (path, file) in list {
            match block_on(get(endpoint, path, left)).map_err(|e| e.to_string()) {
                Ok(Ok(page)) => {
                    let known = (page.content == Content::ConfigDump).then(|| node::name_in(&page.text)).flatten();
                    let folder = folder.get_or_insert_with(|| match (known, list == ISTIOD) {
                        (Some(known), _) => folder_of(&known, "proxies"),
                        (None, true) => format!("istio/{name}"),
                        (None, false) => format!("unnamed/{name}"),
                    });
                    pages.push((format!("{folder}/{file}"), page));
                }
                // A port that does not answer at all is not asked again.
                Ok(Err(e @ AdminError::Unreachable { .. })) => {
                    problems.push(e.to_string());
                    return (pages, problems);
                }
                Ok(Err(e)) => problems.push(e.to_string()),
                Err(e) => problems.push(e),
            }
        }
        // Another sort of port has none of its main pages.
        if !pages.is_empty() {
            let has_own = pages.iter().any(|(path, _)| !path.ends_with("stats_prometheus.txt"));
            if !has_own || list == ISTIOD {
                // What Envoy's pages said is no problem of istiod's, nor of a page of metrics.
                problems.retain(|p| !p.contains(" answers 404"));
            }
            return (pages, problems);
        }
    }
    (pages, problems)
}

async fn get(endpoint: &Endpoint, path: &str, left: Duration) -> Result<Page, AdminError> {
    Admin::new(endpoint, options(left))?.get(path, &[]).await
}

/// `proxies/shop/cart-1` of `cart-1.shop`.
fn folder_of(name: &str, top: &str) -> String {
    match name.rsplit_once('.') {
        Some((pod, namespace)) => format!("{top}/{}/{}", tidy(namespace), tidy(pod)),
        None => format!("unnamed/{}", tidy(name)),
    }
}

/// The pages that files hold.
pub fn files(source: &Source) -> Pages {
    let Source::Path(path) = source else { return (Vec::new(), Vec::new()) };
    of(read_path(path, &Want { pod: None, contents: ALL }, Limits::default()))
}

fn of(dumps: Dumps) -> Pages {
    let mut pages = Vec::new();
    let mut add = |folder: String, proxy: &Proxy| {
        for page in proxy.pages.iter().filter(|p| ALL.contains(&p.content) && !p.text.is_empty()) {
            pages.push((format!("{folder}/{}", file(page)), page.clone()));
        }
    };
    for proxy in &dumps.proxies {
        let folder = if proxy.is_known { folder_of(&proxy.name, "proxies") } else { format!("unnamed/{}", tidy(&proxy.name)) };
        add(folder, proxy);
    }
    for proxy in &dumps.control_planes {
        let folder = if proxy.is_known { folder_of(&proxy.name, "istio") } else { "istio/unnamed".to_owned() };
        add(folder, proxy);
    }
    for view in &dumps.views {
        let dump = view.page(&[Content::ConfigDump]);
        pages.extend(dump.map(|page| (format!("views/config_dump_proxyID_{}.json", tidy(&view.name).replace('/', "_")), page.clone())));
    }
    (pages, dumps.problems.into_iter().map(|(subject, message)| format!("{subject}: {message}")).collect())
}

fn file(page: &Page) -> &'static str {
    let is_prometheus = page.text.starts_with("# ");
    match page.content {
        Content::Certs => "certs.json",
        Content::Clusters => "clusters.json",
        Content::ClustersText => "clusters.txt",
        Content::ConfigDump => "config_dump.json",
        Content::Listeners => "listeners.json",
        Content::Logging => "logging.txt",
        Content::ServerInfo => "server_info.json",
        Content::Stats if is_prometheus => "stats_prometheus.txt",
        Content::Stats => "stats.txt",
        Content::Syncz => "debug_syncz.json",
        Content::Ztunnel => "config_dump.json",
        _ => "debug.json",
    }
}

/// The pages of a cluster's proxies, one of each workload, and what its istiods say of them.
pub fn cluster(place: &SourceArgs, context: &Context) -> Pages {
    let (mut pages, mut problems) = match proxy_status::pages(place, context) {
        Ok(dumps) => of(Dumps { proxies: Vec::new(), ..dumps }),
        Err(e) => (Vec::new(), vec![e.to_string()]),
    };
    let args = DumpArgs {
        pod: None,
        source: place.clone(),
        which: crate::args::WhichArgs { selector: None, all_pods: false, node: None, yes: true },
        output: None,
        watch: None,
    };
    for (need, file) in [(Need::Whole, "config_dump.json"), (Need::Endpoints, "clusters.json")] {
        match reach::fleet(place.reach.context.as_deref(), &args, need, context) {
            Err(e) => problems.push(e.to_string()),
            Ok((reached, left_out)) => {
                problems.extend(left_out);
                for (pod, answer) in reached {
                    match answer {
                        Ok(reached) => pages.push((format!("{}/{file}", folder_of(&pod, "proxies")), reached.page)),
                        Err(e) => problems.push(e.to_string()),
                    }
                }
            }
        }
    }
    (pages, problems)
}
