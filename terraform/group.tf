# A group of its own: role, launch template, group with both hooks and an instance refresh.

locals {
  managed_policies = compact([
    "service-role/AmazonEC2ContainerServiceforEC2Role",
    var.session_manager ? "AmazonSSMManagedInstanceCore" : "",
    var.log_shipping ? "CloudWatchAgentServerPolicy" : "",
  ])
}

resource "aws_iam_role" "instances" {
  count = local.own ? 1 : 0

  name_prefix = "${substr(var.name, 0, 37)}-"
  description = "Instances of the ECS cluster ${var.cluster}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

# What others on the instance need, and this agent does not.
resource "aws_iam_role_policy_attachment" "others" {
  for_each = local.own ? toset(local.managed_policies) : toset([])

  role       = one(aws_iam_role.instances[*].name)
  policy_arn = "arn:${local.partition}:iam::aws:policy/${each.key}"
}

resource "aws_iam_instance_profile" "instances" {
  count = local.own ? 1 : 0

  name_prefix = "${substr(var.name, 0, 37)}-"
  role        = one(aws_iam_role.instances[*].name)
}

resource "aws_launch_template" "this" {
  count = local.own ? 1 : 0

  name                   = var.name
  image_id               = var.image_id
  instance_type          = var.instance_type
  vpc_security_group_ids = var.security_group_ids
  update_default_version = true

  user_data = base64encode(templatefile("${path.module}/user-data.sh.tftpl", {
    cluster           = var.cluster
    name              = var.name
    agent_package     = var.agent_package
    drain_timeout     = var.drain_timeout
    ready_timeout     = var.ready_timeout
    result_on_timeout = local.result_on_timeout
    standalone_tasks  = var.standalone_tasks
    capacity          = var.capacity_scaling
    log_group         = one(aws_cloudwatch_log_group.figures[*].name)
  }))

  iam_instance_profile {
    arn = one(aws_iam_instance_profile.instances[*].arn)
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = var.http_put_response_hop_limit
    # Saves the agent a call: the name of its group is a tag of the instance.
    instance_metadata_tags = "enabled"
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_type           = "gp3"
      volume_size           = var.volume_size
      encrypted             = true
      delete_on_termination = true
    }
  }

  tag_specifications {
    resource_type = "volume"
    tags          = { Name = var.name }
  }
}

resource "aws_autoscaling_group" "this" {
  count = local.own ? 1 : 0

  # No desired_capacity: Terraform would set the group back to it, whatever it has scaled to.
  name                      = var.name
  min_size                  = var.min_size
  max_size                  = var.max_size
  vpc_zone_identifier       = var.subnet_ids
  default_instance_warmup   = var.default_instance_warmup
  wait_for_capacity_timeout = var.join_timeout
  metrics_granularity       = "1Minute"
  enabled_metrics = [
    "GroupDesiredCapacity",
    "GroupInServiceInstances",
    "GroupMaxSize",
    "GroupMinSize",
    "GroupPendingInstances",
    "GroupStandbyInstances",
    "GroupTerminatingInstances",
    "GroupTotalInstances",
  ]

  launch_template {
    id = one(aws_launch_template.this[*].id)
    # A number: with $Latest nothing would start the refresh, and nothing could be rolled back to.
    version = one(aws_launch_template.this[*].latest_version)
  }

  # In the group itself: hooks of their own would come after its first instances.
  initial_lifecycle_hook {
    name                 = "join"
    lifecycle_transition = "autoscaling:EC2_INSTANCE_LAUNCHING"
    heartbeat_timeout    = var.launching_heartbeat_timeout
    default_result       = local.launching_default_result
  }

  initial_lifecycle_hook {
    name                 = "drain"
    lifecycle_transition = "autoscaling:EC2_INSTANCE_TERMINATING"
    heartbeat_timeout    = var.terminating_heartbeat_timeout
    default_result       = local.result_on_timeout
  }

  # In so many words: left out, a group keeps what it had.
  instance_lifecycle_policy {
    retention_triggers {
      terminate_hook_abandon = var.terminate_hook_abandon
    }
  }

  # A new version of the launch template starts it. Terraform does not wait for its end.
  instance_refresh {
    strategy = "Rolling"

    preferences {
      min_healthy_percentage = var.min_healthy_percentage
      max_healthy_percentage = var.max_healthy_percentage
      skip_matching          = true
      auto_rollback          = true
      # Both would, by default, be waited for, and the refresh fails after an hour.
      scale_in_protected_instances = "Refresh"
      standby_instances            = "Ignore"
      checkpoint_percentages       = var.checkpoint_percentages
      checkpoint_delay             = var.checkpoint_percentages == null ? null : var.checkpoint_delay

      dynamic "alarm_specification" {
        for_each = length(var.refresh_alarms) > 0 ? [var.refresh_alarms] : []
        content {
          alarms = alarm_specification.value
        }
      }
    }
  }

  tag {
    key                 = "Name"
    value               = var.name
    propagate_at_launch = true
  }

  dynamic "tag" {
    for_each = var.tags
    content {
      key                 = tag.key
      value               = tag.value
      propagate_at_launch = true
    }
  }

  # The first instances need their permissions to join, and the group waits for them.
  depends_on = [aws_iam_role_policy.agent, aws_iam_role_policy_attachment.others]
}
