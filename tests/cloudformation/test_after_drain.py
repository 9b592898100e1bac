"""The example that notifies, run as the agent runs it: what a webhook gets, what an event bus gets, and what a failure is."""

import http.server
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import unittest

import boto3
from botocore.stub import Stubber

import template

NOTIFY = template.ROOT / "examples" / "after-drain" / "notify"
FACTS = {
    "ECS_LIFECYCLE_EVENT": "after-drain",
    "ECS_LIFECYCLE_INSTANCE_ID": "i-0ab00000000000001",
    "ECS_LIFECYCLE_REGION": "eu-central-1",
    "ECS_LIFECYCLE_CLUSTER": "fleet",
    "ECS_LIFECYCLE_CONTAINER_INSTANCE_ARN": "arn:aws:ecs:eu-central-1:123456789012:container-instance/fleet/0123",
    # More than there is, but nothing of it may break the JSON.
    "ECS_LIFECYCLE_REASON": 'target lifecycle state "Terminated" \\ new\nline',
    "ECS_LIFECYCLE_OUTCOME": "drained",
}
EXPECTED = {
    "instanceId": "i-0ab00000000000001",
    "region": "eu-central-1",
    "cluster": "fleet",
    "containerInstanceArn": FACTS["ECS_LIFECYCLE_CONTAINER_INSTANCE_ARN"],
    "reason": 'target lifecycle state "Terminated" \\ newline',
    "outcome": "drained",
}


class Webhook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, self.headers["Content-Type"], json.loads(body)))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_):
        pass


class Notify(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.server = http.server.HTTPServer(("127.0.0.1", 0), Webhook)
        self.server.seen, self.server.status = [], 200
        thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        # An AWS CLI that writes down what it was asked for.
        aws = self.directory / "aws"
        aws.write_text(
            f"#!{sys.executable}\nimport json, os, sys\n"
            f"json.dump(sys.argv[1:], open('{self.directory}/asked', 'w'))\nprint(os.environ['FAILED'])\n"
        )
        aws.chmod(0o755)

    def run_it(self, configuration, failed=0, **more):
        """Returns its status and what it said."""
        (self.directory / "notify.conf").write_text(configuration)
        done = subprocess.run(
            [NOTIFY],
            capture_output=True,
            text=True,
            timeout=60,
            env={
                "PATH": f"{self.directory}:{os.environ['PATH']}",
                "NOTIFY_CONFIG": str(self.directory / "notify.conf"),
                "FAILED": str(failed),
                **FACTS,
                **more,
            },
        )
        return done.returncode, done.stdout + done.stderr

    def webhook(self):
        return f"WEBHOOK_URL=http://127.0.0.1:{self.server.server_port}/T0/secret\n"

    def test_webhook(self):
        self.assertEqual(self.run_it(self.webhook()), (0, ""))
        ((path, kind, body),) = self.server.seen
        self.assertEqual((path, kind), ("/T0/secret", "application/json"))
        self.assertTrue(body.pop("text").startswith("i-0ab00000000000001 of fleet: drained (target lifecycle state"))
        self.assertEqual(body, EXPECTED)

    def test_a_webhook_that_refuses_is_a_failure(self):
        self.server.status = 403
        status, said = self.run_it(self.webhook())
        self.assertNotEqual(status, 0)
        self.assertIn("403", said)
        self.assertNotIn("secret", said)

    def test_an_instance_of_no_cluster(self):
        self.assertEqual(self.run_it(self.webhook(), ECS_LIFECYCLE_CLUSTER="")[0], 0)
        self.assertIn("of no cluster", self.server.seen[0][2]["text"])

    def test_only_what_went_wrong(self):
        configuration = self.webhook() + "ONLY=timed-out\n"
        self.assertEqual(self.run_it(configuration), (0, ""))
        self.assertEqual(self.server.seen, [])
        self.assertEqual(self.run_it(configuration, ECS_LIFECYCLE_OUTCOME="timed-out"), (0, ""))
        self.assertEqual(self.server.seen[0][2]["outcome"], "timed-out")

    def test_event_bus(self):
        self.assertEqual(self.run_it("EVENT_BUS=default\n"), (0, ""))
        asked = json.loads((self.directory / "asked").read_text())
        self.assertEqual(asked[:4], ["events", "put-events", "--region", "eu-central-1"])
        entries = json.loads(asked[asked.index("--entries") + 1])
        # As the service's model has it.
        client = boto3.client("events", region_name="eu-central-1", aws_access_key_id="t", aws_secret_access_key="t")
        with Stubber(client) as stub:
            stub.add_response("put_events", {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}, {"Entries": entries})
            client.put_events(Entries=entries)
        (entry,) = entries
        self.assertEqual((entry["Source"], entry["EventBusName"]), ("ecs-lifecycle-agent", "default"))
        self.assertEqual(json.loads(entry["Detail"]), EXPECTED)

    def test_an_event_that_is_not_taken_is_a_failure(self):
        status, said = self.run_it("EVENT_BUS=default\n", failed=1)
        self.assertEqual(status, 1)
        self.assertIn("has not taken", said)

    def test_without_a_configuration_it_fails(self):
        status, said = self.run_it("", NOTIFY_CONFIG="/nowhere")
        self.assertNotEqual(status, 0)
        self.assertIn("/nowhere", said)

    def test_it_uses_what_the_agent_gives(self):
        used = set(re.findall(r"ECS_LIFECYCLE_[A-Z_]+", NOTIFY.read_text()))
        given = set(re.findall(r"`(ECS_LIFECYCLE_[A-Z_]+)`", (template.ROOT / "docs" / "operations.md").read_text()))
        self.assertLessEqual(used, given)
        self.assertLessEqual(used, set(FACTS))


if __name__ == "__main__":
    unittest.main()
