"""Watches the stack from outside, and instance metadata from within the instances, while the steps are made."""

import base64
import pathlib
import threading
import time

from account import REFUSED, NotShown

SCRIPT = pathlib.Path(__file__).with_name("watch-metadata")
LOG = "/var/tmp/verify-on-aws.log"
# Beside the agent's own: they hold an instance until what it has seen is fetched.
LAUNCHING, TERMINATING = "verify-launching", "verify-terminating"


class Watcher:
    """Every change that AWS shows. What it is refused is written down, once, and nothing else comes of it.

    Commands on instances take seconds, in which states would pass unseen: they have a thread of their own.
    """

    def __init__(self, account, stack, timeline):
        looks = ((self._stack_events, self._instances, self._tasks), (self._held_instances,))
        self._threads = [threading.Thread(target=self._run, args=each, daemon=True) for each in zip(looks)]
        self._account, self._stack, self._timeline = account, stack, timeline
        self._over = threading.Event()
        self._events = set()
        self._held = {}
        self._watched = set()
        # Whether a step looks after instances that launch itself.
        self.leaves_launches = False

    def start(self):
        for thread in self._threads:
            thread.start()

    def stop(self):
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def _run(self, looks):
        while not self._over.wait(max(0.2, 2 * self._account.patience)):
            for look in looks:
                self._try(look.__name__, look)

    def _try(self, what, action, *arguments):
        try:
            action(*arguments)
        except (*REFUSED, NotShown, KeyError, IndexError) as error:
            self._timeline.changed("watch-error", what, str(error)[:300])

    def _stack_events(self):
        pages = self._account.cloudformation.get_paginator("describe_stack_events").paginate(StackName=self._stack.name)
        for event in [event for page in pages for event in page["StackEvents"]]:
            if event["EventId"] not in self._events:
                self._events.add(event["EventId"])
                self._timeline.add(
                    "stack-event",
                    at=event["Timestamp"],
                    resource=event["LogicalResourceId"],
                    status=event["ResourceStatus"],
                    reason=event.get("ResourceStatusReason", ""),
                )

    def _instances(self):
        if "AutoScalingGroupName" not in self._stack.outputs:
            return
        pages = self._account.autoscaling.get_paginator("describe_auto_scaling_instances").paginate()
        seen = {
            instance["InstanceId"]: instance["LifecycleState"]
            for page in pages
            for instance in page["AutoScalingInstances"]
            if instance["AutoScalingGroupName"] == self._stack.group
        }
        self._try("warm pool", self._warm_pool, seen)
        for instance in set(self._held) - set(seen):
            self._timeline.changed("instance-state", instance, "gone")
        for instance, state in seen.items():
            self._timeline.changed("instance-state", instance, state)
        self._held = {**dict.fromkeys(self._held, "gone"), **seen}

    def _warm_pool(self, seen):
        found = self._account.autoscaling.describe_warm_pool(AutoScalingGroupName=self._stack.group)
        for instance in found["Instances"]:
            seen.setdefault(instance["InstanceId"], instance["LifecycleState"])

    def _tasks(self):
        if "ClusterName" not in self._stack.outputs:
            return
        ecs, cluster = self._account.ecs, self._stack.cluster
        arns = ecs.list_container_instances(cluster=cluster)["containerInstanceArns"]
        arns += ecs.list_container_instances(cluster=cluster, status="DRAINING")["containerInstanceArns"]
        if not arns:
            return
        found = ecs.describe_container_instances(cluster=cluster, containerInstances=arns[:100])["containerInstances"]
        for one in found:
            # One that an instance has left behind, with its former disk.
            if not one["agentConnected"]:
                continue
            count = one["runningTasksCount"] + one["pendingTasksCount"]
            self._timeline.changed("container-instance", one["ec2InstanceId"], one["status"], tasks=count)

    def _held_instances(self):
        """Lets those go on that this has held, once it has what it held them for."""
        for instance, state in list(self._held.items()):
            self._try(f"{instance} in {state}", self._attend, instance, state)

    def _attend(self, instance, state):
        if state == "Pending:Wait" and self.leaves_launches:
            return
        if state in ("Pending:Wait", "Warmed:Pending:Wait") or (state == "InService" and instance not in self._watched):
            self._watch(instance)
            # On its way back to the pool, an instance waits there for its terminating hooks.
            for hook in (LAUNCHING, TERMINATING) if state != "InService" else ():
                self._release(instance, hook)
        elif state in ("Terminating:Wait", "Warmed:Terminating:Wait", "ReplacingRootVolume:Wait"):
            self.fetch(instance)
            if state == "ReplacingRootVolume:Wait":
                # What watches there goes with the disk.
                self._watched.discard(instance)
            if self._drained(instance):
                self._release(instance, TERMINATING)

    def _drained(self, instance):
        seen = [o for o in self._timeline.of("container-instance") if o["subject"] == instance]
        return not seen or (seen[-1]["value"] == "DRAINING" and not seen[-1]["tasks"])

    def _release(self, instance, hook):
        # Refused where it is not held by that hook, or not yet: the next look tries again.
        self._try(f"{hook} of {instance}", lambda: self._account.autoscaling.complete_lifecycle_action(
            LifecycleHookName=hook,
            AutoScalingGroupName=self._stack.group,
            InstanceId=instance,
            LifecycleActionResult="CONTINUE",
        ))

    def _watch(self, instance):
        if instance in self._watched:
            return
        script = base64.b64encode(SCRIPT.read_bytes()).decode()
        commands = [f"echo {script} | base64 -d > /var/tmp/watch-metadata", "bash /var/tmp/watch-metadata install"]
        self.run_on(instance, *commands)
        self._watched.add(instance)

    def run_on(self, instance, *commands):
        """By Session Manager's agent; returns what was printed."""
        ssm = self._account.ssm
        sent = ssm.send_command(
            InstanceIds=[instance], DocumentName="AWS-RunShellScript", Parameters={"commands": list(commands)}
        )["Command"]["CommandId"]
        deadline = time.monotonic() + max(5, 60 * self._account.patience)
        while time.monotonic() < deadline:
            time.sleep(max(0.1, self._account.patience))
            found = ssm.get_command_invocation(CommandId=sent, InstanceId=instance)
            if found["Status"] in ("Success", "Failed", "TimedOut", "Cancelled"):
                if found["Status"] != "Success":
                    raise NotShown(f"a command on {instance}: {found['Status']}: {found['StandardErrorContent'][:200]}")
                return found["StandardOutputContent"]
        raise NotShown(f"a command on {instance} has not ended")

    def fetch(self, instance):
        """What metadata has said there so far."""
        self.take(instance, self.run_on(instance, f"cat {LOG} || true"))

    def take(self, instance, log):
        known = {(o["at"], o["path"]) for o in self._timeline.of("metadata") if o["subject"] == instance}
        for line in log.splitlines():
            parts = line.split("\t")
            if len(parts) == 4 and (parts[0], parts[1]) not in known:
                at, path, status, value = parts
                self._timeline.add("metadata", at=at, subject=instance, path=path, value=value or status)

    def fetch_all(self):
        for instance, state in list(self._held.items()):
            if state == "InService":
                self._try(f"metadata of {instance}", self.fetch, instance)
