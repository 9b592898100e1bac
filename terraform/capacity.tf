# The group scales by the room for tasks that the agents report, each for its own instance. docs/scaling.md says when to
# use it. CloudWatch repeats an action each minute while the alarm lasts, and Auto Scaling has to take it only once: a
# step policy counts the instance that is coming for as long as its warm-up lasts; for taking one away, only a simple
# policy has a cooldown.

locals {
  scaling = var.capacity_scaling[*]
  agent   = "ECSLifecycleAgent"
  of_agents = {
    ClusterName          = var.cluster
    AutoScalingGroupName = local.group
  }
  of_group = { AutoScalingGroupName = local.group }

  # c: room for tasks. i: free instances, in parts. t: tasks that an empty instance takes. n: instances that report.
  # s: instances in service.
  figures = {
    c           = { namespace = local.agent, name = "ContainerCapacity", stat = "Sum", dimensions = local.of_agents }
    i           = { namespace = local.agent, name = "IdleHostCapacity", stat = "Sum", dimensions = local.of_agents }
    t           = { namespace = local.agent, name = "TasksPerHost", stat = "Maximum", dimensions = local.of_agents }
    n           = { namespace = local.agent, name = "TasksPerHost", stat = "SampleCount", dimensions = local.of_agents }
    s           = { namespace = "AWS/AutoScaling", name = "GroupInServiceInstances", stat = "Maximum", dimensions = local.of_group }
    desired     = { namespace = "AWS/AutoScaling", name = "GroupDesiredCapacity", stat = "Maximum", dimensions = local.of_group }
    pending     = { namespace = "AWS/AutoScaling", name = "GroupPendingInstances", stat = "Maximum", dimensions = local.of_group }
    terminating = { namespace = "AWS/AutoScaling", name = "GroupTerminatingInstances", stat = "Maximum", dimensions = local.of_group }
  }
}

# Records of a few hundred bytes, out of which CloudWatch makes the metrics.
resource "aws_cloudwatch_log_group" "figures" {
  #checkov:skip=CKV_AWS_158:Figures, no content of tasks. CloudWatch Logs encrypts them with a key of its own.
  #checkov:skip=CKV_AWS_338:The metrics do not depend on the records.
  count = length(local.scaling)

  name_prefix       = "${local.group}-figures-"
  retention_in_days = var.capacity_scaling.log_retention_days
}

resource "aws_autoscaling_policy" "out" {
  count = length(local.scaling)

  name                      = "capacity-out"
  autoscaling_group_name    = local.own ? one(aws_autoscaling_group.this[*].name) : local.group
  policy_type               = "StepScaling"
  adjustment_type           = "ChangeInCapacity"
  metric_aggregation_type   = "Maximum"
  estimated_instance_warmup = var.capacity_scaling.out_warmup

  step_adjustment {
    metric_interval_lower_bound = 0
    scaling_adjustment          = 1
  }
}

resource "aws_autoscaling_policy" "in" {
  count = length(local.scaling)

  name                   = "capacity-in"
  autoscaling_group_name = local.own ? one(aws_autoscaling_group.this[*].name) : local.group
  policy_type            = "SimpleScaling"
  adjustment_type        = "ChangeInCapacity"
  scaling_adjustment     = -1
  cooldown               = var.capacity_scaling.in_cooldown
}

# Too little room, and a task that fits an instance at all.
resource "aws_cloudwatch_metric_alarm" "out" {
  count = length(local.scaling)

  alarm_name          = "${local.group}-capacity-out"
  alarm_description   = "Room for fewer than ${var.capacity_scaling.reserve} tasks in cluster ${var.cluster}; an instance is added."
  alarm_actions       = aws_autoscaling_policy.out[*].arn
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  evaluation_periods  = var.capacity_scaling.out_minutes
  datapoints_to_alarm = var.capacity_scaling.out_minutes
  # Data that lack are no reason to scale.
  treat_missing_data = "notBreaching"

  metric_query {
    id          = "out"
    label       = "an instance is missing"
    expression  = "IF(t>=1 AND c<${var.capacity_scaling.reserve},1,0)"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { for id, figure in local.figures : id => figure if contains(["c", "t"], id) }
    content {
      id          = metric_query.key
      return_data = false

      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.name
        stat        = metric_query.value.stat
        period      = 60
        dimensions  = metric_query.value.dimensions
      }
    }
  }
}

# An instance is to spare, and nothing else goes on: no instance that comes or goes, none that is silent. So it keeps
# still while an instance refresh, which suspends no process, replaces instances.
resource "aws_cloudwatch_metric_alarm" "in" {
  count = length(local.scaling)

  alarm_name          = "${local.group}-capacity-in"
  alarm_description   = "An instance of cluster ${var.cluster} is to spare, with room for ${var.capacity_scaling.reserve} tasks left on the others; one is taken away, and drained before it goes. Being in ALARM is no fault."
  alarm_actions       = aws_autoscaling_policy.in[*].arn
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  evaluation_periods  = var.capacity_scaling.in_minutes
  datapoints_to_alarm = var.capacity_scaling.in_datapoints
  treat_missing_data  = "notBreaching"

  metric_query {
    id          = "in"
    label       = "an instance is to spare"
    expression  = "IF(i>1.0005 AND c-t>=${var.capacity_scaling.reserve} AND n<=s AND n>=0.95*s AND pending==0 AND terminating==0 AND s==desired,1,0)"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = local.figures
    content {
      id          = metric_query.key
      return_data = false

      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.name
        stat        = metric_query.value.stat
        period      = 60
        dimensions  = metric_query.value.dimensions
      }
    }
  }
}

# For people: an agent that is silent keeps the group from scaling in, and its instance's room is not counted.
resource "aws_cloudwatch_metric_alarm" "silent" {
  count = length(local.scaling)

  alarm_name          = "${local.group}-capacity-silent"
  alarm_description   = "For ten minutes, fewer instances of cluster ${var.cluster} have sent their capacity than are in service. On those that do not, run \"ecs-lifecycle-agent capacity\", and see that the CloudWatch agent is up."
  alarm_actions       = compact([var.capacity_scaling.topic_arn])
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  evaluation_periods  = 10
  datapoints_to_alarm = 10
  treat_missing_data  = "notBreaching"

  metric_query {
    id          = "silent"
    label       = "an instance in service is silent"
    expression  = "IF(FILL(n,0)<s,1,0)"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { for id, figure in local.figures : id => figure if contains(["n", "s"], id) }
    content {
      id          = metric_query.key
      return_data = false

      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.name
        stat        = metric_query.value.stat
        period      = 60
        dimensions  = metric_query.value.dimensions
      }
    }
  }
}
