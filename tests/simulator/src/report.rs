//! What a timed-out wait reports: enough to see where things stand.

use std::fmt::Write;
use std::time::Duration;

use crate::model::World;

const LAST: usize = 15;

pub(crate) fn timed_out(what: &str, timeout: Duration, world: &World) -> String {
    let mut text = format!("not within {timeout:?}: {what}\n");
    let _ = writeln!(text, "last events (simulated time):");
    for event in world.events().iter().rev().take(LAST).rev() {
        let _ = writeln!(
            text,
            "  {:>9.3}s {} {:?}",
            event.at_sim.as_secs_f64(),
            event.instance,
            event.what
        );
    }
    let _ = writeln!(text, "last requests:");
    for request in world.requests().all().iter().rev().take(LAST).rev() {
        let at = request.at_sim.as_secs_f64();
        let _ = writeln!(
            text,
            "  {at:>9.3}s #{} {} {:?}",
            request.seq, request.operation, request.outcome
        );
    }
    text
}
