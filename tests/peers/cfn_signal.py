"""Runs AWS's own cfn-signal, unchanged, with the metadata service of a simulator (Python 2, as the tool itself).

    cfn_signal.py DIRECTORY [arguments of cfn-signal ...]

DIRECTORY holds the unpacked aws-cfn-bootstrap. It asks http://169.254.169.254 without a token, and has no option for
another address: requests to there go to AWS_EC2_METADATA_SERVICE_ENDPOINT, with a token (the simulator plays version 2
only). It also wants to write a log below /var/log: not here. Where CloudFormation is, --url tells it.
"""
import os
import sys

root = sys.argv.pop(1)
sys.path.insert(0, root)

import cfnbootstrap
from cfnbootstrap import util

cfnbootstrap.configureLogging = lambda *arguments, **options: None

real_get = util.requests.get
simulated = os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"].rstrip("/")


def get(url, **options):
    token = util.requests.put(
        simulated + "/latest/api/token", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    )
    token.raise_for_status()
    headers = {"X-aws-ec2-metadata-token": token.text}
    return real_get(url.replace("http://169.254.169.254", simulated), headers=headers)


util.requests.get = get
sys.argv[0] = os.path.join(root, "bin", "cfn-signal")
execfile(sys.argv[0])
