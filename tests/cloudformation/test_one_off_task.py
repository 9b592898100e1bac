"""The function of the one-off task, as it is in the template: what it asks ECS for, and what CloudFormation is told."""

import http.server
import json
import threading
import types
import unittest
from unittest import mock

import boto3
from botocore.stub import ANY, Stubber

import template

TASK = "arn:aws:ecs:us-east-1:123456789012:task/fleet/0123456789abcdef0123456789abcdef"
DEFINITION = "arn:aws:ecs:us-east-1:123456789012:task-definition/web-one-off:7"
STACK = "arn:aws:cloudformation:us-east-1:123456789012:stack/web/00000000-0000-0000-0000-000000000000"
REQUEST = "11111111-2222-3333-4444-555555555555"
TIMEOUT = template.load(template.SERVICE)["Resources"]["OneOffFunction"]["Properties"]["Timeout"]


def container(name="one-off", **facts):
    return {"name": name, **facts}


def stopped(*containers, code="EssentialContainerExited", **facts):
    return {"tasks": [{"lastStatus": "STOPPED", "stopCode": code, "containers": list(containers), **facts}]}


RUNNING = {"tasks": [{"lastStatus": "RUNNING", "containers": [container()]}]}
ENDED = stopped(container(exitCode=0))


class Answers(http.server.BaseHTTPRequestHandler):
    """What CloudFormation's address is sent."""

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.headers["Content-Type"], body))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.end_headers()

    def log_message(self, *_):
        pass


class Function(unittest.TestCase):
    def setUp(self):
        # As Lambda does it: the text is the module index.
        text = template.load(template.SERVICE)["Resources"]["OneOffFunction"]["Properties"]["Code"]["ZipFile"]
        self.index = types.ModuleType("index")
        exec(compile(text, "index.py", "exec"), self.index.__dict__)
        self.now, self.slept = 0.0, []
        self.enterContext(mock.patch.object(self.index, "time", types.SimpleNamespace(sleep=self.sleep)))
        self.enterContext(mock.patch("builtins.print"))
        # Real clients: what is asked for and answered is held against the service's model.
        keys = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
        self.clients = {name: boto3.client(name, **keys) for name in ("ecs", "cloudformation")}
        self.ecs, self.cloudformation = (Stubber(client) for client in self.clients.values())
        fake = types.SimpleNamespace(client=lambda name, config: self.clients[name])
        self.enterContext(mock.patch.object(self.index, "boto3", fake))
        for stub in (self.ecs, self.cloudformation):
            stub.activate()
        self.server = http.server.HTTPServer(("127.0.0.1", 0), Answers)
        self.server.seen, self.server.statuses = [], []
        thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds

    def handle(self, kind="Create", more=None, **properties):
        """Calls it; returns what CloudFormation is told."""
        event = {
            "RequestType": kind,
            "RequestId": REQUEST,
            "StackId": STACK,
            "LogicalResourceId": "OneOffTask",
            "ResponseURL": f"http://127.0.0.1:{self.server.server_port}/answer",
            "ResourceProperties": {
                "Cluster": "fleet",
                "TaskDefinition": DEFINITION,
                "CapacityProvider": "",
                "OnRollback": "false",
                **properties,
            },
            **(more or {"PhysicalResourceId": "OneOffTask"} if kind != "Create" else {}),
        }
        context = types.SimpleNamespace(get_remaining_time_in_millis=lambda: int((TIMEOUT - self.now) * 1000))
        self.index.handler(event, context)
        kind, body = self.server.seen[-1]
        self.assertEqual(kind, "")
        self.assertLessEqual(len(body), 4096)
        answer = json.loads(body)
        self.assertEqual(
            {key: answer.get(key) for key in ("StackId", "RequestId", "LogicalResourceId", "PhysicalResourceId")},
            {
                "StackId": STACK,
                "RequestId": REQUEST,
                "LogicalResourceId": "OneOffTask",
                "PhysicalResourceId": "OneOffTask",
            },
        )
        for stub in (self.ecs, self.cloudformation):
            stub.assert_no_pending_responses()
        return answer["Status"], answer["Reason"]

    def run_task(self, answer=None, token=0, **more):
        expected = {
            "cluster": "fleet",
            "taskDefinition": DEFINITION,
            "count": 1,
            "launchType": "EC2",
            "clientToken": f"{REQUEST}-{token}",
            **more,
        }
        expected = {key: value for key, value in expected.items() if value is not None}
        self.ecs.add_response("run_task", answer or {"tasks": [{"taskArn": TASK}], "failures": []}, expected)

    def described(self, *answers):
        for answer in answers:
            self.ecs.add_response("describe_tasks", answer, {"cluster": "fleet", "tasks": [TASK]})

    def stack_is(self, status):
        stack = {"StackName": "web", "CreationTime": "2026-01-01T00:00:00Z", "StackStatus": status}
        self.cloudformation.add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": STACK})

    def failure(self, reason, token=0):
        self.run_task({"tasks": [], "failures": [{"arn": "arn", "reason": reason}]}, token)

    def test_it_runs_to_its_end(self):
        self.run_task()
        self.described({"tasks": [], "failures": [{"arn": TASK, "reason": "MISSING"}]}, RUNNING, RUNNING, ENDED)
        status, reason = self.handle()
        self.assertEqual(status, "SUCCESS")
        self.assertIn(TASK, reason)

    def test_network_and_capacity_provider(self):
        network = {"subnets": ["subnet-1", "subnet-2"], "securityGroups": ["sg-1"]}
        self.run_task(
            launchType=None,
            capacityProviderStrategy=[{"capacityProvider": "hosts"}],
            networkConfiguration={"awsvpcConfiguration": network},
        )
        self.described(ENDED)
        status, _ = self.handle(
            CapacityProvider="hosts", Subnets=network["subnets"], SecurityGroups=network["securityGroups"]
        )
        self.assertEqual(status, "SUCCESS")

    def test_a_deletion_runs_nothing(self):
        # Nor does it ask anything: no response is prepared.
        self.assertEqual(self.handle("Delete"), ("SUCCESS", "a deletion runs nothing"))

    def test_an_update_runs_it(self):
        # After a rollback that is over, too.
        self.stack_is("UPDATE_IN_PROGRESS")
        self.run_task()
        self.described(ENDED)
        self.assertEqual(self.handle("Update")[0], "SUCCESS")

    def test_a_rollback_runs_nothing(self):
        for status in ("UPDATE_ROLLBACK_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"):
            self.stack_is(status)
            self.assertEqual(self.handle("Update"), ("SUCCESS", "a rollback runs nothing"))

    def test_a_rollback_runs_it_where_asked(self):
        self.run_task()
        self.described(ENDED)
        self.assertEqual(self.handle("Update", OnRollback="true")[0], "SUCCESS")

    def test_where_it_is_not_known_whether_the_stack_rolls_back_nothing_runs(self):
        self.cloudformation.add_client_error("describe_stacks", "AccessDenied", "no")
        status, reason = self.handle("Update")
        self.assertEqual(status, "FAILED")
        self.assertIn("AccessDenied", reason)

    def test_placement_that_fails(self):
        self.failure("AGENT")
        self.assertEqual(self.handle(), ("FAILED", "RuntimeError: not placed: AGENT"))
        self.run_task({"tasks": [], "failures": []})
        self.assertEqual(self.handle(), ("FAILED", "RuntimeError: not placed: no reason given"))

    def test_no_room_yet(self):
        self.failure("RESOURCE:MEMORY", 0)
        self.failure("RESOURCE:CPU", 1)
        self.run_task(token=2)
        self.described(ENDED)
        self.assertEqual(self.handle()[0], "SUCCESS")

    def test_no_room_at_all(self):
        # As often as fits into its time.
        for token in range(53):
            self.failure("RESOURCE:MEMORY", token)
        self.assertEqual(self.handle(), ("FAILED", "RuntimeError: not placed: RESOURCE:MEMORY"))
        self.assertGreaterEqual(TIMEOUT - self.now, self.index.RESERVE)

    def test_a_role_that_does_not_count_yet(self):
        self.ecs.add_client_error("run_task", "AccessDeniedException", "not yet")
        self.run_task(token=1)
        self.described(ENDED)
        self.assertEqual(self.handle()[0], "SUCCESS")

    def test_a_role_that_never_counts(self):
        for _ in range(4):
            self.ecs.add_client_error("run_task", "AccessDeniedException", "never")
        status, reason = self.handle()
        self.assertEqual(status, "FAILED")
        self.assertIn("never", reason)

    def test_every_container_counts(self):
        self.run_task()
        self.described(stopped(container("first", exitCode=0), container("second", exitCode=3)))
        status, reason = self.handle()
        self.assertEqual(status, "FAILED")
        self.assertIn("'second': 3", reason)

    def test_a_container_that_never_started(self):
        self.run_task()
        failed = container(reason="CannotPullContainerError: no such image")
        self.described(stopped(failed, code="TaskFailedToStart", stoppedReason="Task failed to start"))
        status, reason = self.handle()
        self.assertEqual(status, "FAILED")
        self.assertIn("no such image", reason)

    def test_no_container_at_all(self):
        self.run_task()
        self.described(stopped())
        self.assertEqual(self.handle()[0], "FAILED")

    def test_stopped_by_somebody(self):
        # It has handled SIGTERM, but has not done its work.
        self.run_task()
        self.described(stopped(container(exitCode=0), code="UserInitiated", stoppedReason="by hand"))
        status, reason = self.handle()
        self.assertEqual(status, "FAILED")
        self.assertIn("by hand", reason)

    def test_it_does_not_outlive_its_time(self):
        self.run_task()
        self.described(*[RUNNING] * ((TIMEOUT - self.index.RESERVE) // 5))
        self.ecs.add_response("stop_task", {}, {"cluster": "fleet", "task": TASK, "reason": ANY})
        status, reason = self.handle()
        self.assertEqual(status, "FAILED")
        self.assertIn("not ended in time", reason)
        self.assertGreaterEqual(TIMEOUT - self.now, self.index.RESERVE)

    def test_what_cannot_be_followed_is_stopped(self):
        self.run_task()
        self.described(RUNNING)
        self.ecs.add_client_error("describe_tasks", "ServerException", "oh")
        self.ecs.add_response("stop_task", {}, {"cluster": "fleet", "task": TASK, "reason": ANY})
        status, reason = self.handle()
        self.assertEqual(status, "FAILED")
        self.assertIn("ServerException", reason)

    def test_a_stop_that_fails_does_not_hide_why(self):
        self.run_task()
        self.ecs.add_client_error("describe_tasks", "ServerException", "first")
        self.ecs.add_client_error("stop_task", "ServerException", "second")
        self.assertIn("first", self.handle()[1])

    def test_a_task_that_is_gone(self):
        self.run_task()
        self.described(*[{"tasks": [], "failures": []}] * 13)
        self.ecs.add_response("stop_task", {}, {"cluster": "fleet", "task": TASK, "reason": ANY})
        self.assertIn("is gone", self.handle()[1])

    def test_the_answer_is_repeated(self):
        self.server.statuses = [503, 503, 200]
        self.assertEqual(self.handle("Delete")[0], "SUCCESS")
        self.assertEqual(len(self.server.seen), 3)

    def test_an_answer_that_does_not_arrive_is_an_error(self):
        self.server.statuses = [503] * 3
        with self.assertRaises(OSError):
            self.handle("Delete")

    def test_a_long_reason_fits_into_the_answer(self):
        self.run_task()
        self.described(stopped(container(reason="x" * 9000)))
        self.assertEqual(self.handle()[0], "FAILED")

    def test_its_id_never_changes(self):
        # handle() compares it: with what came, and without.
        self.stack_is("UPDATE_ROLLBACK_IN_PROGRESS")
        self.handle("Update")
        self.run_task()
        self.described(ENDED)
        self.handle("Create")

    def test_what_it_keeps_of_its_time_is_enough(self):
        calls = self.index.CALLS
        a_call = calls.retries["total_max_attempts"] * (calls.connect_timeout + calls.read_timeout) + 2
        an_answer = 3 * 5 + 3
        # The call that was under way when time was over, StopTask, the answer.
        self.assertLess(2 * a_call + an_answer, self.index.RESERVE)


class Around(unittest.TestCase):
    """What the template says about the function."""

    def setUp(self):
        self.resources = template.load(template.SERVICE)["Resources"]

    def test_cloudformation_waits_for_longer_than_the_function_runs(self):
        waits = self.resources["OneOffTask"]["Properties"]["ServiceTimeout"]
        self.assertTrue(TIMEOUT < waits <= 3600, waits)

    def test_it_is_called_once(self):
        once = self.resources["OneOffFunctionOnce"]["Properties"]
        self.assertEqual(once["MaximumRetryAttempts"], 0)
        self.assertIn("OneOffFunctionOnce", self.resources["OneOffTask"]["DependsOn"])

    def test_the_service_waits_for_it(self):
        self.assertIn('{"Ref": "OneOffTask"}', json.dumps(self.resources["Service"]["Properties"]["Tags"]))

    def test_its_role_allows_what_it_calls(self):
        (policy,) = self.resources["OneOffFunctionRole"]["Properties"]["Policies"]
        text = self.resources["OneOffFunction"]["Properties"]["Code"]["ZipFile"]
        calls = {"run_task": "ecs:RunTask", "describe_tasks": "ecs:DescribeTasks", "stop_task": "ecs:StopTask"}
        calls["describe_stacks"] = "cloudformation:DescribeStacks"
        self.assertEqual([call for call in calls if f".{call}(" not in text], [])
        beside = {"iam:PassRole", "logs:CreateLogStream", "logs:PutLogEvents"}
        self.assertEqual(template.actions(policy["PolicyDocument"]), set(calls.values()) | beside)
        for statement in policy["PolicyDocument"]["Statement"]:
            self.assertNotEqual(statement["Resource"], "*")


if __name__ == "__main__":
    unittest.main()
