//! Knows which container instance this is, and whether ECS places tasks on it.
//!
//! The ECS agent tells its ARN. An ECS agent that loses its data gets another ARN, at any time. For each ARN,
//! the answer to the request that was *sent* last counts, whichever call it was.

use std::time::Duration;

use crate::model::{
    Action, ContainerInstance, ContainerInstanceStatus, ContainerInstanceView, Failure,
    FailureKind, Moment, Note, StateChange,
};
use crate::pace::{Pace, growing};
use crate::turn::Turn;
use crate::wants::Placement as Want;

/// How often the ECS agent is asked who we are, until it tells.
const IDENTITY_POLL: Duration = Duration::from_secs(2);
/// How often afterwards, while nothing depends on it.
const IDENTITY_REFRESH: Duration = Duration::from_secs(60);
/// How long the ECS agent may take at boot before a warning is logged.
const IDENTITY_QUIET: Duration = Duration::from_secs(300);
/// How often the look before a change may fail. This takes a few seconds, while the hook waits.
const LOOKS_BEFORE_A_CHANGE: u32 = 4;
/// If ECS has answered MISSING this often and for this long, the ARN counts as unknown to it.
const MISSING_COUNT: u32 = 3;
const MISSING_FOR: Duration = Duration::from_secs(15);
/// For this long after the first MISSING, ECS may not know the ARN yet.
const MISSING_YOUNG_FOR: Duration = Duration::from_mins(2);
/// How seldom a container instance is looked at that is neither ACTIVE nor DRAINING.
const VAIN_CAP: Duration = Duration::from_secs(60);

/// Something that is known, and how old it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen<T> {
    /// When the question was sent.
    pub sent: Moment,
    /// The answer.
    pub value: T,
}

/// The part that knows who we are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identity {
    read: Pace,
    /// When the last answered read was sent.
    pub(crate) read_at: Option<Moment>,
    /// When the last read was sent that was answered, well or badly.
    pub(crate) answered: Option<Moment>,
    said_awaiting: bool,
    last: Option<Moment>,
}

impl Identity {
    /// Asks at the next step, for whoever cannot wait.
    pub(crate) fn ask(&mut self, now: Moment) {
        self.read.ask(now);
    }

    /// Reads at once where the last read was sent before `from`.
    pub(crate) fn read_again(&mut self, from: Moment, turn: &Turn<'_>) {
        if self.last.is_none_or(|at| at < from) {
            self.read.ask(turn.now);
        }
    }

    /// Takes in an answer; returns what the ECS agent says we are.
    pub(crate) fn absorb(
        &mut self,
        result: Result<Option<ContainerInstance>, Failure>,
        sent: Moment,
        turn: &mut Turn<'_>,
    ) -> Option<ContainerInstance> {
        self.answered = Some(sent);
        match result {
            Ok(found) => {
                self.read_at = self.read_at.max(Some(sent));
                turn.good();
                found
            }
            Err(failure) => {
                turn.bad(&failure, IDENTITY_QUIET);
                None
            }
        }
    }

    /// Asks when it is time: `every` is how often somebody depends on it.
    pub(crate) fn advance(&mut self, known: bool, every: Option<Duration>, turn: &mut Turn<'_>) {
        let idle = if known {
            IDENTITY_REFRESH
        } else {
            IDENTITY_POLL
        };
        let next = self
            .last
            .map_or(turn.now, |last| last + every.unwrap_or(idle).min(idle));
        self.read.ask(next);
        if turn.is_flying(|action| matches!(action, Action::ReadContainerInstance)) {
            return;
        }
        if self.read.is_due(turn) {
            self.read.sent();
            self.last = Some(turn.now);
            turn.send(Action::ReadContainerInstance);
        }
    }

    /// Says once that the ECS agent has yet to tell.
    pub(crate) fn say_awaiting(&mut self, turn: &mut Turn<'_>) {
        if !std::mem::replace(&mut self.said_awaiting, true) {
            turn.say(Note::AwaitingContainerInstance);
        }
    }
}

/// The machine that a container instance is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    /// It is unknown.
    None,
    /// ECS has shown this machine's instance id.
    Ours,
    /// ECS has shown another instance id, so the agent does not change it.
    Foreign,
}

/// A change that may have been made although no good answer came.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Doubt {
    /// `None` if another process sent it, so that the status is unknown.
    draining: Option<bool>,
    until: Moment,
}

/// One container instance in ECS.
#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    /// Which.
    pub target: ContainerInstance,
    view: Option<Seen<ContainerInstanceView>>,
    closed_since: Option<Moment>,
    proof: Proof,
    set: Pace,
    look: Pace,
    /// A look has to be sent at this moment or later.
    look_from: Option<Moment>,
    looks_failed: u32,
    look_denied: bool,
    doubt: Option<Doubt>,
    missing: u32,
    missing_since: Option<Moment>,
    /// Looks in a row that showed neither ACTIVE nor DRAINING.
    vain: u32,
    said_gone: bool,
    /// The status before the agent's first change. It shows whether the agent set DRAINING.
    prior: Option<ContainerInstanceStatus>,
    changed: bool,
    /// Send the change once more. The status was seen to be right, but that was long ago.
    again: bool,
    /// This process has sent a change.
    sent: bool,
    /// It is another machine's and was set to DRAINING before a look was possible. Undo that.
    undo: bool,
}

impl Registration {
    /// One of which nothing is known but what is remembered: whether it was seen to be on this machine, and
    /// whether it was set to DRAINING by us. `resumed` is the moment up to which a change of an earlier
    /// process may still arrive.
    pub(crate) fn new(
        target: ContainerInstance,
        verified: bool,
        changed: bool,
        resumed: Option<Moment>,
        now: Moment,
    ) -> Self {
        Self {
            target,
            view: None,
            closed_since: None,
            proof: if verified { Proof::Ours } else { Proof::None },
            set: Pace::at(now),
            look: Pace::at(now),
            look_from: resumed,
            looks_failed: 0,
            look_denied: false,
            doubt: resumed.map(|until| Doubt {
                draining: None,
                until,
            }),
            missing: 0,
            missing_since: None,
            vain: 0,
            said_gone: false,
            prior: None,
            changed,
            again: false,
            sent: false,
            undo: false,
        }
    }

    /// What ECS shows, and when it was asked.
    pub fn view(&self) -> Option<&Seen<ContainerInstanceView>> {
        self.view.as_ref()
    }

    /// The same, where ECS has shown it, or has said for long enough that it does not know it.
    pub(crate) fn sure_view(&self) -> Option<&Seen<ContainerInstanceView>> {
        let missing = ContainerInstanceStatus::Missing;
        self.view()
            .filter(|seen| seen.value.status != missing || self.said_gone)
    }

    /// Whether ECS has shown that it is on this machine.
    pub(crate) fn is_verified(&self) -> bool {
        self.proof == Proof::Ours
    }

    /// Whether it is on another machine.
    pub(crate) fn is_foreign(&self) -> bool {
        self.proof == Proof::Foreign
    }

    /// Whether ECS was seen to place nothing here (any more).
    pub fn is_closed(&self) -> bool {
        self.closed_since.is_some()
    }

    /// Since when ECS places nothing here.
    pub(crate) fn closed_since(&self) -> Option<Moment> {
        self.closed_since
    }

    /// Whether ECS shows it ACTIVE with the agent connected.
    pub(crate) fn is_member(&self) -> bool {
        !self.is_foreign()
            && self.view.as_ref().is_some_and(|seen| {
                seen.value.status == ContainerInstanceStatus::Active && seen.value.agent_connected
            })
    }

    /// Whether ECS does not know it (any more).
    pub fn is_unknown(&self) -> bool {
        self.said_gone
    }

    /// Whether the last look has failed.
    pub(crate) fn looks_fail(&self) -> bool {
        self.looks_failed > 0
    }

    /// Whether the last look has found nothing, which can be wrong.
    pub(crate) fn is_missing(&self) -> bool {
        self.missing > 0
    }

    /// Whether it was set to DRAINING before it was known to be on another machine.
    pub(crate) fn has_to_undo(&self) -> bool {
        self.undo
    }

    /// Whether it was in service before the agent changed it; unknown without a look.
    pub(crate) fn was_active(&self) -> Option<bool> {
        self.prior
            .as_ref()
            .map(|prior| *prior == ContainerInstanceStatus::Active)
    }

    /// Whether a change is under way, or in doubt, that could end what ECS shows.
    pub(crate) fn is_changing(&self, turn: &mut Turn<'_>) -> bool {
        self.is_setting(turn) || self.doubt.is_some_and(|doubt| !turn.reached(doubt.until))
    }

    /// Whether a change is under way.
    pub(crate) fn is_setting(&self, turn: &Turn<'_>) -> bool {
        let arn = &self.target.arn;
        turn.is_flying(
            |action| matches!(action, Action::SetDraining(to) | Action::SetActive(to) if to.arn == *arn),
        )
    }

    /// Whether a request that ends DRAINING is under way, or in doubt.
    pub(crate) fn may_be_reopened(&self, turn: &mut Turn<'_>) -> bool {
        let arn = &self.target.arn;
        turn.is_flying(|action| matches!(action, Action::SetActive(to) if to.arn == *arn))
            || self
                .doubt
                .is_some_and(|doubt| doubt.draining != Some(true) && !turn.reached(doubt.until))
    }

    /// Whether ECS shows it ACTIVE, and nothing is under way that could end that.
    pub(crate) fn is_surely_active(&self, turn: &mut Turn<'_>) -> bool {
        let active = self
            .view
            .as_ref()
            .is_some_and(|seen| seen.value.status == ContainerInstanceStatus::Active);
        active && !self.is_foreign() && !self.is_changing(turn)
    }

    /// Whether ECS still has it, whatever its status.
    pub(crate) fn is_there(&self) -> bool {
        self.view.as_ref().is_some_and(|seen| {
            !matches!(
                seen.value.status,
                ContainerInstanceStatus::Missing | ContainerInstanceStatus::Inactive
            )
        })
    }

    /// Whether this process has sent a change of it.
    pub(crate) fn was_changed(&self) -> bool {
        self.sent
    }

    /// Whether ECS has shown DRAINING before the agent changed it: somebody else has set it.
    pub(crate) fn is_drained_by_another(&self) -> bool {
        let draining = self.prior == Some(ContainerInstanceStatus::Draining);
        draining && !self.changed && self.proof == Proof::Ours
    }

    /// A drain begins: what is wanted is asked for once more, whatever was seen before, and nothing waits for
    /// the backoff of earlier failures. Unless the DRAINING is known to be `ours`, whose it is was seen too long
    /// ago.
    pub(crate) fn begin_again(&mut self, ours: bool, now: Moment) {
        self.again = self.view.is_some();
        (self.look, self.set, self.vain) = (Pace::at(now), Pace::at(now), 0);
        // A look that was planned for later is needed as soon as this drain needs it.
        self.look_from = self.doubt.map(|doubt| doubt.until);
        if !ours {
            self.prior = None;
            (self.changed, self.sent) = (false, false);
        }
    }

    /// A look that shows what is wanted can be out of date, so the change is sent in any case.
    pub(crate) fn change_again(&mut self) {
        self.again = true;
    }

    /// Asks for a look now where the last one was sent before `from`.
    pub(crate) fn look_from_now_if_older(&mut self, from: Moment, now: Moment) {
        if self.view.as_ref().is_none_or(|seen| seen.sent < from) && self.look_from.is_none() {
            self.look_from = Some(now);
        }
    }

    /// Asks for a look now, also where the last one has failed a moment ago.
    pub(crate) fn look_now(&mut self, now: Moment) {
        self.look_from = Some(now);
        self.look.ask(now);
    }

    /// What was known is out of date. A permission may have been granted, too.
    pub(crate) fn look_afresh(&mut self, now: Moment) {
        self.look_denied = false;
        self.look_now(now);
    }

    /// Asks for a look that is sent at `from` or later.
    pub(crate) fn look_from(&mut self, from: Moment) {
        if self.view.as_ref().is_none_or(|seen| seen.sent < from) {
            self.look_from = self.look_from.max(Some(from));
        }
    }

    /// Whether a look is still awaited.
    pub(crate) fn is_looking(&self) -> bool {
        self.look_from.is_some()
    }

    /// Whether the last look has failed for want of a permission.
    pub(crate) fn may_not_look(&self) -> bool {
        self.look_denied
    }

    /// Takes in the answer to a change.
    pub(crate) fn absorb_set(
        &mut self,
        draining: bool,
        result: Result<StateChange, Failure>,
        sent: Moment,
        ours: &str,
        turn: &mut Turn<'_>,
    ) {
        match result {
            Ok(change) => {
                turn.good();
                self.changed = true;
                let doubtful = |doubt: &Doubt| doubt.draining == Some(draining);
                if self.doubt.as_ref().is_some_and(doubtful) {
                    self.doubt = None;
                }
                let missing = change.view.status == ContainerInstanceStatus::Missing;
                // A later look that was answered sooner may have seen the status from before the change.
                let differs = |seen: &mut Seen<ContainerInstanceView>| {
                    seen.sent > sent && seen.value.status != change.view.status
                };
                let outrun = self.view.take_if(differs).is_some();
                self.observe(change.view, sent, change.request_id, ours, turn);
                if outrun {
                    self.look_from(turn.now);
                }
                self.undo = self.proof == Proof::Foreign && (draining || missing && self.undo);
                if missing {
                    let delay = self.vain_delay(self.missing, turn);
                    self.set.retry_in(delay, turn.now);
                } else {
                    self.set.succeeded();
                    // If the change was accepted but the status differs, it is sent again after a while.
                    self.set.set(turn.now + Duration::from_secs(1));
                }
            }
            Err(failure) => {
                if failure.kind.may_have_happened() {
                    self.changed = true;
                    let until = sent + turn.policy.aws.request_timeout;
                    self.doubt = Some(Doubt {
                        draining: Some(draining),
                        until: self.doubt.map_or(until, |doubt| doubt.until.max(until)),
                    });
                    self.look_from(until.max(turn.now));
                    self.view = None;
                    // A later look may show the status from before the change, so it is sent once more anyway.
                    self.again = true;
                }
                if failure.kind == FailureKind::Refused {
                    self.refused(sent, turn);
                }
                self.set.failed(&failure, turn);
            }
        }
    }

    /// The status is not what was believed, so a look is needed. If looks are denied, INACTIVE stays.
    fn refused(&mut self, sent: Moment, turn: &Turn<'_>) {
        match &mut self.view {
            Some(seen)
                if self.look_denied && seen.value.status == ContainerInstanceStatus::Inactive =>
            {
                seen.sent = seen.sent.max(sent);
                self.look_from = self.look_from.filter(|from| *from > sent);
            }
            _ => self.look_from(turn.now),
        }
    }

    /// Takes in the answer to a look.
    pub(crate) fn absorb_look(
        &mut self,
        result: Result<ContainerInstanceView, Failure>,
        sent: Moment,
        ours: &str,
        turn: &mut Turn<'_>,
    ) {
        match result {
            Ok(view) => {
                turn.good();
                self.look.succeeded();
                self.looks_failed = 0;
                self.look_denied = false;
                self.look.set(turn.now);
                self.observe(view, sent, None, ours, turn);
            }
            // It says nothing of the look that was asked for since.
            Err(failure) if self.look_from.is_some_and(|from| sent < from) => {
                turn.failed_for(&failure, Duration::ZERO);
            }
            Err(failure) => {
                self.looks_failed = self.looks_failed.saturating_add(1);
                self.look_denied = failure.kind == FailureKind::Denied;
                self.look.failed(&failure, turn);
            }
        }
    }

    fn observe(
        &mut self,
        view: ContainerInstanceView,
        sent: Moment,
        request_id: Option<String>,
        ours: &str,
        turn: &mut Turn<'_>,
    ) {
        match &view.ec2_instance_id {
            Some(theirs) if theirs != ours => {
                if self.proof != Proof::Foreign {
                    turn.say(Note::ForeignContainerInstance {
                        container_instance: self.target.clone(),
                        theirs: theirs.clone(),
                        ours: ours.to_owned(),
                    });
                }
                self.proof = Proof::Foreign;
            }
            Some(_) => self.proof = Proof::Ours,
            None => {}
        }
        if self.look_from.is_some_and(|from| sent >= from) {
            self.look_from = None;
        }
        if self.view.as_ref().is_some_and(|known| known.sent > sent) {
            return;
        }
        let known = matches!(
            view.status,
            ContainerInstanceStatus::Active | ContainerInstanceStatus::Draining
        );
        // ACTIVE ends any earlier DRAINING, so the next DRAINING is the agent's own. DRAINING may be the agent's own
        // while its change has not been answered.
        let ours = self.changed || self.is_setting(turn);
        if known && (!ours || view.status == ContainerInstanceStatus::Active) {
            self.prior = Some(view.status.clone());
        }
        let missing = view.status == ContainerInstanceStatus::Missing;
        if missing {
            self.missing = self.missing.saturating_add(1);
            self.missing_since.get_or_insert(sent);
        } else {
            (self.missing, self.missing_since) = (0, None);
        }
        if known {
            self.vain = 0;
        } else if self.look_from.is_none() {
            // ECS is asked again at growing intervals, as long as it matters. A look that was asked for since does not
            // wait for that.
            let delay = self.vain_delay(self.vain, turn);
            self.vain = self.vain.saturating_add(1);
            self.look.retry_in(delay, turn.now);
        }
        let given_up = self.missing >= MISSING_COUNT
            && self
                .missing_since
                .is_some_and(|since| turn.now.since(since) >= MISSING_FOR);
        if (given_up || view.status == ContainerInstanceStatus::Inactive)
            && !std::mem::replace(&mut self.said_gone, true)
        {
            turn.say(Note::ContainerInstanceGone(view.clone()));
        }
        if known {
            self.said_gone = false;
        }
        let closed = view.status.takes_no_tasks() || given_up;
        if closed && self.closed_since.is_none() {
            // ECS places no tasks on an instance that it does not know.
            let unknown_since = self.missing_since.filter(|_| given_up);
            self.closed_since = Some(unknown_since.unwrap_or(turn.now));
            if view.status == ContainerInstanceStatus::Draining {
                turn.say(Note::Draining {
                    view: view.clone(),
                    request_id,
                });
            }
        } else if !closed && !missing && self.closed_since.take().is_some() {
            if self.changed && request_id.is_none() {
                turn.say(Note::SetBack(view.clone()));
            }
            self.set.ask(turn.now);
        }
        match &mut self.view {
            // ECS forgets a deregistered container instance after a while.
            Some(seen) if missing && seen.value.status == ContainerInstanceStatus::Inactive => {
                seen.sent = sent;
            }
            known => *known = Some(Seen { sent, value: view }),
        }
    }

    /// How long to wait before ECS is asked again about an ARN that it did not know. The intervals grow up to the
    /// moment at which the next answer is final.
    fn vain_delay(&self, count: u32, turn: &Turn<'_>) -> Duration {
        // If ECS may not know the ARN yet, it is asked more often than for one that is gone.
        let young = |since: Moment| turn.now.since(since) < MISSING_YOUNG_FOR;
        let cap = match self.missing_since.is_some_and(young) {
            true => MISSING_FOR,
            false => VAIN_CAP,
        };
        let delay = growing(Duration::from_secs(1), cap, count, turn.seed);
        let settled = self.missing_since.map(|since| since + MISSING_FOR);
        match settled.filter(|at| *at > turn.now && self.missing + 1 >= MISSING_COUNT) {
            Some(at) => delay.min(at.since(turn.now)),
            None => delay,
        }
    }

    /// Whether it may be set to DRAINING although its status before that is unknown.
    pub(crate) fn may_change_blindly(&self, needs_prior: bool) -> bool {
        self.prior.is_none()
            && (self.proof == Proof::Ours || self.look_denied)
            && (!needs_prior || self.looks_are_hopeless())
    }

    fn looks_are_hopeless(&self) -> bool {
        self.looks_failed >= LOOKS_BEFORE_A_CHANGE || self.look_denied
    }

    /// Sends the change that is wanted, and the look that was asked for.
    pub(crate) fn advance(&mut self, want: Want, needs_prior: bool, turn: &mut Turn<'_>) {
        let looking = {
            let arn = &self.target.arn;
            turn.is_flying(
                |action| matches!(action, Action::DescribeContainerInstance(to) if to.arn == *arn),
            )
        };
        // While a change is under way, no look can tell what was before it.
        let unknown = self.prior.is_none() && !self.changed && !self.is_setting(turn);
        let wonders = needs_prior && unknown;
        if want != Want::Leave
            && (self.proof == Proof::None || wonders && self.looks_failed < LOOKS_BEFORE_A_CHANGE)
            && self.look.is_due(turn)
        {
            self.look_from.get_or_insert(turn.now);
        }
        let by_setting = self.look_denied && want == Want::Draining;
        if let Some(from) = self.look_from
            && !looking
            && turn.reached(from)
            && !by_setting
            && self.look.is_due(turn)
        {
            self.look.set(turn.now);
            turn.send(Action::DescribeContainerInstance(self.target.clone()));
        }
        self.change(want, needs_prior, by_setting, turn);
    }

    fn change(&mut self, want: Want, needs_prior: bool, by_setting: bool, turn: &mut Turn<'_>) {
        let draining = match want {
            Want::Draining => true,
            Want::Active => false,
            Want::Leave => return,
        };
        if self.is_setting(turn) {
            return;
        }
        if self.proof == Proof::Foreign {
            if self.undo && self.set.is_due(turn) {
                turn.send(Action::SetActive(self.target.clone()));
            }
            return;
        }
        let lacks_prior = needs_prior && self.prior.is_none() && !self.changed;
        if self.proof == Proof::None && !self.look_denied
            || lacks_prior && !self.looks_are_hopeless()
        {
            return;
        }
        let so_already =
            self.view
                .as_ref()
                .is_some_and(|seen| match (&seen.value.status, draining) {
                    // A look can be out of date, and the status may have been changed back since.
                    (ContainerInstanceStatus::Draining, true) => self.changed,
                    (ContainerInstanceStatus::Active, false) => true,
                    // A deregistered container instance takes no tasks and cannot be changed.
                    (ContainerInstanceStatus::Inactive, _) => true,
                    _ => false,
                });
        // A role that may not look may still set: once more changes nothing, and its answer says the status.
        let asked = by_setting && self.look_from.is_some_and(|from| turn.reached(from));
        // If no change was sent, there is nothing to undo.
        let again = self.again && (draining || self.changed || self.sent);
        if so_already && !asked && !again {
            return;
        }
        if let Some(doubt) = self.doubt {
            let opposite = doubt.draining != Some(draining);
            if opposite && !turn.reached(doubt.until) {
                return;
            }
            if opposite {
                self.doubt = None;
            }
        }
        if self.set.is_due(turn) {
            self.set.set(turn.now);
            self.again = false;
            self.sent = true;
            turn.send(if draining {
                Action::SetDraining(self.target.clone())
            } else {
                Action::SetActive(self.target.clone())
            });
        }
    }
}
