//! The rules, and what excuses.

macro_rules! named {
    ($($name:literal: $means:literal;)*) => {
        &[$(($name, $means)),*]
    };
}

/// Every rule, with what it means.
pub const RULES: &[(&str, &str)] = named! {
    "completed-while-a-container-ran":
        "rules 2, 3, 10: CONTINUE was sent before the deadline while a container ran of which this process knew";
    "completed-without-a-fresh-read":
        "rule 2: before the deadline, no empty list that was asked for after the last refusal and within 16 s";
    "completed-without-a-look-at-ecs":
        "rule 2: before the deadline, no answer of ECS within 61 s that the registration takes no tasks";
    "wrong-verdict":
        "CONTINUE at the deadline with tasks left where the policy says ABANDON; ABANDON where it does not say so";
    "completed-though-none": "NONE, and not drained in time: completed all the same";
    "abandoned-before-the-deadline": "ABANDON of a termination before its deadline";
    "drained-but-given-up": "rule 3: it was drained in time, nothing has come since, and ABANDON or FAILURE was sent";
    "decided-before-looking": "rule 3: a process that has not looked at anything yet sends ABANDON or FAILURE";
    "failure-after-success": "SUCCESS, then FAILURE, for one wait";
    "failure-of-a-drain": "FAILURE for a drain, which no policy here asks for, not of a launch that had failed before";
    "success-while-a-container-ran": "SUCCESS for a drain, before the deadline, while a known container ran";
    "completed-again": "rule 9: sent again after it was accepted";
    "completed-on-stop": "rule 9: sent by a process that was told to stop";
    "touched-another-hook": "rule 9: heartbeat or completion of ECS's own hook";
    "changed-another-instance": "rule 10: a change for another machine's container instance";
    "changed-unseen":
        "rule 10: a change for a container instance whose ec2InstanceId was never seen, though looking is allowed";
    "another-instance-left-changed":
        "rule 10: looking is denied, the answer named another machine's instance, and the change is not undone";
    "told-before-written":
        "CONTINUE, ABANDON, SUCCESS or FAILURE was sent before what it says was written down, or 250 ms on its way to the disk";
    "drains-while-joining": "rule 8: DRAINING for a warning or by hand, while a launching action is open";
    "signals-again": "rule 6: CloudFormation has it, or has it already, and is told again";
    "standalone-not-stopped": "the policy says that standalone tasks are stopped, and one that is known is not";
    "stays-active": "rule 1: a reason is known, and the current registration stays ACTIVE";
    "left-draining": "rule 7: the reason is gone, that is known, and what was ours stays DRAINING";
    "undid-a-person": "rule 7: set ACTIVE what a person had set DRAINING";
    "active-though-a-reason": "rule 8: ACTIVE was asked for while a termination or Spot interruption is known";
    "sleeps-for-ever": "rule 14: nothing is under way, and it wants to be woken by nothing";
    "opposite-in-flight": "rule 5: the opposite of a change is sent while that one is in flight";
    "heartbeat-gap": "rule 4: no heartbeat, or retry, for more than max(1 s, a quarter of what is left)";
    "hook-lapsed": "rule 4: the hook lapsed although the process was there, knew, and could call";
    "heartbeat-after-the-end":
        "rule 4: a heartbeat long after the deadline, or after the completion was accepted, or denied";
    "not-completed": "all is over and the wait has begun, and no completion is sent";
    "not-joined": "a member, and the launching action is not completed";
    "joined-without-a-member": "CONTINUE of a launch, or SUCCESS, without having seen it ACTIVE and connected";
    "abandoned-a-member": "rule 3: ABANDON or FAILURE for a healthy member, or before the ready timeout";
    "not-signalled": "joined, and the stack was never told";
    "hurries": "rule 13: the same request more often than 15 times in 10 s (local ones: 60)";
    "costs-too-much":
        "rule 2: a plain drain, undisturbed, of an ARN not verified before: more than six calls, beside its heartbeats and the list of former registrations";
    "completion-refused-too-often": "rule 13: refused as too early, and asked again at once, on and on";
    "denied-spins": "a denied request is tried again more often than 8 times in 30 s";
    "spins": "no time passes";
    "completed-unsignalled":
        "drained in time, signal_drained is set, and CONTINUE is sent before anything was signalled: the machine dies of it";
    "told-before-executables":
        "drained in time, and CONTINUE or SUCCESS is sent before the executables after the drain have ended, since a task was seen last";
    "drains-before-executables":
        "DRAINING is asked for before the executables before it have ended, their time is over, or the deadline has come";
    "executables-run-on":
        "executables are not ended though the drain is called off or goes on, or are started while they run";
    "looks-too-often":
        "rule 13: ECS is looked at again though nothing new was told since the last look, and no while has passed";
    "sampled-twice":
        "two samples for one minute, over all processes; or one for the minute in which a process was started again";
    "sampled-while-away":
        "a sample while it drains, joins, or is told to be elsewhere than in service, ACTIVE and connected";
    "sampled-wrongly":
        "a sample of another minute than now, for another group than was told, with other figures than ECS's last word gives, or by a word older than 12 min";
    "not-sampled": "in service, ACTIVE, connected, calm, and no sample for over two minutes";
    "capacity-looks-too-often":
        "resources are looked at more than twice in 2 min, or again though no task came or went for 10 min, or while it drains or joins";
    "capacity-though-off": "a request for the capacity, which is off";
};

/// What no core can know, with what it excuses.
pub const EXEMPTIONS: &[(&str, &str)] = named! {
    "placed-unseen": "a task that came after the last read ran when the completion was sent";
    "lost-before-this-process":
        "the ECS agent had lost a container before this process could see it, and the file could not tell of it: no process of this boot had seen it in this drain and written since";
    "ecs-said-stopped": "ECS said STOPPED of a task under a living registration whose container ran on";
    "clock-wrong": "the clock was set, and a time by the wall clock counts: of Spot, of the launch, over a reboot";
    "pool-untold": "the instance was in the pool and out again, and no process was told so and lived to write it down";
    "lapsed-unreachable": "the hook lapsed while Auto Scaling could not be called";
    "lapsed-process-away": "the hook lapsed while the process was away, or had been back for less than 15 s";
    "lapsed-untold": "the hook lapsed and metadata had not told this process why";
    "lapsed-hook-changed": "somebody had changed the hook in mid-story";
    "lapsed-by-global-timeout": "GlobalTimeout was over, and it was not drained long before";
    "lapsed-by-policy": "NONE, denied, or the ready timeout: it has to lapse";
    "another-instance-unseen": "looking is denied, and introspection named another machine's registration";
    "forgotten-with-the-file":
        "FAILURE after SUCCESS, where the file was lost or could not be written (in time), and it is no member now, or may not be looked at";
    "missing-for-long":
        "CONTINUE though the registration lives: ECS had said MISSING of it three times or more over 15 s or more, and nothing else";
    "took-it-for-a-persons":
        "left DRAINING: all that was told before the change was DRAINING, and it had been ACTIVE again when the change arrived";
    "undid-a-person-unknowing":
        "who had set it DRAINING could not be told apart: both at once, an answer lost, the file lost";
    "older-drain-restored":
        "completed before the deadline: a restored file tells of an older drain, whose deadline has come, and nothing tells that one from this";
    "active-until-the-recheck":
        "it stays ACTIVE: ECS said DRAINING when it was asked last, no task has come, and the drain stands still for less than drain.recheck_after, and until its deadline";
};
