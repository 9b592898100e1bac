//! What it says of a launch: that it has joined, or failed.

use super::pooled;
use crate::wire::{ActionResult, Status};
use crate::world::truth::{NEVER, Service, Truth, Way};

impl Truth {
    pub(super) fn sending_launch(&mut self, result: ActionResult) {
        if self.scaling.way == Some(Way::IntoPool) {
            if result == ActionResult::Abandon {
                wrong!(self: "abandoned-a-member", "on its way into the pool, where nothing is to be joined");
            }
            return;
        }
        // It is on its way out of the pool for less than a poll, and this process was told of the pool alone.
        let pool = self.judge.known.target.flatten().is_some_and(pooled);
        let poll = self.spec.policy.metadata_poll + 1_000;
        if pool && result == ActionResult::Continue && self.now < self.judge.way_since + poll {
            return;
        }
        let what = if result == ActionResult::Abandon {
            "ABANDON"
        } else {
            "CONTINUE"
        };
        if result == ActionResult::Abandon {
            self.failed_join(what)
        } else {
            self.claimed_member(what)
        }
    }

    fn failed_join(&mut self, what: &'static str) {
        let now = self.now;
        let deadline = self.join_since() + self.spec.policy.ready_timeout;
        // A wrong clock makes an instance old or young; the ready timeout is ours all the same.
        if now + 500 < deadline && self.judge.clock_set && self.judge.booted_since_way {
            self.judge.excuse("clock-wrong");
            return;
        }
        if now + 500 < deadline {
            wrong!(self: "abandoned-a-member", "{what} before the ready timeout at {deadline}");
            return;
        }
        if !self.judge.known.looked && !self.judge.decided {
            wrong!(self: "decided-before-looking", "{what}");
        }
        let member = self.mine().map_or(NEVER, |(_, it)| it.member);
        let calm = self.calm(&[Service::Ecs, Service::Local]);
        // It is decided once.
        if self.judge.gave_up.is_some_and(|it| it + 1_000 < now) {
            return;
        }
        self.judge.gave_up.get_or_insert(now);
        let ready = !self.spec.policy.executables.ready || self.judge.known.ready_ran;
        if ready && !self.faults.deny_describe && now > member.max(calm).max(self.started) + 15_000
        {
            wrong!(self: "abandoned-a-member", "{what}, and it is a member since {member}");
        }
    }

    fn claimed_member(&mut self, what: &'static str) {
        let k = self.judge.known;
        // What an earlier process has seen may be remembered.
        let seen = k
            .member
            .max(self.judge.member_seen)
            .is_some_and(|it| it >= self.judge.way_since);
        if !seen && !self.judge.joined_before {
            wrong!(self: "joined-without-a-member", "{what}");
        } else if self.spec.policy.executables.ready && !k.ready_ran && !self.judge.joined_before {
            wrong!(self: "joined-without-a-member", "{what}, and ready.d has not succeeded");
        }
    }

    pub(super) fn sending_signal(&mut self, status: Status) {
        let leaving = self.leaving();
        self.judge.said = true;
        let since = self.outcome_since(!leaving, status == Status::Failure);
        self.told_before_written(
            "the signal",
            since.filter(|_| !leaving || status == Status::Success),
        );
        self.judge.outcome |= leaving && status == Status::Success;
        if self.judge.known.signalled {
            wrong!(self: "signals-again", "{status:?}");
        }
        if status == Status::Success {
            self.judge.sent_success = true;
            if leaving && (self.now < self.earliest() || self.judge.latched) {
                self.told_before_executables("SUCCESS");
            }
            if leaving
                && self.spec.policy.signal_drained
                && self.now < self.earliest()
                && let Some(task) = self.known_running()
            {
                wrong!(self: "success-while-a-container-ran", "task {task}");
            } else if (self.scaling.way == Some(Way::Join)
                || self.scaling.way.is_none() && self.launched())
                && self.judge.joined.is_none()
            {
                self.claimed_member("SUCCESS");
            }
            return;
        }
        // Nobody can see that it has joined, and nobody remembers.
        let new = self.now.saturating_sub(1_000);
        let unseen = self.mine().is_none_or(|it| it.1.member >= new)
            || (self.faults.deny_describe || self.judge.known.missing.is_some())
                && self.judge.known.member.is_none();
        let forgotten = (self.judge.state_lost || self.judge.write_lost) && unseen;
        if self.judge.sent_success && (leaving || self.signal_is(Status::Success)) {
            if self.judge.state_lost || self.judge.write_lost && unseen {
                self.judge.excuse("forgotten-with-the-file");
                if leaving && self.judge.told.is_none() {
                    // Nor was it told that it leaves.
                    return;
                }
            } else {
                wrong!(self: "failure-after-success");
            }
        }
        if self.judge.launch_failed {
            // What is true may be said, also by a process that has not looked.
        } else if leaving {
            self.failed_before_leaving();
        } else if self.judge.joined.is_some() && forgotten {
            self.judge.excuse("forgotten-with-the-file");
        } else if self.judge.joined.is_some() {
            wrong!(self: "abandoned-a-member", "FAILURE, and it has joined");
        } else if self.scaling.way == Some(Way::Join) {
            self.failed_join("FAILURE");
        } else if self.scaling.way == Some(Way::IntoPool) {
            wrong!(self: "abandoned-a-member", "FAILURE, on its way into the pool, where nothing is to be joined");
        } else if self.launched() {
            self.failed_join("FAILURE");
        } else {
            wrong!(self: "failure-of-a-drain", "FAILURE, and nothing is launched");
        }
    }

    /// FAILURE of a launch that a termination has overtaken: only if its time was over before that was known.
    fn failed_before_leaving(&mut self) {
        let now = self.now;
        let known = self.judge.told.unwrap_or(now);
        match self.judge.overtaken {
            Some(due) if known + 500 >= due && now + 500 >= due => {
                if !self.judge.known.looked && !self.judge.decided {
                    wrong!(self: "decided-before-looking", "FAILURE of a launch that was not abandoned");
                }
            }
            _ => wrong!(self: "failure-of-a-drain"),
        }
    }

    fn signal_is(&self, status: Status) -> bool {
        self.judge.signal == Some(status)
    }
}
