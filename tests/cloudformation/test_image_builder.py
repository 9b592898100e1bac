"""The component for EC2 Image Builder: its form, and its commands, run with stand-ins for what only the image has."""

import hashlib
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import jsonschema
import yaml

import template

COMPONENT = template.ROOT / "packer" / "image-builder.yaml"
TEXT = {"type": "string", "minLength": 1}
# From the user guide, "Document schema and definitions" and ExecuteBash; there is no published schema.
SCHEMA = {
    "type": "object",
    "required": ["schemaVersion", "phases"],
    "additionalProperties": False,
    "properties": {
        "name": TEXT,
        "description": TEXT,
        "schemaVersion": {"const": 1.0},
        "parameters": {
            "type": "array",
            "items": {
                "type": "object",
                "minProperties": 1,
                "maxProperties": 1,
                "propertyNames": {"pattern": "^[A-Za-z][A-Za-z0-9]{0,126}$"},
                "additionalProperties": {
                    "type": "object",
                    "required": ["type"],
                    "additionalProperties": False,
                    "properties": {
                        "type": {"const": "string"},
                        "description": TEXT,
                        "default": TEXT,
                        "allowedValues": {"type": "array", "items": TEXT},
                    },
                },
            },
        },
        "phases": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["name", "steps"],
                "additionalProperties": False,
                "properties": {
                    "name": {"enum": ["build", "validate", "test"]},
                    "steps": {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "type": "object",
                            "required": ["name", "action", "inputs"],
                            "additionalProperties": False,
                            "properties": {
                                "name": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,128}$"},
                                "action": {"const": "ExecuteBash"},
                                "timeoutSeconds": {"type": "integer", "minimum": -1},
                                "onFailure": {"enum": ["Abort", "Continue", "Ignore"]},
                                "maxAttempts": {"type": "integer", "minimum": 1},
                                "inputs": {
                                    "type": "object",
                                    "required": ["commands"],
                                    "additionalProperties": False,
                                    "properties": {"commands": {"type": "array", "minItems": 1, "items": TEXT}},
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}


class Component(unittest.TestCase):
    def setUp(self):
        self.document = yaml.safe_load(COMPONENT.read_text())
        self.root = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.package = self.root / "agent.rpm"
        self.package.write_bytes(b"not really an rpm")

    def step(self, name):
        (step,) = (step for phase in self.document["phases"] for step in phase["steps"] if step["name"] == name)
        (command,) = step["inputs"]["commands"]
        return command

    def tool(self, name, script):
        path = self.root / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def run_step(self, name, **parameters):
        command = re.sub(r"\{\{ (\w+) \}\}", lambda found: parameters[found[1]], self.step(name))
        command = command.replace("/var/lib/", f"{self.root}/var/lib/")
        return subprocess.run(
            ["bash", "-c", command],
            capture_output=True,
            text=True,
            timeout=60,
            env={"PATH": f"{self.root}:{os.environ['PATH']}", "TMPDIR": str(self.root)},
        )

    def test_form(self):
        jsonschema.validate(self.document, SCHEMA)
        for of in (self.document["phases"], *(phase["steps"] for phase in self.document["phases"])):
            names = [one["name"] for one in of]
            self.assertEqual(len(names), len(set(names)))
        # What is used is declared, and the other way round.
        declared = {name for parameter in self.document["parameters"] for name in parameter}
        self.assertEqual(set(re.findall(r"\{\{ (\w+) \}\}", COMPONENT.read_text())), declared)

    def test_install(self):
        self.tool("dnf", f'cat "$3" > {self.root}/installed')
        sum_of = hashlib.sha256(self.package.read_bytes()).hexdigest()
        done = self.run_step("Install", Package=self.package.as_uri(), Sha256=sum_of)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((self.root / "installed").read_bytes(), self.package.read_bytes())

    def test_another_package_is_not_installed(self):
        self.tool("dnf", f"touch {self.root}/installed")
        done = self.run_step("Install", Package=self.package.as_uri(), Sha256="0" * 64)
        self.assertNotEqual(done.returncode, 0)
        self.assertFalse((self.root / "installed").exists())

    def test_clean(self):
        self.tool("systemctl", f'echo "$@" > {self.root}/asked')
        for path in ("ecs/data", "private/ecs-lifecycle-agent"):
            (self.root / "var/lib" / path).mkdir(parents=True)
        self.assertEqual(self.run_step("Clean").returncode, 0)
        left = [path.name for path in (self.root / "var/lib").rglob("*")]
        self.assertEqual(sorted(left), ["ecs", "private"])
        self.assertTrue((self.root / "asked").read_text().startswith("stop "))

    def test_doctor(self):
        for doctor, enabled, expected in ((0, 0, 0), (1, 0, 0), (2, 0, 1), (0, 1, 1)):
            self.tool("systemctl", f"exit {enabled}")
            self.tool("ecs-lifecycle-agent", f'[ "$1" = check-config ] || exit {doctor}')
            self.assertEqual(self.run_step("Doctor").returncode, expected, (doctor, enabled))


if __name__ == "__main__":
    unittest.main()
