# Needs no account and no credentials. Run in terraform/modules/fleet:
#   terraform init && terraform test

mock_provider "aws" {
  source = "../../testing/aws"
}

variables {
  data_uri    = "s3://kennel-test-data/dogs"
  image       = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/kennel-test/train@sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"

  network = {
    cidr_block        = "10.20.0.0/16"
    s3_prefix_list_id = "pl-1"
    subnet_id         = "subnet-1"
    vpc_id            = "vpc-1"
  }

  output = { bucket = "kennel-test-models" }
  prefix = "kennel-test"
}

run "guards_the_nodes" {
  assert {
    condition = (
      aws_launch_template.this.metadata_options[0].http_tokens == "required" &&
      aws_launch_template.this.metadata_options[0].http_put_response_hop_limit == 1 &&
      aws_launch_template.this.block_device_mappings[0].ebs[0].encrypted == "true" &&
      aws_launch_template.this.block_device_mappings[0].ebs[0].kms_key_id == var.kms_key_arn &&
      aws_launch_template.this.network_interfaces[0].associate_public_ip_address == "false" &&
      aws_launch_template.this.key_name == null
    )
    error_message = "Nodes must have IMDSv2 at one hop, encrypted disks, no public address and no key."
  }

  assert {
    condition = alltrue([
      for rule in [aws_vpc_security_group_ingress_rule.peers] :
      rule.referenced_security_group_id == aws_security_group.this.id && rule.cidr_ipv4 == null
    ])
    error_message = "Only peers may talk to a node."
  }
}

run "puts_all_nodes_together_and_takes_spare_capacity" {
  assert {
    condition = (
      aws_placement_group.this.strategy == "cluster" &&
      aws_launch_template.this.placement[0].group_name == aws_placement_group.this.name &&
      output.start.spot && length(aws_launch_template.this.instance_market_options) == 0 &&
      output.start.min_count == 2 && output.start.max_count == 2
    )
    error_message = "A run must be all its nodes in one placement group, or none, and may do without Spot."
  }
}

run "ends_in_any_case" {
  assert {
    condition     = aws_launch_template.this.instance_initiated_shutdown_behavior == "terminate"
    error_message = "A node that shuts down must not stay, stopped and paid for."
  }

  # The deadline must come before anything that could fail or hang.
  assert {
    condition = can(regex(
      "(?s)^#!/bin/bash\n(#[^\n]*\n)*set -euo pipefail\n\n#[^\n]*\nshutdown -h \\+360 .*\ntrap '[^\n]*shutdown -h now' EXIT",
      output.user_data
    ))
    error_message = "The deadline must be set first of all, and the end must shut the node down."
  }
}

run "starts_the_trainer_of_the_image_and_meets_on_the_first_node" {
  assert {
    condition = alltrue([
      for part in [
        "$(wish nodes 2)", "KENNEL_HOSTS=", "KENNEL_HOST_RANK=", "KENNEL_PORT=29400", "KENNEL_JOB=",
        "--gpus all", "--log-driver awslogs", "\"$image\" train", var.image,
        "$(wish data 's3://kennel-test-data/dogs')", "\"$output/$run/model.tar.gz\"",
      ] : strcontains(output.user_data, part)
    ])
    error_message = "Each node must run the image's trainer, and keep its result."
  }
}

run "role_reads_the_data_pulls_one_image_and_writes_one_prefix" {
  assert {
    condition = {
      for statement in data.aws_iam_policy_document.permissions.statement :
      statement.sid => statement.resources if contains(
        ["ReadTheDataAndTheRendezvous", "WriteResults", "PullTheImage"], statement.sid
      )
      } == {
      PullTheImage = toset(["arn:aws:ecr:eu-west-1:123456789012:repository/kennel-test/train"])
      ReadTheDataAndTheRendezvous = toset([
        "arn:aws:s3:::kennel-test-data/*", "arn:aws:s3:::kennel-test-models/fleet/*",
      ])
      WriteResults = toset(["arn:aws:s3:::kennel-test-models/fleet/*"])
    }
    error_message = "The role must name its data, its image and its prefix."
  }
}

run "pays_the_full_price_and_needs_no_gpu_on_request" {
  command = plan

  variables {
    gpus          = false
    instance_type = "c7i.4xlarge"
    spot          = false
  }

  assert {
    condition = (
      !output.start.spot && !output.start.gpus && !strcontains(output.user_data, "--gpus")
    )
    error_message = "Without Spot there is no market, and without GPUs no runtime for them."
  }
}

run "refuses_wrong_values" {
  command = plan

  variables {
    data_uri                = "s3://kennel-test-data/*"
    image                   = "kennel/train:latest"
    instance_type           = "t3.large"
    kms_key_arn             = "alias/kennel"
    machine_image_parameter = "/someone/else"
    max_minutes             = 5

    network = {
      cidr_block        = "0.0.0.0/0"
      s3_prefix_list_id = "pl-1"
      subnet_id         = "subnet-1"
      vpc_id            = "vpc-1"
    }

    nodes     = 0
    output    = { bucket = "kennel-test-models", prefix = "/" }
    prefix    = "Kennel"
    volume_gb = 8
  }

  expect_failures = [
    var.data_uri, var.image, var.instance_type, var.kms_key_arn, var.machine_image_parameter,
    var.max_minutes, var.network, var.nodes, var.output, var.prefix, var.volume_gb,
  ]
}

run "refuses_a_boundary_that_is_no_policy" {
  command = plan

  variables {
    permissions_boundary = "arn:aws:iam::123456789012:role/kennel"
  }

  expect_failures = [var.permissions_boundary]
}
