"""The steps, in their order. Each leaves what it has seen on the timeline, and may fail by itself."""

import datetime

from account import NotShown
from timeline import now
from watch import LAUNCHING, TERMINATING

SERVICE = "verify"
IMAGE = "public.ecr.aws/docker/library/busybox:stable"


def in_utc(moment):
    return moment.astimezone(datetime.UTC).isoformat()


class Rounds:
    def __init__(self, account, stack, watcher, timeline):
        self.account, self.stack, self.watcher, self.timeline = account, stack, watcher, timeline
        self.task_definition = None

    def all(self):
        return [self.join, self.drain, self.rolling_update, self.instance_refresh, self.warm_pool, self.stack_tag,
                self.abandoned_launch, self.capacity_provider, self.alarm, self.root_volume, self.retention]

    def _settled(self, minutes=15):
        """As many in service as desired, and nobody on the way."""

        def look():
            states = self.stack.instances()
            return set(states.values()) == {"InService"} and len(states) == self.stack.desired()

        self.account.wait("the group to settle", minutes, look)
        return self.stack.in_service()

    def _resize(self, by):
        """Returns the instances that came, or those that went."""
        before = set(self._settled())
        self._set_desired(self.stack.desired() + by)
        after = set(self._settled())
        return sorted(after - before if by > 0 else before - after)

    def _set_desired(self, desired):
        self.account.autoscaling.set_desired_capacity(
            AutoScalingGroupName=self.stack.group, DesiredCapacity=desired, HonorCooldown=False
        )

    def _gone(self, instance, minutes=15):
        self.account.wait(f"{instance} to go", minutes, lambda: instance not in self.stack.instances())

    def _register(self):
        container = {
            "name": "sleep", "image": IMAGE, "cpu": 64, "memory": 64, "stopTimeout": 5, "command": ["sleep", "7200"],
        }
        found = self.account.ecs.register_task_definition(
            family=self.stack.name, networkMode="bridge", containerDefinitions=[container]
        )
        self.task_definition = found["taskDefinition"]["taskDefinitionArn"]

    def _tasks(self):
        ecs, cluster = self.account.ecs, self.stack.cluster
        arns = ecs.list_tasks(cluster=cluster)["taskArns"]
        return ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []

    def join(self):
        """The stack is made when its first instances have joined."""
        self.stack.deploy(30)
        self.timeline.add("group", subject=self.stack.group, stack=self.stack.name)
        client, group = self.account.autoscaling, self.stack.group
        for name, transition in ((LAUNCHING, "LAUNCHING"), (TERMINATING, "TERMINATING")):
            client.put_lifecycle_hook(
                LifecycleHookName=name,
                AutoScalingGroupName=group,
                LifecycleTransition=f"autoscaling:EC2_INSTANCE_{transition}",
                HeartbeatTimeout=900,
                DefaultResult="CONTINUE",
            )
        self._settled()
        self._register()
        self.account.ecs.create_service(
            cluster=self.stack.cluster,
            serviceName=SERVICE,
            taskDefinition=self.task_definition,
            desiredCount=2,
            launchType="EC2",
            deploymentConfiguration={"minimumHealthyPercent": 50, "maximumPercent": 200},
            placementStrategy=[{"type": "spread", "field": "instanceId"}],
        )
        running = lambda: len([task for task in self._tasks() if task["lastStatus"] == "RUNNING"]) == 2
        self.account.wait("two tasks to run", 10, running)

    def drain(self):
        """One instance is terminated, with a task on it that is protected for four minutes."""
        running = self._tasks()
        if not running:
            raise NotShown("no task runs")
        task = running[0]
        ecs, cluster = self.account.ecs, self.stack.cluster
        answer = ecs.update_task_protection(
            cluster=cluster, tasks=[task["taskArn"]], protectionEnabled=True, expiresInMinutes=4
        )
        (protected,) = answer["protectedTasks"]
        found = ecs.describe_container_instances(cluster=cluster, containerInstances=[task["containerInstanceArn"]])
        instance = found["containerInstances"][0]["ec2InstanceId"]
        self.timeline.add("protected", subject=task["taskArn"], until=in_utc(protected["expirationDate"]))
        self.account.autoscaling.terminate_instance_in_auto_scaling_group(
            InstanceId=instance, ShouldDecrementDesiredCapacity=False
        )
        self._gone(instance)
        found = ecs.describe_tasks(cluster=cluster, tasks=[task["taskArn"]])["tasks"]
        if found and found[0].get("stoppingAt"):
            self.timeline.add("protected-stopped", subject=task["taskArn"], stopping=in_utc(found[0]["stoppingAt"]))
        self._settled()

    def rolling_update(self):
        """With drains that signal, which the stack leaves off by default."""
        self.timeline.add("old-instances", instances=self._settled())
        self.stack.deploy(60, SignalDrains="true", VolumeSize=31)
        self._settled()

    def instance_refresh(self):
        """Switched by itself first; then all instances, which from then on retain what does not drain in time."""
        before = self._settled()
        self.stack.deploy(15, ReplaceBy="InstanceRefresh")
        self.timeline.add("switched", replaced=sorted(set(before) - set(self._settled())))
        self.timeline.add("old-instances", instances=before)
        more = {"SignalDrains": "false", "DrainTimeout": "3m", "TerminateHookAbandon": "retain"}
        self.stack.deploy(60, VolumeSize=32, **more)
        self._settled()

    def warm_pool(self):
        """One instance goes back to a pool of stopped ones, and comes again."""
        client, group = self.account.autoscaling, self.stack.group
        client.put_warm_pool(
            AutoScalingGroupName=group,
            MinSize=0,
            MaxGroupPreparedCapacity=self.stack.desired() + 1,
            PoolState="Stopped",
            InstanceReusePolicy={"ReuseOnScaleIn": True},
        )
        try:
            self._resize(+1)
            for instance in self._resize(-1):
                self.timeline.add("to-warm-pool", subject=instance)
                stopped = lambda: self._pool().get(instance) == "Warmed:Stopped"
                self.account.wait(f"{instance} in the warm pool", 15, stopped)
            self._resize(+1)
            self._resize(-1)
        finally:
            client.delete_warm_pool(AutoScalingGroupName=group, ForceDelete=True)
        self.account.wait("the warm pool to go", 15, lambda: not self._pool())

    def _pool(self):
        found = self.account.autoscaling.describe_warm_pool(AutoScalingGroupName=self.stack.group)
        return {instance["InstanceId"]: instance["LifecycleState"] for instance in found["Instances"]}

    def stack_tag(self):
        """One instance more, whose lifecycle actions are bound by the tag."""
        desired = self.stack.desired()
        self.stack.deploy(15, LifecycleActionsBoundBy="stack-tag")
        self.timeline.add("bound-by-tag")
        try:
            self.timeline.add("joined-by-tag", instances=self._resize(+1))
        finally:
            self.stack.deploy(15, LifecycleActionsBoundBy="group-name")
            self._set_desired(desired)
        self._settled()

    def abandoned_launch(self):
        """One instance more, whose launch is abandoned by the hook beside the agent's."""
        client, group = self.account.autoscaling, self.stack.group
        before = set(self._settled())
        desired = self.stack.desired()

        def coming():
            return [i for i, state in self.stack.instances().items() if i not in before and state == "Pending:Wait"]

        self.watcher.leaves_launches = True
        try:
            self._set_desired(desired + 1)
            (instance, *_) = self.account.wait("an instance that launches", 10, coming)
            client.complete_lifecycle_action(
                LifecycleHookName=LAUNCHING, AutoScalingGroupName=group, InstanceId=instance, LifecycleActionResult="ABANDON"
            )
            self.timeline.add("abandoned", subject=instance)
        finally:
            self._set_desired(desired)
            self.watcher.leaves_launches = False
        self._gone(instance)
        self._settled()

    def capacity_provider(self):
        """A provider whose managed draining is turned off again; then an update of the group, which does not name the tag."""
        ecs, cluster, name = self.account.ecs, self.stack.cluster, self.stack.name
        before = self._hooks()
        provider = {
            "autoScalingGroupArn": self.stack.described()["AutoScalingGroupARN"],
            "managedScaling": {"status": "ENABLED", "targetCapacity": 100},
            "managedTerminationProtection": "DISABLED",
            "managedDraining": "ENABLED",
        }
        ecs.create_capacity_provider(name=name, autoScalingGroupProvider=provider)
        ecs.put_cluster_capacity_providers(cluster=cluster, capacityProviders=[name], defaultCapacityProviderStrategy=[])
        try:
            added = self.account.wait("the hook of managed draining", 5, lambda: self._hooks() - before)
            ecs.update_capacity_provider(name=name, autoScalingGroupProvider={"managedDraining": "DISABLED"})
            try:
                self.account.wait("the hook to go", 5, lambda: not self._hooks() & added)
            except NotShown:
                pass
            self.timeline.add("managed-draining-off", hooks=sorted(added), left=sorted(self._hooks() & added))
            self.account.wait("the tag AmazonECSManaged", 5, self._managed)
            self.stack.deploy(15, DefaultInstanceWarmup=61)
            self.timeline.add("updated-without-the-tag", kept=self._managed())
        finally:
            # The provider itself is deleted with the stack.
            ecs.put_cluster_capacity_providers(cluster=cluster, capacityProviders=[], defaultCapacityProviderStrategy=[])

    def _hooks(self):
        found = self.account.autoscaling.describe_lifecycle_hooks(AutoScalingGroupName=self.stack.group)
        return {hook["LifecycleHookName"] for hook in found["LifecycleHooks"]}

    def _managed(self):
        return any(tag["Key"] == "AmazonECSManaged" for tag in self.stack.described()["Tags"])

    def alarm(self):
        """The scale-out alarm, put into ALARM by hand."""
        before = self.stack.desired()
        alarms = self.account.cloudwatch.describe_alarms(AlarmNamePrefix=f"{self.stack.name}-ScaleOutAlarm")["MetricAlarms"]
        if not alarms:
            raise NotShown("the stack has no scale-out alarm")
        self.account.cloudwatch.set_alarm_state(
            AlarmName=alarms[0]["AlarmName"], StateValue="ALARM", StateReason="verify-on-aws"
        )
        self.timeline.add("alarm", subject=alarms[0]["AlarmName"], before=before)
        self.account.wait("the group to grow", 5, lambda: self.stack.desired() > before)
        self.timeline.add("scaled-out", before=before, after=self.stack.desired())
        self._settled()

    def root_volume(self):
        """Each instance gets a new root volume. Auto Scaling asks for a mixed instances policy with the image."""
        client, group = self.account.autoscaling, self.stack.group
        self._settled()
        used = self.stack.described()["LaunchTemplate"]
        override = {"InstanceType": self.stack.parameters["InstanceType"], "ImageId": self.stack.parameters["ImageId"]}
        policy = {
            "LaunchTemplateSpecification": {key: used[key] for key in ("LaunchTemplateId", "Version")},
            "Overrides": [override],
        }
        refresh = client.start_instance_refresh(
            AutoScalingGroupName=group,
            Strategy="ReplaceRootVolume",
            DesiredConfiguration={"MixedInstancesPolicy": {"LaunchTemplate": policy}},
            Preferences={"MinHealthyPercentage": 50},
        )["InstanceRefreshId"]

        def ended():
            found = client.describe_instance_refreshes(AutoScalingGroupName=group, InstanceRefreshIds=[refresh])
            (one,) = found["InstanceRefreshes"]
            return one if one["Status"] in ("Successful", "Failed", "Cancelled") else None

        # If an agent does not drain, this takes as long as the hooks' timeouts.
        one = self.account.wait("the root volumes to be replaced", 60, ended)
        if one["Status"] != "Successful":
            raise NotShown(f"the instance refresh: {one['Status']}: {one.get('StatusReason')}")

    def retention(self):
        """A task that does not end holds up a drain of three minutes; the instance is retained, and the stack deleted."""
        if not self.task_definition:
            raise NotShown("there is no task definition, as the step join has not got so far")
        ecs, cluster = self.account.ecs, self.stack.cluster
        started = ecs.run_task(cluster=cluster, taskDefinition=self.task_definition, launchType="EC2")["tasks"]
        if not started:
            raise NotShown("there was no room for a task of its own")
        arn = started[0]["containerInstanceArn"]
        found = ecs.describe_container_instances(cluster=cluster, containerInstances=[arn])
        instance = found["containerInstances"][0]["ec2InstanceId"]
        self.account.autoscaling.terminate_instance_in_auto_scaling_group(
            InstanceId=instance, ShouldDecrementDesiredCapacity=False
        )

        def retained():
            answer = self.account.autoscaling.describe_auto_scaling_instances(InstanceIds=[instance])
            return [i for i in answer["AutoScalingInstances"] if "Retained" in i["LifecycleState"]]

        self.account.wait(f"{instance} to be retained", 15, retained)
        self.timeline.add("retained", subject=instance)
        self._metrics_while_retained()
        ecs.update_service(cluster=cluster, service=SERVICE, desiredCount=0)
        ecs.stop_task(cluster=cluster, task=started[0]["taskArn"])
        self.timeline.add("delete-with-retained", value=str(self.stack.delete(20)))

    def _metrics_while_retained(self):
        """What the group's own metrics count, after five minutes."""
        begin = now()
        span = datetime.timedelta(minutes=5) * self.account.patience
        self.account.wait("five minutes to pass", 6, lambda: now() - begin > span)
        for name in ("GroupTerminatingInstances", "GroupTotalInstances", "GroupInServiceInstances"):
            found = self.account.cloudwatch.get_metric_statistics(
                Namespace="AWS/AutoScaling",
                MetricName=name,
                Dimensions=[{"Name": "AutoScalingGroupName", "Value": self.stack.group}],
                StartTime=begin + datetime.timedelta(minutes=2) * self.account.patience,
                EndTime=now(),
                Period=60,
                Statistics=["Maximum"],
            )["Datapoints"]
            self.timeline.add("group-metric", subject=name, values=[point["Maximum"] for point in found])
