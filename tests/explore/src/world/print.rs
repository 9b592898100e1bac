//! In words.

use super::moves::part;
use super::truth::{Timer, What};
use crate::story::Footprint;
use crate::wire::Reply;

pub(super) fn reply(reply: &Reply) -> String {
    match reply {
        Reply::Failed(fault) => format!("{fault:?}"),
        Reply::Metadata {
            target,
            spot,
            rebalance,
            maintenance,
        } => {
            let mut line = format!("target {target:?}");
            if spot != &Ok(None) {
                line += &format!(", spot {spot:?}");
            }
            if rebalance != &Ok(false) {
                line += &format!(", rebalance {rebalance:?}");
            }
            if maintenance != &Ok(None) {
                line += &format!(", maintenance {maintenance:?}");
            }
            line
        }
        Reply::Tasks(tasks) => {
            let task = |it: &crate::wire::LocalTask| {
                let desired = it
                    .desired
                    .map_or(String::new(), |it| format!(" to be {it:?}"));
                format!("{} {:?}{desired}", it.task, it.known)
            };
            format!(
                "[{}]",
                tasks.iter().map(task).collect::<Vec<_>>().join(", ")
            )
        }
        Reply::ContainerInstance(it) => {
            let connected = if it.connected { "" } else { ", disconnected" };
            format!(
                "{:?}, {} running, {} pending{connected}",
                it.status, it.running, it.pending
            )
        }
        Reply::ApiTasks(tasks) => {
            let task =
                |it: &crate::wire::ApiTask| format!("{} {:?} ({:?})", it.task, it.last, it.kind);
            format!(
                "[{}]",
                tasks.iter().map(task).collect::<Vec<_>>().join(", ")
            )
        }
        other => format!("{other:?}"),
    }
}

pub(super) fn label(what: Option<&What>) -> String {
    match what {
        None => "the process wakes".into(),
        Some(What::Arrive(flight)) => format!("{} arrives", flight.request),
        Some(What::Deliver(flight, answer)) => {
            format!("reply to {}: {}", flight.request, reply(answer))
        }
        Some(What::Timer(timer)) => format!("{timer:?}"),
    }
}

pub(super) fn footprint(timer: Timer) -> Footprint {
    use part::{GROUP, LOCAL, METADATA, PLACEMENT, PROCESS, TASKS};
    let writes = match timer {
        Timer::Start | Timer::StopTimeout | Timer::Signal(_) => PROCESS,
        Timer::Shutdown => PROCESS | LOCAL | TASKS,
        // The root volume may be replaced with that; and only what is up can be told anything.
        Timer::Off | Timer::Boot => PROCESS | LOCAL | TASKS | PLACEMENT | METADATA | part::DISK,
        Timer::EcsUp(_) => LOCAL | PLACEMENT | TASKS,
        Timer::Place(_) => TASKS,
        Timer::Begun(_)
        | Timer::Wait(_)
        | Timer::Proceeded(_)
        | Timer::Lapse(_)
        | Timer::StandbyEnd => GROUP | METADATA,
        Timer::SpotEnd | Timer::EventsEnd => METADATA | PROCESS,
        Timer::Script(_) => METADATA | GROUP | PROCESS,
    };
    let reads = match timer {
        Timer::Place(_) => PLACEMENT,
        Timer::Start | Timer::Boot | Timer::Script(_) => part::CLOCK | part::DISK,
        _ => 0,
    };
    Footprint { reads, writes }
}
