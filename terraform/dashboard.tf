# The drains, the group, and the figures by which it scales: the dashboard of cloudformation/cluster.yaml.

resource "aws_cloudwatch_dashboard" "this" {
  count = local.own ? length(local.scaling) : 0

  # Names of dashboards are the account's, in all regions.
  dashboard_name = replace("${var.name}-${local.region}", "/[^0-9A-Za-z_-]/", "-")

  dashboard_body = jsonencode({ widgets = [for properties in [
    {
      title = "Drains", stat = "Sum", period = 300, metrics = [
        [local.agent, "Drains", "ClusterName", var.cluster, { label = "drains" }],
        [".", "DrainsTimedOut", ".", ".", { label = "of them timed out", color = "#d62728" }],
      ]
    },
    {
      title = "How long drains take (DrainTimeout ${var.drain_timeout})", period = 300, metrics = [
        [local.agent, "DrainDuration", "ClusterName", var.cluster, { stat = "p50", label = "median, seconds" }],
        ["...", { stat = "Maximum", label = "longest, seconds" }],
        [".", "TasksWaitedFor", ".", ".", { stat = "Maximum", label = "most tasks", yAxis = "right" }],
      ]
    },
    {
      title = local.group, stat = "Maximum", period = 60, metrics = [
        ["AWS/AutoScaling", "GroupDesiredCapacity", "AutoScalingGroupName", local.group, { label = "desired" }],
        [".", "GroupInServiceInstances", ".", ".", { label = "in service" }],
        [".", "GroupPendingInstances", ".", ".", { label = "pending: they join" }],
        [".", "GroupTerminatingInstances", ".", ".", { label = "terminating: they drain" }],
      ]
    },
    {
      title = "Room for tasks, and free instances", stat = "Sum", period = 60, metrics = [
        [local.agent, "ContainerCapacity", "ClusterName", var.cluster, "AutoScalingGroupName", local.group, { label = "room for tasks" }],
        [local.agent, "IdleHostCapacity", "ClusterName", var.cluster, "AutoScalingGroupName", local.group, { label = "free instances", yAxis = "right" }],
      ],
      annotations = { horizontal = [{ label = "reserve", value = var.capacity_scaling.reserve, fill = "below" }] }
    },
    {
      title = "Instances that report", period = 60, metrics = [
        [local.agent, "TasksPerHost", "ClusterName", var.cluster, "AutoScalingGroupName", local.group, { stat = "SampleCount", label = "report" }],
        ["...", { stat = "Maximum", label = "tasks that an empty one takes", yAxis = "right" }],
        ["AWS/AutoScaling", "GroupInServiceInstances", "AutoScalingGroupName", local.group, { stat = "Maximum", label = "in service" }],
      ]
    },
    {
      title = "Scaling", alarms = concat(
        aws_cloudwatch_metric_alarm.out[*].arn,
        aws_cloudwatch_metric_alarm.in[*].arn,
        aws_cloudwatch_metric_alarm.silent[*].arn,
      )
    },
    ] : {
    type       = can(properties.alarms) ? "alarm" : "metric"
    width      = 8
    height     = 6
    properties = merge(properties, can(properties.alarms) ? {} : { region = local.region })
  }] })
}
