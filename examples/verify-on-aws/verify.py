"""A throw-away stack in your account that finds out what could not be verified without one. README.md says how."""

import argparse
import datetime
import os
import pathlib
import sys
import traceback

import report
from account import REFUSED, Account, NotShown, Stack
from rounds import SERVICE, Rounds
from timeline import Timeline, now
from watch import Watcher

LARGEST = 4


def arguments(given):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vpc", required=True)
    parser.add_argument("--subnets", required=True, help="two, separated by a comma, with a way to AWS and the internet")
    parser.add_argument("--image", required=True, help='the AMI of "make ami"')
    parser.add_argument("--region", default=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"))
    parser.add_argument("--instance-type", default="t3.small")
    parser.add_argument("--hours", type=float, default=4, help="then the group is at zero, whatever became of this command")
    parser.add_argument("--only", help="steps, separated by commas; join always comes first")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("target/verify-on-aws"))
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE", help="another of the template's")
    parser.add_argument("--endpoint-url", help="an emulator")
    parser.add_argument("--patience", type=float, default=1.0, help="seconds in a second; less for an emulator")
    chosen = parser.parse_args(given)
    if not chosen.region:
        parser.error("--region, or AWS_REGION, is missing")
    return chosen


def switch_off_later(account, stack, hours):
    """Even where this command is killed, the instances do not outlast it for long."""
    account.autoscaling.put_scheduled_update_group_action(
        AutoScalingGroupName=stack.group,
        ScheduledActionName="verify-on-aws-is-over",
        StartTime=now() + datetime.timedelta(hours=hours),
        MinSize=0,
        MaxSize=0,
        DesiredCapacity=0,
    )


def minutes(account, stack, timeline):
    """How many agents have reported, and how many instances were in service, minute by minute of the last hour."""

    def query(name, stat, metric, namespace, **dimensions):
        named = [{"Name": key, "Value": value} for key, value in dimensions.items()]
        metric = {"Namespace": namespace, "MetricName": metric, "Dimensions": named}
        return {"Id": name, "MetricStat": {"Stat": stat, "Period": 60, "Metric": metric}}

    group = {"AutoScalingGroupName": stack.group}
    found = account.cloudwatch.get_metric_data(
        MetricDataQueries=[
            query("n", "SampleCount", "TasksPerHost", "ECSLifecycleAgent", ClusterName=stack.cluster, **group),
            query("s", "Maximum", "GroupInServiceInstances", "AWS/AutoScaling", **group),
        ],
        StartTime=now() - datetime.timedelta(hours=1),
        EndTime=now(),
    )["MetricDataResults"]
    series = {each["Id"]: dict(zip(each["Timestamps"], each["Values"])) for each in found}
    for minute in sorted(set(series.get("n", {})) & set(series.get("s", {}))):
        timeline.add("minute", minute=str(minute), reporting=series["n"][minute], in_service=series["s"][minute])


def step(timeline, name, action):
    """Makes one step; what goes wrong in it ends that step only."""
    timeline.add("step", name=name, what="begin")
    print(f"{now():%H:%M:%S} {name} …", flush=True)
    try:
        action()
        outcome = "done"
    except NotShown as error:
        outcome = f"not shown: {error}"
    except REFUSED as error:
        outcome = f"refused: {error}"
    except Exception as error:  # The stack has to be deleted, whatever happens.
        traceback.print_exc()
        outcome = f"{type(error).__name__}: {error}"
    timeline.add("step", name=name, what="end", outcome=outcome)
    print(f"{now():%H:%M:%S} {name}: {outcome}", flush=True)
    return outcome == "done"


def clean_up(account, stack, rounds):
    """Deletes all that was made. What is refused is tried in another way, or raised by the deletion of the stack."""

    def quietly(action, **request):
        try:
            return action(**request)
        except REFUSED:
            return None

    if stack.status() is not None and "AutoScalingGroupName" in stack.outputs:
        client, group = account.autoscaling, stack.group
        # Whatever the agents say from now on, nothing is retained.
        policy = {"RetentionTriggers": {"TerminateHookAbandon": "terminate"}}
        quietly(client.update_auto_scaling_group, AutoScalingGroupName=group, InstanceLifecyclePolicy=policy)
        quietly(client.delete_scheduled_action, AutoScalingGroupName=group, ScheduledActionName="verify-on-aws-is-over")
        quietly(client.delete_warm_pool, AutoScalingGroupName=group, ForceDelete=True)
        for instance in retained(account, group):
            quietly(
                client.terminate_instance_in_auto_scaling_group,
                InstanceId=instance,
                ShouldDecrementDesiredCapacity=False,
            )
        quietly(account.ecs.delete_service, cluster=stack.cluster, service=SERVICE, force=True)
        for task in (quietly(account.ecs.list_tasks, cluster=stack.cluster) or {}).get("taskArns", []):
            quietly(account.ecs.stop_task, cluster=stack.cluster, task=task)
    if rounds.task_definition:
        quietly(account.ecs.deregister_task_definition, taskDefinition=rounds.task_definition)
    left = stack.delete(45)
    quietly(account.ecs.delete_capacity_provider, capacityProvider=stack.name)
    if left:
        raise NotShown(f"the stack {stack.name} is {left}: delete it by hand")
    # A retained one may outlast its group.
    for instance in still_there(account, stack):
        account.ec2.terminate_instances(InstanceIds=[instance])


def still_there(account, stack):
    """Instances of the stack, by the tag that the template gives them."""
    filters = [
        {"Name": "tag:Name", "Values": [stack.name]},
        {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]},
    ]
    pages = account.ec2.get_paginator("describe_instances").paginate(Filters=filters)
    reservations = [reservation for page in pages for reservation in page["Reservations"]]
    return [instance["InstanceId"] for reservation in reservations for instance in reservation["Instances"]]


def retained(account, group):
    pages = account.autoscaling.get_paginator("describe_auto_scaling_instances").paginate()
    instances = [instance for page in pages for instance in page["AutoScalingInstances"]]
    return [
        instance["InstanceId"]
        for instance in instances
        if instance["AutoScalingGroupName"] == group and "Retained" in instance["LifecycleState"]
    ]


def main(given):
    chosen = arguments(given)
    name = f"verify-on-aws-{now():%Y%m%d-%H%M%S}"
    out = chosen.out / name
    print(f"Stack {name} in {chosen.region}: at most {LARGEST} × {chosen.instance_type} for {chosen.hours:g} hours,")
    print(f"{LARGEST * chosen.hours:g} instance hours, with volumes and metrics. It is deleted at the end.")
    if not chosen.yes and input("Go on? [y/N] ").strip().lower() != "y":
        return 1
    out.mkdir(parents=True)
    account = Account(chosen.region, chosen.endpoint_url, chosen.patience)
    timeline = Timeline(out / "timeline.jsonl")
    parameters = {
        "VpcId": chosen.vpc,
        "SubnetIds": chosen.subnets,
        "ImageId": chosen.image,
        "InstanceType": chosen.instance_type,
        "MinSize": 2,
        "MaxSize": LARGEST,
        "TerminatingHeartbeatTimeout": 60,
        # For the alarms of metric math; scaling in would only disturb the steps.
        "CapacityScaling": "true",
        "TaskCpu": 64,
        "TaskMemory": 64,
        "ScaleInMinutes": 1000,
        "ScaleInDatapoints": 1000,
        **dict(pair.split("=", 1) for pair in chosen.parameter),
    }
    stack = Stack(account, name, parameters)
    watcher = Watcher(account, stack, timeline)
    rounds = Rounds(account, stack, watcher, timeline)
    watcher.start()
    try:
        only = chosen.only and chosen.only.split(",")
        for action in rounds.all():
            if only and action.__name__ not in ("join", *only):
                continue
            done = step(timeline, action.__name__, action)
            if action == rounds.join:
                if not done and "AutoScalingGroupName" not in stack.outputs:
                    break
                step(timeline, "switch_off_later", lambda: switch_off_later(account, stack, chosen.hours))
            if action.__name__ == "alarm":
                step(timeline, "minutes", lambda: minutes(account, stack, timeline))
            watcher.fetch_all()
    finally:
        cleaned = step(timeline, "clean_up", lambda: clean_up(account, stack, rounds))
        watcher.stop()
        about = {
            "Date": f"{now():%Y-%m-%d}",
            "Region": chosen.region,
            "Endpoint": chosen.endpoint_url or "AWS",
            "Image": chosen.image,
            "Instance type": chosen.instance_type,
        }
        (out / "report.md").write_text(report.write(timeline, about))
        print(f"\nReport: {out / 'report.md'}")
        if not cleaned:
            print(f"The stack {name} may still be there. Look at it, and delete it.", file=sys.stderr)
    return 0 if cleaned else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
