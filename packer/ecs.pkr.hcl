# A custom ECS image: the current ECS-optimised Amazon Linux 2023, with the lifecycle agent. See README.md.

packer {
  required_version = ">= 1.10.0"
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = ">= 1.3.0"
    }
  }
}

data "amazon-parameterstore" "x86_64" {
  region = var.region
  name   = var.source_parameter["x86_64"]
}

data "amazon-parameterstore" "arm64" {
  region = var.region
  name   = var.source_parameter["arm64"]
}

locals {
  time = formatdate("YYYYMMDD-hhmmss", timestamp())
  tags = merge({ "ecs-lifecycle-agent" = "baked" }, var.tags)
}

source "amazon-ebs" "ecs" {
  region          = var.region
  ami_regions     = var.copy_to_regions
  ami_users       = var.share_with_accounts
  ami_description = "ECS-optimised Amazon Linux 2023 with ecs-lifecycle-agent"

  # What is launched from the image gets version 2 of the metadata service only, with hop limit 2, unless its
  # launch template says otherwise.
  imds_support = "v2.0"
  # What the image is built on: the same, and its tags. Hop limit 2: containers in bridge mode can reach it.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 2
    instance_metadata_tags      = "enabled"
  }

  launch_block_device_mappings {
    device_name           = "/dev/xvda"
    volume_size           = var.volume_size
    volume_type           = "gp3"
    encrypted             = var.encrypted
    kms_key_id            = var.kms_key_id
    delete_on_termination = true
  }

  subnet_id                             = var.subnet_id
  associate_public_ip_address           = var.associate_public_ip_address
  temporary_security_group_source_cidrs = var.ssh_source_cidrs
  ssh_username                          = var.ssh_username
  ssh_host                              = var.ssh_host
  ssh_keypair_name                      = var.ssh_keypair_name
  ssh_private_key_file                  = var.ssh_private_key_file

  tags            = merge(local.tags, { "source-ami" = "{{ .SourceAMI }}", "source-ami-name" = "{{ .SourceAMIName }}" })
  snapshot_tags   = local.tags
  run_tags        = local.tags
  run_volume_tags = local.tags
  # The image has its own.
  skip_ami_run_tags = true
}

build {
  source "amazon-ebs.ecs" {
    name          = "x86_64"
    ami_name      = "${var.name_prefix}-x86_64-${local.time}"
    source_ami    = data.amazon-parameterstore.x86_64.value
    instance_type = var.instance_type["x86_64"]
  }

  source "amazon-ebs.ecs" {
    name          = "arm64"
    ami_name      = "${var.name_prefix}-arm64-${local.time}"
    source_ami    = data.amazon-parameterstore.arm64.value
    instance_type = var.instance_type["arm64"]
  }

  provisioner "shell" {
    inline = ["mkdir /tmp/ecs-image"]
  }

  # The instance takes the one that fits it.
  provisioner "file" {
    source      = var.packages
    destination = "/tmp/ecs-image/packages"
  }

  provisioner "file" {
    source      = "${path.root}/files"
    destination = "/tmp/ecs-image/files"
  }

  provisioner "shell" {
    scripts = [
      "${path.root}/provision/packages.sh",
      "${path.root}/provision/files.sh",
      "${path.root}/provision/clean.sh",
      "${path.root}/provision/check.sh",
    ]
    environment_vars = [
      "UPGRADE=${var.upgrade}",
      "CLOUDWATCH_AGENT=${var.cloudwatch_agent}",
      "LOG_GROUP=${var.log_group}",
    ]
    execute_command = "chmod +x '{{ .Path }}' && sudo env {{ .Vars }} '{{ .Path }}'"
  }

  post-processor "manifest" {
    output = "${path.root}/../target/packer/manifest.json"
  }
}
