"""The Terraform module says the same as the template, in both of its modes, and its examples fit it."""

import base64
import json
import re
import shutil
import subprocess
import tomllib
import unittest

import module
import provider
import template
from resolved import Resolved

OWN = {"cluster": "fleet", "subnet_ids": ["subnet-1", "subnet-2"], "security_group_ids": ["sg-1"], "image_id": "ami-1"}
EXISTING = {"cluster": "fleet", "autoscaling_group_name": "hosts", "role_name": "role"}
SCALING = {"reserve": 3, "cpu": 250, "memory": 400, "ports": ["80/tcp", "53/udp"], "daemon_cpu": 10, "topic_arn": "arn:t"}
SCALING_OF_TEMPLATE = {
    "CapacityScaling": "true",
    "CapacityReserve": "3",
    "TaskCpu": "250",
    "TaskMemory": "400",
    "TaskPorts": "80/tcp,53/udp",
    "DaemonCpu": "10",
    "AlarmTopicArn": "arn:t",
}
# What the two call differently, or only the one has.
NAMES = {
    "<Cluster>": "fleet",
    "<Cluster.Arn>": "arn:aws:ecs:us-east-1:123456789012:cluster/fleet",
    "<AutoScalingGroup>": "ecs-hosts",
    "fleet-AutoScalingGroup-*": "ecs-hosts",
}


def named(value):
    """The template's, with the module's names."""
    text = json.dumps(value)
    for theirs, ours in NAMES.items():
        text = text.replace(theirs, ours)
    return json.loads(text)


def snake(name):
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def settings(script):
    """What the user data writes for the agent, and its commands without comments."""
    (toml,) = re.findall(r"50-stack\.toml <<'END'\n(.*?)\nEND\n", script, re.S)
    commands = script.replace(toml, "").replace("AgentPackage", "agent_package")
    return tomllib.loads(toml), [line for line in commands.splitlines() if line and not line.startswith("#")]


@template.skip_unless(shutil.which("terraform"), "there is no terraform")
class Own(unittest.TestCase):
    """A group of its own."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.module = module.Module(**OWN)
        cls.template = Resolved(ReplaceBy="InstanceRefresh", ImageId="ami-1")
        cls.group = cls.module["aws_autoscaling_group.this"]

    def hooks(self, group):
        return [{snake(key.replace("LifecycleHookName", "Name")): str(value) for key, value in hook.items()} for hook in group]

    def test_hooks(self):
        written = [{key: str(value) for key, value in hook.items()} for hook in self.group["initial_lifecycle_hook"]]
        self.assertEqual(written, self.hooks(self.template["AutoScalingGroup"]["LifecycleHookSpecificationList"]))
        # In the group only: others would come after its first instances.
        self.assertIsNone(self.module["aws_autoscaling_lifecycle_hook.join"])
        self.assertIsNone(self.module["aws_autoscaling_lifecycle_hook.drain"])

    def test_group(self):
        theirs = self.template["AutoScalingGroup"]
        for key in ("MinSize", "MaxSize", "DefaultInstanceWarmup"):
            self.assertEqual(str(self.group[snake(key)]), theirs[key])
        self.assertEqual(self.group["vpc_zone_identifier"], theirs["VPCZoneIdentifier"])
        self.assertEqual(self.group["metrics_granularity"], theirs["MetricsCollection"][0]["Granularity"])
        # Without names, CloudFormation's collection is of all; Terraform has to name those that are used here.
        self.assertNotIn("Metrics", theirs["MetricsCollection"][0])
        self.assertNotIn("desired_capacity", self.group)
        (version,) = self.group["launch_template"]
        self.assertEqual(version["version"], "<aws_launch_template.this.latest_version>")
        self.assertEqual(
            self.group["depends_on"], ["<aws_iam_role_policy.agent>", "<aws_iam_role_policy_attachment.others>"]
        )

    def test_it_waits_for_longer_than_joining_takes(self):
        wait, ready = self.group["wait_for_capacity_timeout"], settings(self.user_data())[0]["ready"]["timeout"]
        self.assertLess(int(ready.removesuffix("m")), int(wait.removesuffix("m")))

    def test_refresh(self):
        (refresh,) = self.group["instance_refresh"]
        theirs = self.template.resources["AutoScalingGroup"]["UpdatePolicy"]["AutoScalingInstanceRefresh"]
        self.assertEqual(refresh["strategy"], theirs["Strategy"])
        (ours,) = refresh["preferences"]
        # CloudFormation rolls back by itself. The provider knows no bake time.
        self.assertIs(ours.pop("auto_rollback"), True)
        expected = {snake(key): str(value) for key, value in theirs["Preferences"].items()}
        self.assertEqual(expected.pop("bake_time"), "0")
        self.assertEqual({key: str(value) for key, value in ours.items()}, expected)

    def test_refresh_with_everything(self):
        ours = module.Module(**OWN, checkpoint_percentages=[20, 100], checkpoint_delay=60, refresh_alarms=["a", "b"])
        theirs = Resolved(
            ReplaceBy="InstanceRefresh", CheckpointPercentages="20,100", CheckpointDelay="60", RefreshAlarms="a,b"
        ).resources["AutoScalingGroup"]["UpdatePolicy"]["AutoScalingInstanceRefresh"]["Preferences"]
        (preferences,) = ours["aws_autoscaling_group.this"]["instance_refresh"][0]["preferences"]
        self.assertEqual([str(percent) for percent in preferences["checkpoint_percentages"]], theirs["CheckpointPercentages"])
        self.assertEqual(str(preferences["checkpoint_delay"]), theirs["CheckpointDelay"])
        self.assertEqual(preferences["alarm_specification"], [{"alarms": theirs["AlarmSpecification"]["Alarms"]}])

    def test_retention(self):
        for abandon in ("terminate", "retain"):
            group = module.Module(**OWN, terminate_hook_abandon=abandon)["aws_autoscaling_group.this"]
            theirs = Resolved(TerminateHookAbandon=abandon)
            self.assertEqual(
                group["instance_lifecycle_policy"], [{"retention_triggers": [{"terminate_hook_abandon": abandon}]}]
            )
            expected = self.hooks(theirs["AutoScalingGroup"]["LifecycleHookSpecificationList"])
            self.assertEqual(group["initial_lifecycle_hook"][1]["default_result"], expected[1]["default_result"])
            written, _ = settings(self.user_data(module.Module(**OWN, terminate_hook_abandon=abandon)))
            self.assertEqual(written["drain"]["result_on_timeout"], expected[1]["default_result"])

    def user_data(self, of=None):
        return base64.b64decode((of or self.module)["aws_launch_template.this"]["user_data"]).decode()

    def test_user_data(self):
        package = "https://example.com/agent.rpm"
        for ours, theirs in (
            ({}, {}),
            ({"capacity_scaling": SCALING}, SCALING_OF_TEMPLATE),
            (
                {"standalone_tasks": "stop", "agent_package": package, "drain_timeout": "2h"},
                {"StandaloneTasks": "stop", "AgentPackage": package, "DrainTimeout": "2h"},
            ),
        ):
            script = Resolved(**theirs)["LaunchTemplate"]["LaunchTemplateData"]["UserData"]
            expected, commands = settings(named(script))
            # There is no stack to signal to. The log group's name is the one's or the other's.
            del expected["cloudformation"]
            written, written_commands = settings(self.user_data(module.Module(**OWN, **ours)))
            for each in (expected, written):
                if "metrics" in each:
                    self.assertRegex(each["metrics"].pop("log_group"), r"^<.*>$")
            self.assertEqual(written, expected)
            self.assertEqual(written_commands, commands)

    def test_launch_template(self):
        ours, theirs = self.module["aws_launch_template.this"], self.template["LaunchTemplate"]["LaunchTemplateData"]
        self.assertEqual(ours["image_id"], theirs["ImageId"])
        self.assertEqual(ours["instance_type"], theirs["InstanceType"])
        (options,) = ours["metadata_options"]
        self.assertEqual(
            {key: str(value) for key, value in options.items()},
            {snake(key): str(value) for key, value in theirs["MetadataOptions"].items()},
        )
        (device,) = ours["block_device_mappings"]
        (ebs,) = device["ebs"]
        (their_device,) = theirs["BlockDeviceMappings"]
        self.assertEqual(device["device_name"], their_device["DeviceName"])
        self.assertEqual(
            {key: str(value) for key, value in ebs.items()},
            {snake(key): str(value) for key, value in their_device["Ebs"].items()},
        )

    def test_role(self):
        ours, theirs = self.module["aws_iam_role.instances"], self.template["InstanceRole"]
        self.assertEqual(json.loads(ours["assume_role_policy"]), theirs["AssumeRolePolicyDocument"])
        policies = {arn.removeprefix("arn:aws:iam::aws:policy/") for arn in theirs["ManagedPolicyArns"]}
        self.assertEqual(set(self.module["aws_iam_role_policy_attachment.others"]["for_each"]), policies)
        bare = module.Module(**OWN, session_manager=False, log_shipping=False)
        theirs = Resolved(SessionManager="false", LogShipping="false")["InstanceRole"]["ManagedPolicyArns"]
        policies = {arn.removeprefix("arn:aws:iam::aws:policy/") for arn in theirs}
        self.assertEqual(set(bare["aws_iam_role_policy_attachment.others"]["for_each"]), policies)

    def test_policy_statement_by_statement(self):
        for tasks in template.load()["Parameters"]["StandaloneTasks"]["AllowedValues"]:
            ours = json.loads(module.Module(**OWN, standalone_tasks=tasks)["aws_iam_role_policy.agent"]["policy"])
            (theirs,) = Resolved(StandaloneTasks=tasks)["InstanceRole"]["Policies"]
            theirs = named(theirs["PolicyDocument"])
            for document in (ours, theirs):
                for statement in document["Statement"]:
                    statement["Action"] = template.as_list(statement["Action"])
            self.assertEqual(ours, theirs)

    def test_nothing_scales_unless_asked(self):
        kinds = {name.split(".")[0] for name in self.module.resources}
        self.assertEqual(kinds & {"aws_autoscaling_policy", "aws_cloudwatch_metric_alarm", "aws_cloudwatch_log_group"}, set())
        self.assertIsNone(self.module["aws_cloudwatch_dashboard.this"])


@template.skip_unless(shutil.which("terraform"), "there is no terraform")
class Capacity(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.module = module.Module(**OWN, capacity_scaling=SCALING)
        cls.template = Resolved(**SCALING_OF_TEMPLATE)

    def query(self, query):
        """A CloudFormation query as Terraform writes it."""
        out = {snake(key): value for key, value in query.items() if key != "MetricStat"}
        if "MetricStat" in query:
            metric = query["MetricStat"]["Metric"]
            dimensions = {one["Name"]: one["Value"] for one in metric["Dimensions"]}
            facts = {"stat": query["MetricStat"]["Stat"], "period": query["MetricStat"]["Period"]}
            names = {"namespace": metric["Namespace"], "metric_name": metric["MetricName"]}
            out["metric"] = [{**names, **facts, "dimensions": dimensions}]
        return out

    def test_alarms(self):
        for ours, theirs in (("out", "ScaleOutAlarm"), ("in", "ScaleInAlarm"), ("silent", "SilentInstancesAlarm")):
            alarm = dict(self.module[f"aws_cloudwatch_metric_alarm.{ours}"])
            expected = named(self.template[theirs])
            by_id = {query["id"]: query for query in alarm.pop("metric_query")}
            self.assertEqual(by_id, {query["Id"]: self.query(query) for query in expected.pop("Metrics")}, ours)
            actions = {"out": "<aws_autoscaling_policy.out.arn>", "in": "<aws_autoscaling_policy.in.arn>", "silent": "arn:t"}
            self.assertEqual(alarm.pop("alarm_actions"), [actions[ours]])
            policies = {"out": "<ScaleOutPolicy>", "in": "<ScaleInPolicy>", "silent": "arn:t"}
            self.assertEqual(expected.pop("AlarmActions"), [policies[ours]])
            self.assertEqual(alarm.pop("alarm_name"), f"ecs-hosts-capacity-{ours}")
            self.assertEqual(
                {key: str(value) for key, value in alarm.items()},
                {snake(key): str(value).strip() for key, value in expected.items()},
            )

    def test_policies(self):
        for ours, theirs in (("out", "ScaleOutPolicy"), ("in", "ScaleInPolicy")):
            policy = dict(self.module[f"aws_autoscaling_policy.{ours}"])
            self.assertEqual(policy.pop("name"), f"capacity-{ours}")
            self.assertEqual(policy.pop("autoscaling_group_name"), "<aws_autoscaling_group.this.name>")
            steps = policy.pop("step_adjustment", [])
            expected = {snake(key): value for key, value in self.template[theirs].items()}
            del expected["auto_scaling_group_name"]
            their_steps = [{snake(key): value for key, value in step.items()} for step in expected.pop("step_adjustments", [])]
            self.assertEqual(steps, their_steps)
            self.assertEqual({k: str(v) for k, v in policy.items()}, {k: str(v) for k, v in expected.items()})

    def test_log_group(self):
        ours, theirs = self.module["aws_cloudwatch_log_group.figures"], self.template["MetricsLogGroup"]
        self.assertEqual(str(ours["retention_in_days"]), theirs["RetentionInDays"])

    def test_dashboard(self):
        ours, theirs = self.module["aws_cloudwatch_dashboard.this"], named(self.template["Dashboard"])
        alarms = {"ScaleOutAlarm.Arn": "out", "ScaleInAlarm.Arn": "in", "SilentInstancesAlarm.Arn": "silent"}
        body = theirs["DashboardBody"]
        for name, alarm in alarms.items():
            body = body.replace(f"<{name}>", f"<aws_cloudwatch_metric_alarm.{alarm}.arn>")
        self.assertEqual(json.loads(ours["dashboard_body"]), json.loads(body))
        self.assertEqual(ours["dashboard_name"], "ecs-hosts-us-east-1")
        self.assertIsNone(module.Module(**EXISTING, capacity_scaling=SCALING)["aws_cloudwatch_dashboard.this"])

    def test_what_makes_no_sense_is_refused(self):
        awsvpc = {"awsvpc": True, "task_enis": 2}
        for scaling, more, why in (
            ({}, {}, "the largest task"),
            ({"reserve": 2}, {}, "the largest task"),
            ({"awsvpc": True}, {}, "takes task_enis"),
            ({"cpu": 1, "task_enis": 2}, {}, "takes task_enis"),
            ({**awsvpc, "ports": ["80/tcp"]}, {}, "takes ports or awsvpc"),
            ({"cpu": 1}, {"log_shipping": False}, "takes log_shipping"),
        ):
            with self.assertRaisesRegex(ValueError, f"capacity_scaling.*{why}", msg=(scaling, more)):
                module.Module(**OWN, **more, capacity_scaling=scaling)
        self.assertTrue(module.Module(**OWN, capacity_scaling=awsvpc).resources)
        # The role of an existing group is somebody else's.
        self.assertTrue(module.Module(**EXISTING, log_shipping=False, capacity_scaling={"cpu": 1}).resources)

    def test_an_existing_group_can_scale_by_it(self):
        found = module.Module(**EXISTING, capacity_scaling=SCALING)
        self.assertEqual(found["aws_autoscaling_policy.in"]["autoscaling_group_name"], "hosts")
        (c,) = (q for q in found["aws_cloudwatch_metric_alarm.out"]["metric_query"] if q["id"] == "c")
        self.assertEqual(c["metric"][0]["dimensions"], {"ClusterName": "fleet", "AutoScalingGroupName": "hosts"})


@template.skip_unless(shutil.which("terraform"), "there is no terraform")
class Existing(unittest.TestCase):
    """Hooks and permissions for a group that exists."""

    def test_nothing_else_is_made(self):
        self.assertEqual(
            set(module.Module(**EXISTING).resources),
            {"aws_autoscaling_lifecycle_hook.join", "aws_autoscaling_lifecycle_hook.drain", "aws_iam_role_policy.agent"},
        )

    def test_hooks(self):
        found = module.Module(**EXISTING)
        theirs = {hook["LifecycleHookName"]: hook for hook in Resolved()["AutoScalingGroup"]["LifecycleHookSpecificationList"]}
        for name, hook in theirs.items():
            ours = found[f"aws_autoscaling_lifecycle_hook.{name}"]
            self.assertEqual(ours["autoscaling_group_name"], "hosts")
            self.assertEqual((ours["name"], ours["lifecycle_transition"]), (name, hook["LifecycleTransition"]))
            self.assertEqual(str(ours["heartbeat_timeout"]), hook["HeartbeatTimeout"])
            self.assertEqual(ours["depends_on"], ["<aws_iam_role_policy.agent>"])
        self.assertEqual(found["aws_autoscaling_lifecycle_hook.drain"]["default_result"], theirs["drain"]["DefaultResult"])

    def test_a_silent_image_gets_into_service_unless_asked_otherwise(self):
        def result(**more):
            return module.Module(**EXISTING, **more)["aws_autoscaling_lifecycle_hook.join"]["default_result"]

        self.assertEqual(result(), "CONTINUE")
        self.assertEqual(result(launching_default_result="ABANDON"), "ABANDON")

    def test_policy_is_for_that_group_and_that_role(self):
        policy = module.Module(**EXISTING)["aws_iam_role_policy.agent"]
        self.assertEqual(policy["role"], "role")
        (own,) = (s for s in json.loads(policy["policy"])["Statement"] if s["Sid"] == "OwnLifecycleActions")
        self.assertTrue(own["Resource"].endswith(":autoScalingGroupName/hosts"), own)

    def test_what_makes_no_sense_is_refused(self):
        for given in (
            {"cluster": "c"},
            {"cluster": "c", "autoscaling_group_name": "g"},
            {"cluster": "c", "role_name": "r"},
            {**EXISTING, "launching_default_result": "NONE"},
            {**EXISTING, "terminate_hook_abandon": "keep"},
            {**EXISTING, "standalone_tasks": "kill"},
        ):
            with self.assertRaises(ValueError, msg=given):
                module.Module(**given)


@template.skip_unless(shutil.which("terraform") and any(provider.WHEELS.glob("*.whl")), "make target/provider/ready")
class Provider(unittest.TestCase):
    def test_it_knows_every_argument(self):
        everything = {"tags": {"a": "b"}, "refresh_alarms": ["x"], "checkpoint_percentages": [100], "capacity_scaling": SCALING}
        seen = set()
        for found in (module.Module(**OWN, **everything), module.Module(**EXISTING)):
            for name, body in found.resources.items():
                kind = name.split(".")[0]
                self.assertEqual(provider.unknown(kind, body), [], name)
                seen.add(kind)
        # All that the module has.
        self.assertEqual(seen, set(provider.MODULES))

    def test_it_does_not_know_everything(self):
        self.assertEqual(provider.unknown("aws_iam_role", {"rule": 1, "count": 1}), ["aws_iam_role.rule"])
        group = {"instance_refresh": [{"preferences": [{"bake_time": 1}]}]}
        self.assertEqual(
            provider.unknown("aws_autoscaling_group", group),
            ["aws_autoscaling_group.instance_refresh.preferences.bake_time"],
        )


class Layout(unittest.TestCase):
    """As the registry wants it."""

    def read(self, *path):
        return template.TERRAFORM.joinpath(*path).read_text()

    def variables(self):
        return dict(re.findall(r'(?ms)^variable "(\w+)" \{\n(.*?)^\}', self.read("variables.tf")))

    def test_files(self):
        names = {path.name for path in template.TERRAFORM.iterdir()}
        self.assertLessEqual({"README.md", "main.tf", "outputs.tf", "variables.tf", "versions.tf", "examples"}, names)

    def test_everything_is_described(self):
        outputs = dict(re.findall(r'(?ms)^output "(\w+)" \{\n(.*?)^\}', self.read("outputs.tf")))
        self.assertGreater(len(outputs), 2)
        for name, body in {**self.variables(), **outputs}.items():
            self.assertRegex(body, r"(?m)^  description += ", name)
        for name, body in self.variables().items():
            self.assertRegex(body, r"(?m)^  type += ", name)

    def test_readme_has_every_variable(self):
        rows = re.findall(r"(?m)^\| `(\w+)` \|", self.read("README.md"))
        self.assertEqual(rows, list(self.variables()))

    def test_examples_give_variables_that_there_are(self):
        for path in sorted(template.TERRAFORM.glob("examples/*/main.tf")):
            (body,) = re.findall(r'(?ms)^module "\w+" \{\n(.*?)^\}', path.read_text())
            given = set(re.findall(r"(?m)^  (\w+) +=", body)) - {"source"}
            self.assertLessEqual(given, set(self.variables()), path)
            needed = {name for name, inner in self.variables().items() if not re.search(r"(?m)^  default +=", inner)}
            self.assertLessEqual(needed, given, path)
            floors = [re.findall(r'version += "(.*)"', text) for text in (path.read_text(), self.read("versions.tf"))]
            self.assertEqual(*floors)

    @template.skip_unless(shutil.which("terraform"), "there is no terraform")
    def test_terraform_is_formatted(self):
        done = subprocess.run(
            ["terraform", "fmt", "-check", "-diff", "-recursive", template.TERRAFORM],
            capture_output=True,
            text=True,
            timeout=120,
        )
        self.assertEqual((done.stdout, done.returncode), ("", 0))


if __name__ == "__main__":
    unittest.main()
