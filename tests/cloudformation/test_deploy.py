"""The template, deployed to emulated accounts: what comes out is what was written.

Neither emulator knows LifecycleHookSpecificationList, the CreationPolicy or the UpdatePolicy of a group, or
AWS::ECS::CapacityProvider: test_template.py reads these in the template.
"""

import ast
import base64
import fnmatch
import json
import unittest

import emulators
import template
from resolved import Resolved

CAPACITY = {"CapacityScaling": "true", "TaskCpu": "250", "TaskMemory": "400", "TaskPorts": "80/tcp,53/udp"}


class Deployed:
    """What is true of the stack in either emulator."""

    @classmethod
    def setUpClass(cls):
        cls.aws = cls.enterClassContext(cls.emulator())
        cls.vpc, cls.subnets = cls.aws.network()
        cls.image = cls.make_image()
        cls.outputs = cls.aws.deploy("fleet", template.TEMPLATE.read_text(), **cls.parameters())

    @classmethod
    def parameters(cls, **more):
        return {
            "VpcId": cls.vpc,
            "SubnetIds": ",".join(cls.subnets),
            "ImageId": cls.image,
            "MinSize": "1",
            "MaxSize": "3",
            "DrainTimeout": "20m",
            **more,
        }

    def group(self):
        found = self.aws.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
        return next(g for g in found if g["AutoScalingGroupName"] == self.outputs["AutoScalingGroupName"])

    def launch_template(self):
        ec2 = self.aws.client("ec2")
        used = self.group()["LaunchTemplate"]
        versions = ec2.describe_launch_template_versions(
            LaunchTemplateId=used["LaunchTemplateId"], Versions=[used["Version"]]
        )
        return versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]

    def agents_policy(self, outputs=None):
        answer = self.aws.client("iam").get_role_policy(
            RoleName=(outputs or self.outputs)["InstanceRoleName"], PolicyName="ecs-lifecycle-agent"
        )
        document = answer["PolicyDocument"]
        # moto hands out what it was given, in Python's own notation.
        return ast.literal_eval(document) if isinstance(document, str) else document

    def test_group(self):
        group = self.group()
        self.assertEqual((group["MinSize"], group["MaxSize"]), (1, 3))
        self.assertEqual(group["VPCZoneIdentifier"], ",".join(self.subnets))
        self.assertFalse(group["NewInstancesProtectedFromScaleIn"])
        # Those that CloudFormation adds, or not, apart.
        own = [tag for tag in group["Tags"] if not tag["Key"].startswith("aws:")]
        tags = {tag["Key"]: (tag["Value"], tag["PropagateAtLaunch"]) for tag in own}
        self.assertEqual(tags, {"Name": ("fleet", True)})

    def test_launch_template(self):
        data = self.launch_template()
        self.assertEqual(data["ImageId"], self.image)
        self.assertEqual(data["InstanceType"], "t3.medium")
        self.assertEqual(data["SecurityGroupIds"], [self.outputs["SecurityGroupId"]])
        script = base64.b64decode(data["UserData"]).decode()
        self.assertIn(f"ECS_CLUSTER={self.outputs['ClusterName']}\n", script)
        self.assertIn('timeout = "20m"', script)
        self.assertNotIn("${", script)

    def test_security_group_lets_nothing_in(self):
        groups = self.aws.client("ec2").describe_security_groups(GroupIds=[self.outputs["SecurityGroupId"]])
        self.assertEqual(groups["SecurityGroups"][0]["IpPermissions"], [])
        self.assertEqual(groups["SecurityGroups"][0]["VpcId"], self.vpc)

    def test_role_is_for_instances(self):
        iam = self.aws.client("iam")
        role = iam.get_role(RoleName=self.outputs["InstanceRoleName"])["Role"]
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        self.assertEqual(statement["Principal"], {"Service": "ec2.amazonaws.com"})
        self.assertEqual(statement["Action"], "sts:AssumeRole")

    def test_metadata_options(self):
        data = self.launch_template()
        self.assertEqual(
            {key: str(value) for key, value in data["MetadataOptions"].items() if key != "State"},
            {
                "HttpEndpoint": "enabled",
                "HttpTokens": "required",
                "HttpPutResponseHopLimit": "1",
                "InstanceMetadataTags": "enabled",
            },
        )

    def test_instances_have_the_role(self):
        profile = self.launch_template()["IamInstanceProfile"]["Arn"].rsplit("/", 1)[1]
        found = self.aws.client("iam").get_instance_profile(InstanceProfileName=profile)["InstanceProfile"]
        self.assertEqual([role["RoleName"] for role in found["Roles"]], [self.outputs["InstanceRoleName"]])

    def test_role_has_the_stand_alone_policy(self):
        cluster = self.outputs["ClusterArn"]
        written = template.policy(
            partition="aws",
            region=emulators.REGION,
            account=cluster.split(":")[4],
            cluster=self.outputs["ClusterName"],
            group="fleet-AutoScalingGroup-*",
        )
        (tasks,) = [statement for statement in written["Statement"] if statement["Sid"] == "ItsTasks"]
        tasks["Action"].remove("ecs:StopTask")
        self.assertEqual(self.agents_policy(), written)

    def test_role_names_this_group_and_this_cluster(self):
        statements = {statement["Sid"]: statement for statement in self.agents_policy()["Statement"]}
        own = statements["OwnLifecycleActions"]["Resource"]
        arn = self.group()["AutoScalingGroupARN"]
        self.assertTrue(fnmatch.fnmatchcase(arn, own), (arn, own))
        self.assertFalse(fnmatch.fnmatchcase(arn.replace("/fleet-", "/other-"), own), (arn, own))
        clusters = self.aws.client("ecs").list_clusters()["clusterArns"]
        self.assertIn(self.outputs["ClusterArn"], clusters)
        for sid in ("OwnContainerInstance", "ItsTasks", "TheirServices"):
            self.assertEqual(
                statements[sid]["Condition"], {"ArnEquals": {"ecs:cluster": self.outputs["ClusterArn"]}}
            )

    def test_everything_chosen_otherwise(self):
        chosen = {
            **{"ReplaceBy": "InstanceRefresh", "CheckpointPercentages": "20,100", "RefreshAlarms": "errors"},
            **{"TerminateHookAbandon": "retain", "StandaloneTasks": "stop", "HttpPutResponseHopLimit": "2"},
            **{"LifecycleActionsBoundBy": "stack-tag", "DrainMetrics": "true", "SessionManager": "false"},
        }
        outputs = self.aws.deploy("chosen", template.TEMPLATE.read_text(), **self.parameters(**chosen))
        statements = {statement["Sid"]: statement for statement in self.agents_policy(outputs)["Statement"]}
        self.assertEqual(statements["ItsTasks"]["Action"], ["ecs:DescribeTasks", "ecs:StopTask"])
        bound = statements["OwnLifecycleActions"]["Condition"]["StringEquals"]
        (stack,) = self.aws.client("cloudformation").describe_stacks(StackName="chosen")["Stacks"]
        self.assertEqual(bound, {"aws:ResourceTag/aws:cloudformation:stack-id": stack["StackId"]})
        launch_template, version = outputs["LaunchTemplateVersion"].split(":")
        versions = self.aws.client("ec2").describe_launch_template_versions(
            LaunchTemplateId=launch_template, Versions=[version]
        )
        data = versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]
        self.assertEqual(str(data["MetadataOptions"]["HttpPutResponseHopLimit"]), "2")
        script = base64.b64decode(data["UserData"]).decode()
        self.assertIn('result_on_timeout = "ABANDON"', script)
        self.assertIn(f'log_group = "{outputs["MetricsLogGroupName"]}"', script)

    def test_switching_how_instances_are_replaced(self):
        # No new version of the launch template, which is what starts a replacement.
        first = self.aws.deploy("switched", template.TEMPLATE.read_text(), **self.parameters())
        chosen = self.parameters(ReplaceBy="InstanceRefresh")
        second = self.aws.deploy("switched", template.TEMPLATE.read_text(), update=True, **chosen)
        self.assertEqual(first, second)

    def hooks(self):
        hooks = Resolved()["AutoScalingGroup"]["LifecycleHookSpecificationList"]
        return [{**hook, "HeartbeatTimeout": int(hook["HeartbeatTimeout"])} for hook in hooks]

    def assert_hooks_as_written(self, group):
        found = self.aws.client("autoscaling").describe_lifecycle_hooks(AutoScalingGroupName=group)
        kept = ("LifecycleHookName", "LifecycleTransition", "HeartbeatTimeout", "DefaultResult")
        self.assertEqual(
            {hook["LifecycleHookName"]: {key: hook[key] for key in kept} for hook in found["LifecycleHooks"]},
            {hook["LifecycleHookName"]: hook for hook in self.hooks()},
        )


class Moto(Deployed, unittest.TestCase):
    emulator = staticmethod(emulators.moto)

    @classmethod
    def make_image(cls):
        return cls.aws.client("ec2").register_image(Name="custom", RootDeviceName="/dev/xvda")["ImageId"]

    def test_image_of_the_parameter_store(self):
        outputs = self.aws.deploy("stock", template.TEMPLATE.read_text(), **self.parameters(ImageId=""))
        version = self.aws.client("ec2").describe_launch_template_versions(
            LaunchTemplateId=outputs["LaunchTemplateVersion"].split(":")[0]
        )
        name = template.load()["Parameters"]["ImageParameter"]["Default"]
        stored = self.aws.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
        self.assertEqual(version["LaunchTemplateVersions"][0]["LaunchTemplateData"]["ImageId"], stored)

    def test_alarms(self):
        # moto's CloudFormation makes no alarms, and ministack's none of metric math: the same properties, by the API.
        client = self.aws.client("cloudwatch")
        written = Resolved(**CAPACITY)
        for name in ("ScaleOutAlarm", "ScaleInAlarm", "SilentInstancesAlarm"):
            alarm = written[name]
            numbers = {key: int(alarm[key]) for key in ("EvaluationPeriods", "DatapointsToAlarm")}
            client.put_metric_alarm(AlarmName=name, **{**alarm, **numbers})
            (found,) = client.describe_alarms(AlarmNames=[name])["MetricAlarms"]
            metrics = {metric["Id"]: metric for metric in found["Metrics"]}
            for metric in alarm["Metrics"]:
                for key, value in metric.items():
                    self.assertEqual(metrics[metric["Id"]].get(key), value, (name, key))

    def test_hooks(self):
        # moto's CloudFormation makes no hooks: the same properties, by the API.
        client = self.aws.client("autoscaling")
        group = self.outputs["AutoScalingGroupName"]
        for hook in self.hooks():
            client.put_lifecycle_hook(AutoScalingGroupName=group, **hook)
        self.assert_hooks_as_written(group)


class Ministack(Deployed, unittest.TestCase):
    emulator = staticmethod(emulators.ministack)

    @staticmethod
    def make_image():
        # It knows no images, and asks for none.
        return "ami-0123456789abcdef0"

    @classmethod
    def parameters(cls, **more):
        # It does not know AWS's public parameters of these images.
        cls.aws.client("ssm").put_parameter(Name="/image", Value=cls.image, Type="String", Overwrite=True)
        return super().parameters(ImageParameter="/image", **more)

    def test_role_has_what_others_need(self):
        def attached(outputs):
            policies = self.aws.client("iam").list_attached_role_policies(RoleName=outputs["InstanceRoleName"])
            return {policy["PolicyArn"].removeprefix("arn:aws:iam::aws:policy/") for policy in policies["AttachedPolicies"]}

        agent = "service-role/AmazonEC2ContainerServiceforEC2Role"
        self.assertEqual(
            attached(self.outputs), {agent, "AmazonSSMManagedInstanceCore", "CloudWatchAgentServerPolicy"}
        )
        parameters = self.parameters(SessionManager="false", LogShipping="false")
        self.assertEqual(attached(self.aws.deploy("bare", template.TEMPLATE.read_text(), **parameters)), {agent})

    def test_bound_container_instance_policy(self):
        outputs = self.aws.deploy("bound", template.TEMPLATE.read_text(), **self.parameters(ContainerInstancePolicy="bound"))
        iam = self.aws.client("iam")
        attached = iam.list_attached_role_policies(RoleName=outputs["InstanceRoleName"])["AttachedPolicies"]
        own = [policy["PolicyArn"] for policy in attached if ":aws:policy/" not in policy["PolicyArn"]]
        self.assertNotIn("AmazonEC2ContainerServiceforEC2Role", str(attached))
        version = iam.get_policy(PolicyArn=own[0])["Policy"]["DefaultVersionId"]
        document = iam.get_policy_version(PolicyArn=own[0], VersionId=version)["PolicyVersion"]["Document"]
        registers = document["Statement"][0]
        self.assertEqual(registers["Resource"], outputs["ClusterArn"])

    def test_capacity_scaling(self):
        # Without the metric math: that is in Moto's test_alarms.
        outputs = self.aws.deploy("scaled", template.with_plain_alarms(), **self.parameters(**CAPACITY))
        group = outputs["AutoScalingGroupName"]
        policies = {
            policy["PolicyType"]: policy
            for policy in self.aws.client("autoscaling").describe_policies(AutoScalingGroupName=group)["ScalingPolicies"]
        }
        self.assertEqual(policies["StepScaling"]["EstimatedInstanceWarmup"], 300)
        self.assertEqual(policies["SimpleScaling"]["ScalingAdjustment"], -1)
        self.assertEqual(policies["SimpleScaling"]["Cooldown"], 600)
        cloudwatch = self.aws.client("cloudwatch")
        alarms = {
            alarm["AlarmName"].split("-")[1]: alarm
            for alarm in cloudwatch.describe_alarms()["MetricAlarms"]
            if alarm["AlarmName"].startswith("scaled-")
        }
        self.assertEqual(set(alarms), {"ScaleOutAlarm", "ScaleInAlarm", "SilentInstancesAlarm"})
        self.assertEqual(alarms["ScaleOutAlarm"]["AlarmActions"], [policies["StepScaling"]["PolicyARN"]])
        self.assertEqual(alarms["ScaleInAlarm"]["AlarmActions"], [policies["SimpleScaling"]["PolicyARN"]])
        self.assertEqual(alarms["SilentInstancesAlarm"]["AlarmActions"], [])
        body = json.loads(cloudwatch.get_dashboard(DashboardName=outputs["DashboardName"])["DashboardBody"])
        (shown,) = [widget["properties"]["alarms"] for widget in body["widgets"] if widget["type"] == "alarm"]
        self.assertEqual(set(shown), {alarm["AlarmArn"] for alarm in alarms.values()})
        logs = self.aws.client("logs").describe_log_groups(logGroupNamePrefix=outputs["MetricsLogGroupName"])
        self.assertEqual([group["retentionInDays"] for group in logs["logGroups"]], [14])

    def test_hooks(self):
        # ministack's CloudFormation makes hooks of AWS::AutoScaling::LifecycleHook only: the same properties, so.
        outputs = self.aws.deploy("hooks", template.with_hooks_apart(), **self.parameters())
        self.assert_hooks_as_written(outputs["AutoScalingGroupName"])


if __name__ == "__main__":
    unittest.main()
