"""Drives every simulated operation with boto3, errors included.

Run by boto3.rs, which declares the world and says in the environment where it is. Credentials come from the
simulated metadata service, fetched by botocore itself; `static` clients use the simulator's static key.
"""

import os
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

INSTANCE = os.environ["SIM_INSTANCE"]
OTHER = os.environ["SIM_OTHER"]
REGISTERING = os.environ["SIM_REGISTERING_ARN"]
ARN = os.environ["SIM_ARN"]
OTHER_ARN = os.environ["SIM_OTHER_ARN"]
FORMER = os.environ["SIM_FORMER_ARN"]
GROUP = "demo-asg"
HOOK = "drain-hook"
ONCE = Config(retries={"total_max_attempts": 1})

session = boto3.session.Session(region_name="us-east-1")
ecs = session.client("ecs", config=ONCE)
autoscaling = session.client("autoscaling", config=ONCE)
cloudformation = session.client("cloudformation", config=ONCE)


def static(service, key="AKIDSIMULATOR"):
    return boto3.client(
        service, region_name="us-east-1", endpoint_url=os.environ["SIM_AWS"], config=ONCE,
        aws_access_key_id=key, aws_secret_access_key="any",
    )


def refused(code, part, call, **params):
    try:
        answer = call(**params)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, (code, error.response)
        assert part in error.response["Error"]["Message"], (part, error.response)
        assert error.response["ResponseMetadata"]["RequestId"], error.response
        return error.response["ResponseMetadata"]["HTTPStatusCode"]
    raise AssertionError(f"{call} was to be refused with {code}, but: {answer}")


def until(what, is_so, seconds=10):
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.01)


def credentials():
    found = session.get_credentials()
    assert found.method == "iam-role", found.method
    assert "SIMSECRETKEYMARKER" in found.secret_key
    assert refused("UnrecognizedClientException", "invalid", static("ecs", "AKIDUNKNOWN").list_tasks, cluster="demo") == 400
    assert refused("InvalidClientTokenId", "invalid",
                   static("autoscaling", "AKIDUNKNOWN").describe_auto_scaling_instances) == 403


def container_instances():
    pages = list(ecs.get_paginator("list_container_instances").paginate(cluster="demo"))
    arns = [arn for page in pages for arn in page["containerInstanceArns"]]
    assert len(pages) == 2 and len(arns) == 4 and ARN in arns, pages
    listed = ecs.list_container_instances(cluster="demo", filter=f"ec2InstanceId == {INSTANCE}")
    assert listed["containerInstanceArns"] == [ARN] and "nextToken" not in listed, listed
    # boto3.rs has had the other one register anew: the former registration is listed, too, until it is INACTIVE.
    of_other = ecs.list_container_instances(cluster="demo", filter=f"ec2InstanceId == {OTHER}")["containerInstanceArns"]
    assert sorted(of_other) == sorted([FORMER, OTHER_ARN]), of_other
    refused("InvalidParameterException", "filter", ecs.list_container_instances, cluster="demo", filter="ec2InstanceId")
    [former] = ecs.describe_container_instances(cluster="demo", containerInstances=[FORMER])["containerInstances"]
    assert former["ec2InstanceId"] == OTHER and former["agentConnected"] is False, former
    assert ecs.list_container_instances(cluster="demo", status="DRAINING")["containerInstanceArns"] == []
    missing = ARN[:-4] + "ffff"
    described = ecs.describe_container_instances(cluster="demo", containerInstances=[ARN.split("/")[-1], missing])
    [instance] = described["containerInstances"]
    assert instance["ec2InstanceId"] == INSTANCE and instance["status"] == "ACTIVE", instance
    assert instance["agentConnected"] is True
    assert (instance["runningTasksCount"], instance["pendingTasksCount"]) == (5, 0), instance
    assert described["failures"] == [{"arn": missing, "reason": "MISSING"}], described
    refused("ClusterNotFoundException", "not found", ecs.describe_container_instances,
            cluster="none", containerInstances=[ARN])
    refused("ClusterNotFoundException", "not found", ecs.list_container_instances, cluster="none")
    refused("InvalidParameterException", "100", ecs.describe_container_instances,
            cluster="demo", containerInstances=[ARN] * 101)
    refused("InvalidParameterException", "status", ecs.update_container_instances_state,
            cluster="demo", containerInstances=[ARN], status="INACTIVE")
    refused("InvalidParameterException", "REGISTERING", ecs.update_container_instances_state,
            cluster="demo", containerInstances=[REGISTERING], status="DRAINING")
    update = ecs.update_container_instances_state(cluster="demo", containerInstances=[missing], status="DRAINING")
    assert update["failures"][0]["reason"] == "MISSING" and update["containerInstances"] == [], update


def tasks():
    pages = list(ecs.get_paginator("list_tasks").paginate(cluster="demo", containerInstance=ARN))
    arns = [arn for page in pages for arn in page["taskArns"]]
    assert [len(page["taskArns"]) for page in pages] == [2, 2, 1], pages
    assert len(ecs.list_tasks(cluster="demo", serviceName="web", maxResults=1)["taskArns"]) == 1
    assert len(ecs.list_tasks(cluster="demo", serviceName="logs")["taskArns"]) == 1
    assert ecs.list_tasks(cluster="demo", desiredStatus="STOPPED")["taskArns"] == []
    refused("ServiceNotFoundException", "not found", ecs.list_tasks, cluster="demo", serviceName="none")
    refused("InvalidParameterException", "token", ecs.list_tasks, cluster="demo", nextToken="made up")
    described = ecs.describe_tasks(cluster="demo", tasks=arns + [arns[0][:-4] + "ffff"])
    assert described["failures"][0]["reason"] == "MISSING", described
    groups = sorted(task["group"] for task in described["tasks"])
    assert groups == ["family:batch", "service:logs", "service:web", "service:web", "service:web"], groups
    for task in described["tasks"]:
        assert (task["lastStatus"], task["desiredStatus"]) == ("RUNNING", "RUNNING"), task
        assert task["containerInstanceArn"] == ARN and "stoppedReason" not in task, task
        assert task["startedBy"].startswith("ecs-svc/") or task["startedBy"] == "nightly", task
    refused("InvalidParameterException", "100", ecs.describe_tasks, cluster="demo", tasks=[arns[0]] * 101)
    refused("ClusterNotFoundException", "not found", ecs.describe_tasks, cluster="none", tasks=arns)
    return {task["group"]: task["taskArn"] for task in described["tasks"]}


def services():
    described = ecs.describe_services(cluster="demo", services=["web", "logs", "none"])
    strategies = {service["serviceName"]: service["schedulingStrategy"] for service in described["services"]}
    assert strategies == {"web": "REPLICA", "logs": "DAEMON"}, described
    assert described["failures"][0]["reason"] == "MISSING"
    refused("InvalidParameterException", "10", ecs.describe_services, cluster="demo", services=["web"] * 11)
    # boto3.rs has the next two calls throttled: botocore has to see a throttling error, and retry.
    patient = session.client("ecs", config=Config(retries={"total_max_attempts": 3, "mode": "standard"}))
    answer = patient.describe_services(cluster="demo", services=["web"])
    assert answer["ResponseMetadata"]["RetryAttempts"] == 2, answer


def groups_and_hooks():
    [group] = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[GROUP])["AutoScalingGroups"]
    states = {instance["InstanceId"]: instance["LifecycleState"] for instance in group["Instances"]}
    assert states[INSTANCE] == "InService" and group["DesiredCapacity"] == 2, group
    instances = autoscaling.describe_auto_scaling_instances(InstanceIds=[INSTANCE, "i-none"])["AutoScalingInstances"]
    assert [i["AutoScalingGroupName"] for i in instances] == [GROUP], instances
    assert instances[0]["ProtectedFromScaleIn"] is False
    pages = list(autoscaling.get_paginator("describe_auto_scaling_instances").paginate(PaginationConfig={"PageSize": 1}))
    assert len(pages) == 2, pages
    hooks = autoscaling.describe_lifecycle_hooks(AutoScalingGroupName=GROUP)["LifecycleHooks"]
    hook = {
        "LifecycleHookName": HOOK, "AutoScalingGroupName": GROUP, "DefaultResult": "ABANDON",
        "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING", "HeartbeatTimeout": 3600, "GlobalTimeout": 172800,
    }
    assert hook in hooks and len(hooks) == 2, hooks
    named = autoscaling.describe_lifecycle_hooks(AutoScalingGroupName=GROUP, LifecycleHookNames=[HOOK])
    assert named["LifecycleHooks"] == [hook], named
    refused("ValidationError", "not found", autoscaling.describe_lifecycle_hooks, AutoScalingGroupName="none")
    refused("ValidationError", f"No active Lifecycle Action found with instance ID {INSTANCE}",
            autoscaling.complete_lifecycle_action, AutoScalingGroupName=GROUP, LifecycleHookName=HOOK,
            InstanceId=INSTANCE, LifecycleActionResult="CONTINUE")
    refused("ValidationError", "must be specified", autoscaling.record_lifecycle_action_heartbeat,
            AutoScalingGroupName=GROUP, LifecycleHookName=HOOK)
    refused("ValidationError", "i-none", autoscaling.terminate_instance_in_auto_scaling_group,
            InstanceId="i-none", ShouldDecrementDesiredCapacity=True)


def drain(task):
    def state(instance=INSTANCE):
        found = autoscaling.describe_auto_scaling_instances(InstanceIds=[instance])["AutoScalingInstances"]
        return found[0]["LifecycleState"] if found else "gone"

    activity = autoscaling.terminate_instance_in_auto_scaling_group(
        InstanceId=INSTANCE, ShouldDecrementDesiredCapacity=True)["Activity"]
    assert activity["AutoScalingGroupName"] == GROUP and activity["StatusCode"] == "InProgress", activity
    assert state() in ("Terminating", "Terminating:Wait")
    update = ecs.update_container_instances_state(cluster="demo", containerInstances=[ARN], status="DRAINING")
    assert update["containerInstances"][0]["status"] == "DRAINING" and update["failures"] == [], update
    assert ecs.list_container_instances(cluster="demo", status="DRAINING")["containerInstanceArns"] == [ARN]
    until("service tasks are stopped",
          lambda: len(ecs.list_tasks(cluster="demo", containerInstance=ARN, desiredStatus="STOPPED", maxResults=2)["taskArns"]) == 2
          and ecs.list_tasks(cluster="demo", containerInstance=ARN)["taskArns"] == [task["family:batch"]])
    stopped = ecs.stop_task(cluster="demo", task=task["family:batch"], reason="the instance goes")["task"]
    assert stopped["desiredStatus"] == "STOPPED" and stopped["stoppedReason"] == "the instance goes", stopped
    refused("InvalidParameterException", "not found", ecs.stop_task, cluster="demo", task="none")
    everything = list(task.values())
    until("everything is stopped",
          lambda: {t["lastStatus"] for t in ecs.describe_tasks(cluster="demo", tasks=everything)["tasks"]} == {"STOPPED"})

    action = {"AutoScalingGroupName": GROUP, "LifecycleHookName": HOOK, "InstanceId": INSTANCE}
    until("the wait", lambda: state() == "Terminating:Wait")
    autoscaling.record_lifecycle_action_heartbeat(**action)
    refused("ValidationError", "CONTINUE", autoscaling.complete_lifecycle_action, LifecycleActionResult="DONE", **action)
    autoscaling.complete_lifecycle_action(LifecycleActionResult="CONTINUE", **action)
    refused("ValidationError", "No active Lifecycle Action", autoscaling.complete_lifecycle_action,
            LifecycleActionResult="CONTINUE", **action)
    refused("ValidationError", "No active Lifecycle Action", autoscaling.record_lifecycle_action_heartbeat, **action)
    until("the instance is gone", lambda: state() == "gone")
    update = ecs.update_container_instances_state(cluster="demo", containerInstances=[ARN], status="ACTIVE")
    assert update["failures"][0]["reason"] == "INACTIVE", update

    # The other one by another caller, and by a made-up token.
    by_hand = static("autoscaling")
    by_hand.terminate_instance_in_auto_scaling_group(InstanceId=OTHER, ShouldDecrementDesiredCapacity=False)
    until("the other's wait", lambda: state(OTHER) == "Terminating:Wait")
    action = {"AutoScalingGroupName": GROUP, "LifecycleHookName": HOOK}
    refused("ValidationError", "token", by_hand.complete_lifecycle_action,
            LifecycleActionToken="00000000-0000-0000-0000-000000000000", LifecycleActionResult="ABANDON", **action)
    by_hand.complete_lifecycle_action(InstanceId=OTHER, LifecycleActionResult="ABANDON", **action)
    until("the other is gone", lambda: state(OTHER) == "gone")


def signals():
    signal = {"StackName": "stack", "UniqueId": INSTANCE, "Status": "SUCCESS"}
    cloudformation.signal_resource(LogicalResourceId="Group", **signal)
    refused("ValidationError", "already exists", cloudformation.signal_resource, LogicalResourceId="Group", **signal)
    refused("ValidationError", "cannot be signaled", cloudformation.signal_resource, LogicalResourceId="Idle", **signal)
    refused("ValidationError", "does not exist", cloudformation.signal_resource, LogicalResourceId="None", **signal)
    signal["StackName"] = "none"
    refused("ValidationError", "does not exist", static("cloudformation").signal_resource,
            LogicalResourceId="Group", **signal)


credentials()
container_instances()
by_group = tasks()
services()
groups_and_hooks()
signals()
drain(by_group)
print("every operation driven with boto3", boto3.__version__)
sys.exit(0)
