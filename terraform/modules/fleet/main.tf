# A fleet is a job, not a server: Terraform describes it, and one RunInstances call starts it (the
# output `start`). As resources, instances that end by themselves would be started anew by
# every apply.
data "aws_partition" "current" {}

# `id` is the region's name in every provider version from 5 on.
data "aws_region" "current" {}

locals {
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.id
  name      = "${var.prefix}-fleet"

  user_data = templatefile("${path.module}/user_data.sh.tftpl", {
    data_uri      = var.data_uri
    image         = var.image
    log_group     = aws_cloudwatch_log_group.this.name
    max_minutes   = var.max_minutes
    nodes         = var.nodes
    output_uri    = local.output_uri
    port          = local.rendezvous_port
    region        = local.region
    registry      = split("/", var.image)[0]
    run_arguments = var.gpus ? "--gpus all" : ""
  })
  rendezvous_port = 29400
  output_uri      = "s3://${var.output.bucket}/${var.output.prefix}"
}

resource "aws_placement_group" "this" {
  name     = local.name
  strategy = "cluster"
}

resource "aws_launch_template" "this" {
  name                                 = local.name
  description                          = "A node: trains, keeps its result in S3, ends"
  image_id                             = "resolve:ssm:${var.machine_image_parameter}"
  instance_type                        = var.instance_type
  instance_initiated_shutdown_behavior = "terminate"
  update_default_version               = true
  user_data                            = base64encode(local.user_data)

  iam_instance_profile {
    arn = aws_iam_instance_profile.this.arn
  }

  # One hop ends on the host, and tokens stop what can be tricked into a plain GET.
  metadata_options {
    http_endpoint               = "enabled"
    http_put_response_hop_limit = 1
    http_tokens                 = "required"
    instance_metadata_tags      = "enabled" # what a run asks for of its own, for its boot script
  }

  block_device_mappings {
    device_name = "/dev/sda1"

    ebs {
      delete_on_termination = true
      encrypted             = true
      kms_key_id            = var.kms_key_arn
      volume_size           = var.volume_gb
      volume_type           = "gp3"
    }
  }

  network_interfaces {
    device_index                = 0
    associate_public_ip_address = false
    delete_on_termination       = true
    security_groups             = [aws_security_group.this.id]
    subnet_id                   = var.network.subnet_id
  }

  placement {
    group_name = aws_placement_group.this.name
  }

  tag_specifications {
    resource_type = "instance"
    tags          = { Name = local.name, Project = var.prefix }
  }

  tag_specifications {
    resource_type = "volume"
    tags          = { Name = local.name, Project = var.prefix }
  }
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/kennel/${var.prefix}/fleet"
  kms_key_id        = var.kms_key_arn
  retention_in_days = 365
}
