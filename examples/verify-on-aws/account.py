"""The account that it runs in: clients, the stack, waiting."""

import pathlib
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

TEMPLATE = pathlib.Path(__file__).resolve().parents[2] / "cloudformation" / "cluster.yaml"
REFUSED = (ClientError, BotoCoreError, ResponseParserError)


class NotShown(Exception):
    """A step cannot show here what it is for."""


class Account:
    def __init__(self, region, endpoint=None, patience=1.0):
        self._session = boto3.Session(region_name=region)
        self._endpoint = endpoint
        self._clients = {}
        self.patience = patience

    def __getattr__(self, service):
        if service.startswith("_"):
            raise AttributeError(service)
        if service not in self._clients:
            config = Config(retries={"mode": "adaptive", "max_attempts": 8}, read_timeout=30)
            self._clients[service] = self._session.client(service, endpoint_url=self._endpoint, config=config)
        return self._clients[service]

    def wait(self, what, minutes, look, every=5):
        """Looks until there is something, for so long at the most."""
        deadline = time.monotonic() + minutes * 60 * self.patience
        while True:
            found = look()
            if found:
                return found
            if time.monotonic() > deadline:
                raise NotShown(f"{what}: not within {minutes} minutes")
            time.sleep(every * self.patience)


class Stack:
    """The throw-away stack."""

    def __init__(self, account, name, parameters):
        self.account, self.name, self.parameters = account, name, dict(parameters)
        self.outputs = {}

    def status(self):
        try:
            found = self.account.cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}
        return found["StackStatus"]

    def deploy(self, minutes, **changed):
        """Creates or updates it, and waits."""
        self.parameters |= changed
        request = {
            "StackName": self.name,
            "TemplateBody": TEMPLATE.read_text(),
            "Capabilities": ["CAPABILITY_IAM"],
            "Parameters": [{"ParameterKey": key, "ParameterValue": str(value)} for key, value in self.parameters.items()],
        }
        client = self.account.cloudformation
        if self.status() is None:
            tags = [{"Key": "verify-on-aws", "Value": self.name}]
            client.create_stack(**request, Tags=tags, OnFailure="DO_NOTHING")
        else:
            client.update_stack(**request)
        status = self.account.wait(f"the stack {self.name}", minutes, self._settled)
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise NotShown(f"the stack {self.name} is {status}")

    def _settled(self):
        status = self.status()
        return status if status is None or not status.endswith("IN_PROGRESS") else False

    def delete(self, minutes):
        """Returns the status that it ends with; None where it is gone."""
        if self.status() is None:
            return None
        self.account.cloudformation.delete_stack(StackName=self.name)
        gone = object()
        found = self.account.wait(f"the deletion of {self.name}", minutes, lambda: self._deleted(gone))
        return None if found is gone else found

    def _deleted(self, gone):
        status = self.status()
        if status in (None, "DELETE_COMPLETE"):
            return gone
        return status if status.endswith("FAILED") else False

    @property
    def group(self):
        return self.outputs["AutoScalingGroupName"]

    @property
    def cluster(self):
        return self.outputs["ClusterName"]

    def described(self):
        """The group as Auto Scaling describes it; nothing if it is gone."""
        found = self.account.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[self.group])
        return next(iter(found["AutoScalingGroups"]), {})

    def instances(self):
        """Those of the group, with their states."""
        return {instance["InstanceId"]: instance["LifecycleState"] for instance in self.described().get("Instances", [])}

    def in_service(self):
        return sorted(instance for instance, state in self.instances().items() if state == "InService")

    def desired(self):
        return self.described()["DesiredCapacity"]
