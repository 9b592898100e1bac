//! What the sockets, the ticker and the handles share.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::clock::Clock;
use crate::fault::{Gates, Rules};
use crate::model::World;

/// The world behind its mutex, with everything that is not part of the truth beside it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    world: Mutex<World>,
    rules: Mutex<Rules>,
    gates: Mutex<Gates>,
    pub(crate) changed: Notify,
}

impl Shared {
    pub(crate) fn new(clock: Clock, world: World) -> Self {
        Self {
            clock,
            world: Mutex::new(world),
            rules: Mutex::default(),
            gates: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Reads the world as it is now.
    pub(crate) fn read<R>(&self, read: impl FnOnce(&World) -> R) -> R {
        let mut world = lock(&self.world);
        world.advance(self.clock.now());
        read(&world)
    }

    /// Changes the world, and wakes whoever waits for something in it.
    pub(crate) fn act<R>(&self, act: impl FnOnce(&mut World) -> R) -> R {
        let result = {
            let mut world = lock(&self.world);
            world.advance(self.clock.now());
            act(&mut world)
        };
        self.changed.notify_waiters();
        result
    }

    pub(crate) fn rules(&self) -> MutexGuard<'_, Rules> {
        lock(&self.rules)
    }

    pub(crate) fn gates(&self) -> MutexGuard<'_, Gates> {
        lock(&self.gates)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
