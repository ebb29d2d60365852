//! The thread that holds the mesh: takes a new reading of the input, translates it for every connected proxy, and hands
//! each what it is to have. What is read borrows from the input, so that both live on this thread's stack.

use crate::bind::{Bind, Loopback, Outside, Places};
use crate::client::Client;
use crate::resource::Resources;
use crate::translate::{Before, Key, Made, Translations, Wanted};
use mesh_model::{Completeness, Snapshot};
use mesh_resolver::Mesh;
use mesh_resolver::translate::{Addresses, ControlPlane, Differences, Model, domain_of};
use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use tokio::sync::watch;

/// How the mesh is translated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    pub control_plane: ControlPlane,
    /// Listeners are bound on this machine, instead of traffic being captured.
    pub laptop: Option<Loopback>,
    /// The index of the own cluster in the input.
    pub cluster: u16,
    /// There: what becomes of what is outside of the mesh.
    pub outside: Outside,
}

/// What a proxy is to have, and whether the input knows it.
#[derive(Clone, Debug, Default)]
pub struct Update {
    pub resources: Arc<Resources>,
    /// The service account that its workload runs as; `None` where the input does not know the workload.
    pub account: Option<String>,
    /// On one machine, and the input does not know its workload: it may listen nowhere.
    pub is_placeless: bool,
    /// The reading of the input that this is of.
    pub generation: u64,
}

/// A reading of the input.
#[derive(Clone, Debug)]
pub struct World {
    pub snapshot: Arc<Snapshot>,
    /// `2026-11-22T11:30:31Z/2`
    pub version: String,
    pub generation: u64,
}

type Question = Box<dyn FnOnce(&Model<'_, '_>, &World, Option<&mut Bind>) + Send>;

enum Message {
    World(World),
    Join(u64, Arc<Client>, watch::Sender<Option<Arc<Update>>>),
    Leave(u64),
    Ask(Question),
    Stop,
}

/// A handle on the thread.
#[derive(Clone)]
pub struct Translator {
    to: mpsc::Sender<Message>,
}

/// What one reading cost: called after each.
pub type Report = Box<dyn Fn(&Round) + Send>;

/// A round of translation after a new reading.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// Seconds until the mesh was indexed and its rules read.
    pub read: f64,
    /// Seconds until every connected proxy's configuration was made.
    pub translated: f64,
    pub proxies: usize,
    /// Translations that were made for them.
    pub distinct: usize,
    pub generation: u64,
    pub trust_domain: String,
    /// Namespaces and service accounts that workloads run as, in order.
    pub accounts: Vec<(String, String)>,
    pub services: usize,
    pub virtual_services: usize,
}

impl Translator {
    /// Starts the thread; it ends when the last handle is stopped or dropped.
    pub fn start(settings: Settings, report: Report) -> std::io::Result<(Translator, JoinHandle<()>)> {
        let (to, from) = mpsc::channel();
        let thread = std::thread::Builder::new().name("translator".into()).stack_size(8 << 20).spawn(move || run(settings, &from, &report))?;
        Ok((Translator { to }, thread))
    }
    pub fn world(&self, world: World) {
        let _ = self.to.send(Message::World(world));
    }
    /// A proxy that is connected: it is given what it is to have now, and after each change.
    pub fn join(&self, id: u64, client: Arc<Client>) -> watch::Receiver<Option<Arc<Update>>> {
        let (to, from) = watch::channel(None);
        let _ = self.to.send(Message::Join(id, client, to));
        from
    }
    pub fn leave(&self, id: u64) {
        let _ = self.to.send(Message::Leave(id));
    }
    pub fn stop(&self) {
        let _ = self.to.send(Message::Stop);
    }
    /// Asks something of the mesh; `None` where the thread has ended.
    pub async fn ask<T: Send + 'static>(&self, question: impl FnOnce(&Model<'_, '_>, &World, Option<&mut Bind>) -> T + Send + 'static) -> Option<T> {
        let (to, from) = tokio::sync::oneshot::channel();
        let ask = Box::new(move |model: &Model<'_, '_>, world: &World, bind: Option<&mut Bind>| {
            let _ = to.send(question(model, world, bind));
        });
        self.to.send(Message::Ask(ask)).ok()?;
        from.await.ok()
    }
    /// The same from a thread that may wait.
    pub fn ask_and_wait<T: Send + 'static>(&self, question: impl FnOnce(&Model<'_, '_>, &World, Option<&mut Bind>) -> T + Send + 'static) -> Option<T> {
        let (to, from) = mpsc::channel();
        let ask = Box::new(move |model: &Model<'_, '_>, world: &World, bind: Option<&mut Bind>| {
            let _ = to.send(question(model, world, bind));
        });
        self.to.send(Message::Ask(ask)).ok()?;
        from.recv().ok()
    }
}

/// So many proxies with places of this machine are translated for at once.
const AT_ONCE: usize = 32;

/// A proxy that is connected.
struct Connected {
    client: Arc<Client>,
    to: watch::Sender<Option<Arc<Update>>>,
    /// What it was translated as for this reading.
    key: Option<Key>,
}

fn run(settings: Settings, from: &mpsc::Receiver<Message>, report: &Report) {
    let mut snapshot = Snapshot::new();
    snapshot.completeness = Completeness::Part;
    let mut world = World { snapshot: Arc::new(snapshot), version: String::new(), generation: 0 };
    let mut proxies: BTreeMap<u64, Connected> = BTreeMap::new();
    let mut bind = settings.laptop.map(|l| Bind::new(Places::new(l)).of_cluster(settings.cluster).with_outside(settings.outside));
    let mut before: Option<(Arc<Snapshot>, Made)> = None;
    while let Some((next, made)) = hold(settings, &world, before.take(), &mut proxies, &mut bind, from, report) {
        before = (world.generation > 0).then_some((world.snapshot, made));
        world = next;
    }
}

/// Serves one reading until the next, with what was made of it; `None` at the end. `before` is the reading before, and
/// what was made of that.
fn hold(
    settings: Settings,
    world: &World,
    before: Option<(Arc<Snapshot>, Made)>,
    proxies: &mut BTreeMap<u64, Connected>,
    bind: &mut Option<Bind>,
    from: &mpsc::Receiver<Message>,
    report: &Report,
) -> Option<(World, Made)> {
    let start = std::time::Instant::now();
    let snapshot = Arc::clone(&world.snapshot);
    let mesh = Mesh::as_watched(&snapshot, domain_of(&snapshot));
    let addresses = if bind.is_some() { Addresses::Supposed } else { Addresses::Given };
    let model = Model::build(&mesh, settings.control_plane, addresses);
    if let Some(bind) = bind.as_mut() {
        bind.learn(&model);
    }
    let read = start.elapsed().as_secs_f64();
    let before = before.map(|(old, made)| Before { differences: Differences::between(&old, &snapshot), made });
    let mut translations = Translations::new(&model, &world.version, before);
    if world.generation > 0 {
        let of = |c: &mut Connected| Wanted { last: c.key.take(), ..translations.wanted(&c.client, bind.as_ref()) };
        let mut all: Vec<(u64, Wanted)> = proxies.iter_mut().map(|(id, c)| (*id, of(c))).collect();
        // Messages take several times the room of what is made of them.
        let at_once = if bind.is_some() { AT_ONCE } else { all.len() };
        while !all.is_empty() {
            let (ids, wanted): (Vec<u64>, Vec<Wanted>) = all.drain(..at_once.min(all.len())).unzip();
            translations.prepare(&wanted, bind.as_ref());
            for (id, w) in ids.into_iter().zip(wanted) {
                let update = update(&mut translations, &w, bind.as_mut(), world);
                if let Some(c) = proxies.get_mut(&id) {
                    let _ = c.to.send(Some(update));
                    c.key = Some(w.key);
                }
            }
        }
        translations.forget();
        let translated = start.elapsed().as_secs_f64();
        let mut accounts: Vec<(String, String)> = mesh.workloads.all().iter().map(|w| (w.namespace.to_owned(), w.service_account().to_owned())).collect();
        accounts.sort();
        accounts.dedup();
        report(&Round {
            read,
            translated,
            proxies: proxies.len(),
            distinct: translations.count(),
            generation: world.generation,
            trust_domain: mesh.config.trust_domain().to_owned(),
            accounts,
            services: model.registry.services.len(),
            virtual_services: mesh.objects(mesh_model::Kind::VirtualService).len(),
        });
    }
    loop {
        match from.recv() {
            Ok(Message::World(mut next)) => {
                // Of several that have come meanwhile the last counts.
                let mut later = Vec::new();
                while let Ok(message) = from.try_recv() {
                    match message {
                        Message::World(newer) => next = newer,
                        other => later.push(other),
                    }
                }
                for message in later {
                    if !serve(message, &mut translations, proxies, bind, world) {
                        return None;
                    }
                }
                return Some((next, translations.into_made()));
            }
            Ok(other) => {
                if !serve(other, &mut translations, proxies, bind, world) {
                    return None;
                }
            }
            Err(_) => return None,
        }
    }
}

/// Does what a message asks for; false at the end.
fn serve(message: Message, translations: &mut Translations<'_, '_>, proxies: &mut BTreeMap<u64, Connected>, bind: &mut Option<Bind>, world: &World) -> bool {
    match message {
        Message::Join(id, client, to) => {
            // Before anything was read there is nothing to say; the first reading says it.
            let mut key = None;
            if world.generation > 0 {
                let wanted = translations.wanted(&client, bind.as_ref());
                let _ = to.send(Some(update(translations, &wanted, bind.as_mut(), world)));
                key = Some(wanted.key);
            }
            proxies.insert(id, Connected { client, to, key });
        }
        Message::Leave(id) => drop(proxies.remove(&id)),
        Message::Ask(question) => question(translations.model, world, bind.as_mut()),
        Message::World(_) => {}
        Message::Stop => return false,
    }
    true
}

fn update(translations: &mut Translations<'_, '_>, wanted: &Wanted, bind: Option<&mut Bind>, world: &World) -> Arc<Update> {
    let is_placeless = bind.is_some() && wanted.workload.is_none();
    let resources = translations.resources(wanted, bind);
    let mesh = translations.model.mesh;
    Arc::new(Update {
        resources,
        account: wanted.workload.map(|id| mesh.workloads.get(id).service_account().to_owned()),
        is_placeless,
        generation: world.generation,
    })
}
