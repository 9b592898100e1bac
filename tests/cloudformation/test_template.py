"""The form of the template, and what no emulator shows."""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import template
from resolved import Resolved

BIN = pathlib.Path(sys.executable).parent


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, timeout=900, **more)


class Form(unittest.TestCase):
    def test_cfn_lint_has_nothing_to_say(self):
        with tempfile.TemporaryDirectory() as directory:
            # It knows the values of a hook's properties only where the hook is a resource of its own.
            apart = pathlib.Path(directory) / "hooks-apart.json"
            apart.write_text(template.with_hooks_apart())
            # Informational rules, too.
            done = run(BIN / "cfn-lint", "--include-checks", "I", "--", template.TEMPLATE, apart)
        self.assertEqual((done.stdout, done.stderr, done.returncode), ("", "", 0))

    def test_checkov_finds_nothing_unjustified(self):
        for framework, place in (("cloudformation", template.TEMPLATE.parent), ("terraform", template.TERRAFORM)):
            done = run(
                *(BIN / "checkov", "--directory", place, "--framework", framework),
                *("--output", "json", "--skip-download"),
            )
            report = json.loads(done.stdout)
            found = [check["check_id"] for check in report["results"]["failed_checks"]]
            self.assertEqual(found, [], framework)
            self.assertGreater(report["summary"]["passed"], 0, framework)
            self.assertEqual(report["summary"]["parsing_errors"], 0, framework)
            # What is skipped says why.
            for check in report["results"]["skipped_checks"]:
                self.assertTrue(check["check_result"].get("suppress_comment"), check["check_id"])



class Content(unittest.TestCase):
    def setUp(self):
        self.template = template.load()
        self.resources = self.template["Resources"]
        self.group = self.resources["AutoScalingGroup"]

    def test_hooks_are_there_before_the_first_instance(self):
        # See the comment in the template: a resource of its own would be made too late.
        kinds = {resource["Type"] for resource in self.resources.values()}
        self.assertNotIn("AWS::AutoScaling::LifecycleHook", kinds)
        self.assertEqual(
            {
                hook["LifecycleTransition"]: hook["DefaultResult"]
                for hook in Resolved()["AutoScalingGroup"]["LifecycleHookSpecificationList"]
            },
            {
                "autoscaling:EC2_INSTANCE_LAUNCHING": "ABANDON",
                "autoscaling:EC2_INSTANCE_TERMINATING": "CONTINUE",
            },
        )

    def test_nothing_that_the_group_waits_for_is_made_after_it(self):
        # The group is made when its instances have joined: they need the role, with its policy, before that.
        for name in ("InstanceRole", "InstanceProfile", "LaunchTemplate", "Cluster"):
            self.assertNotIn("AutoScalingGroup\"", json.dumps(self.resources[name]["Properties"]), name)
        self.assertEqual([r for r in self.resources.values() if r["Type"] == "AWS::IAM::Policy"], [])

    def test_rolling_update(self):
        group = Resolved().resources["AutoScalingGroup"]
        self.assertEqual(set(group["UpdatePolicy"]), {"AutoScalingRollingUpdate", "AutoScalingScheduledAction"})
        rolling = group["UpdatePolicy"]["AutoScalingRollingUpdate"]
        self.assertIs(rolling["WaitOnResourceSignals"], True)
        self.assertEqual((rolling["PauseTime"], rolling["MinInstancesInService"]), ("PT20M", "2"))
        # What the update itself works with.
        self.assertFalse({"Launch", "Terminate", "AddToLoadBalancer"} & set(rolling["SuspendProcesses"]))
        self.assertEqual(
            set(rolling["SuspendProcesses"]),
            {"HealthCheck", "ReplaceUnhealthy", "AZRebalance", "AlarmNotification", "ScheduledActions", "InstanceRefresh"},
        )
        self.assertNotIn("DesiredCapacity", group["Properties"])

    def test_instance_refresh(self):
        group = Resolved(ReplaceBy="InstanceRefresh").resources["AutoScalingGroup"]
        # Never with the other: the update would fail.
        self.assertEqual(set(group["UpdatePolicy"]), {"AutoScalingInstanceRefresh", "AutoScalingScheduledAction"})
        self.assertEqual(
            group["UpdatePolicy"]["AutoScalingInstanceRefresh"],
            {
                "Strategy": "Rolling",
                "Preferences": {
                    "MinHealthyPercentage": "100",
                    "MaxHealthyPercentage": "110",
                    "SkipMatching": True,
                    "ScaleInProtectedInstances": "Refresh",
                    "StandbyInstances": "Ignore",
                    "BakeTime": "0",
                },
            },
        )
        self.assertEqual(group["Properties"]["DefaultInstanceWarmup"], "60")
        more = Resolved(
            ReplaceBy="InstanceRefresh", CheckpointPercentages="20,100", CheckpointDelay=60, RefreshAlarms="errors,latency"
        )
        preferences = more.resources["AutoScalingGroup"]["UpdatePolicy"]["AutoScalingInstanceRefresh"]["Preferences"]
        self.assertEqual((preferences["CheckpointPercentages"], preferences["CheckpointDelay"]), (["20", "100"], "60"))
        self.assertEqual(preferences["AlarmSpecification"], {"Alarms": ["errors", "latency"]})

    def test_switching_how_instances_are_replaced_replaces_none(self):
        # What starts a replacement is a new version of the launch template.
        for parameter in ("ReplaceBy", "TerminateHookAbandon"):
            values = self.template["Parameters"][parameter]["AllowedValues"]
            seen = [Resolved(**{parameter: value}) for value in values]
            if parameter == "ReplaceBy":
                self.assertEqual(*[each["LaunchTemplate"] for each in seen])
            signals = [each.resources["AutoScalingGroup"]["CreationPolicy"] for each in seen]
            self.assertEqual(signals, [{"ResourceSignal": {"Count": "2", "Timeout": "PT20M"}}] * 2)

    def test_retention(self):
        # Hook, agent and group say the same: only ABANDON can retain.
        for action, result in (("terminate", "CONTINUE"), ("retain", "ABANDON")):
            resolved = Resolved(TerminateHookAbandon=action)
            group = resolved["AutoScalingGroup"]
            self.assertEqual(group["InstanceLifecyclePolicy"], {"RetentionTriggers": {"TerminateHookAbandon": action}})
            hooks = {hook["LifecycleHookName"]: hook["DefaultResult"] for hook in group["LifecycleHookSpecificationList"]}
            self.assertEqual(hooks, {"join": "ABANDON", "drain": result})
            script = resolved["LaunchTemplate"]["LaunchTemplateData"]["UserData"]
            self.assertIn(f'result_on_timeout = "{result}"', script)

    def test_fits_into_one_request(self):
        # More than that CloudFormation takes from an S3 bucket only.
        self.assertLessEqual(template.TEMPLATE.stat().st_size, 51_200)
        # And shows anything else than ASCII as question marks.
        self.assertTrue(template.TEMPLATE.read_text().isascii())

    def test_every_parameter_is_in_a_group(self):
        groups = self.template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
        grouped = [name for group in groups for name in group["Parameters"]]
        self.assertEqual(sorted(grouped), sorted(self.template["Parameters"]))

    def test_defaults_fit_together(self):
        default = {name: parameter.get("Default") for name, parameter in self.template["Parameters"].items()}
        self.assertLess(default["MinInstancesInService"], default["MaxSize"])
        self.assertLessEqual(default["MinSize"], default["MaxSize"])
        timeouts = ("ReadyTimeout", "DrainTimeout", "SignalTimeout")
        minutes = {name: int(default[name].strip("PTMm")) for name in timeouts}
        self.assertLess(minutes["ReadyTimeout"], minutes["SignalTimeout"])
        self.assertLessEqual(minutes["DrainTimeout"] * 60, 100 * default["TerminatingHeartbeatTimeout"])

    def test_capacity_provider_leaves_draining_to_the_agent(self):
        provider = self.resources["ClusterCapacityProvider"]
        self.assertEqual(provider["Condition"], "WithCapacityProvider")
        properties = provider["Properties"]["AutoScalingGroupProvider"]
        self.assertEqual(properties["ManagedDraining"], "DISABLED")
        # Amazon ECS refuses the one without the other.
        self.assertEqual(
            properties["ManagedTerminationProtection"], {"Fn::If": ["WithTerminationProtection", "ENABLED", "DISABLED"]}
        )
        self.assertEqual(
            self.group["Properties"]["NewInstancesProtectedFromScaleIn"],
            {"Fn::If": ["WithTerminationProtection", True, False]},
        )

    def test_upgrading_says_which_parameters_replace_instances(self):
        text = (template.ROOT / "docs" / "upgrading.md").read_text()
        paragraph = text.split("## Parameters of the stack")[1].split("These do not")[0]
        named = re.findall(r"`(\w+)`", paragraph)
        self.assertEqual(set(named), {name for name in self.template["Parameters"] if self.replaces(name)})

    def replaces(self, name):
        """Whether another value of the parameter makes another version of the launch template, whatever the rest is."""
        parameter = self.template["Parameters"][name]
        default = parameter.get("Default")
        other = next((value for value in parameter.get("AllowedValues", []) if value != default), None)
        if other is None:
            other = default + 1 if parameter["Type"] == "Number" else "other"
        for base in ({}, {"CapacityScaling": "true", "TaskPorts": "80/tcp"}):
            before, after = Resolved(**base), Resolved(**{**base, name: other})
            if before["LaunchTemplate"] != after["LaunchTemplate"]:
                return True
        return False

    def test_documents_name_parameters_that_there_are(self):
        known = set(self.template["Parameters"])
        for name in ("walk-through", "upgrading", "scaling"):
            text = (template.ROOT / "docs" / f"{name}.md").read_text()
            assigned = set(re.findall(r"\b([A-Z][A-Za-z]+)=", text))
            self.assertEqual(assigned - known, set(), name)

    def test_nothing_but_the_instances_takes_part(self):
        kinds = {resource["Type"] for resource in self.resources.values()}
        self.assertEqual([kind for kind in kinds if kind.split("::")[1] in ("Lambda", "SNS", "SQS", "Events")], [])


if __name__ == "__main__":
    unittest.main()
