"""moto and ministack, each on a port of its own, ended with the test."""

import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import boto3

import template

REGION = "us-east-1"
_BIN = pathlib.Path(sys.executable).parent
# In an environment of its own: see tests/peers/requirements.txt.
_MINISTACK = template.ROOT / "target" / "peers" / "bin" / "ministack"


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def _server(command, environment, port, alive):
    with tempfile.TemporaryDirectory() as directory, open(pathlib.Path(directory) / "log", "w+b") as log:
        process = subprocess.Popen(
            command,
            env={**os.environ, "HOME": directory, **environment},
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            deadline = time.monotonic() + 120
            while True:
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"http://127.0.0.1:{port}{alive}", timeout=5).close()
                    break
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise RuntimeError(f"{command[0]} did not start: {log.read()[-2000:].decode(errors='replace')}")
                time.sleep(0.1)
            try:
                yield Aws(port)
            except Exception:
                log.seek(0)
                print(log.read()[-4000:].decode(errors="replace"), file=sys.stderr)
                raise
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def moto():
    port = _free_port()
    command = [str(_BIN / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    return _server(command, {}, port, "/moto-api/")


def ministack():
    port = _free_port()
    environment = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port)}
    return _server([str(_MINISTACK)], environment, port, "/_ministack/health")


class Aws:
    """An emulated account."""

    def __init__(self, port):
        self.endpoint = f"http://127.0.0.1:{port}"

    def client(self, service):
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def network(self):
        """A VPC with two subnets."""
        ec2 = self.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=REGION + zone)["Subnet"]
            for number, zone in enumerate("ab")
        ]
        return vpc, [subnet["SubnetId"] for subnet in subnets]

    def deploy(self, stack, body, update=False, **parameters):
        """Creates the stack, or updates it; returns its outputs."""
        cloudformation = self.client("cloudformation")
        (cloudformation.update_stack if update else cloudformation.create_stack)(
            StackName=stack,
            TemplateBody=body,
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        )
        deadline = time.monotonic() + 60
        while True:
            found = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
            if not found["StackStatus"].endswith("IN_PROGRESS"):
                break
            if time.monotonic() > deadline:
                raise RuntimeError(f"stack {stack} is still {found['StackStatus']}")
            time.sleep(0.2)
        if found["StackStatus"] != ("UPDATE_COMPLETE" if update else "CREATE_COMPLETE"):
            raise RuntimeError(f"stack {stack}: {found['StackStatus']}: {found.get('StackStatusReason')}")
        return {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}
