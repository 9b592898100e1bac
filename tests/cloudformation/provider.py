"""The names that the AWS provider knows, out of Pulumi's bindings, which are generated from the provider's schema.

The provider itself cannot be had where the tests run; the bindings are a package of PyPI. They name arguments as the
provider does, blocks that may be repeated in the plural, and a few things in their own way.
"""

import functools
import re
import zipfile

import template

WHEELS = template.ROOT / "target" / "provider"
# The provider's name for what the bindings call otherwise.
RENAMED = {("MetricAlarm", "alarm_name"): "name"}
# Of Terraform itself.
META = {"count", "for_each", "depends_on"}
MODULES = {
    "aws_autoscaling_group": ("autoscaling", "Group"),
    "aws_autoscaling_lifecycle_hook": ("autoscaling", "LifecycleHook"),
    "aws_autoscaling_policy": ("autoscaling", "Policy"),
    "aws_cloudwatch_dashboard": ("cloudwatch", "Dashboard"),
    "aws_cloudwatch_log_group": ("cloudwatch", "LogGroup"),
    "aws_cloudwatch_metric_alarm": ("cloudwatch", "MetricAlarm"),
    "aws_iam_instance_profile": ("iam", "InstanceProfile"),
    "aws_iam_role": ("iam", "Role"),
    "aws_iam_role_policy": ("iam", "RolePolicy"),
    "aws_iam_role_policy_attachment": ("iam", "RolePolicyAttachment"),
    "aws_launch_template": ("ec2", "LaunchTemplate"),
}


@functools.cache
def _source(path):
    (wheel,) = WHEELS.glob("pulumi_aws-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(f"pulumi_aws/{path}").decode()


def _of_class(text, name):
    begin = text.index(f"class {name}")
    end = text.find("\nclass ", begin + 1)
    return text[begin : end if end > 0 else None]


def _camel(name):
    return "".join(part.capitalize() for part in name.split("_"))


def _plurals(name):
    return {name, f"{name}s", f"{name[:-1]}ies"}


def unknown(kind, body):
    """What the provider does not know of a resource, as paths."""
    module, name = MODULES[kind]
    path = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    known = set(re.findall(r"(?m)^    def (\w+)\(self\)", _of_class(_source(f"{module}/{path}.py"), f"{name}Args:")))
    return list(_unknown(module, name, {key: value for key, value in body.items() if key not in META}, known, kind))


def _unknown(module, name, body, known, path):
    for key, value in body.items():
        if not known & _plurals(RENAMED.get((name, key), key)):
            yield f"{path}.{key}"
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            text = _source(f"{module}/_inputs.py")
            block = next(n for n in (name + _camel(key), name + _camel(key)[:-1]) if f"class {n}ArgsDict(" in text)
            inner = set(re.findall(r"(?m)^    (\w+): (?:NotRequired|pulumi)", _of_class(text, f"{block}ArgsDict(")))
            for one in value:
                yield from _unknown(module, block, one, inner, f"{path}.{key}")
