//! The text of `state.json`: a version, the facts, and each time twice.
//!
//! Wall-clock times alone would be moved by a clock that is set between two processes, so the boot clock
//! stands beside them, with the id of the boot that it counts from. After a reboot the wall clock is all
//! there is. A file of version 1 has wall-clock times only. What a later version adds is ignored.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::facts::{ContainerInstance, HookRef, LifecycleTransition};
use super::memory::{
    DrainByHand, JoinOutcome, JoinTarget, Memory, RememberedDrain, RememberedJoin,
};
use super::reason::{Outcome, ReasonKey};
use super::time::{Moment, WallTime};

const VERSION: u32 = 2;

/// The clocks of the machine at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// Which boot it is.
    pub boot_id: String,
    /// The boot clock.
    pub now: Moment,
    /// The wall clock.
    pub wall: WallTime,
}

impl Clocks {
    /// What the wall clock shows at the boot clock's zero.
    pub fn wall_at_boot(&self) -> WallTime {
        WallTime(self.wall.0.saturating_sub(self.now.as_millis()))
    }
}

#[derive(Serialize, Deserialize)]
struct Record {
    #[serde(default = "one")]
    version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    boot_id: Option<String>,
    instance_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cluster: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    container_instance_arn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    verified_arn: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    former_arns: Vec<String>,
    #[serde(default)]
    was_in_service: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    drain: Option<DrainRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    join: Option<JoinRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hook: Option<HookRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    drain_by_hand: Option<ByHandRecord>,
}

fn one() -> u32 {
    1
}

#[derive(Serialize, Deserialize)]
struct Time {
    /// RFC 3339, with milliseconds.
    started_at: String,
    /// Milliseconds on the boot clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started_at_boot_milliseconds: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct DrainRecord {
    reason: String,
    #[serde(flatten)]
    time: Time,
    #[serde(default)]
    ours: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pending_time: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outcome: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    over_at_boot_milliseconds: Option<i64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tasks: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    signalled: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    completed: bool,
    #[serde(default, skip_serializing_if = "is_zero")]
    spent_milliseconds: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out a reference"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[derive(Serialize, Deserialize)]
struct JoinRecord {
    into: JoinedInto,
    #[serde(flatten)]
    time: Time,
    #[serde(default)]
    over: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    joined: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    failed: bool,
    #[serde(default)]
    signalled: bool,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum JoinedInto {
    Service,
    WarmPool,
}

#[derive(Serialize, Deserialize)]
struct HookRecord {
    transition: String,
    group: String,
    name: String,
}

#[derive(Serialize, Deserialize)]
struct ByHandRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout_milliseconds: Option<u64>,
}

/// The text of the file.
///
/// # Errors
/// Where serialisation fails, which it has no reason to.
pub fn compose(memory: &Memory, clocks: &Clocks) -> serde_json::Result<Vec<u8>> {
    let known = memory.container_instance.as_ref();
    let record = Record {
        version: VERSION,
        boot_id: Some(clocks.boot_id.clone()),
        instance_id: memory.instance_id.clone(),
        cluster: known.map(|known| known.cluster.clone()),
        container_instance_arn: known.map(|known| known.arn.clone()),
        verified_arn: memory.verified.clone(),
        former_arns: memory.former.clone(),
        was_in_service: memory.was_in_service,
        drain: memory.drain.as_ref().map(|drain| DrainRecord {
            reason: drain.reason.to_text(),
            time: Time::of(drain.started_at, clocks),
            ours: drain.ours,
            pending_time: drain.pending_time.map(rfc3339),
            outcome: drain.outcome.map(|outcome| outcome.as_str().to_owned()),
            over_at_boot_milliseconds: drain.over_at.map(Moment::as_millis),
            tasks: drain.tasks.clone(),
            signalled: drain.signalled,
            completed: drain.completed,
            spent_milliseconds: whole(drain.spent),
        }),
        join: memory.join.map(|join| JoinRecord {
            into: match join.into {
                JoinTarget::Service => JoinedInto::Service,
                JoinTarget::WarmPool => JoinedInto::WarmPool,
            },
            time: Time::of(join.started_at, clocks),
            over: join.over,
            joined: join.outcome == Some(JoinOutcome::Joined),
            failed: join.outcome == Some(JoinOutcome::TimedOut),
            signalled: join.signalled,
        }),
        hook: memory.hook.as_ref().map(|(transition, hook)| HookRecord {
            transition: transition.as_str().to_owned(),
            group: hook.group.clone(),
            name: hook.name.clone(),
        }),
        drain_by_hand: memory.by_hand.map(|asked| ByHandRecord {
            timeout_milliseconds: asked.timeout.map(whole),
        }),
    };
    let mut text = serde_json::to_vec_pretty(&record)?;
    text.push(b'\n');
    Ok(text)
}

/// What a text in the form of the file means.
///
/// # Errors
/// Where it is not the JSON object that it should be, or a time in it is none: what is wrong, on one line.
pub fn understand(text: &[u8], clocks: &Clocks) -> Result<Memory, String> {
    let record: Record = serde_json::from_slice(text).map_err(|error| brief(&error))?;
    let same_boot = record.boot_id.as_deref() == Some(&clocks.boot_id);
    let drain = record
        .drain
        .map(|drain| {
            Ok::<_, String>(RememberedDrain {
                reason: ReasonKey::parse(&drain.reason),
                started_at: drain.time.moment(same_boot, clocks)?,
                ours: drain.ours,
                pending_time: drain.pending_time.as_deref().map(wall).transpose()?,
                outcome: drain.outcome.as_deref().and_then(Outcome::parse),
                over_at: drain
                    .over_at_boot_milliseconds
                    .filter(|_| same_boot)
                    .map(|millis| Moment::from_millis(millis).min(clocks.now)),
                // No container outlives a reboot.
                tasks: drain.tasks.into_iter().filter(|_| same_boot).collect(),
                signalled: drain.signalled,
                completed: drain.completed,
                spent: Duration::from_millis(drain.spent_milliseconds),
            })
        })
        .transpose()?;
    let join = record
        .join
        .map(|join| {
            Ok::<_, String>(RememberedJoin {
                into: match join.into {
                    JoinedInto::Service => JoinTarget::Service,
                    JoinedInto::WarmPool => JoinTarget::WarmPool,
                },
                started_at: join.time.moment(same_boot, clocks)?,
                over: join.over,
                outcome: match (join.joined, join.failed) {
                    (true, _) => Some(JoinOutcome::Joined),
                    (false, true) => Some(JoinOutcome::TimedOut),
                    (false, false) => None,
                },
                signalled: join.signalled,
            })
        })
        .transpose()?;
    Ok(Memory {
        instance_id: record.instance_id,
        container_instance: record
            .cluster
            .zip(record.container_instance_arn)
            .map(|(cluster, arn)| ContainerInstance { cluster, arn }),
        verified: record.verified_arn,
        former: record.former_arns,
        was_in_service: record.was_in_service,
        drain,
        join,
        hook: record.hook.and_then(|hook| {
            let (group, name) = (hook.group, hook.name);
            let transition = LifecycleTransition::parse(&hook.transition)?;
            Some((transition, HookRef { group, name }))
        }),
        by_hand: record.drain_by_hand.map(|asked| DrainByHand {
            timeout: asked.timeout_milliseconds.map(Duration::from_millis),
        }),
    })
}

impl Time {
    fn of(moment: Moment, clocks: &Clocks) -> Self {
        Self {
            started_at: rfc3339(WallTime::of(moment, clocks.wall_at_boot())),
            started_at_boot_milliseconds: Some(moment.as_millis()),
        }
    }

    /// Never in the future: a clock that was set back must not lengthen anything.
    fn moment(&self, same_boot: bool, clocks: &Clocks) -> Result<Moment, String> {
        let by_wall = wall(&self.started_at)?.moment(clocks.wall_at_boot());
        let moment = match self.started_at_boot_milliseconds {
            Some(millis) if same_boot => Moment::from_millis(millis),
            _ => by_wall,
        };
        Ok(moment.min(clocks.now))
    }
}

fn wall(text: &str) -> Result<WallTime, String> {
    let time = humantime::parse_rfc3339(text).map_err(|error| error.to_string())?;
    let millis = match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(_) => 0,
    };
    Ok(WallTime(millis))
}

/// A time as the file has it. One at the edge of what can be written may have been moved beyond it by a
/// clock that was set meanwhile: it stays at the edge.
fn rfc3339(time: WallTime) -> String {
    /// 9999-12-31T23:59:59Z
    const LATEST: u64 = 253_402_300_799_000;
    let millis = u64::try_from(time.0).unwrap_or(0).min(LATEST);
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(millis)).to_string()
}

fn whole(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What is wrong, without more of the text than a log line can bear, and on one line.
fn brief(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.chars()
        .take(200)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}
