"""A cluster whose instances join by themselves and drain before they go, in AWS CDK: what has to be switched off in CDK's
own constructs, and what takes its place. docs/moving.md explains each step; tests/cloudformation/test_cdk.py synthesises it.
"""

import json
import pathlib

import aws_cdk as cdk
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam

POLICY = pathlib.Path(__file__).parents[2] / "cloudformation" / "policy.json"
# The name of the group is given, so that the policy can name it: a reference would close a circle, as the group depends
# on the launch template, that on the role, and the role on its policy.
GROUP = "fleet-hosts"

CONFIGURATION = """
install -d /etc/ecs-lifecycle-agent/config.d
cat > /etc/ecs-lifecycle-agent/config.d/50-stack.toml <<'END'
[drain]
timeout = "15m"

[ready]
timeout = "10m"

[autoscaling]
lifecycle_hook_name = "drain"
launch_hook_name = "join"

[cloudformation]
signal_drained = false
END
"""

HOOKS = [
    # No word from the agent: not to be put into service.
    autoscaling.CfnAutoScalingGroup.LifecycleHookSpecificationProperty(
        lifecycle_hook_name="join",
        lifecycle_transition="autoscaling:EC2_INSTANCE_LAUNCHING",
        heartbeat_timeout=600,
        default_result="ABANDON",
    ),
    autoscaling.CfnAutoScalingGroup.LifecycleHookSpecificationProperty(
        lifecycle_hook_name="drain",
        lifecycle_transition="autoscaling:EC2_INSTANCE_TERMINATING",
        heartbeat_timeout=300,
        default_result="CONTINUE",
    ),
]


def without_cdks_drain(group):
    """Takes CDK's own drain off a group: the hook, its topic and its function, which would be a second owner.

    There is no property for it any more: without managed draining and without termination protection, CDK always adds it
    (aws/aws-cdk#24641).
    """
    for name in ("DrainECSHook", "LifecycleHookDrainHook"):
        if not group.node.try_remove_child(name):
            raise RuntimeError(f"this version of CDK has no {name}: look at what it adds instead")


class Fleet(cdk.Stack):
    def __init__(self, scope, name):
        super().__init__(scope, name)
        vpc = ec2.Vpc(self, "Vpc", max_azs=2, nat_gateways=1)
        cluster = ecs.Cluster(self, "Cluster", vpc=vpc)

        role = iam.Role(
            self,
            "InstanceRole",
            assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
            # In the role itself: the first instances need it to join, before CloudFormation may have made a policy apart.
            inline_policies={"ecs-lifecycle-agent": self.policy_of_the_agent(cluster)},
        )
        # What the ECS agent needs is granted by add_asg_capacity_provider, below.

        template = ec2.LaunchTemplate(
            self,
            "LaunchTemplate",
            # Your image, with the agent: "make ami" builds one, and your pipeline writes its id there.
            machine_image=ec2.MachineImage.from_ssm_parameter("/fleet/image-id", os=ec2.OperatingSystemType.LINUX),
            instance_type=ec2.InstanceType("t3.medium"),
            security_group=ec2.SecurityGroup(self, "SecurityGroup", vpc=vpc),
            role=role,
            user_data=ec2.UserData.for_linux(),
            require_imdsv2=True,
            http_put_response_hop_limit=1,
            # The agent finds the stack that it signals to by the tags of the instance.
            instance_metadata_tags=True,
        )
        template.user_data.add_commands(CONFIGURATION)

        group = autoscaling.AutoScalingGroup(
            self,
            "Hosts",
            vpc=vpc,
            auto_scaling_group_name=GROUP,
            launch_template=template,
            min_capacity=2,
            max_capacity=4,
            # The agent signals when an instance has joined. No cfn-signal in the user data.
            signals=autoscaling.Signals.wait_for_min_capacity(timeout=cdk.Duration.minutes(20)),
            update_policy=autoscaling.UpdatePolicy.rolling_update(
                min_instances_in_service=2, max_batch_size=1, pause_time=cdk.Duration.minutes(20)
            ),
        )
        # In the group itself. group.add_lifecycle_hook() makes a resource of its own, after the first instances.
        group.node.default_child.lifecycle_hook_specification_list = HOOKS

        provider = ecs.AsgCapacityProvider(
            self,
            "CapacityProvider",
            auto_scaling_group=group,
            # Amazon ECS's own drain has no deadline short of 48 hours, and would hold each instance beside the agent.
            enable_managed_draining=False,
            # The agent drains whatever is chosen. Without protection the stack can be deleted.
            enable_managed_termination_protection=False,
        )
        cluster.add_asg_capacity_provider(provider)
        without_cdks_drain(group)

    def policy_of_the_agent(self, cluster):
        values = {
            "partition": self.partition,
            "region": self.region,
            "account": self.account,
            "cluster": cluster.cluster_name,
            "group": GROUP,
        }
        text = POLICY.read_text()
        for name, value in values.items():
            text = text.replace("${" + name + "}", value)
        return iam.PolicyDocument.from_json(json.loads(text))


app = cdk.App(context={"@aws-cdk/aws-autoscaling:generateLaunchTemplateInsteadOfLaunchConfig": True})
Fleet(app, "fleet")
app.synth()
