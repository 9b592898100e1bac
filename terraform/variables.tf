variable "cluster" {
  description = "Name of the ECS cluster."
  type        = string
}

# Which of the two modes.

variable "autoscaling_group_name" {
  description = "Name of an existing Auto Scaling group. The module adds the two hooks to it. If null, the module creates a group."
  type        = string
  default     = null
}

variable "role_name" {
  description = "Role of that group's instances. The module adds the agent's permissions to it. Only with autoscaling_group_name."
  type        = string
  default     = null

  validation {
    condition     = (var.role_name == null) == (var.autoscaling_group_name == null)
    error_message = "autoscaling_group_name and role_name belong together."
  }
}

# A group of its own.

variable "name" {
  description = "Name of the group and of its related resources."
  type        = string
  default     = "ecs-hosts"
}

variable "subnet_ids" {
  description = "The subnets of the instances, one in each Availability Zone."
  type        = list(string)
  default     = []

  validation {
    condition     = var.autoscaling_group_name != null || length(var.subnet_ids) > 0
    error_message = "A group of its own takes subnet_ids."
  }
}

variable "security_group_ids" {
  description = "The security groups of the instances. The agent needs outbound HTTPS and no inbound access."
  type        = list(string)
  default     = []

  validation {
    condition     = var.autoscaling_group_name != null || length(var.security_group_ids) > 0
    error_message = "A group of its own takes security_group_ids."
  }
}

variable "image_id" {
  description = "An AMI built with \"make ami\", or an ECS-optimised Amazon Linux 2023 AMI together with agent_package."
  type        = string
  default     = null

  validation {
    condition     = var.autoscaling_group_name != null || var.image_id != null
    error_message = "A group of its own takes image_id."
  }
}

variable "agent_package" {
  description = "URL of the agent's rpm, which is installed at first boot. Empty if the AMI contains the agent."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^$|^https://[A-Za-z0-9._~:/?&=%+-]+$", var.agent_package))
    error_message = "agent_package is an https address."
  }
}

variable "instance_type" {
  description = "The instance type. Its architecture must match the AMI."
  type        = string
  default     = "t3.medium"
}

variable "volume_size" {
  description = "Size of the root volume in GiB. It also holds the container images."
  type        = number
  default     = 30
}

variable "min_size" {
  description = "The minimum number of instances. This many must join before the group counts as created."
  type        = number
  default     = 2
}

variable "max_size" {
  description = "The maximum number of instances."
  type        = number
  default     = 4
}

variable "join_timeout" {
  description = "How long Terraform waits for the first instances. Must be longer than booting and ready_timeout together."
  type        = string
  default     = "20m"
}

variable "default_instance_warmup" {
  description = "Seconds after which an instance in service counts as warm. An instance refresh then continues."
  type        = number
  default     = 60
}

variable "http_put_response_hop_limit" {
  description = "Hop limit of instance metadata. With 1, tasks in bridge mode cannot reach it."
  type        = number
  default     = 1
}

variable "session_manager" {
  description = "Whether Session Manager can open a shell on the instances."
  type        = bool
  default     = true
}

variable "log_shipping" {
  description = "Whether the CloudWatch agent on the instances may write logs and metrics."
  type        = bool
  default     = true
}

variable "tags" {
  description = "Tags of the group and its instances. Keys must not contain \"/\" or spaces, as metadata shows the tags."
  type        = map(string)
  default     = {}
}

# How the group is refreshed.

variable "min_healthy_percentage" {
  description = "Minimum that an instance refresh keeps in service, in per cent of the desired capacity."
  type        = number
  default     = 100
}

variable "max_healthy_percentage" {
  description = "Maximum size of the group during an instance refresh, in per cent of the desired capacity."
  type        = number
  default     = 110
}

variable "checkpoint_percentages" {
  description = "Percentages at which an instance refresh pauses for checkpoint_delay. The last must be 100."
  type        = list(number)
  default     = null
}

variable "checkpoint_delay" {
  description = "Seconds that an instance refresh waits at each checkpoint."
  type        = number
  default     = 3600
}

variable "refresh_alarms" {
  description = "Names of CloudWatch alarms. An instance refresh is rolled back when one of them goes into ALARM."
  type        = list(string)
  default     = []
}

# Joining and draining.

variable "ready_timeout" {
  description = "How long a new instance may take to join before its launch is abandoned (the agent's ready.timeout)."
  type        = string
  default     = "10m"
}

variable "launching_heartbeat_timeout" {
  description = "Seconds that a new instance has to boot and start the agent, which then sends heartbeats."
  type        = number
  default     = 600
}

variable "launching_default_result" {
  description = <<-TEXT
    What happens to a new instance with a silent agent: ABANDON terminates it, CONTINUE puts it into service. Null
    means ABANDON for a group that the module creates, and CONTINUE for an existing group, as instances without the
    agent would otherwise never enter service. Set ABANDON once every image has the agent.
  TEXT
  type        = string
  default     = null

  validation {
    condition     = var.launching_default_result == null || contains(["ABANDON", "CONTINUE"], coalesce(var.launching_default_result, "ABANDON"))
    error_message = "launching_default_result is ABANDON, CONTINUE or null."
  }
}

variable "drain_timeout" {
  description = "How long a drain may take (the agent's drain.timeout)."
  type        = string
  default     = "15m"
}

variable "terminating_heartbeat_timeout" {
  description = "Seconds after which Auto Scaling stops waiting for a silent agent."
  type        = number
  default     = 300
}

variable "standalone_tasks" {
  description = "What a drain does with standalone tasks: wait, stop or ignore. Only a value that stops tasks adds ecs:StopTask to the policy."
  type        = string
  default     = "wait"

  validation {
    condition     = contains(["wait", "stop", "ignore"], var.standalone_tasks)
    error_message = "standalone_tasks is wait, stop or ignore."
  }
}

variable "terminate_hook_abandon" {
  description = <<-TEXT
    What happens to an instance if its drain times out: terminate, or retain. A retained instance keeps running,
    outside the desired capacity and at your cost, until you terminate it. For an existing group this sets only the
    hook. Set the group's instance_lifecycle_policy and the agent's drain.result_on_timeout yourself.
  TEXT
  type        = string
  default     = "terminate"

  validation {
    condition     = contains(["terminate", "retain"], var.terminate_hook_abandon)
    error_message = "terminate_hook_abandon is terminate or retain."
  }
}

# Scaling on the agents' metrics.

variable "capacity_scaling" {
  description = <<-TEXT
    Scales the group on the free room for tasks that the agents report; null turns this off. cpu, memory, ports,
    awsvpc and task_enis describe the largest task. Never combine it with a capacity provider with managed scaling.
    For an existing group, its agents' configuration needs the same [capacity] and [metrics], and the group must
    collect its own metrics.
  TEXT
  type = object({
    reserve            = optional(number, 1)
    cpu                = optional(number, 0)
    memory             = optional(number, 0)
    ports              = optional(list(string), [])
    awsvpc             = optional(bool, false)
    task_enis          = optional(number, 0)
    daemon_cpu         = optional(number, 0)
    daemon_memory      = optional(number, 0)
    out_minutes        = optional(number, 2)
    out_warmup         = optional(number, 300)
    in_minutes         = optional(number, 15)
    in_datapoints      = optional(number, 14)
    in_cooldown        = optional(number, 600)
    log_retention_days = optional(number, 14)
    topic_arn          = optional(string)
  })
  default = null

  validation {
    condition = var.capacity_scaling == null || anytrue([
      try(var.capacity_scaling.cpu, 0) > 0,
      try(var.capacity_scaling.memory, 0) > 0,
      length(try(var.capacity_scaling.ports, [])) > 0,
      try(var.capacity_scaling.awsvpc, false),
    ])
    error_message = "capacity_scaling has to know the largest task: cpu, memory, ports or awsvpc."
  }
  validation {
    condition     = var.capacity_scaling == null || try(var.capacity_scaling.awsvpc, false) == (try(var.capacity_scaling.task_enis, 0) > 0)
    error_message = "capacity_scaling takes task_enis with awsvpc, and only with it."
  }
  validation {
    condition     = var.capacity_scaling == null || !try(var.capacity_scaling.awsvpc, false) || length(try(var.capacity_scaling.ports, [])) == 0
    error_message = "capacity_scaling takes ports or awsvpc, not both: a task with a network interface of its own takes no port of its host."
  }
  validation {
    condition     = var.capacity_scaling == null || var.autoscaling_group_name != null || var.log_shipping
    error_message = "capacity_scaling takes log_shipping, as the figures go by way of the CloudWatch agent."
  }
}
