"""The Terraform module, evaluated by Terraform without the AWS provider, which cannot be had here.

Each resource becomes an object among the module's locals, with blocks as lists, and a reference to another resource's
attribute a text in angle brackets. What `terraform fmt` writes is regular enough to do that line by line. Terraform then
checks the whole and computes it: variables with their types and validations, functions, templates.
"""

import json
import pathlib
import re
import subprocess
import tempfile

import template

DATA = {
    "data.aws_partition.current.partition": "aws",
    "data.aws_region.current.region": "us-east-1",
    "data.aws_caller_identity.current.account_id": "123456789012",
}
_BLOCK = re.compile(r"^( *)([a-z_]+) \{$")
_DYNAMIC = re.compile(r'^( *)dynamic "([a-z_]+)" \{$')
_RESOURCE = re.compile(r'^resource "([a-z_]+)" "([a-z_]+)" \{$')
_REFERENCE = re.compile(r"(\bone\()?\b(aws_[a-z_]+\.[a-z_]+)(\[\*\])?((?:\.[a-z_]+)?)(?(1)\))")


def without_provider(text):
    """The text of a module's file with resources as locals."""
    out, dynamic, number = [], [], 0
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith(("data ", "terraform ", "output ")):
            while line != "}" and not line.endswith("{}"):
                line = next(lines)
            continue
        if found := _RESOURCE.match(line):
            count, body = "1", []
            for line in lines:
                if line == "}":
                    break
                number += 1
                if line.startswith("  count = "):
                    count = _references(line.removeprefix("  count = "))
                else:
                    body += _converted(line, dynamic, number)
            # What there is none of need not make sense: null, and nothing is said about the rest.
            out += ["locals {", f"  {found[1]}__{found[2]} = ({count}) == 0 ? null : {{", *body, "  }", "}"]
            continue
        out.append(_references(line))
    return "\n".join(out) + "\n"


def _converted(line, dynamic, number):
    indent = len(line) - len(line.lstrip())
    if found := _DYNAMIC.match(line):
        dynamic.append({"name": found[2], "indent": indent, "number": number})
        return []
    if dynamic:
        inner = dynamic[-1]
        name = inner["name"]
        if indent == inner["indent"] + 2 and line.strip().startswith("for_each"):
            each = _references(line.split("=", 1)[1].strip())
            return [f'{" " * indent}"{name}#{inner["number"]}" = [for {name}_key, {name}_value in {each} : {{']
        if indent == inner["indent"] + 2 and line.strip() == "content {":
            return []
        if indent == inner["indent"] + 2 and line.strip() == "}":
            return [" " * indent + "}]"]
        if indent == inner["indent"] and line.strip() == "}":
            dynamic.pop()
            return []
        line = re.sub(rf"\b{name}\.(key|value)\b", rf"{name}_\1", line)
    if found := _BLOCK.match(line):
        return [f'{found[1]}"{found[2]}#{number}" = {{']
    return [_references(line)]


def _references(line):
    for name, value in DATA.items():
        line = line.replace(name, json.dumps(value))
    return _REFERENCE.sub(_reference, line).replace("each.key", '"<each.key>"')


def _reference(found):
    one, name, all_of_them, attribute = found.groups()
    text = f'"<{name}{attribute}>"'
    # one(aws_x.y[*].z) is a text, aws_x.y[*].z a list of one.
    return f"[{text}]" if all_of_them and not one else text


class Module:
    """The module with given variables: `self["aws_autoscaling_group.this"]`, or None where it has none of that."""

    def __init__(self, **variables):
        with tempfile.TemporaryDirectory() as root:
            directory = pathlib.Path(root) / "terraform"
            directory.mkdir()
            (pathlib.Path(root) / "cloudformation").symlink_to(template.POLICY.parent)
            names = []
            for path in sorted(template.TERRAFORM.iterdir()):
                if path.suffix == ".tf":
                    text = path.read_text()
                    names += ["__".join(found) for found in re.findall(r'(?m)^resource "(\w+)" "(\w+)" \{$', text)]
                    (directory / path.name).write_text(without_provider(text))
                elif path.suffix == ".tftpl":
                    (directory / path.name).write_text(path.read_text())
            (directory / "given.auto.tfvars.json").write_text(json.dumps(variables))
            checked = _terraform(directory, "validate", "-no-color")
            if checked.returncode:
                raise ValueError(checked.stdout + checked.stderr)
            every = "{" + ", ".join(f"{name} = local.{name}" for name in names) + "}"
            done = _terraform(directory, "console", given=f"jsonencode({every})\n")
            if done.returncode:
                raise ValueError(done.stderr)
            evaluated = json.loads(json.loads(done.stdout))
        self.resources = {
            name.replace("__", "."): _grouped(body)
            for name, body in evaluated.items()
            if body is not None and body.get("for_each") != []
        }

    def __getitem__(self, name):
        return self.resources.get(name)


def _terraform(directory, *arguments, given=None):
    return subprocess.run(
        ["terraform", *arguments], cwd=directory, input=given, capture_output=True, text=True, timeout=120
    )


def _grouped(value):
    """Blocks, numbered until now, as lists; what is null is left out, as Terraform does."""
    if isinstance(value, list):
        return [_grouped(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    blocks, attributes = {}, {}
    for key, inner in value.items():
        if inner is None:
            continue
        name, _, number = key.partition("#")
        if number:
            blocks.setdefault(name, []).append((int(number), _grouped(inner)))
        else:
            attributes[name] = _grouped(inner)
    for name, found in blocks.items():
        in_order = (body for _, body in sorted(found, key=lambda pair: pair[0]))
        if every := [one for body in in_order for one in (body if isinstance(body, list) else [body])]:
            attributes[name] = every
    return attributes
