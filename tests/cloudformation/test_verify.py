"""examples/verify-on-aws: its answers from what it may see, and all of its steps as far as emulators go."""

import contextlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import unittest.mock

import emulators
import template

EXAMPLE = template.ROOT / "examples" / "verify-on-aws"
SIMULATOR = template.ROOT / "target" / "debug" / "ecs-lifecycle-simulator"
AGENT = template.ROOT / "target" / "debug" / "ecs-lifecycle-agent"
sys.path.insert(0, str(EXAMPLE))

import questions  # noqa: E402
import report  # noqa: E402
import verify  # noqa: E402
from account import Account, Stack  # noqa: E402
from timeline import Timeline  # noqa: E402
from watch import LAUNCHING, TERMINATING, Watcher  # noqa: E402

STATE = questions.STATE


class Answers(unittest.TestCase):
    def timeline(self, *observations):
        return Timeline(observations=[dict(observation) for observation in observations])

    def answer(self, number, *observations):
        found = {each[0]: each for each in questions.answers(self.timeline(*observations))}
        return found[number][2], found[number][3]

    def step(self, name, *within, outcome="done"):
        begin = {"at": "2026-01-01T00:00:00Z", "kind": "step", "name": name, "what": "begin"}
        end = {"at": "2026-01-01T01:00:00Z", "kind": "step", "name": name, "what": "end", "outcome": outcome}
        return [begin, *({"at": f"2026-01-01T00:{n:02}:00Z", **each} for n, each in enumerate(within, 1)), end]

    def signal(self, instance):
        reason = f"Received SUCCESS signal with UniqueId {instance}"
        return {"kind": "stack-event", "resource": "AutoScalingGroup", "status": "UPDATE_IN_PROGRESS", "reason": reason}

    def test_numbers_are_those_of_the_document(self):
        text = (template.ROOT / "docs" / "tested.md").read_text()
        table = text.split("## What nobody could verify [?]")[1].split("\n## ")[0]
        numbers = [int(number) for number in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)]
        self.assertEqual(numbers, list(questions.QUESTIONS))

    def test_command_installs_what_was_tested(self):
        pinned = re.search(r"boto3==\S+", (template.ROOT / "tests" / "requirements.txt").read_text())[0]
        self.assertIn(pinned, (EXAMPLE / "verify").read_text())

    def test_nothing_seen(self):
        for number, question, known, evidence in questions.answers(self.timeline()):
            self.assertIsNone(known, question)
            self.assertTrue(evidence and evidence[0], question)

    def test_a_step_that_failed_says_why(self):
        failed = "not shown: the group to settle: not within 15 minutes"
        known, evidence = self.answer(6, *self.step("warm_pool", outcome=failed))
        self.assertIsNone(known)
        self.assertIn(failed, evidence[0])

    def test_signals_of_terminated_instances(self):
        old = {"kind": "old-instances", "instances": ["i-0a", "i-0b"]}
        known, _ = self.answer(1, *self.step("rolling_update", old, self.signal("i-0c"), self.signal("i-0a")))
        self.assertIn("counts them", known)
        known, evidence = self.answer(1, *self.step("rolling_update", old, self.signal("i-0c")))
        self.assertIn("none of them", known)
        self.assertIn("new", evidence[0])
        known, _ = self.answer(1, *self.step("rolling_update", old))
        self.assertIsNone(known)

    def test_signals_outside_the_step_do_not_count(self):
        early = {"at": "2025-12-31T00:00:00Z", **self.signal("i-0a")}
        self.assertIsNone(self.answer(1, early, *self.step("rolling_update"))[0])
        self.assertIsNone(self.answer(11, early, *self.step("instance_refresh"))[0])
        old = {"kind": "old-instances", "instances": ["i-0b"]}
        kept = {"kind": "instance-state", "subject": "i-0b", "value": "Pending:Wait"}
        self.assertIsNone(self.answer(11, *self.step("instance_refresh", old, kept))[0])
        came = {**kept, "subject": "i-0a"}
        known, _ = self.answer(11, early, *self.step("instance_refresh", old, came))
        self.assertEqual(known, "they leave no event")
        known, _ = self.answer(11, *self.step("instance_refresh", old, came, self.signal("i-0a")))
        self.assertEqual(known, "it counts them as an event")

    def test_tags(self):
        def tag(key, value):
            path = f"meta-data/tags/instance/aws:cloudformation:{key}"
            return {"at": "2026", "kind": "metadata", "subject": "i-0a", "path": path, "value": value}

        self.assertEqual(self.answer(2, tag("stack-name", "s"), tag("logical-id", "AutoScalingGroup"))[0], "they do")
        self.assertIn("do not", self.answer(2, tag("stack-name", "404"), tag("logical-id", "404"))[0])

    def test_protected_tasks(self):
        def stopped(at):
            protected = {"at": "2026", "kind": "protected", "subject": "t", "until": "2026-01-01T00:04:00"}
            return protected, {"at": "2026", "kind": "protected-stopped", "subject": "t", "stopping": at}

        self.assertIn("before", self.answer(4, *stopped("2026-01-01T00:01:00"))[0])
        self.assertIn("waits", self.answer(4, *stopped("2026-01-01T00:04:05"))[0])

    def test_states(self):
        def state(value, subject="i-0a"):
            return {"kind": "instance-state", "subject": subject, "value": value}

        moved = {"kind": "to-warm-pool", "subject": "i-0a"}
        path = ["Warmed:Pending", "Warmed:Pending:Wait", "Warmed:Stopped"]
        known, _ = self.answer(6, *self.step("warm_pool", *map(state, path), state("InService", "i-0b"), moved))
        self.assertEqual(known, " → ".join(path))
        abandoned = {"kind": "abandoned", "subject": "i-0a"}
        for states, expected in ((["Terminating", "Terminating:Wait"], "they run"), (["Terminating"], "they do not run")):
            known, _ = self.answer(7, *self.step("abandoned_launch", abandoned, *map(state, states)))
            self.assertEqual(known, expected)
        seen = [{"at": at, "kind": "metadata", "subject": "i-0a", "path": STATE, "value": value}
                for at, value in (("1", "404"), ("3", "Terminated"), ("2", "InService"))]
        self.assertEqual(self.answer(18, *seen)[1], ["i-0a: 404 → InService → Terminated"])

    def test_scaling_and_retention(self):
        alarm = {"at": "1", "kind": "alarm", "subject": "a", "before": 2}
        self.assertEqual(self.answer(13, alarm)[0], "it does not")
        self.assertEqual(self.answer(13, alarm, {"at": "2", "kind": "scaled-out", "before": 2, "after": 3})[0], "it does")
        tag = {"at": "1", "kind": "bound-by-tag"}
        waits = {"kind": "instance-state", "subject": "i-0a", "value": "Pending:Wait"}
        self.assertIn("it is not", self.answer(12, *self.step("stack_tag", tag, waits))[0])
        self.assertIsNone(self.answer(12, *self.step("stack_tag", tag))[0])
        joined = {"kind": "joined-by-tag", "instances": ["i-0a"]}
        states = [{"kind": "instance-state", "subject": "i-0a", "value": value} for value in ("Pending:Wait", "InService")]
        self.assertIn("it is:", self.answer(12, *self.step("stack_tag", *states, joined))[0])
        self.assertIsNone(self.answer(12, *self.step("stack_tag", states[1], joined))[0])
        minutes = [{"at": "1", "kind": "minute", "minute": "m", "reporting": n, "in_service": 2} for n in (2, 2, 1)]
        self.assertEqual(self.answer(14, *minutes)[0], "in 2 of 3 minutes the two are the same")
        retained = {"at": "1", "kind": "retained", "subject": "i-0a"}
        for value, expected in ((1, "it counts"), (0, "it does not count")):
            metric = {"at": "2", "kind": "group-metric", "subject": "GroupTerminatingInstances", "values": [0, value]}
            self.assertEqual(self.answer(16, retained, metric)[0], expected)
        failed = {"at": "3", "kind": "delete-with-retained", "value": "DELETE_FAILED"}
        self.assertEqual(self.answer(17, retained, failed)[0], "the deletion ends with DELETE_FAILED")

    def test_capacity_provider(self):
        for kept, expected in ((True, "it does"), (False, "it does not")):
            updated = {"kind": "updated-without-the-tag", "kept": kept}
            self.assertEqual(self.answer(8, *self.step("capacity_provider", updated))[0], expected)
        for left, expected in (([], "it does"), (["hook"], "it does not: the hook is left")):
            off = {"kind": "managed-draining-off", "hooks": ["hook"], "left": left}
            self.assertEqual(self.answer(9, *self.step("capacity_provider", off))[0], expected)

    def test_replaced_root_volume(self):
        def state(value):
            return {"kind": "instance-state", "subject": "i-0a", "value": value}

        def metadata(value, at):
            return {"at": at, "kind": "metadata", "subject": "i-0a", "path": STATE, "value": value}

        states = [state(f"ReplacingRootVolume{stage}") for stage in ("", ":Wait", ":Proceed")]
        before, later = metadata("InService", "2025"), metadata("Terminated", "2026-01-01T00:01:30Z")
        after = metadata("InService", "2026-01-01T00:04:00Z")
        for seen, expected in (([before], "InService"), ([before, later], "Terminated"), ([before, later, after], "Terminated")):
            known, evidence = self.answer(22, *seen, *self.step("root_volume", *states))
            self.assertTrue(known.endswith(f": {expected}"), known)
            self.assertEqual(len(evidence), len(states) + len(seen))
        self.assertIsNone(self.answer(22, before, *self.step("root_volume", states[0]))[0])
        self.assertIsNone(self.answer(22, *self.step("root_volume", *states))[0])

    def test_name_of_the_group(self):
        for name, expected in (("s-AutoScalingGroup-1", "this one is named so"), ("s-1", "this one is not named so")):
            group = {"at": "1", "kind": "group", "subject": name, "stack": "s"}
            self.assertEqual(self.answer(27, group)[0], expected)

    def test_report_names_no_account(self):
        error = {"at": "1", "kind": "watch-error", "subject": "s", "value": "arn:aws:iam::123456789012:role/r | x"}
        text = report.write(self.timeline(error), {"Region": "r"})
        self.assertNotIn("123456789012", text)
        self.assertIn("arn:aws:iam::ACCOUNT:role/r \\| x", text)
        self.assertIn(f"## Answers: 0 of {len(questions.QUESTIONS)}", text)


class Watching(unittest.TestCase):
    """An instance whose root volume is replaced."""

    def setUp(self):
        self.account, self.timeline = unittest.mock.MagicMock(), Timeline()
        self.watcher = Watcher(self.account, unittest.mock.MagicMock(), self.timeline)
        self.watcher.run_on = unittest.mock.Mock(return_value="2026-01-01T00:00:00Z\tpath\t200\tvalue\n")

    def released(self):
        return [call.kwargs["LifecycleHookName"] for call in self.account.autoscaling.complete_lifecycle_action.mock_calls]

    def test_it_is_watched_again_on_its_new_disk(self):
        self.watcher._attend("i-0a", "InService")
        self.watcher._attend("i-0a", "ReplacingRootVolume:Wait")
        self.assertEqual(self.released(), [TERMINATING])
        self.assertEqual([o["value"] for o in self.timeline.of("metadata")], ["value"])
        self.watcher.run_on.reset_mock()
        self.watcher._attend("i-0a", "Pending:Wait")
        self.assertIn("install", self.watcher.run_on.mock_calls[0].args[-1])
        self.assertIn(LAUNCHING, self.released())

    def test_what_it_has_left_behind_is_not_its_state(self):
        def host(status, connected):
            counts = {"runningTasksCount": 0, "pendingTasksCount": 0}
            return {"ec2InstanceId": "i-0a", "status": status, "agentConnected": connected, **counts}

        self.watcher._stack.outputs = {"ClusterName": "c"}
        found = {"containerInstances": [host("ACTIVE", True), host("DRAINING", False)]}
        self.account.ecs.list_container_instances.return_value = {"containerInstanceArns": ["a"]}
        self.account.ecs.describe_container_instances.return_value = found
        self.watcher._tasks()
        self.assertEqual([o["value"] for o in self.timeline.of("container-instance")], ["ACTIVE"])


class Emulated:
    """From the first step to the last: what the emulator does not do is said, and nothing is left behind."""

    def test_all_steps(self):
        out = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        environment = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        self.enterContext(unittest.mock.patch.dict(os.environ, environment))
        aws = self.enterContext(self.emulator())
        vpc, subnets = aws.network()
        arguments = ["--vpc", vpc, "--subnets", ",".join(subnets), "--image", self.make_image(aws), "--yes"]
        arguments += ["--region", emulators.REGION, "--endpoint-url", aws.endpoint, "--patience", "0.002"]
        arguments += ["--out", str(out), *self.more]
        with open(out / "said", "w") as said, contextlib.redirect_stdout(said):
            status = verify.main(arguments)
        text = next(out.glob("*/report.md")).read_text()
        self.assertEqual(status, 0, text + (out / "said").read_text())
        steps = dict(re.findall(r"^\| (\w+) \| \d\S+ \| \d\S+ \| (.*) \|$", text, re.MULTILINE))
        self.assertEqual(list(steps)[:2] + list(steps)[-1:], ["join", "switch_off_later", "clean_up"])
        self.assertEqual((steps["switch_off_later"], steps["clean_up"]), ("done", "done"), text)
        for outcome in steps.values():
            # Nothing goes wrong in any other way than that the emulator does not do it.
            self.assertRegex(outcome, "^(done|not shown: |refused: )", text)
        # Steps that an emulator lets pass, as it puts instances into service at once and replaces none, answer nothing.
        # It does name the group.
        answered = re.findall(r"^### (\d+)\. .*\n\n(?!Not seen)", text, re.MULTILINE)
        self.assertEqual(answered, ["27"], text)
        alive = [
            stack["StackName"]
            for stack in aws.client("cloudformation").list_stacks()["StackSummaries"]
            if stack["StackStatus"] != "DELETE_COMPLETE"
        ]
        self.assertEqual(alive, [])
        filters = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]
        self.assertEqual(aws.client("ec2").describe_instances(Filters=filters)["Reservations"], [])


class Moto(Emulated, unittest.TestCase):
    emulator = staticmethod(emulators.moto)
    more = ()

    @staticmethod
    def make_image(aws):
        return aws.client("ec2").register_image(Name="custom", RootDeviceName="/dev/xvda")["ImageId"]


class Ministack(Emulated, unittest.TestCase):
    emulator = staticmethod(emulators.ministack)
    # Its CloudFormation makes no alarm of metric math.
    more = ("--parameter", "ImageParameter=/image", "--parameter", "CapacityScaling=false")

    @staticmethod
    def make_image(aws):
        aws.client("ssm").put_parameter(Name="/image", Value="ami-0123456789abcdef0", Type="String")
        return "ami-0123456789abcdef0"


class Simulated(unittest.TestCase):
    """What is watched of one drain: the real agent, this project's simulator, both real watchers."""

    def start(self, command, **environment):
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={"PATH": os.environ["PATH"], **environment}
        )
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def simulator(self, *arguments):
        """What it tells to export, its introspection endpoint, and its instance."""
        process = self.start([SIMULATOR, *arguments])
        told, introspection, instance = {}, None, None
        while "AWS_ACCESS_KEY_ID" not in told:
            line = process.stdout.readline()
            self.assertTrue(line, "the simulator has ended")
            told |= dict(pair.split("=", 1) for pair in line.removeprefix("export ").split() if line.startswith("export "))
            introspection = line.split()[-1] if "introspection" in line else introspection
            instance = instance or next(iter(re.findall(r"# instance (i-\w+)", line)), None)
        # The rest is what happens: read, so that it never waits for a reader.
        threading.Thread(target=process.stdout.read, daemon=True).start()
        return told, introspection, instance

    def until(self, what, look, seconds=60):
        deadline = time.monotonic() + seconds
        while not look():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.1)

    def test_a_drain(self):
        for binary in (SIMULATOR, AGENT):
            if not binary.exists():
                self.skipTest(f"{binary} is not built: make test builds it")
        directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        told, introspection, instance = self.simulator("--stop", "5", "--for", "180")
        metadata = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": told["AWS_EC2_METADATA_SERVICE_ENDPOINT"]}
        with open(directory / "metadata", "w") as log:
            watching = subprocess.Popen(
                [EXAMPLE / "watch-metadata"], stdout=log, env={"PATH": os.environ["PATH"], **metadata}
            )
        self.addCleanup(watching.wait)
        self.addCleanup(watching.kill)
        settings = {
            "ECS__INTROSPECTION_ENDPOINT": introspection,
            **{"AGENT__STATE_DIRECTORY": str(directory), "AGENT__SOCKET": str(directory / "agent.sock")},
            **{"READY__DIRECTORY": str(directory / "ready.d"), "EXECUTABLES__DIRECTORY": str(directory / "hooks.d")},
            "LOG__TARGET": "terminal",
        }
        credentials = {key: told[key] for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        endpoints = {key: value for key, value in told.items() if key.startswith("AWS_E")}
        environment = {f"ECS_LIFECYCLE_AGENT_{key}": value for key, value in settings.items()}
        agent = self.start([AGENT, "--config", "/dev/null"], **environment, **endpoints)
        threading.Thread(target=agent.stdout.read, daemon=True).start()

        self.enterContext(unittest.mock.patch.dict(os.environ, credentials))
        account = Account("us-east-1", told["AWS_ENDPOINT_URL"], patience=0.1)
        stack = Stack(account, "fleet", {})
        stack.outputs = {"AutoScalingGroupName": "demo-asg", "ClusterName": "demo"}
        timeline = Timeline()
        watcher = Watcher(account, stack, timeline)
        watcher.start()
        self.addCleanup(watcher.stop)

        def seen(kind):
            return [o["value"] for o in timeline.of(kind) if o["subject"] == instance]

        self.until("the instance to be seen", lambda: "InService" in seen("instance-state") and "ACTIVE" in seen("container-instance"))
        self.until("metadata to be read", lambda: STATE in (directory / "metadata").read_text())
        account.autoscaling.terminate_instance_in_auto_scaling_group(
            InstanceId=instance, ShouldDecrementDesiredCapacity=False
        )
        self.until("the instance to go", lambda: "gone" in seen("instance-state"))
        states = seen("instance-state")
        self.assertEqual((states[0], states[-1]), ("InService", "gone"))
        self.assertIn("Terminating:Wait", states)
        hosts = [(o["value"], o["tasks"]) for o in timeline.of("container-instance") if o["subject"] == instance]
        self.assertEqual(hosts[0], ("ACTIVE", 3))
        self.assertIn("DRAINING", [status for status, _ in hosts])
        watcher.take(instance, (directory / "metadata").read_text())
        answers = {each[0]: each for each in questions.answers(timeline)}
        self.assertRegex(answers[18][3][0], f"^{instance}: InService → Terminated")


if __name__ == "__main__":
    unittest.main()
