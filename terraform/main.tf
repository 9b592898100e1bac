# The agent's two lifecycle hooks and its permissions, for an Auto Scaling group and a role that exist.
#
# The role needs what the ECS agent needs besides: AmazonEC2ContainerServiceforEC2Role. In a configuration that
# makes the group, too, write the hooks into it, as initial_lifecycle_hook: it launches its first instances at once.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "cluster" {
  description = "Name of the ECS cluster."
  type        = string
}

variable "group" {
  description = "Name of the Auto Scaling group of its instances."
  type        = string
}

variable "role" {
  description = "Name of the role of the instances."
  type        = string
}

data "aws_partition" "current" {}
data "aws_region" "current" {}
data "aws_caller_identity" "current" {}

resource "aws_iam_role_policy" "agent" {
  name = "ecs-lifecycle-agent"
  role = var.role
  policy = templatefile("${path.module}/../cloudformation/policy.json", {
    partition = data.aws_partition.current.partition
    # "name" in version 5 of the provider, which version 6 calls deprecated for "region".
    region  = data.aws_region.current.name
    account = data.aws_caller_identity.current.account_id
    cluster = var.cluster
    group   = var.group
  })
}

# An instance that does not join is not put into service.
resource "aws_autoscaling_lifecycle_hook" "join" {
  name                   = "join"
  autoscaling_group_name = var.group
  lifecycle_transition   = "autoscaling:EC2_INSTANCE_LAUNCHING"
  heartbeat_timeout      = 600
  default_result         = "ABANDON"

  # The permissions first: an instance that may not complete the hook would not get into service.
  depends_on = [aws_iam_role_policy.agent]
}

# The agent heartbeats every quarter of the timeout: a drain may take longer.
resource "aws_autoscaling_lifecycle_hook" "drain" {
  name                   = "drain"
  autoscaling_group_name = var.group
  lifecycle_transition   = "autoscaling:EC2_INSTANCE_TERMINATING"
  heartbeat_timeout      = 300
  default_result         = "CONTINUE"

  # The permissions first: an instance whose hook cannot be completed waits for the timeout.
  depends_on = [aws_iam_role_policy.agent]
}
