//! Auto Scaling.

use super::{Action, Down, MANAGED, NEVER, Timer, Truth, Way, What, global_timeout, pool_target};
use crate::wire::{ActionResult, Fault, Group, Hook, HookName, Ms, Reply, Target, Transition};
use crate::world::scene::{Pool, Replacing};

impl Truth {
    // Auto Scaling.

    pub(in crate::world) fn start_way(&mut self, way: Way) {
        self.overtaken();
        let scaling = &mut self.scaling;
        scaling.generation += 1;
        scaling.way = Some(way);
        scaling.since = self.now;
        scaling.waits_since = NEVER;
        scaling.actions = [None; 2];
        scaling.target = match way {
            Way::Leave => Some(Target::Terminated),
            Way::LeavePool => Some(Target::WarmedTerminated),
            Way::ToPool | Way::IntoPool => Some(pool_target(self.spec.pool)),
            Way::Replace => match self.spec.replacing {
                Replacing::Shows(target) => target,
                Replacing::Never | Replacing::Same => scaling.target,
            },
            // What metadata says then is documented nowhere.
            Way::Join if scaling.replaced => scaling.target,
            Way::Join => Some(Target::InService),
        };
        let generation = scaling.generation;
        self.forget(|it| {
            matches!(
                it,
                Timer::Begun(_)
                    | Timer::Wait(_)
                    | Timer::Proceeded(_)
                    | Timer::Lapse(_)
                    | Timer::StandbyEnd
            )
        });
        self.timer_in(
            if way == Way::Join {
                0
            } else {
                self.spec.begun_after
            },
            Timer::Begun(generation),
        );
        let mut wait = if way.transition() == Transition::Terminating {
            self.spec.wait_after.max(1_500)
        } else {
            1_500
        };
        if way == Way::LeavePool && (!self.up || self.asleep) {
            // It is started first.
            wait += 3_000;
        }
        self.timer_in(wait, Timer::Wait(generation));
        self.judge.new_way(way);
        self.judge.way_since = self.now;
        self.say(|| format!("Auto Scaling: {way:?}"));
    }

    pub(super) fn begun(&mut self) {
        self.scaling.state = Some(match self.scaling.way {
            Some(Way::Leave) => "Terminating",
            Some(Way::Replace) => "ReplacingRootVolume",
            Some(Way::LeavePool) => "Warmed:Terminating",
            Some(Way::ToPool | Way::IntoPool) => "Warmed:Pending",
            Some(Way::Join) | None => "Pending",
        });
    }

    pub(super) fn wait(&mut self) {
        let Some(way) = self.scaling.way else { return };
        let hook = if way.transition() == Transition::Launching {
            self.scaling.into
        } else {
            self.scaling.out
        };
        let Some((hook, timeout)) = hook else {
            return self.proceed();
        };
        self.scaling.state = Some(match way {
            Way::Leave => "Terminating:Wait",
            Way::Replace => "ReplacingRootVolume:Wait",
            Way::LeavePool => "Warmed:Terminating:Wait",
            Way::ToPool | Way::IntoPool => "Warmed:Pending:Wait",
            Way::Join => "Pending:Wait",
        });
        self.scaling.waits_since = self.now;
        let global = |timeout| {
            if hook == HookName(1) {
                None
            } else {
                self.spec.global
            }
            .unwrap_or(global_timeout(timeout))
        };
        let action = |hook, timeout| {
            Some(Action {
                hook,
                beat: self.now,
                timeout,
                begun: self.now,
                global: global(timeout),
                done: false,
            })
        };
        self.scaling.actions = [action(hook, timeout), None];
        let first = self.scaling.actions[0].map_or(timeout, |it| it.lapses() - self.now);
        if self.spec.managed && way == Way::Leave {
            let lasts = self.spec.managed_lasts;
            self.scaling.actions[1] = action(MANAGED, lasts);
            self.timer_in(lasts, Timer::Lapse(1));
        }
        self.timer_in(first, Timer::Lapse(0));
        self.say(|| format!("{way:?}: the wait has begun"));
    }

    /// An action is over; so may the wait be.
    pub(super) fn over(&mut self, which: usize, result: ActionResult) {
        let Some(Some(action)) = self.scaling.actions.get_mut(which) else {
            return;
        };
        action.done = true;
        let all = self.scaling.actions.iter().flatten().all(|it| it.done);
        if result == ActionResult::Abandon {
            match self.scaling.way {
                Some(way @ (Way::Join | Way::IntoPool | Way::ToPool)) => {
                    self.judge.launch_failed |= way == Way::Join;
                    self.say(|| "abandoned: it is terminated".into());
                    self.scaling.actions = [None; 2];
                    self.scaling.state = Some("Terminating");
                    self.scaling.target = Some(Target::Terminated);
                    self.scaling.generation += 1;
                    self.judge.finishing = true;
                    self.die(2_000);
                }
                // Until a person terminates it.
                Some(Way::Leave) if self.spec.retains => {
                    self.say(|| "abandoned: it is retained".into());
                    self.scaling.actions = [None; 2];
                    self.scaling.waits_since = NEVER;
                    self.scaling.state = Some("Terminating:Retained");
                    self.forget(|it| matches!(it, Timer::Lapse(_)));
                }
                _ => self.proceed(),
            }
        } else if all {
            self.proceed();
        }
    }

    fn proceed(&mut self) {
        let Some(way) = self.scaling.way else { return };
        self.scaling.actions = [None; 2];
        self.scaling.waits_since = NEVER;
        self.judge.finishing = way.ends();
        self.forget(|it| matches!(it, Timer::Lapse(_)));
        self.scaling.state = Some(match way {
            Way::Leave => "Terminating:Proceed",
            Way::Replace => "ReplacingRootVolume:Proceed",
            Way::LeavePool => "Warmed:Terminating:Proceed",
            Way::ToPool | Way::IntoPool => "Warmed:Pending:Proceed",
            Way::Join => "Pending:Proceed",
        });
        self.say(|| format!("{way:?}: it proceeds"));
        if way.ends() {
            self.die(2_000);
        } else {
            let generation = self.scaling.generation;
            self.timer_in(700, Timer::Proceeded(generation));
        }
    }

    pub(super) fn proceeded(&mut self) {
        match self.scaling.way.take() {
            Some(Way::Join) => {
                self.scaling.state = Some("InService");
                self.scaling.target = Some(Target::InService);
                self.scaling.been_in_service = true;
                self.judge.in_service();
            }
            Some(Way::ToPool | Way::IntoPool) => {
                self.scaling.state = Some(match self.spec.pool {
                    Pool::Stopped => "Warmed:Stopped",
                    Pool::Running => "Warmed:Running",
                    Pool::Hibernated => "Warmed:Hibernated",
                });
                match self.spec.pool {
                    Pool::Stopped => self.go_down(Down::Stops, 500),
                    Pool::Hibernated => self.go_down(Down::Sleeps, 500),
                    Pool::Running => {}
                }
            }
            Some(Way::Replace) => {
                self.scaling.state = Some("RootVolumeReplaced");
                self.go_down(Down::Replaced, 0);
            }
            Some(Way::Leave | Way::LeavePool) | None => {}
        }
        self.scaling.since = self.now;
    }

    pub(super) fn lapse(&mut self, which: usize) {
        let Some(Some(action)) = self.scaling.actions.get(which).copied() else {
            return;
        };
        if action.done {
            return;
        }
        let timeout = action.lapses();
        if self.now < timeout {
            let which = u8::try_from(which).unwrap_or_default();
            self.timer_at(timeout, Timer::Lapse(which));
            return;
        }
        self.say(|| format!("{:?} has lapsed", action.hook));
        if action.hook != MANAGED {
            self.lapsed(action);
        }
        let launching = self
            .scaling
            .way
            .is_some_and(|it| it.transition() == Transition::Launching);
        self.over(
            which,
            if launching {
                ActionResult::Abandon
            } else {
                ActionResult::Continue
            },
        );
    }

    pub(super) fn hooks(&self, group: Group, transition: Transition) -> Reply {
        if group != Group(0) && self.faults.group_gone {
            return Reply::Failed(Fault::Refused);
        }
        if group != Group(0) && !self.faults.group_hooks {
            return Reply::Hooks(Vec::new());
        }
        // A former group has the same template's, under names of its own.
        let former = if group == Group(0) { 0 } else { 100 };
        let of = |(name, timeout): (HookName, Ms)| Hook {
            name: if name == MANAGED {
                name
            } else {
                HookName(name.0 + former)
            },
            transition,
            heartbeat_timeout: timeout,
            global_timeout: self
                .spec
                .global
                .filter(|_| name != MANAGED && transition == Transition::Terminating)
                .unwrap_or(global_timeout(timeout)),
            default_result: if transition == Transition::Launching {
                ActionResult::Abandon
            } else {
                ActionResult::Continue
            },
        };
        let mut hooks: Vec<_> = if transition == Transition::Launching {
            self.scaling.into
        } else {
            self.scaling.out
        }
        .map(of)
        .into_iter()
        .collect();
        if self.spec.managed && transition == Transition::Terminating {
            hooks.push(of((MANAGED, self.spec.managed_lasts)));
        }
        Reply::Hooks(hooks)
    }

    pub(in crate::world) fn active(&self, name: HookName) -> Option<(usize, Action)> {
        let ours = |it: &Option<Action>| it.is_some_and(|it| it.hook == name && !it.done);
        let which = self.scaling.actions.iter().position(ours)?;
        Some((which, self.scaling.actions[which]?))
    }

    pub(super) fn heartbeat(&mut self, group: Group, name: HookName) -> Reply {
        if self.faults.deny_beat {
            return Reply::Failed(Fault::Denied);
        }
        let now = self.now;
        match self.active(name) {
            Some((which, _)) if group == Group(0) => {
                if let Some(action) = &mut self.scaling.actions[which] {
                    action.beat = now;
                }
                let until = self.scaling.actions[which].map_or(now, |it| it.lapses());
                for event in &mut self.events {
                    if matches!(event.what, What::Timer(Timer::Lapse(it)) if usize::from(it) == which)
                    {
                        event.at = until;
                    }
                }
                Reply::Done
            }
            _ => Reply::Failed(Fault::NoActiveAction),
        }
    }

    pub(super) fn complete(&mut self, group: Group, name: HookName, result: ActionResult) -> Reply {
        if self.faults.deny_complete {
            return Reply::Failed(Fault::Denied);
        }
        match self.active(name) {
            // Just after the wait has begun, it may still be refused.
            Some((which, action)) if group == Group(0) && self.now >= action.begun + 600 => {
                self.say(|| format!("{name:?} is completed: {result:?}"));
                self.completed(result);
                self.over(which, result);
                Reply::Done
            }
            _ => Reply::Failed(Fault::NoActiveAction),
        }
    }
}
