//! An Auto Scaling group that scales: its metrics, the alarms, and what their policies do.
//!
//! Each minute the group's own metrics are taken, and half a minute later the alarms look at the minutes that
//! are over. The instance that goes is the oldest. Instances that are missing are launched by whoever plays the
//! world, as each has sockets and an agent of its own: [`World::missing_instances`].

use std::time::Duration;

use super::World;
use super::agenda::Due;
use super::events::What;
use super::instance::InstanceModel;
use super::math;
use super::states::LifecycleState;
use crate::spec::{AlarmSpec, Policy};

const MINUTE: Duration = Duration::from_secs(60);
/// What CloudWatch takes to make a minute's samples visible.
const LAG: Duration = Duration::from_secs(30);

/// An alarm in the model.
#[derive(Clone, Debug)]
pub struct AlarmModel {
    /// What was declared.
    pub spec: AlarmSpec,
    /// Whether it is in ALARM.
    pub on: bool,
}

/// How many instances of a group are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupSize {
    /// `GroupInServiceInstances`.
    pub in_service: usize,
    /// `GroupPendingInstances`.
    pub pending: usize,
    /// `GroupTerminatingInstances`.
    pub terminating: usize,
}

impl World {
    /// Adds an alarm, and the group's size to begin with.
    pub fn add_alarm(&mut self, spec: AlarmSpec) {
        if self.alarms.is_empty() {
            let past = self.calendar.since_1970(self.now()).as_secs() % 60;
            let at = self.now() + MINUTE + LAG - Duration::from_secs(past);
            self.schedule(at, Due::Minute);
        }
        if let Some((group, _)) = &spec.scales {
            let size = self.group_size(group);
            if let Some(group) = self.groups.get_mut(group) {
                group.desired.get_or_insert(size.in_service + size.pending);
            }
        }
        self.alarms.push(AlarmModel { spec, on: false });
    }

    /// The alarms.
    pub fn alarms(&self) -> &[AlarmModel] {
        &self.alarms
    }

    /// How many instances of a group are in which state.
    pub fn group_size(&self, group: &str) -> GroupSize {
        let mut size = GroupSize::default();
        for instance in self.members(group) {
            match instance.lifecycle_state {
                Some(LifecycleState::InService) => size.in_service += 1,
                Some(
                    LifecycleState::Pending
                    | LifecycleState::PendingWait
                    | LifecycleState::PendingProceed,
                ) => size.pending += 1,
                Some(state) if state.is_terminating() => size.terminating += 1,
                _ => {}
            }
        }
        size
    }

    /// How many instances are to be launched.
    pub fn missing_instances(&self, group: &str) -> usize {
        let size = self.group_size(group);
        let desired = self.groups.get(group).and_then(|g| g.desired);
        desired
            .unwrap_or(0)
            .saturating_sub(size.in_service + size.pending)
    }

    /// Sets the size that is desired of a group, as an update of the stack does.
    pub fn set_desired_capacity(&mut self, group: &str, to: usize) {
        let Some(model) = self.groups.get_mut(group) else {
            return;
        };
        let from = model.desired.replace(to).unwrap_or(to);
        let group = group.to_owned();
        self.event("", What::DesiredCapacity { group, from, to });
    }

    /// Suspends `AlarmNotification` of a group, or resumes it.
    pub fn suspend_policies(&mut self, group: &str, suspended: bool) {
        if let Some(group) = self.groups.get_mut(group) {
            group.suspended = suspended;
        }
    }

    fn members<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a InstanceModel> {
        let here = move |i: &&InstanceModel| i.group.as_deref() == Some(group) && !i.is_gone();
        self.instances.values().filter(here)
    }

    pub(crate) fn minute_over(&mut self) {
        self.schedule(self.now() + MINUTE, Due::Minute);
        let over = self.minute_of(self.now()).saturating_sub(1);
        self.measure_groups(over);
        for at in 0..self.alarms.len() {
            let Some(alarm) = self.alarms.get(at).cloned() else {
                continue;
            };
            let on = self.is_breaching(&alarm.spec, over);
            if let Some(model) = self.alarms.get_mut(at) {
                model.on = on;
            }
            if on != alarm.on {
                let alarm = alarm.spec.name.clone();
                self.event("", What::Alarm { alarm, on });
            }
            if let Some((group, policy)) = alarm.spec.scales.filter(|_| on) {
                self.carry_out(&group, policy);
            }
        }
    }

    fn measure_groups(&mut self, minute: u64) {
        let names: Vec<String> = self.groups.keys().cloned().collect();
        for name in names {
            let size = self.group_size(&name);
            let desired = self.groups.get(&name).and_then(|g| g.desired).unwrap_or(0);
            let dimensions = format!("AutoScalingGroupName={name}");
            for (metric, value) in [
                ("GroupInServiceInstances", size.in_service),
                ("GroupPendingInstances", size.pending),
                ("GroupTerminatingInstances", size.terminating),
                ("GroupDesiredCapacity", desired),
            ] {
                let value = u32::try_from(value).map_or(f64::MAX, f64::from);
                self.metrics.put(minute, metric, &dimensions, value);
            }
            let now = self.now();
            let still = self.groups.get_mut(&name).filter(|_| size.terminating == 0);
            if let Some(group) = still
                && let Some(cooldown) = group.removing.take()
            {
                group.cool_until = now + cooldown;
            }
        }
    }

    fn is_breaching(&self, alarm: &AlarmSpec, last: u64) -> bool {
        let periods = u64::try_from(alarm.periods).unwrap_or(u64::MAX);
        let window = last.saturating_sub(periods.saturating_sub(1))..=last;
        let breaching = window.filter(|minute| {
            let metric = |id: &str| {
                let metric = alarm.metrics.iter().find(|metric| metric.id == id)?;
                self.metrics.get(*minute, metric)
            };
            math::value(&alarm.expression, metric).is_some_and(|value| value >= 1.0)
        });
        breaching.count() >= alarm.datapoints
    }

    fn carry_out(&mut self, name: &str, policy: Policy) {
        let (size, now) = (self.group_size(name), self.now());
        let Some(group) = self.groups.get(name).filter(|group| !group.suspended) else {
            return;
        };
        let desired = group.desired.unwrap_or(0);
        let (least, most) = group.spec.sizes;
        match policy {
            Policy::StepOut { warm_up } => {
                let warming = self.members(name).any(|instance| {
                    instance
                        .in_service_since
                        .is_some_and(|since| since + warm_up > now)
                });
                let coming = size.pending > 0 || self.missing_instances(name) > 0;
                if !coming && !warming && desired < most {
                    self.set_desired_capacity(name, desired + 1);
                }
            }
            Policy::SimpleIn { cooldown } => {
                let still = group.removing.is_some() || now < group.cool_until;
                let oldest = self
                    .members(name)
                    .filter(|i| i.lifecycle_state == Some(LifecycleState::InService))
                    .min_by_key(|i| (i.launched_at, i.id.clone()))
                    .map(|i| i.id.clone());
                let Some(oldest) = oldest.filter(|_| !still && desired > least) else {
                    return;
                };
                if let Some(group) = self.groups.get_mut(name) {
                    group.removing = Some(cooldown);
                }
                self.set_desired_capacity(name, desired - 1);
                self.terminate(&oldest);
            }
        }
    }
}
