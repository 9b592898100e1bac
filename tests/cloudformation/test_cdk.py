"""The CDK app of examples/cdk, synthesised: CDK's own drain is off, and what takes its place is the template's."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import tomllib
import unittest

import template
from resolved import Resolved

APP = template.ROOT / "examples" / "cdk"
PYTHON = template.ROOT / "target" / "cdk" / "bin" / "python"


def flat(value):
    """Joins become texts, with references in angle brackets."""
    if isinstance(value, dict):
        if set(value) == {"Fn::Join"}:
            separator, parts = value["Fn::Join"]
            return separator.join(map(flat, parts))
        if set(value) == {"Ref"}:
            return f"<{value['Ref']}>"
        return {key: flat(inner) for key, inner in value.items()}
    return [flat(inner) for inner in value] if isinstance(value, list) else value


@template.skip_unless(PYTHON.exists() and shutil.which("node"), "there is no CDK: make target/cdk/ready")
class Cdk(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as directory:
            done = subprocess.run(
                [PYTHON, "-B", "app.py"],
                cwd=APP,
                capture_output=True,
                text=True,
                timeout=540,
                env={**os.environ, "CDK_OUTDIR": directory, "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1"},
            )
            if done.returncode:
                raise RuntimeError(done.stdout + done.stderr)
            cls.resources = json.loads((pathlib.Path(directory) / "fleet.template.json").read_text())["Resources"]
        cls.template = Resolved()

    def only(self, kind):
        (found,) = (resource for resource in self.resources.values() if resource["Type"] == kind)
        return found

    def test_cdks_own_drain_is_gone(self):
        services = {resource["Type"].split("::")[1] for resource in self.resources.values()}
        self.assertEqual(services & {"Lambda", "SNS", "SQS", "Events"}, set())
        kinds = {resource["Type"] for resource in self.resources.values()}
        self.assertNotIn("AWS::AutoScaling::LifecycleHook", kinds)

    def test_managed_draining_is_off(self):
        provider = self.only("AWS::ECS::CapacityProvider")["Properties"]["AutoScalingGroupProvider"]
        theirs = Resolved(CapacityProvider="true")["ClusterCapacityProvider"]["AutoScalingGroupProvider"]
        kept = ("ManagedDraining", "ManagedScaling", "ManagedTerminationProtection")
        self.assertEqual({key: provider[key] for key in kept}, {key: theirs[key] for key in kept})
        self.assertNotIn("NewInstancesProtectedFromScaleIn", self.only("AWS::AutoScaling::AutoScalingGroup")["Properties"])

    def test_hooks_are_the_templates(self):
        group = self.only("AWS::AutoScaling::AutoScalingGroup")["Properties"]
        theirs = self.template["AutoScalingGroup"]["LifecycleHookSpecificationList"]
        hooks = [{key: str(value) for key, value in hook.items()} for hook in group["LifecycleHookSpecificationList"]]
        self.assertEqual(hooks, [{key: str(value) for key, value in hook.items()} for hook in theirs])

    def test_signals_are_waited_for(self):
        group = self.only("AWS::AutoScaling::AutoScalingGroup")
        self.assertEqual(group["CreationPolicy"]["ResourceSignal"], {"Count": 2, "Timeout": "PT20M"})
        rolling = group["UpdatePolicy"]["AutoScalingRollingUpdate"]
        theirs = self.template.resources["AutoScalingGroup"]["UpdatePolicy"]["AutoScalingRollingUpdate"]
        self.assertEqual({key: str(value) for key, value in rolling.items()}, {key: str(value) for key, value in theirs.items()})

    def test_policy_is_the_stand_alone_one(self):
        role = self.only("AWS::IAM::Role")["Properties"]
        (inline,) = role["Policies"]
        self.assertEqual(inline["PolicyName"], "ecs-lifecycle-agent")
        (cluster,) = (name for name, resource in self.resources.items() if resource["Type"] == "AWS::ECS::Cluster")
        expected = template.policy(
            partition="<AWS::Partition>",
            region="<AWS::Region>",
            account="<AWS::AccountId>",
            cluster=f"<{cluster}>",
            group="fleet-hosts",
        )
        self.assertEqual(flat(inline["PolicyDocument"]), expected)
        name = self.only("AWS::AutoScaling::AutoScalingGroup")["Properties"]["AutoScalingGroupName"]
        self.assertEqual(name, "fleet-hosts")

    def test_user_data(self):
        data = self.only("AWS::EC2::LaunchTemplate")["Properties"]["LaunchTemplateData"]
        script = flat(data["UserData"]["Fn::Base64"])
        (toml,) = re.findall(r"50-stack\.toml <<'END'\n(.*?)\nEND\n", script, re.S)
        written = tomllib.loads(toml)
        names = {hook["LifecycleHookName"] for hook in self.template["AutoScalingGroup"]["LifecycleHookSpecificationList"]}
        self.assertEqual(set(written["autoscaling"].values()), names)
        self.assertIs(written["cloudformation"]["signal_drained"], False)
        # The agent tells when it has joined. With tags in metadata it finds out where to.
        self.assertNotIn("cfn-signal", script)
        self.assertEqual(data["MetadataOptions"]["InstanceMetadataTags"], "enabled")
        self.assertEqual(data["MetadataOptions"]["HttpTokens"], "required")
        self.assertIn(">> /etc/ecs/ecs.config", script)


if __name__ == "__main__":
    unittest.main()
