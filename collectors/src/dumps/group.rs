//! Pages, put together by the proxy they are of.

use super::{PodName, Want};
use mesh_envoy::identify::Content;
use mesh_envoy::node;
use std::collections::{BTreeMap, BTreeSet};

/// One answer of an admin or debug port.
#[derive(Clone, Debug)]
pub struct Page {
    pub content: Content,
    /// File, entry of an archive, or URL.
    pub origin: String,
    /// "" where the page was not asked for.
    pub text: String,
}

/// What is known of one proxy.
#[derive(Clone, Debug, Default)]
pub struct Proxy {
    /// `NAME.NAMESPACE`, as far as it is known; else by its folder or file.
    pub name: String,
    /// Whether the pages or their place in a bug report say that name; else it is a file's or a folder's.
    pub is_known: bool,
    pub pages: Vec<Page>,
}

impl Proxy {
    /// The page of the first kind that there is; of several the longest, which has what parts of it have.
    pub fn page(&self, contents: &[Content]) -> Option<&Page> {
        contents.iter().find_map(|c| self.pages.iter().filter(|p| p.content == *c).max_by_key(|p| p.text.len()))
    }

    /// The same page without the others: a dump may be large.
    pub fn into_page(mut self, contents: &[Content]) -> Option<Page> {
        let found: *const Page = self.page(contents)?;
        let at = self.pages.iter().position(|p| std::ptr::eq(p, found))?;
        Some(self.pages.swap_remove(at))
    }

    /// Which page is taken where there are several of its kind: a sentence.
    pub fn passed_over(&self, contents: &[Content]) -> Option<String> {
        let used = self.page(contents)?;
        let others: Vec<&str> =
            self.pages.iter().filter(|p| p.content == used.content && p.origin != used.origin && !p.text.is_empty()).map(|p| p.origin.as_str()).collect();
        let verb = if others.len() == 1 { "is" } else { "are" };
        (!others.is_empty()).then(|| {
            format!("of {} dumps of {} {} is used, which is the longest, and {} {verb} not", others.len() + 1, self.name, used.origin, others.join(", "))
        })
    }
}

/// Everything of a source.
#[derive(Clone, Debug, Default)]
pub struct Dumps {
    /// By name. What one page shows alone is a proxy too.
    pub proxies: Vec<Proxy>,
    /// What istiod would send to a proxy, by the proxy's name.
    pub views: Vec<Proxy>,
    /// istiod's answers, by the name of the istiod ("" where it is not known).
    pub control_planes: Vec<Proxy>,
    /// What could not be read.
    pub problems: Vec<(String, String)>,
}

/// Why no proxy could be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// There is none.
    Empty,
    /// There are several, and none is named.
    Several(Vec<String>),
    /// None of these is the one that is named.
    Other(Vec<String>),
}

impl Dumps {
    /// The proxy that is named, or the only one.
    pub fn choose<'d>(proxies: &'d [Proxy], pod: Option<&PodName>) -> Result<&'d Proxy, Choice> {
        let names = || proxies.iter().map(|p| p.name.clone()).collect::<Vec<_>>();
        let fitting: Vec<&Proxy> = proxies.iter().filter(|p| pod.is_none_or(|pod| pod.fits(&p.name))).collect();
        match (fitting.as_slice(), proxies, pod) {
            (_, [], _) => Err(Choice::Empty),
            ([one], _, _) => Ok(one),
            // A page that does not say whose it is is taken at the word of who names it.
            ([], [one], Some(_)) if !one.is_known => Ok(one),
            ([], _, _) => Err(Choice::Other(names())),
            (several, _, _) => Err(Choice::Several(several.iter().map(|p| p.name.clone()).collect())),
        }
    }
    /// Adds what another source has.
    pub fn merge(&mut self, other: Dumps) {
        for (mine, theirs) in [(&mut self.proxies, other.proxies), (&mut self.views, other.views), (&mut self.control_planes, other.control_planes)] {
            for proxy in theirs {
                match mine.iter_mut().find(|p| p.name == proxy.name && p.is_known == proxy.is_known) {
                    Some(known) => known.pages.extend(proxy.pages),
                    None => mine.push(proxy),
                }
            }
            mine.sort_by(|a, b| a.name.cmp(&b.name));
        }
        self.problems.extend(other.problems);
    }
}

/// A page as it comes in.
struct Raw {
    page: Page,
    /// Known by its path or its content.
    name: Option<String>,
    side: Side,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Proxy,
    /// istiod's word on one proxy.
    View,
    ControlPlane,
}

/// Collects pages.
pub(super) struct Grouping<'w> {
    want: &'w Want<'w>,
    raw: Vec<Raw>,
    /// The first file that is no page: what to say where there is none.
    other: Option<Page>,
    problems: Vec<(String, String)>,
}

/// `NAME.NAMESPACE` of a page in a bug report: `…/proxies/NAMESPACE/NAME/…`, `…/istio/NAMESPACE/NAME/…`.
fn place(path: &str) -> Option<(bool, String)> {
    let parts: Vec<&str> = path.split('/').collect();
    parts.windows(4).find_map(|w| match w {
        ["proxies", ns, name, _] => Some((true, format!("{name}.{ns}"))),
        ["istio" | "cni", ns, name, _] => Some((false, format!("{name}.{ns}"))),
        _ => None,
    })
}

impl<'w> Grouping<'w> {
    pub fn new(want: &'w Want<'w>) -> Grouping<'w> {
        Grouping { want, raw: Vec::new(), other: None, problems: Vec::new() }
    }
    pub fn problem(&mut self, subject: &str, message: String) {
        self.problems.push((subject.to_owned(), message));
    }
    /// Whether the path of a page leaves it possible that it is wanted. One of another proxy is only named.
    pub fn may_want(&mut self, path: &str) -> bool {
        match place(path) {
            Some((true, name)) if self.want.pod.is_some_and(|p| !p.fits(&name)) => {
                if !self.raw.iter().any(|r| r.name.as_deref() == Some(&name)) {
                    let page = Page { content: Content::Empty, origin: path.to_owned(), text: String::new() };
                    self.raw.push(Raw { page, name: Some(name), side: Side::Proxy });
                }
                false
            }
            _ => true,
        }
    }
    pub fn add(&mut self, origin: &str, text: String, content: Content) {
        let by_path = place(origin);
        let side = match content {
            Content::Syncz | Content::Istiod => Side::ControlPlane,
            Content::ConfigDump if node::is_control_planes_view(&text) => Side::View,
            _ => Side::Proxy,
        };
        let name = match (side, by_path) {
            (Side::Proxy, Some((true, name))) | (Side::ControlPlane, Some((false, name))) => Some(name),
            (Side::Proxy, _) if matches!(content, Content::ConfigDump | Content::ServerInfo) => node::name_in(&text),
            _ => None,
        };
        // Logs, events and manifests of a bug report are no pages.
        let is_page = matches!(
            content,
            Content::Certs
                | Content::Clusters
                | Content::ClustersText
                | Content::ConfigDump
                | Content::Istiod
                | Content::Listeners
                | Content::Logging
                | Content::ServerInfo
                | Content::Stats
                | Content::Syncz
                | Content::Ztunnel
        );
        let is_wanted = self.want.keeps(content, name.as_deref());
        let page = Page { content, origin: origin.to_owned(), text };
        if !is_page {
            self.other.get_or_insert(page);
            return;
        }
        let text = if is_wanted { page.text } else { String::new() };
        self.raw.push(Raw { page: Page { text, ..page }, name, side });
    }

    /// Names what has no name by what lies beside it, and puts everything in order.
    pub fn finish(mut self) -> Dumps {
        if let (true, Some(page)) = (self.raw.is_empty(), self.other.take()) {
            self.raw.push(Raw { page, name: None, side: Side::Proxy });
        }
        let known: BTreeSet<&str> = self.raw.iter().filter(|r| r.side == Side::Proxy).filter_map(|r| r.name.as_deref()).collect();
        let folder = |path: &str| path.rsplit_once('/').map_or("", |(dir, _)| dir).to_owned();
        let mut in_folder: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for raw in self.raw.iter().filter(|r| r.side == Side::Proxy) {
            in_folder.entry(folder(&raw.page.origin)).or_default().extend(raw.name.as_deref());
        }
        // Of proxies that have no name at all, a folder with one page of a kind is one proxy.
        let mut kinds: BTreeMap<String, Vec<Content>> = BTreeMap::new();
        for raw in self.raw.iter().filter(|r| r.side == Side::Proxy) {
            kinds.entry(folder(&raw.page.origin)).or_default().push(raw.page.content);
        }
        let is_one = |dir: &str| kinds.get(dir).is_some_and(|list| (1..list.len()).all(|i| !list[..i].contains(&list[i])));
        let mentioned = |path: &str| {
            let file = path.rsplit('/').next().unwrap_or(path);
            let pod = |name: &&&str| name.rsplit_once('.').map_or(**name, |(pod, _)| pod).to_owned();
            known.iter().filter(|n| file.contains(&pod(n))).max_by_key(|n| pod(n).len()).map(|n| (*n).to_owned())
        };
        let names: Vec<(String, bool)> = self
            .raw
            .iter()
            .map(|raw| {
                if let Some(name) = &raw.name {
                    return (name.clone(), true);
                }
                let dir = folder(&raw.page.origin);
                let beside = in_folder.get(&dir).filter(|set| set.len() == 1).and_then(|set| set.first());
                let by_file = || match mentioned(&raw.page.origin) {
                    Some(name) => (name, true),
                    None => (raw.page.origin.clone(), false),
                };
                match raw.side {
                    Side::ControlPlane => (String::new(), false),
                    Side::View => mentioned(&raw.page.origin).map_or_else(|| (view_name(&raw.page.origin), false), |name| (name, true)),
                    Side::Proxy => match beside {
                        Some(name) => ((*name).to_owned(), true),
                        None if in_folder.get(&dir).is_some_and(|set| set.len() > 1) => by_file(),
                        None if is_one(&dir) && !dir.is_empty() => (dir.rsplit('/').next().unwrap_or("").to_owned(), false),
                        None => (raw.page.origin.clone(), false),
                    },
                }
            })
            .collect();
        let mut out = Dumps { problems: self.problems, ..Dumps::default() };
        for (raw, (name, is_known)) in self.raw.into_iter().zip(names) {
            let list = match raw.side {
                Side::Proxy => &mut out.proxies,
                Side::View => &mut out.views,
                Side::ControlPlane => &mut out.control_planes,
            };
            match list.iter_mut().find(|p| p.name == name) {
                Some(proxy) => proxy.pages.push(raw.page),
                None => list.push(Proxy { name, is_known, pages: vec![raw.page] }),
            }
        }
        for list in [&mut out.proxies, &mut out.views, &mut out.control_planes] {
            list.sort_by(|a, b| a.name.cmp(&b.name));
        }
        out
    }
}

/// `cart-1.shop` of `config_dump?proxyID=cart-1.shop`, `istiod_config_dump_proxyID_cart-1.shop.json`.
fn view_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    let rest = file.split_once("config_dump").map_or(file, |(_, rest)| rest);
    let rest = rest.trim_start_matches(['?', '_', '-']).trim_start_matches("proxyID").trim_start_matches(['=', '_', '-']);
    rest.trim_end_matches(".json").to_owned()
}
