"""The user data, run as an instance would, in a directory instead of /."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import tomllib
import unittest

import template
from resolved import Resolved

AGENT = template.ROOT / "target" / "debug" / "ecs-lifecycle-agent"
CAPACITY = {"CapacityScaling": "true", "TaskCpu": 250, "TaskMemory": 400}


class FirstBoot(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        (self.root / "usr" / "bin").mkdir(parents=True)
        (self.root / "tools").mkdir()
        self.calls = self.root / "calls"
        for name in ("dnf", "systemctl"):
            self.executable(self.root / "tools" / name, f'echo {name} "$@" >> {self.calls}')

    def executable(self, path, script="exit 0"):
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def script(self, **parameters):
        return Resolved(**parameters)["LaunchTemplate"]["LaunchTemplateData"]["UserData"]

    def boot(self, baked=True, **parameters):
        """Runs it; returns its exit status and what it said."""
        if baked:
            self.executable(self.root / "usr" / "bin" / "ecs-lifecycle-agent")
        script = self.script(**parameters)
        # Every absolute path of the machine's becomes one below the directory.
        script = re.sub(r"(?<=\s)/(etc|usr)/", rf"{self.root}/\1/", script)
        script = script.replace("#!/bin/bash", "", 1)
        done = subprocess.run(
            ["bash", "-c", script],
            capture_output=True,
            text=True,
            timeout=30,
            env={"PATH": f"{self.root / 'tools'}:{os.environ['PATH']}"},
        )
        return done.returncode, done.stdout + done.stderr

    def drop_in(self):
        return self.root / "etc" / "ecs-lifecycle-agent" / "config.d" / "50-stack.toml"

    def configuration(self):
        return tomllib.loads(self.drop_in().read_text())

    def called(self):
        return self.calls.read_text().splitlines() if self.calls.exists() else []

    def test_ecs_config_is_written_once(self):
        self.assertEqual(self.boot(), (0, ""))
        self.assertEqual(self.boot(), (0, ""))
        written = (self.root / "etc" / "ecs" / "ecs.config").read_text()
        lines = [line for line in written.splitlines() if not line.startswith("#")]
        self.assertEqual(lines, ["ECS_CLUSTER=<Cluster>", "ECS_AWSVPC_BLOCK_IMDS=true"])
        self.assertEqual(len(re.findall(r">+\s*/etc/ecs/ecs\.config", self.script())), 1)
        # Whoever adds to it may add a password.
        self.assertEqual((self.root / "etc" / "ecs" / "ecs.config").stat().st_mode & 0o777, 0o600)

    def test_agent_is_configured(self):
        self.assertEqual(self.boot(DrainTimeout="2h"), (0, ""))
        hooks = Resolved()["AutoScalingGroup"]["LifecycleHookSpecificationList"]
        names = {hook["LifecycleTransition"]: hook["LifecycleHookName"] for hook in hooks}
        self.assertEqual(
            self.configuration(),
            {
                "drain": {"timeout": "2h", "result_on_timeout": "CONTINUE", "standalone_tasks": "wait"},
                "ready": {"timeout": "10m"},
                "autoscaling": {
                    "lifecycle_hook_name": names["autoscaling:EC2_INSTANCE_TERMINATING"],
                    "launch_hook_name": names["autoscaling:EC2_INSTANCE_LAUNCHING"],
                },
                "cloudformation": {
                    "stack_name": "fleet",
                    "logical_resource_id": "AutoScalingGroup",
                    "signal_drained": False,
                },
            },
        )
        # The agent runs as a user of its own.
        self.assertEqual(self.drop_in().stat().st_mode & 0o777, 0o644)
        self.assertEqual(self.drop_in().parent.stat().st_mode & 0o777, 0o755)
        self.assertEqual(self.called(), [])

    def test_drains_are_signalled_only_on_demand(self):
        self.assertEqual(self.boot(SignalDrains="true"), (0, ""))
        self.assertEqual(
            self.configuration()["cloudformation"],
            {"stack_name": "fleet", "logical_resource_id": "AutoScalingGroup", "signal_drained": True},
        )
        self.assertIn("AutoScalingGroup", template.load()["Resources"])

    def test_agent_sends_figures_where_asked(self):
        self.assertEqual(self.boot(), (0, ""))
        self.assertNotIn("metrics", self.configuration())
        self.assertEqual(self.boot(DrainMetrics="true"), (0, ""))
        self.assertEqual(
            self.configuration()["metrics"],
            {"emf_endpoint": "tcp://127.0.0.1:25888", "log_group": "<MetricsLogGroup>"},
        )
        self.assertNotIn("capacity", self.configuration())

    def test_agent_reports_capacity_where_asked(self):
        self.assertEqual(self.boot(**CAPACITY), (0, ""))
        self.assertIn("metrics", self.configuration())
        without = {"ports": [], "awsvpc": False, "task_enis": 0, "daemon_cpu": 0, "daemon_memory": 0}
        self.assertEqual(self.configuration()["capacity"], {"enabled": True, "cpu": 250, "memory": 400, **without})
        more = {"TaskPorts": "80/tcp,53/udp", "DaemonCpu": 64, "DaemonMemory": 128}
        self.assertEqual(self.boot(**CAPACITY, **more), (0, ""))
        capacity = self.configuration()["capacity"]
        self.assertEqual(capacity["ports"], ["80/tcp", "53/udp"])
        self.assertEqual((capacity["daemon_cpu"], capacity["daemon_memory"]), (64, 128))
        self.assertEqual(self.boot(**CAPACITY, TaskAwsvpc="true", TaskEnis=2), (0, ""))
        capacity = self.configuration()["capacity"]
        self.assertEqual((capacity["awsvpc"], capacity["task_enis"]), (True, 2))
        # The capacity provider excludes it.
        self.assertEqual(self.boot(**CAPACITY, CapacityProvider="true"), (0, ""))
        self.assertNotIn("capacity", self.configuration())

    def check_config(self, *arguments):
        if not AGENT.exists():
            self.skipTest(f"{AGENT} is not built: make test builds it")
        return subprocess.run(
            [AGENT, *arguments, "check-config"], capture_output=True, text=True, timeout=30, env={}
        )

    def accepted(self, **parameters):
        self.assertEqual(self.boot(**parameters), (0, ""))
        written = self.drop_in().read_text()
        self.drop_in().write_text(written.replace("<MetricsLogGroup>", "fleet-MetricsLogGroup-0123456789AB"))
        done = self.check_config("--config", self.drop_in())
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_agent_accepts_the_configuration(self):
        for parameters in ({}, {"SignalDrains": "true"}, {"TerminateHookAbandon": "retain"}, {"StandaloneTasks": "stop"}):
            with self.subTest(parameters):
                self.accepted(**parameters)

    def test_agent_accepts_the_configuration_of_figures(self):
        known = self.check_config().stdout
        for key in ("log_group", "[capacity]"):
            if key not in known:
                self.skipTest(f"this agent does not know {key}")
        ports = {"TaskPorts": "80/tcp,53/udp", "DaemonCpu": 64, "DaemonMemory": 128}
        for more in ({}, ports, {"TaskAwsvpc": "true", "TaskEnis": 2}):
            with self.subTest(more):
                self.accepted(**CAPACITY, **more)
        for parameters in ({"DrainMetrics": "true"}, {"DrainMetrics": "true", "TerminateHookAbandon": "retain"}):
            with self.subTest(parameters):
                self.accepted(**parameters)

    def test_agent_is_installed_where_asked(self):
        package = "https://example.com/agent-0.1.0-1.x86_64.rpm"
        self.assertEqual(self.boot(AgentPackage=package), (0, ""))
        self.assertEqual(
            self.called(),
            [f"dnf --assumeyes install {package}", "systemctl enable --now --no-block ecs-lifecycle-agent.service"],
        )

    def test_image_without_an_agent_says_so(self):
        status, said = self.boot(baked=False)
        self.assertEqual(status, 1)
        self.assertIn("AgentPackage", said)


class Image(unittest.TestCase):
    """What the image of "make ami" has for it."""

    PACKER = template.ROOT / "packer" / "files"

    def test_figures_go_where_the_cloudwatch_agent_listens(self):
        emf = json.loads((self.PACKER / "cloudwatch-agent.json").read_text())["logs"]["metrics_collected"]["emf"]
        script = Resolved(DrainMetrics="true")["LaunchTemplate"]["LaunchTemplateData"]["UserData"]
        self.assertIn(f'emf_endpoint = "{emf["service_address"]}"', script)
        # Without an address it listens on all of them, for any container.
        self.assertTrue(emf["service_address"].startswith("tcp://127.0.0.1:"))

    def test_first_boot_writes_for_root_only(self):
        root = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        agent = root / "bin" / "ecs-lifecycle-agent"
        agent.parent.mkdir()
        agent.write_text("#!/bin/sh\n")
        agent.chmod(0o755)
        given = root / "etc" / "ecs-image" / "first-boot.env"
        given.parent.mkdir(parents=True)
        given.write_text("ECS_CLUSTER=demo\nECS_ENGINE_AUTH_DATA=secret\nECS_LIFECYCLE_AGENT_DRAIN__TIMEOUT=7m\n")
        script = re.sub(r"=/(etc|var)/", rf"={root}/\1/", (self.PACKER / "first-boot").read_text())
        environment = {"PATH": f"{root / 'bin'}:{os.environ['PATH']}"}
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=30, env=environment)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        config = root / "etc" / "ecs" / "ecs.config"
        self.assertEqual(config.read_text(), "ECS_CLUSTER=demo\nECS_ENGINE_AUTH_DATA=secret\n")
        environment = root / "etc" / "ecs-lifecycle-agent" / "environment"
        self.assertEqual(environment.read_text(), "ECS_LIFECYCLE_AGENT_DRAIN__TIMEOUT=7m\n")
        for file in (config, environment, given):
            self.assertEqual(file.stat().st_mode & 0o777, 0o600, file)
            self.assertEqual(file.parent.stat().st_mode & 0o777, 0o755, file)


if __name__ == "__main__":
    unittest.main()
