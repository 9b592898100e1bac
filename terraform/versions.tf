terraform {
  # Validations that look at other variables.
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # instance_lifecycle_policy of the group.
      version = ">= 6.57.1"
    }
  }
}
