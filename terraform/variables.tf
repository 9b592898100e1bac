variable "cluster" {
  description = "Name of the ECS cluster."
  type        = string
}

# Which of the two modes.

variable "autoscaling_group_name" {
  description = "An Auto Scaling group that exists: it gets the two hooks. Null makes a group of its own."
  type        = string
  default     = null
}

variable "role_name" {
  description = "The role of that group's instances: it gets the agent's permissions. Only with autoscaling_group_name."
  type        = string
  default     = null

  validation {
    condition     = (var.role_name == null) == (var.autoscaling_group_name == null)
    error_message = "autoscaling_group_name and role_name belong together."
  }
}

# A group of its own.

variable "name" {
  description = "Name of the group, and of what belongs to it."
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
  description = "The security groups of the instances. The agent needs nothing inbound, and HTTPS outbound."
  type        = list(string)
  default     = []

  validation {
    condition     = var.autoscaling_group_name != null || length(var.security_group_ids) > 0
    error_message = "A group of its own takes security_group_ids."
  }
}

variable "image_id" {
  description = "The AMI that was built by \"make ami\", or an ECS-optimised Amazon Linux 2023 with agent_package."
  type        = string
  default     = null

  validation {
    condition     = var.autoscaling_group_name != null || var.image_id != null
    error_message = "A group of its own takes image_id."
  }
}

variable "agent_package" {
  description = "Address of the agent's rpm, to be installed at first boot. Empty where the AMI contains the agent."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^$|^https://[A-Za-z0-9._~:/?&=%+-]+$", var.agent_package))
    error_message = "agent_package is an https address."
  }
}

variable "instance_type" {
  description = "The type of the instances. Its architecture has to be the AMI's."
  type        = string
  default     = "t3.medium"
}

variable "volume_size" {
  description = "Size of the root volume in GiB, for the images of containers, too."
  type        = number
  default     = 30
}

variable "min_size" {
  description = "The least number of instances. So many have to join before the group counts as created."
  type        = number
  default     = 2
}

variable "max_size" {
  description = "The greatest number of instances."
  type        = number
  default     = 4
}

variable "join_timeout" {
  description = "How long Terraform waits for the first instances. Longer than booting and ready_timeout together."
  type        = string
  default     = "20m"
}

variable "default_instance_warmup" {
  description = "Seconds after which an instance that is in service counts as warm: an instance refresh goes on then."
  type        = number
  default     = 60
}

variable "http_put_response_hop_limit" {
  description = "How many hops away instance metadata answers. With 1, tasks in bridge mode do not reach it."
  type        = number
  default     = 1
}

variable "session_manager" {
  description = "Whether people get a shell on the instances by Session Manager."
  type        = bool
  default     = true
}

variable "log_shipping" {
  description = "Whether the CloudWatch agent on the instances may write logs and metrics."
  type        = bool
  default     = true
}

variable "tags" {
  description = "Tags of the group and its instances. No \"/\" and no space in a key: instances show them in metadata."
  type        = map(string)
  default     = {}
}

# How the group is refreshed.

variable "min_healthy_percentage" {
  description = "What an instance refresh leaves in service, in per cent of the desired capacity."
  type        = number
  default     = 100
}

variable "max_healthy_percentage" {
  description = "What an instance refresh may take the group to, in per cent of the desired capacity."
  type        = number
  default     = 110
}

variable "checkpoint_percentages" {
  description = "After how many per cent an instance refresh stops for checkpoint_delay. The last has to be 100."
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
  description = "After so long without having joined, a new instance gives itself up (the agent's ready.timeout)."
  type        = string
  default     = "10m"
}

variable "launching_heartbeat_timeout" {
  description = "Seconds in which a new instance has to boot and start the agent, which then heartbeats."
  type        = number
  default     = 600
}

variable "launching_default_result" {
  description = <<-TEXT
    What becomes of a new instance whose agent is silent: ABANDON ends it, CONTINUE puts it into service. Null is ABANDON
    for a group of its own, and CONTINUE for one that exists, where an image without the agent would never get into
    service. Ask for ABANDON once every image has the agent.
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
  description = "Seconds after which Auto Scaling goes on without an agent that is silent."
  type        = number
  default     = 300
}

variable "standalone_tasks" {
  description = "What a drain does about tasks of no service: wait, stop or ignore. Only \"stop\" allows ecs:StopTask."
  type        = string
  default     = "wait"

  validation {
    condition     = contains(["wait", "stop", "ignore"], var.standalone_tasks)
    error_message = "standalone_tasks is wait, stop or ignore."
  }
}

variable "terminate_hook_abandon" {
  description = <<-TEXT
    What becomes of an instance whose drain is not over in time: terminate, or retain, which keeps it, running and
    charged, outside the desired capacity until a person terminates it. For a group that exists, this sets the hook only:
    the group's own instance_lifecycle_policy and the agent's drain.result_on_timeout are for you to set.
  TEXT
  type        = string
  default     = "terminate"

  validation {
    condition     = contains(["terminate", "retain"], var.terminate_hook_abandon)
    error_message = "terminate_hook_abandon is terminate or retain."
  }
}

# Scaling by the agents' figures.

variable "capacity_scaling" {
  description = <<-TEXT
    Scales the group by the room for tasks that the agents report; null does not. cpu, memory, ports, awsvpc and task_enis
    are the largest task's. Never beside a capacity provider with managed scaling. For a group that exists, the same
    [capacity] has to be in its agents' configuration, with [metrics], and the group has to collect its own metrics.
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
    condition     = var.capacity_scaling == null || !try(var.capacity_scaling.awsvpc, false) || try(var.capacity_scaling.task_enis, 0) > 0
    error_message = "capacity_scaling with awsvpc takes task_enis."
  }
}
