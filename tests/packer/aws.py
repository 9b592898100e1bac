"""Asks moto, by boto3:  aws.py ENDPOINT prepare|built

Prints JSON: what the account has after the build.
"""

import json
import sys

import boto3

endpoint, what = sys.argv[1:]
ec2 = boto3.client(
    "ec2",
    endpoint_url=endpoint,
    region_name="us-east-1",
    aws_access_key_id="testing",
    aws_secret_access_key="testing",
)

if what == "prepare":
    ec2.create_key_pair(KeyName="builder")
    print("{}")
else:
    instances = [
        instance
        for reservation in ec2.describe_instances()["Reservations"]
        for instance in reservation["Instances"]
    ]
    images = ec2.describe_images(Owners=["self"])["Images"]
    print(json.dumps({"images": images, "instances": instances}, default=str))
