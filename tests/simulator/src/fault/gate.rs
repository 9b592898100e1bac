//! Gates: hold a request before it is carried out, or after that but before its answer.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::pattern;

/// Where a request is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldPoint {
    /// Before it is carried out.
    Before,
    /// After it was carried out, before it is answered.
    After,
}

/// Which requests to hold, and where.
#[derive(Clone, Debug)]
#[must_use]
pub struct Hold {
    point: HoldPoint,
    operation: String,
    instance: Option<String>,
    nth: u64,
    every: bool,
}

impl Hold {
    /// Holds the first request that matches (see [`Fault::on`](super::Fault::on)) before it is carried out.
    pub fn before(operation: &str) -> Self {
        Self {
            point: HoldPoint::Before,
            operation: operation.to_owned(),
            instance: None,
            nth: 1,
            every: false,
        }
    }

    /// Holds the first request that matches after it was carried out, before it is answered.
    pub fn after(operation: &str) -> Self {
        Self {
            point: HoldPoint::After,
            ..Self::before(operation)
        }
    }

    /// Holds the n-th matching request (from 1) instead of the first.
    pub fn nth(mut self, nth: u64) -> Self {
        self.nth = nth.max(1);
        self
    }

    /// Holds that one and every later one, not only that one.
    pub fn every(mut self) -> Self {
        self.every = true;
        self
    }

    /// Only requests attributed to this instance.
    pub fn of_instance(mut self, instance: &str) -> Self {
        self.instance = Some(instance.to_owned());
        self
    }
}

/// What becomes of a held request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Release,
    Reset,
}

/// A request held at a gate. Dropping it releases it.
#[derive(Debug)]
#[must_use]
pub struct HeldRequest {
    /// Its number in the request log.
    pub seq: u64,
    /// Its operation.
    pub operation: String,
    /// Where it is held.
    pub point: HoldPoint,
    verdict: oneshot::Sender<Verdict>,
}

impl HeldRequest {
    /// Lets it go on.
    pub fn release(self) {
        let _ = self.verdict.send(Verdict::Release);
    }

    /// Resets its connection: held before, it is never carried out; held after, its answer is lost.
    pub fn reset(self) {
        let _ = self.verdict.send(Verdict::Reset);
    }
}

/// A gate, from [`Simulator::hold`](crate::Simulator::hold). Dropping it opens it for good.
#[derive(Debug)]
#[must_use]
pub struct Gate {
    arrivals: mpsc::UnboundedReceiver<HeldRequest>,
    entry: Arc<Entry>,
}

impl Gate {
    /// Waits (in real time) until a request is held here.
    pub async fn reached(&mut self, timeout: Duration) -> Result<HeldRequest, String> {
        match tokio::time::timeout(timeout, self.arrivals.recv()).await {
            Ok(Some(held)) => Ok(held),
            Ok(None) => Err("the simulator is gone".to_owned()),
            Err(_) => Err(format!(
                "no request reached the gate for {timeout:?}: {:?}",
                self.entry.hold
            )),
        }
    }

    /// The held request, if there is one now.
    pub fn try_reached(&mut self) -> Option<HeldRequest> {
        self.arrivals.try_recv().ok()
    }
}

#[derive(Debug)]
struct Entry {
    hold: Hold,
    seen: Mutex<u64>,
    arrivals: mpsc::UnboundedSender<HeldRequest>,
}

/// All gates.
#[derive(Debug, Default)]
pub(crate) struct Gates(Vec<Weak<Entry>>);

/// A request's way through one gate.
pub(crate) struct Passage {
    pub(crate) point: HoldPoint,
    entry: Weak<Entry>,
}

impl Gates {
    pub(crate) fn add(&mut self, hold: Hold) -> Gate {
        let (sender, arrivals) = mpsc::unbounded_channel();
        let entry = Arc::new(Entry {
            hold,
            seen: Mutex::new(0),
            arrivals: sender,
        });
        self.0.retain(|e| e.strong_count() > 0);
        self.0.push(Arc::downgrade(&entry));
        Gate { arrivals, entry }
    }

    /// The gates at which a request has to stop, counted when it arrives.
    pub(crate) fn passages(&self, operation: &str, instance: Option<&str>) -> Vec<Passage> {
        let entries = self.0.iter().filter_map(Weak::upgrade);
        entries
            .filter(|e| e.holds(operation, instance))
            .map(|e| Passage {
                point: e.hold.point,
                entry: Arc::downgrade(&e),
            })
            .collect()
    }
}

impl Entry {
    fn holds(&self, operation: &str, instance: Option<&str>) -> bool {
        let hold = &self.hold;
        if !pattern::matches(&hold.operation, operation)
            || hold
                .instance
                .as_deref()
                .is_some_and(|wanted| Some(wanted) != instance)
        {
            return false;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen += 1;
        *seen == hold.nth || (hold.every && *seen > hold.nth)
    }
}

impl Passage {
    /// Reports to whoever holds the gate and waits for the verdict.
    pub(crate) async fn pass(&self, seq: u64, operation: &str) -> Verdict {
        let (verdict, decided) = oneshot::channel();
        {
            let Some(entry) = self.entry.upgrade() else {
                return Verdict::Release;
            };
            let held = HeldRequest {
                seq,
                operation: operation.to_owned(),
                point: self.point,
                verdict,
            };
            if entry.arrivals.send(held).is_err() {
                return Verdict::Release;
            }
        }
        decided.await.unwrap_or(Verdict::Release)
    }
}
