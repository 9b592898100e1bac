# A cluster, and a group of its own whose instances join by themselves and drain before they go.

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.57.1"
    }
  }
}

variable "vpc_id" {
  description = "The VPC of the instances."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets with a way to Amazon ECS, one in each Availability Zone."
  type        = list(string)
}

variable "image_id" {
  description = "The AMI that was built by \"make ami\"."
  type        = string
}

resource "aws_ecs_cluster" "this" {
  name = "fleet"

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

# Nothing inbound. A load balancer in front of tasks in bridge mode adds its own rule.
resource "aws_security_group" "hosts" {
  name_prefix = "fleet-hosts-"
  description = "Instances of the cluster fleet"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_egress_rule" "hosts" {
  security_group_id = aws_security_group.hosts.id
  description       = "HTTPS, to Amazon ECS, Auto Scaling, the registries"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

module "hosts" {
  source = "../.."

  cluster            = aws_ecs_cluster.this.name
  name               = "fleet-hosts"
  subnet_ids         = var.subnet_ids
  security_group_ids = [aws_security_group.hosts.id]
  image_id           = var.image_id

  # The largest task that the cluster has to have room for.
  capacity_scaling = {
    cpu    = 250
    memory = 400
  }
}

output "autoscaling_group_name" {
  description = "The group of the instances."
  value       = module.hosts.autoscaling_group_name
}
