# The agent's permissions and its two hooks, for a group that exists. A group of its own (group.tf) has the hooks in
# itself, as it launches its first instances at once.

locals {
  own   = var.autoscaling_group_name == null
  group = local.own ? var.name : var.autoscaling_group_name
  role  = local.own ? one(aws_iam_role.instances[*].name) : var.role_name

  # "name" in version 5 of the provider.
  region    = data.aws_region.current.region
  partition = data.aws_partition.current.partition

  # No word from the agent: not to be put into service. In a group that exists, that has to be asked for.
  launching_default_result = coalesce(var.launching_default_result, local.own ? "ABANDON" : "CONTINUE")
  # CONTINUE lets other terminating hooks have their time. ABANDON is what a retention acts on.
  result_on_timeout = var.terminate_hook_abandon == "retain" ? "ABANDON" : "CONTINUE"

  policy = jsondecode(templatefile("${path.module}/../cloudformation/policy.json", {
    partition = local.partition
    region    = local.region
    account   = data.aws_caller_identity.current.account_id
    cluster   = var.cluster
    group     = local.group
  }))
  unused = var.standalone_tasks == "stop" ? [] : ["ecs:StopTask"]
}

data "aws_partition" "current" {}
data "aws_region" "current" {}
data "aws_caller_identity" "current" {}

resource "aws_iam_role_policy" "agent" {
  name = "ecs-lifecycle-agent"
  role = local.role
  policy = jsonencode({
    Version = local.policy.Version
    Statement = [for statement in local.policy.Statement : merge(statement, {
      Action = [for action in flatten([statement.Action]) : action if !contains(local.unused, action)]
    })]
  })
}

resource "aws_autoscaling_lifecycle_hook" "join" {
  count = local.own ? 0 : 1

  name                   = "join"
  autoscaling_group_name = local.group
  lifecycle_transition   = "autoscaling:EC2_INSTANCE_LAUNCHING"
  heartbeat_timeout      = var.launching_heartbeat_timeout
  default_result         = local.launching_default_result

  # The permissions first: an instance that may not complete the hook waits for the timeout.
  depends_on = [aws_iam_role_policy.agent]
}

resource "aws_autoscaling_lifecycle_hook" "drain" {
  count = local.own ? 0 : 1

  name                   = "drain"
  autoscaling_group_name = local.group
  lifecycle_transition   = "autoscaling:EC2_INSTANCE_TERMINATING"
  heartbeat_timeout      = var.terminating_heartbeat_timeout
  default_result         = local.result_on_timeout

  depends_on = [aws_iam_role_policy.agent]
}
