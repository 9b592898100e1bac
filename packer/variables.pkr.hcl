variable "region" {
  type        = string
  default     = "us-east-1"
  description = "Where the image is built."
}

variable "copy_to_regions" {
  type        = list(string)
  default     = []
  description = "Where else the image is copied to."
}

variable "share_with_accounts" {
  type        = list(string)
  default     = []
  description = "Accounts that may launch the image."
}

variable "name_prefix" {
  type        = string
  default     = "ecs-al2023"
  description = "The image is named PREFIX-ARCHITECTURE-TIME."
}

variable "encrypted" {
  type        = bool
  default     = true
  description = "Whether the image's volume is encrypted. An image with the account's default key cannot be shared."
}

variable "kms_key_id" {
  type        = string
  default     = ""
  description = "The key that the volume is encrypted with; empty: the account's default for EBS."
}

variable "instance_type" {
  type = map(string)
  default = {
    x86_64 = "t3.medium"
    arm64  = "t4g.medium"
  }
  description = "What the image is built on, for each architecture."
}

variable "volume_size" {
  type        = number
  default     = 30
  description = "Of the root volume, in GiB. The source image has 30."
}

variable "subnet_id" {
  type        = string
  default     = ""
  description = "Where the building instance is launched; empty: in the default VPC."
}

variable "associate_public_ip_address" {
  type        = bool
  default     = true
  description = "Whether the building instance has a public address: Packer has to reach it by SSH."
}

variable "source_parameter" {
  type = map(string)
  default = {
    x86_64 = "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id"
    arm64  = "/aws/service/ecs/optimized-ami/amazon-linux-2023/arm64/recommended/image_id"
  }
  description = "The SSM parameters that name the source images: AWS's own, which always name the current ones."
}

variable "packages" {
  type        = string
  default     = "target/packages"
  description = "The directory with the packages of `make packages`, for every architecture that is built; from where Packer is run."
}

variable "upgrade" {
  type        = bool
  default     = true
  description = "Whether everything is upgraded to Amazon Linux's latest release, Docker and the ECS agent among it."
}

variable "cloudwatch_agent" {
  type        = bool
  default     = true
  description = "Whether the CloudWatch agent is installed, to ship the logs. Without it they stay on the instance."
}

variable "log_group" {
  type        = string
  default     = "/ecs/container-instances"
  description = "Where the CloudWatch agent ships the logs to. The streams are named INSTANCE-ID/LOG."
}

variable "tags" {
  type        = map(string)
  default     = {}
  description = "More tags for the image, its snapshot, and what it is built on."
}

# How Packer reaches the building instance. To build in a network without public addresses, or in a test.

variable "ssh_username" {
  type        = string
  default     = "ec2-user"
  description = "Who Packer logs in as. May use sudo without a password."
}

variable "ssh_source_cidrs" {
  type        = list(string)
  default     = ["0.0.0.0/0"]
  description = "From where the building instance takes log-ins, with a key, while it lives."
}

variable "ssh_host" {
  type        = string
  default     = ""
  description = "Where Packer logs in; empty: at the building instance's address."
}

variable "ssh_keypair_name" {
  type        = string
  default     = ""
  description = "A key pair that exists; empty: a temporary one is made."
}

variable "ssh_private_key_file" {
  type        = string
  default     = ""
  description = "The private key of ssh_keypair_name."
}
