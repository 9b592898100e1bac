//! Which fault hits which request.

use super::FaultKind;
use crate::ids::mix;
use crate::pattern;

/// A fault rule: which operations of which instance it hits, when, and what happens.
#[derive(Clone, Debug)]
#[must_use]
pub struct Fault {
    operation: String,
    instance: Option<String>,
    kind: FaultKind,
    skip: u64,
    times: Option<u64>,
    chance: Option<(f64, u64)>,
}

impl Fault {
    /// Hits every request whose operation matches: exact (`ecs:ListTasks`), a prefix with `*`
    /// (`imds:*`), or several of these separated by `|`.
    pub fn on(operation: &str, kind: FaultKind) -> Self {
        Self {
            operation: operation.to_owned(),
            instance: None,
            kind,
            skip: 0,
            times: None,
            chance: None,
        }
    }

    /// Only requests attributed to this instance.
    pub fn of_instance(mut self, instance: &str) -> Self {
        self.instance = Some(instance.to_owned());
        self
    }

    /// Only this many times.
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Leaves the first so many matching requests alone.
    pub fn skip(mut self, requests: u64) -> Self {
        self.skip = requests;
        self
    }

    /// Hits each matching request with this probability, drawn from the seed.
    pub fn probability(mut self, probability: f64, seed: u64) -> Self {
        self.chance = Some((probability, seed));
        self
    }
}

/// Names a rule that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaultId(u64);

#[derive(Debug)]
struct Rule {
    id: FaultId,
    fault: Fault,
    seen: u64,
    hits: u64,
}

/// All rules, in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    added: u64,
    rules: Vec<Rule>,
}

impl Rules {
    pub(crate) fn add(&mut self, fault: Fault) -> FaultId {
        self.added += 1;
        let id = FaultId(self.added);
        self.rules.push(Rule {
            id,
            fault,
            seen: 0,
            hits: 0,
        });
        id
    }

    pub(crate) fn remove(&mut self, id: FaultId) {
        self.rules.retain(|r| r.id != id);
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(crate) fn hits(&self, id: FaultId) -> u64 {
        self.rules
            .iter()
            .find(|r| r.id == id)
            .map(|r| r.hits)
            .unwrap_or_default()
    }

    /// The faults that hit a request: delays, and then at most one other.
    pub(crate) fn decide(&mut self, operation: &str, instance: Option<&str>) -> Vec<FaultKind> {
        let mut kinds = Vec::new();
        for rule in &mut self.rules {
            if !rule.applies(operation, instance) {
                continue;
            }
            kinds.push(rule.fault.kind.clone());
            if !matches!(rule.fault.kind, FaultKind::Delay(_)) {
                break;
            }
        }
        kinds
    }
}

impl Rule {
    fn applies(&mut self, operation: &str, instance: Option<&str>) -> bool {
        let fault = &self.fault;
        if !pattern::matches(&fault.operation, operation)
            || fault
                .instance
                .as_deref()
                .is_some_and(|wanted| Some(wanted) != instance)
        {
            return false;
        }
        self.seen += 1;
        if self.seen <= fault.skip || fault.times.is_some_and(|times| self.hits >= times) {
            return false;
        }
        if let Some((probability, seed)) = fault.chance {
            // 53 bits of the draw, as a number in 0..1.
            #[allow(clippy::cast_precision_loss, reason = "53 bits fit an f64 exactly")]
            let draw = (mix(seed ^ mix(self.seen)) >> 11) as f64 / (1_u64 << 53) as f64;
            if draw >= probability {
                return false;
            }
        }
        self.hits += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(fault: Fault, requests: usize) -> Vec<bool> {
        let mut rules = Rules::default();
        rules.add(fault);
        (0..requests)
            .map(|_| !rules.decide("ecs:ListTasks", Some("i-1")).is_empty())
            .collect()
    }

    #[test]
    fn skips_and_then_hits_so_many_times() {
        let fault = Fault::on("ecs:*", FaultKind::Throttled).skip(1).times(2);
        assert_eq!(hits(fault, 5), [false, true, true, false, false]);
    }

    #[test]
    fn only_the_instance_asked_for() {
        assert_eq!(
            hits(Fault::on("*", FaultKind::Empty).of_instance("i-2"), 1),
            [false]
        );
        assert_eq!(
            hits(Fault::on("*", FaultKind::Empty).of_instance("i-1"), 1),
            [true]
        );
    }

    #[test]
    fn probability_is_drawn_from_the_seed() {
        let draw = |seed| {
            hits(
                Fault::on("*", FaultKind::Empty).probability(0.3, seed),
                1000,
            )
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let hit = draw(7).iter().filter(|h| **h).count();
        assert!((250..350).contains(&hit), "{hit}");
    }

    #[test]
    fn a_delay_lets_a_later_rule_hit_too() {
        let mut rules = Rules::default();
        rules.add(Fault::on(
            "*",
            FaultKind::Delay(std::time::Duration::from_secs(1)),
        ));
        let empty = rules.add(Fault::on("*", FaultKind::Empty));
        rules.add(Fault::on("*", FaultKind::Garbage));
        assert_eq!(rules.decide("ecs:X", None).len(), 2);
        assert_eq!(rules.hits(empty), 1);
        rules.remove(empty);
        assert_eq!(
            rules.decide("ecs:X", None).last(),
            Some(&FaultKind::Garbage)
        );
    }
}
