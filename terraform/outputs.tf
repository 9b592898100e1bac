output "autoscaling_group_name" {
  description = "The group, made here or given."
  value       = local.group
}

output "autoscaling_group_arn" {
  description = "The ARN of the group that was made here, for a capacity provider. Managed draining has to be off there."
  value       = one(aws_autoscaling_group.this[*].arn)
}

output "role_name" {
  description = "The role of the instances, made here or given."
  value       = local.role
}

output "launch_template_id" {
  description = "The launch template of the group that was made here."
  value       = one(aws_launch_template.this[*].id)
}

output "dashboard_name" {
  description = "The dashboard of the group that was made here, if it scales by capacity_scaling."
  value       = one(aws_cloudwatch_dashboard.this[*].dashboard_name)
}
