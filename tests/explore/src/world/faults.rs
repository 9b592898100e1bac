//! Disturbances of what answers: for a while, once, or for good.

use super::truth::Service;
use crate::wire::Ms;

/// What is in the way for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lasting {
    Introspection,
    Forgetful,
    Impostor,
    Stale,
    Target404,
    Garbage,
    Metadata,
    Ecs,
    EcsThrottled,
    Group,
    SlowReplies,
    SlowRequests,
    Network,
    Disk,
    SlowDisk,
    /// ECS says MISSING.
    Missing,
    /// The CloudWatch agent takes no connection.
    Sink,
}

const LASTING: usize = Lasting::Sink as usize + 1;

/// All of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    /// How long it will last, once it is felt.
    armed: [Ms; LASTING],
    until: [Ms; LASTING],
    pub(super) lose_next: bool,
    pub(super) throttle_next: bool,
    /// So many answers to come are MISSING.
    pub(super) missing_next: u8,
    pub(super) hang_next: bool,
    pub(super) fail_next: bool,
    pub(super) stale_tag: bool,
    pub(super) group_gone: bool,
    /// The group that the stale tag names has hooks of its own.
    pub(super) group_hooks: bool,
    /// The CloudWatch agent takes the next sample, and does not say so.
    pub(super) sample_unanswered: bool,
    pub(super) deny_complete: bool,
    pub(super) deny_beat: bool,
    pub(super) deny_describe: bool,
}

impl Faults {
    /// It begins with the first thing that feels it: when exactly before that it was injected makes no
    /// difference, and only then is the reduction right.
    pub(super) fn arm(&mut self, it: Lasting, lasts: Ms) {
        self.armed[it as usize] = lasts;
    }

    /// Whether it is in the way of what happens now.
    pub(super) fn felt(&mut self, it: Lasting, now: Ms) -> bool {
        let lasts = std::mem::take(&mut self.armed[it as usize]);
        if lasts > 0 {
            self.until[it as usize] = now + lasts;
        }
        self.lasts(it, now)
    }

    /// Whether it has begun and is not over.
    pub(super) fn lasts(&self, it: Lasting, now: Ms) -> bool {
        now < self.until(it)
    }

    /// When it is over, of the last that was felt.
    pub(super) fn until(&self, it: Lasting) -> Ms {
        self.until[it as usize]
    }

    /// When the last that was in the way of this service is over.
    pub(super) fn last(&self, of: Service) -> Ms {
        use Lasting as L;
        let those: &[L] = match of {
            Service::Ecs => &[
                L::Ecs,
                L::EcsThrottled,
                L::Stale,
                L::Missing,
                L::SlowReplies,
                L::SlowRequests,
                L::Network,
            ],
            Service::Group => &[L::Group, L::SlowReplies, L::SlowRequests, L::Network],
            Service::Local => &[L::Introspection, L::Forgetful, L::Impostor],
            Service::Metadata => &[L::Metadata, L::Target404, L::Garbage],
            Service::Stack => &[L::SlowReplies, L::SlowRequests, L::Network],
            Service::Machine => &[L::Disk, L::SlowDisk, L::Sink],
        };
        those.iter().map(|it| self.until(*it)).max().unwrap_or(0)
    }
}
