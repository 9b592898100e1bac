# The agent's hooks and permissions for a group and a role that exist.

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.57.1"
    }
  }
}

variable "cluster" {
  description = "Name of the ECS cluster."
  type        = string
}

variable "group" {
  description = "Name of the Auto Scaling group."
  type        = string
}

variable "role" {
  description = "Name of the role of its instances."
  type        = string
}

module "agent" {
  source = "../.."

  cluster                = var.cluster
  autoscaling_group_name = var.group
  role_name              = var.role

  # Once every image that the group launches has the agent:
  # launching_default_result = "ABANDON"
}
