"""The form of the template, and what no emulator shows."""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import template

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
            {hook["LifecycleTransition"]: hook["DefaultResult"] for hook in template.hooks().values()},
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

    def test_update(self):
        signal = self.group["CreationPolicy"]["ResourceSignal"]
        self.assertEqual(signal, {"Count": {"Ref": "MinSize"}, "Timeout": {"Ref": "SignalTimeout"}})
        rolling = self.group["UpdatePolicy"]["AutoScalingRollingUpdate"]
        self.assertIs(rolling["WaitOnResourceSignals"], True)
        self.assertEqual(rolling["PauseTime"], {"Ref": "SignalTimeout"})
        self.assertEqual(rolling["MinInstancesInService"], {"Ref": "MinInstancesInService"})
        # What the update itself works with.
        self.assertFalse({"Launch", "Terminate", "AddToLoadBalancer"} & set(rolling["SuspendProcesses"]))
        self.assertEqual(
            set(rolling["SuspendProcesses"]),
            {"HealthCheck", "ReplaceUnhealthy", "AZRebalance", "AlarmNotification", "ScheduledActions", "InstanceRefresh"},
        )
        self.assertNotIn("DesiredCapacity", self.group["Properties"])

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
        used = json.dumps(self.resources["LaunchTemplate"]["Properties"])
        replacing = {name for name in self.template["Parameters"] if f'"{name}"' in used or "${" + name + "}" in used}
        text = (template.ROOT / "docs" / "upgrading.md").read_text()
        paragraph = text.split("## Parameters of the stack")[1].split("These do not")[0]
        self.assertEqual(set(re.findall(r"`(\w+)`", paragraph)), replacing)

    def test_documents_name_parameters_that_there_are(self):
        known = set(self.template["Parameters"])
        for name in ("walk-through", "upgrading"):
            text = (template.ROOT / "docs" / f"{name}.md").read_text()
            assigned = set(re.findall(r"\b([A-Z][A-Za-z]+)=", text))
            self.assertEqual(assigned - known, set(), name)

    def test_nothing_but_the_instances_takes_part(self):
        kinds = {resource["Type"] for resource in self.resources.values()}
        self.assertEqual([kind for kind in kinds if kind.split("::")[1] in ("Lambda", "SNS", "SQS", "Events")], [])


if __name__ == "__main__":
    unittest.main()
