"""What docs/tested.md asks by number, answered from the timeline. Pure: the same timeline, the same answers.

Each answer is (what is known now, the evidence). None for the first: not seen, and the evidence says why.
"""

import re

STATE = "meta-data/autoscaling/target-lifecycle-state"


def _signals(timeline, step):
    """(time, SUCCESS or FAILURE, instance) of every signal that the stack has counted in a step."""
    found = []
    for event in timeline.during(step, "stack-event", resource="AutoScalingGroup"):
        match = re.search(r"Received (\w+) signal with UniqueId (i-\w+)", event["reason"])
        if match:
            found.append((event["at"], *match.groups()))
    return found


def _line(observation):
    facts = {key: value for key, value in observation.items() if key not in ("at", "kind")}
    return f"{observation['at']} {observation['kind']} " + ", ".join(f"{k}: {v}" for k, v in facts.items())


def _finished(timeline, step):
    """Why a step has shown nothing; None where it has ended well."""
    end = timeline.of("step", name=step, what="end")
    if not end:
        return f"the step {step} was not made"
    return None if end[-1]["outcome"] == "done" else f"the step {step}: {end[-1]['outcome']}"


def signals_of_terminated_instances(timeline):
    why = _finished(timeline, "rolling_update")
    signals = _signals(timeline, "rolling_update")
    old = {i for o in timeline.during("rolling_update", "old-instances") for i in o["instances"]}
    if not signals:
        return None, [why or "no signal was counted in the rolling update"]
    of_old = [signal for signal in signals if signal[2] in old]
    evidence = [f"{at} {status} of {instance}, {'old' if instance in old else 'new'}" for at, status, instance in signals]
    if of_old:
        return "CloudFormation counts them: drains must not signal in a rolling update", evidence
    return "none of them was counted", evidence


def tags_in_metadata(timeline):
    paths = [f"meta-data/tags/instance/aws:cloudformation:{key}" for key in ("stack-name", "logical-id")]
    seen = [o for path in paths for o in timeline.of("metadata", path=path)]
    values = {o["path"] for o in seen if not re.fullmatch(r"\d{3}", o["value"])}
    if not seen:
        return None, ["no instance's metadata was read"]
    evidence = [_line(o) for o in seen]
    return ("they do" if values == set(paths) else f"they do not: only {sorted(values)}"), evidence


def protected_tasks(timeline):
    protected = timeline.of("protected")
    stopped = timeline.of("protected-stopped")
    if not protected or not stopped:
        return None, [_finished(timeline, "drain") or "the protected task's end was not seen"]
    evidence = [_line(protected[0]), _line(stopped[0])]
    if stopped[0]["stopping"] < protected[0]["until"]:
        return "draining stops them before their protection is over", evidence
    return "draining waits for the end of their protection", evidence


def _path(timeline, step, instance):
    return [o for o in timeline.during(step, "instance-state", subject=instance)]


def warm_pool_states(timeline):
    moved = timeline.of("to-warm-pool")
    if not moved:
        return None, [_finished(timeline, "warm_pool") or "no instance went into the pool"]
    states = _path(timeline, "warm_pool", moved[0]["subject"])
    if not any(o["value"].startswith("Warmed:") for o in states):
        return None, [_finished(timeline, "warm_pool") or "no instance went into the pool"]
    metadata = timeline.during("warm_pool", "metadata", subject=moved[0]["subject"], path=STATE)
    return " → ".join(o["value"] for o in states), [_line(o) for o in states + metadata]


def abandoned_launch(timeline):
    abandoned = timeline.of("abandoned")
    if not abandoned:
        return None, [_finished(timeline, "abandoned_launch") or "no launch was abandoned"]
    states = [o for o in _path(timeline, "abandoned_launch", abandoned[0]["subject"])]
    waited = any(o["value"] == "Terminating:Wait" for o in states)
    return ("they run" if waited else "they do not run"), [_line(o) for o in states]


def signals_in_a_refresh(timeline):
    why = _finished(timeline, "instance_refresh")
    old = {i for o in timeline.during("instance_refresh", "old-instances") for i in o["instances"]}
    came = {o["subject"] for o in timeline.during("instance_refresh", "instance-state", value="Pending:Wait")} - old
    if why or not came:
        return None, [why or "no new instance has waited for its launching hooks"]
    signals = _signals(timeline, "instance_refresh")
    evidence = [f"{at} {status} of {instance}" for at, status, instance in signals]
    evidence += [_line(o) for o in timeline.of("switched")]
    return ("it counts them as an event" if signals else "they leave no event"), evidence


def bound_by_the_tag(timeline):
    # One that has not waited for its hooks shows nothing.
    came = [i for o in timeline.of("joined-by-tag") for i in o["instances"]]
    paths = {i: [o["value"] for o in _path(timeline, "stack_tag", i)] for i in came}
    waited = [f"{i}: " + " → ".join(states) for i, states in paths.items() if "Pending:Wait" in states]
    if waited:
        return "it is: an instance has joined with it", waited
    if came or not timeline.during("stack_tag", "instance-state", value="Pending:Wait"):
        return None, [_finished(timeline, "stack_tag") or "no instance has waited for its launching hooks"]
    if timeline.of("bound-by-tag"):
        return "it is not, or not in time: no instance has joined with it", [_finished(timeline, "stack_tag") or ""]
    return None, [_finished(timeline, "stack_tag") or "it was not tried"]


def math_alarms_scale(timeline):
    grown = timeline.of("scaled-out")
    if grown:
        return "it does", [_line(o) for o in timeline.of("alarm") + grown]
    if timeline.of("alarm"):
        return "it does not", [_line(o) for o in timeline.of("alarm")] + [_finished(timeline, "alarm") or ""]
    return None, [_finished(timeline, "alarm") or "no alarm was set"]


def minutes_of_the_metrics(timeline):
    minutes = timeline.of("minute")
    if not minutes:
        return None, ["no minute has both the agents' samples and the group's"]
    equal = sum(o["reporting"] == o["in_service"] for o in minutes)
    evidence = [f"{o['minute']} report {o['reporting']:g}, in service {o['in_service']:g}" for o in minutes]
    return f"in {equal} of {len(minutes)} minutes the two are the same", evidence


def retained_counts(timeline):
    seen = timeline.of("group-metric", subject="GroupTerminatingInstances")
    if not timeline.of("retained") or not seen or not seen[-1]["values"]:
        return None, [_finished(timeline, "retention") or "no metric was there while an instance was retained"]
    counts = max(seen[-1]["values"]) > 0
    return ("it counts" if counts else "it does not count"), [_line(o) for o in timeline.of("group-metric")]


def deletion_with_retained(timeline):
    deleted = timeline.of("delete-with-retained")
    if not deleted:
        return None, [_finished(timeline, "retention") or "the stack was not deleted with an instance retained"]
    events = [o for o in timeline.of("stack-event") if o["at"] >= timeline.of("retained")[0]["at"]]
    said = [_line(o) for o in events if o["status"].startswith("DELETE")]
    if deleted[-1]["value"] == "None":
        return "CloudFormation deletes it all the same", said
    return f"the deletion ends with {deleted[-1]['value']}", said


def target_states(timeline):
    seen = timeline.of("metadata", path=STATE)
    if not seen:
        return None, ["no instance's metadata was read"]
    by_instance = {}
    for observation in seen:
        by_instance.setdefault(observation["subject"], []).append(observation["value"])
    lines = sorted(f"{instance}: " + " → ".join(values) for instance, values in by_instance.items())
    return f"of {len(lines)} instances, in the evidence", lines


def tag_of_ecs(timeline):
    updated = timeline.of("updated-without-the-tag")
    if not updated:
        return None, [_finished(timeline, "capacity_provider") or "the group was not updated"]
    return ("it does" if updated[-1]["kept"] else "it does not"), [_line(updated[-1])]


def hook_of_managed_draining(timeline):
    off = timeline.of("managed-draining-off")
    if not off:
        return None, [_finished(timeline, "capacity_provider") or "managed draining was not turned off"]
    return ("it does not: the hook is left" if off[-1]["left"] else "it does"), [_line(off[-1])]


def replaced_root_volume(timeline):
    """What metadata said last while Auto Scaling waited for the terminating hooks."""
    said, evidence = {}, []
    for wait in timeline.during("root_volume", "instance-state", value="ReplacingRootVolume:Wait"):
        states = _path(timeline, "root_volume", wait["subject"])
        over = next((o["at"] for o in states if o["at"] > wait["at"]), "9")
        metadata = [o for o in timeline.of("metadata", subject=wait["subject"], path=STATE) if o["at"] <= over]
        if metadata:
            said[wait["subject"]] = metadata[-1]["value"]
        evidence += [_line(o) for o in states] + [_line(o) for o in timeline.of("metadata", subject=wait["subject"], path=STATE)]
    if not said:
        return None, evidence + [_finished(timeline, "root_volume") or "no instance has waited for its terminating hooks"]
    return "at the end of the wait for the terminating hooks: " + ", ".join(sorted(set(said.values()))), evidence


def name_of_the_group(timeline):
    group = timeline.of("group")
    if not group:
        return None, [_finished(timeline, "join") or "there was no group"]
    as_expected = group[0]["subject"].startswith(f"{group[0]['stack']}-AutoScalingGroup-")
    return ("this one is named so" if as_expected else "this one is not named so"), [_line(group[0])]


NOT_ASKED = "not asked here: "
QUESTIONS = {
    1: ("How a rolling update counts the signal of an instance that is being terminated", signals_of_terminated_instances),
    2: ("Whether CloudFormation's tags reach the instances' metadata", tags_in_metadata),
    3: ("How long a rolling update waits for a drain longer than PauseTime", NOT_ASKED + "it would take hours"),
    4: ("What draining does to tasks under scale-in protection", protected_tasks),
    5: ("The error for a container instance that is still REGISTERING", NOT_ASKED + "the state lasts less than a second"),
    6: ("The states of an instance on its way into a warm pool", warm_pool_states),
    7: ("Whether terminating hooks run where a launch was abandoned", abandoned_launch),
    8: ("Whether the tag AmazonECSManaged survives", tag_of_ecs),
    9: ("Whether turning managed draining off removes its hook", hook_of_managed_draining),
    10: ("From when on a changed HeartbeatTimeout counts", NOT_ASKED + "the agent does not depend on it"),
    11: ("What CloudFormation does with signals in an instance refresh", signals_in_a_refresh),
    12: ("Whether lifecycle actions can be bound by the stack's tag", bound_by_the_tag),
    13: ("Whether an alarm on metric math triggers an Auto Scaling policy", math_alarms_scale),
    14: ("Whether the group's metrics and the agents' samples share their minutes", minutes_of_the_metrics),
    15: ("Whether FILL fills a metric that was never sent", NOT_ASKED + "the agents of this stack have sent it"),
    16: ("Whether a retained instance counts as GroupTerminatingInstances", retained_counts),
    17: ("What deleting a stack does with a retained instance", deletion_with_retained),
    18: ("What metadata's target lifecycle state says at each step", target_states),
    19: ("Whether ECS's service role ends instances slow to register", NOT_ASKED + "it takes an instance that cannot register"),
    20: ("Whether ECS runs deployment lifecycle hooks in a rolling deployment", NOT_ASKED + "this stack has no service"),
    21: ("Whether a custom resource is called again in a rollback", NOT_ASKED + "this stack has no custom resource"),
    22: ("What metadata says while a root volume is replaced", replaced_root_volume),
    23: ("Whether the list prices are still the same", NOT_ASKED + "a stack does not show prices"),
    24: ("Whether CloudWatch takes a thousand log streams in time", NOT_ASKED + "it takes a thousand instances"),
    25: ("How long ECS takes to release a stopped task's reservation", NOT_ASKED + "a few tasks do not show the longest"),
    26: ("The name of Image Builder's parent image", NOT_ASKED + "this stack's image is given"),
    27: ("Whether CloudFormation names groups STACK-AutoScalingGroup-*", name_of_the_group),
}


def answers(timeline):
    """[(number, question, what is known now or None, evidence)]"""
    found = []
    for number, (question, answer) in QUESTIONS.items():
        known, evidence = (None, [answer]) if isinstance(answer, str) else answer(timeline)
        found.append((number, question, known, evidence))
    return found
