//! The program's allocator, and how it is told to give memory back.

use tikv_jemalloc_ctl::{Access, AsName, Result};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Gives back what this thread has freed. By itself jemalloc does so by and by over ten seconds, and its thread for that sleeps for
/// ten more where few pages are left: what a configuration was read from is ten times as large as what it becomes.
pub fn give_back() {
    // That thread may be at work on the arena, and then nobody else gives anything back: it rests meanwhile. Whatever is asked for at once by two,
    // it is there again afterwards.
    let _ = "background_thread\0".name().write(false);
    // Where it can't be done, it comes by itself.
    let _ = empty_cache().and_then(|()| purge());
    let _ = "background_thread\0".name().write(true);
}

/// What the thread's cache has goes to its arena: switched off, the cache is emptied.
fn empty_cache() -> Result<()> {
    let cache = "thread.tcache.enabled\0".name();
    let is_on: bool = cache.update(false)?;
    cache.write(is_on)
}

/// The arena's unused pages go to the system: those of an arena that keeps none for later go at once.
fn purge() -> Result<()> {
    let arena: u32 = "thread.arena\0".name().read()?;
    let name = format!("arena.{arena}.dirty_decay_ms\0");
    let keeps: isize = name.name().update(0)?;
    name.name().write(keeps)
}
