//! Pages of metrics among the sources: each reading of the sources scrapes them once more, and two make rates. The UI keeps
//! what it scraped; what is printed once scrapes twice, as `graph` does.

use crate::dump::block_on;
use crate::status::Failure;
use mesh_collectors::dumps::admin;
use mesh_collectors::telemetry::scrape::{Target as Page, round, scrape};
use mesh_collectors::telemetry::series::Recording;
use mesh_envoy::identify::{Content, identify};
use mesh_metrics::series::{Limits, Store, Target};
use mesh_metrics::text::scan;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// An hour of pages; older samples are dropped.
const LIMITS: Limits = Limits { series: 200_000, retention: 3600 * 1000, samples: 3600 };

/// How the pages of a run of the UI are scraped.
pub enum Scraping {
    /// For an answer that is given once: twice, so far apart.
    Twice(Duration),
    /// For a UI: once at each reading.
    Kept(Box<Mutex<Kept>>),
}

/// What was scraped so far.
#[derive(Default)]
pub struct Kept {
    store: Store,
    targets: BTreeMap<String, Target>,
    rounds: usize,
}

impl Scraping {
    pub fn kept() -> Scraping {
        Scraping::Kept(Box::new(Mutex::new(Kept { store: Store::new(LIMITS), ..Kept::default() })))
    }
}

/// What became of the pages.
#[derive(Default)]
pub struct Scraped {
    /// The word of each source that is a page, and how it went.
    pub pages: Vec<(String, Result<(), String>)>,
    /// The series, once there are rates.
    pub recording: Option<Recording>,
    /// Why there are none yet.
    pub waits: bool,
}

impl Scraped {
    /// Whether a word is a page that answered.
    pub fn has(&self, word: &str) -> bool {
        self.pages.iter().any(|(w, state)| w == word && state.is_ok())
    }
}

/// The page of a source: that of an address, or of an address with the name of its proxy before it. None of other words.
pub fn page(word: &str) -> Option<Page> {
    let place = word.split_once('=').map_or(word, |(name, place)| if name.contains([':', '/']) { word } else { place });
    Page::parse(place)?.ok()
}

/// Whether a word names a page and not a port: `http://host:15020/stats/prometheus`.
pub fn is_page_alone(word: &str) -> bool {
    let path = word.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path);
    !path.is_empty() && page(word).is_some()
}

impl Scraping {
    /// Scrapes the pages of these sources.
    pub fn turn(&self, words: &[String]) -> Result<Scraped, Failure> {
        let named: Vec<(String, Page)> = words.iter().filter_map(|w| Some((w.clone(), page(w)?))).collect();
        if named.is_empty() {
            return Ok(Scraped::default());
        }
        let pages: Vec<Page> = named.iter().map(|(_, page)| page.clone()).collect();
        match self {
            Scraping::Twice(interval) => {
                let scraped = block_on(scrape(&pages, *interval, admin::Options::default()))?;
                let state = scraped.as_ref().map(|_| ()).map_err(ToString::to_string);
                let pages = named.into_iter().map(|(word, _)| (word, state.clone())).collect();
                Ok(Scraped { pages, recording: scraped.ok(), waits: false })
            }
            Scraping::Kept(kept) => {
                let answers = block_on(round(&pages, admin::Options::default()))?;
                let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX));
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(kept.take(named, answers, at))
            }
        }
    }
}

impl Kept {
    fn take(&mut self, named: Vec<(String, Page)>, answers: Vec<mesh_collectors::telemetry::scrape::Answer>, at: i64) -> Scraped {
        let mut out = Scraped::default();
        for ((word, page), answer) in named.into_iter().zip(answers) {
            let target = self.targets.entry(word.clone()).or_insert_with(|| Target::new(vec![("instance".to_owned(), page.to_string())]));
            let state = match answer {
                Ok((text, _)) if identify(&text) == Content::Stats => {
                    target.ingest(&mut self.store, &scan(text.as_bytes()), at);
                    Ok(())
                }
                Ok(_) => Err(format!("{page}: this is no page of metrics")),
                Err(e) => Err(e.to_string()),
            };
            if state.is_err() {
                target.failed(&mut self.store, at);
            }
            out.pages.push((word, state));
        }
        if out.pages.iter().any(|(_, state)| state.is_ok()) {
            self.rounds += 1;
            out.waits = self.rounds < 2;
            out.recording = (self.rounds >= 2).then(|| Recording { store: self.store.clone(), ..Recording::default() });
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_ports_by_their_spelling() {
        let shown = |w: &str| page(w).map(|p| p.to_string());
        assert_eq!(shown("http://a:15020"), Some("http://a:15020/stats/prometheus".to_owned()));
        assert_eq!(shown("reviews-1.shop=http://a:15000"), Some("http://a:15000/stats/prometheus".to_owned()));
        assert_eq!((shown("k8s/"), shown("kube:dev"), shown("a=b")), (None, None, None));
        for (word, want) in [("http://a:15020/stats/prometheus", true), ("http://a:15020", false), ("http://a:15020/", false), ("unix:/run/a", false)] {
            assert_eq!(is_page_alone(word), want, "{word}");
        }
    }
}
