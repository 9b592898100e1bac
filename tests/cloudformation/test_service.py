"""The service's template: its form, what it says, and what comes of it in emulated accounts.

moto makes no scaling, no custom resources and no EventInvokeConfig in CloudFormation, and ministack none of the types in
UNKNOWN: these are read in the template. ministack runs the one-off task's function, and has no containers: a task runs
until it is stopped, so that only the failure of a one-off task can be shown there. Of a service, moto keeps neither network nor load
balancers, of a target group no attributes; of a task definition, ministack keeps neither secrets nor health check.
"""

import json
import pathlib
import re
import subprocess
import sys
import time
import unittest

import emulators
import template

BIN = pathlib.Path(sys.executable).parent
UNKNOWN = (
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::EC2::SecurityGroupIngress",
)


class Form(unittest.TestCase):
    def test_cfn_lint_has_nothing_to_say(self):
        done = subprocess.run(
            [BIN / "cfn-lint", "--include-checks", "I", "--", template.SERVICE],
            capture_output=True,
            text=True,
            timeout=300,
        )
        self.assertEqual((done.stdout, done.stderr, done.returncode), ("", "", 0))

    def test_no_aliases(self):
        # CloudFormation does not take them.
        self.assertEqual(re.findall(r"(?m)^[^#]*:\s+[&*]\w+\s*$", template.SERVICE.read_text()), [])

    def test_it_can_be_passed_as_text(self):
        self.assertLess(len(template.SERVICE.read_bytes()), 51_200)


class Content(unittest.TestCase):
    def setUp(self):
        self.template = template.load(template.SERVICE)
        self.resources = self.template["Resources"]
        self.default = {name: p.get("Default") for name, p in self.template["Parameters"].items()}

    def properties(self, name):
        return self.resources[name]["Properties"]

    def test_an_instance_can_drain(self):
        deployment = self.properties("Service")["DeploymentConfiguration"]
        self.assertGreater(deployment["MaximumPercent"], 100)
        self.assertEqual(deployment["MinimumHealthyPercent"], 100)

    def test_a_task_that_is_drained_fits_into_the_drain(self):
        drain = template.load()["Parameters"]["DrainTimeout"]["Default"]
        self.assertRegex(drain, r"^\d+m$")
        takes = self.default["DeregistrationDelay"] + self.default["StopTimeout"]
        self.assertLess(takes, 60 * int(drain[:-1]))

    def test_a_deployment_that_fails_goes_back(self):
        deployment = self.properties("Service")["DeploymentConfiguration"]
        self.assertEqual(deployment["DeploymentCircuitBreaker"], {"Enable": True, "Rollback": True})

    def test_the_number_of_tasks_is_the_scalings(self):
        self.assertNotIn("DesiredCount", self.properties("Service"))
        target = self.properties("ScalableTarget")
        self.assertNotIn("RoleARN", target)
        self.assertEqual(target["ResourceId"], {"Fn::Sub": "service/${ClusterName}/${Service.Name}"})
        tracking = self.properties("ScalingPolicy")["TargetTrackingScalingPolicyConfiguration"]
        self.assertEqual(
            tracking["PredefinedMetricSpecification"], {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}
        )

    def test_rebalancing_needs_a_spread_over_zones_first(self):
        service = self.properties("Service")
        self.assertEqual(service["AvailabilityZoneRebalancing"], "ENABLED")
        first, second = service["PlacementStrategies"]
        self.assertEqual(first, {"Type": "spread", "Field": "attribute:ecs.availability-zone"})
        self.assertEqual(second, {"Type": "binpack", "Field": "memory"})

    def test_bridge_and_awsvpc(self):
        (mapping,) = self.properties("TaskDefinition")["ContainerDefinitions"][0]["PortMappings"]
        self.assertEqual(mapping["HostPort"], {"Fn::If": ["WithBridge", 0, {"Ref": "ContainerPort"}]})
        self.assertEqual(self.properties("TargetGroup")["TargetType"], {"Fn::If": ["WithBridge", "instance", "ip"]})
        # Ephemeral ports for bridge only; with awsvpc the container's port only.
        self.assertEqual(self.resources["InstanceIngress"]["Condition"], "WithBridge")
        self.assertEqual(self.resources["TaskSecurityGroup"]["Condition"], "WithAwsvpc")
        (rule,) = self.properties("TaskSecurityGroup")["SecurityGroupIngress"]
        self.assertEqual((rule["FromPort"], rule["ToPort"]), ({"Ref": "ContainerPort"}, {"Ref": "ContainerPort"}))
        for name in ("InstanceIngress", "TaskSecurityGroup"):
            text = json.dumps(self.properties(name))
            self.assertIn('"SourceSecurityGroupId": {"Ref": "LoadBalancerSecurityGroup"}', text)
            self.assertNotIn("Cidr", text)

    def test_secrets_come_by_reference(self):
        for name in ("TaskDefinition", "OneOffTaskDefinition"):
            (main,) = self.properties(name)["ContainerDefinitions"]
            secret = [{"Name": {"Ref": "SecretName"}, "ValueFrom": {"Ref": "SecretArn"}}]
            self.assertEqual(main["Secrets"], {"Fn::If": ["WithSecret", secret, {"Ref": "AWS::NoValue"}]})
            self.assertNotIn("Environment", main)
            self.assertEqual(main["StopTimeout"], {"Ref": "StopTimeout"})
        policies = self.properties("ExecutionRole")["Policies"]["Fn::If"][1]
        (statement,) = policies[0]["PolicyDocument"]["Statement"]
        self.assertEqual(statement["Action"], "secretsmanager:GetSecretValue")
        self.assertEqual(statement["Resource"], {"Ref": "SecretArn"})

    def test_the_documents_name_parameters_that_there_are(self):
        both = set(self.template["Parameters"]) | set(template.load()["Parameters"])
        text = (template.SERVICE.parent / "README.md").read_text()
        self.assertEqual(set(re.findall(r"\b([A-Z][A-Za-z]+)=(?!=)", text)) - both, set())


class Deployed:
    @classmethod
    def setUpClass(cls):
        cls.aws = cls.enterClassContext(cls.emulator())
        cls.vpc, cls.subnets = cls.aws.network()
        cls.aws.client("ecs").create_cluster(clusterName="fleet")
        group = cls.aws.client("ec2").create_security_group(GroupName="hosts", Description="hosts", VpcId=cls.vpc)
        cls.hosts = group["GroupId"]

    @classmethod
    def parameters(cls, **more):
        return {
            "ClusterName": "fleet",
            "InstanceSecurityGroupId": cls.hosts,
            "Image": "nginx:1",
            "VpcId": cls.vpc,
            "LoadBalancerSubnetIds": ",".join(cls.subnets),
            **more,
        }

    def service(self, outputs):
        found = self.aws.client("ecs").describe_services(cluster="fleet", services=[outputs["ServiceName"]])
        (service,) = found["services"]
        arn = service["taskDefinition"]
        return service, self.aws.client("ecs").describe_task_definition(taskDefinition=arn)["taskDefinition"]

    def target_group(self, outputs):
        found = self.aws.client("elbv2").describe_target_groups(TargetGroupArns=[outputs["TargetGroupArn"]])
        return found["TargetGroups"][0]

    def test_bridge(self):
        outputs = self.aws.deploy("bridge", self.body(), **self.parameters())
        service, definition = self.service(outputs)
        self.assertEqual(service["launchType"], "EC2")
        self.assertEqual(definition["networkMode"], "bridge")
        (main,) = definition["containerDefinitions"]
        (mapping,) = main["portMappings"]
        self.assertEqual((int(mapping["containerPort"]), mapping["hostPort"]), (80, 0))
        self.assertEqual(int(main["stopTimeout"]), 60)
        self.assertNotIn("healthCheck", main)
        self.assertFalse(main.get("secrets"))
        self.assertEqual(self.target_group(outputs)["TargetType"], "instance")
        if self.keeps_service:
            (attached,) = service["loadBalancers"]
            self.assertEqual(attached["targetGroupArn"], outputs["TargetGroupArn"])
            group = outputs["TargetGroupArn"]
            attributes = self.aws.client("elbv2").describe_target_group_attributes(TargetGroupArn=group)["Attributes"]
            found = {attribute["Key"]: attribute["Value"] for attribute in attributes}
            self.assertEqual(found["deregistration_delay.timeout_seconds"], "60")
        self.assertTrue(outputs["Url"].startswith("http://"))

    def test_awsvpc_with_everything(self):
        secret = self.aws.client("secretsmanager").create_secret(Name="database", SecretString="s3cret")["ARN"]
        outputs = self.aws.deploy(
            "awsvpc",
            self.body(),
            **self.parameters(
                NetworkMode="awsvpc",
                TaskSubnetIds=",".join(self.subnets),
                HealthCheckCommand="curl -f http://localhost/ || exit 1",
                SecretName="DATABASE_URL",
                SecretArn=secret,
                StopTimeout="30",
            ),
        )
        service, definition = self.service(outputs)
        if self.keeps_service:
            network = service["networkConfiguration"]["awsvpcConfiguration"]
            self.assertEqual(network["subnets"], self.subnets)
            self.assertEqual(network["assignPublicIp"], "DISABLED")
            (group,) = network["securityGroups"]
            self.assertNotEqual(group, self.hosts)
        self.assertEqual(self.target_group(outputs)["TargetType"], "ip")
        (main,) = definition["containerDefinitions"]
        if self.keeps_definition:
            self.assertEqual(main["secrets"], [{"name": "DATABASE_URL", "valueFrom": secret}])
            self.assertEqual(main["healthCheck"]["command"], ["CMD-SHELL", "curl -f http://localhost/ || exit 1"])
        self.assertEqual(int(main["stopTimeout"]), 30)
        self.assertNotIn("s3cret", json.dumps(definition, default=str))


class Moto(Deployed, unittest.TestCase):
    emulator = staticmethod(emulators.moto)
    keeps_service, keeps_definition = False, True

    @staticmethod
    def body():
        return template.SERVICE.read_text()


class Ministack(Deployed, unittest.TestCase):
    emulator = staticmethod(emulators.ministack)
    keeps_service, keeps_definition = True, False

    @staticmethod
    def body():
        written = template.load(template.SERVICE)
        known = {name: resource for name, resource in written["Resources"].items() if resource["Type"] not in UNKNOWN}
        return json.dumps({**written, "Resources": known})

    def until(self, what, seconds=60):
        deadline = time.monotonic() + seconds
        while True:
            found = what()
            if found:
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"{what.__name__} has not come")
            time.sleep(0.1)

    def one_off_task(self, stack):
        """The task of that stack's, once it runs."""
        ecs = self.aws.client("ecs")

        def running():
            arns = ecs.list_tasks(cluster="fleet", desiredStatus="RUNNING")["taskArns"]
            tasks = ecs.describe_tasks(cluster="fleet", tasks=arns)["tasks"] if arns else []
            return [task for task in tasks if f"/{stack}-one-off:" in task["taskDefinitionArn"]]

        (task,) = self.until(running)
        return task

    def settled(self, stack):
        def status():
            found = self.aws.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
            return None if found.endswith("IN_PROGRESS") else found

        return self.until(status)

    def test_a_one_off_task_that_fails_leaves_the_service_as_it_is(self):
        outputs = self.aws.deploy("web", self.body(), **self.parameters())
        before = self.service(outputs)[0]["taskDefinition"]
        parameters = self.parameters(Image="nginx:2", OneOffCommand="migrate")
        self.aws.client("cloudformation").update_stack(
            StackName="web",
            TemplateBody=self.body(),
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        )
        task = self.one_off_task("web")
        # It runs, with the new image, and the service still has the old one.
        self.assertEqual(task["containers"][0]["image"], "nginx:2")
        self.assertEqual(self.service(outputs)[0]["taskDefinition"], before)
        self.aws.client("ecs").stop_task(cluster="fleet", task=task["taskArn"], reason="by the test")
        self.assertEqual(self.settled("web"), "UPDATE_ROLLBACK_COMPLETE")
        self.assertEqual(self.service(outputs)[0]["taskDefinition"], before)
        events = self.aws.client("cloudformation").describe_stack_events(StackName="web")["StackEvents"]
        reasons = [event.get("ResourceStatusReason", "") for event in events if event["LogicalResourceId"] == "OneOffTask"]
        self.assertTrue(any("by the test" in reason for reason in reasons), reasons)
        # Neither the rollback nor the deletion has run it again.
        self.aws.client("cloudformation").delete_stack(StackName="web")
        tasks = self.aws.client("ecs").list_tasks(cluster="fleet", family="web-one-off", desiredStatus="RUNNING")
        self.assertEqual(tasks["taskArns"], [])


if __name__ == "__main__":
    unittest.main()
