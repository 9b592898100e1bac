"""The template as it is written, and the files beside it."""

import copy
import functools
import json
import os
import pathlib
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "cloudformation" / "cluster.yaml"
SERVICE = ROOT / "cloudformation" / "service.yaml"
POLICY = ROOT / "cloudformation" / "policy.json"
TERRAFORM = ROOT / "terraform"


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms: !Ref X becomes {"Ref": X}, !Sub X {"Fn::Sub": X}."""


def _short_form(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_form)


@functools.cache
def load(path=TEMPLATE):
    """Whoever changes it changes a copy."""
    return yaml.load(path.read_text(), _Loader)


def with_hooks_apart():
    """The template with each of the group's hooks as a resource of its own: what more tools understand."""
    body = copy.deepcopy(load())
    group = body["Resources"]["AutoScalingGroup"]["Properties"]
    for number, hook in enumerate(group.pop("LifecycleHookSpecificationList")):
        body["Resources"][f"Hook{number}"] = {
            "Type": "AWS::AutoScaling::LifecycleHook",
            "Properties": {"AutoScalingGroupName": {"Ref": "AutoScalingGroup"}, **hook},
        }
    return json.dumps(body)


def with_plain_alarms():
    """The template with one metric in place of each alarm's metric math, which no emulator's CloudFormation takes."""
    body = copy.deepcopy(load())
    for resource in body["Resources"].values():
        if resource["Type"] == "AWS::CloudWatch::Alarm":
            del resource["Properties"]["Metrics"]
            resource["Properties"] |= {"Namespace": "N", "MetricName": "M", "Statistic": "Sum", "Period": 60}
    return json.dumps(body)


def policy(**values):
    """The stand-alone policy; what is not given stays a placeholder."""
    text = POLICY.read_text()
    for name, value in values.items():
        text = text.replace("${" + name + "}", value)
    return json.loads(text)


def skip_unless(there, why):
    """Skips a test that cannot run here. Where Terraform and Node are installed for the tests, it is not skipped, and fails."""
    return unittest.skipUnless(there or "ECS_LIFECYCLE_REQUIRE_TERRAFORM_AND_NODE" in os.environ, why)


def as_list(value):
    return value if isinstance(value, list) else [value]


def actions(document):
    """Every action of a policy document."""
    return {action for statement in document["Statement"] for action in as_list(statement["Action"])}
