# Needs no account and no credentials. Run in terraform/modules/notebook:
#   terraform init && terraform test

mock_provider "aws" {
  source = "../../testing/aws"
}

variables {
  buckets     = { data = "kennel-test-data", models = "kennel-test-models" }
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"

  network = {
    cidr_block        = "10.20.0.0/16"
    s3_prefix_list_id = "pl-1"
    subnet_id         = "subnet-1"
    vpc_id            = "vpc-1"
  }

  prefix = "kennel-test"
}

run "is_closed_encrypted_and_small" {
  assert {
    condition = (
      aws_sagemaker_notebook_instance.this.instance_type == "ml.t3.medium" &&
      aws_sagemaker_notebook_instance.this.root_access == "Disabled" &&
      aws_sagemaker_notebook_instance.this.direct_internet_access == "Disabled" &&
      aws_sagemaker_notebook_instance.this.subnet_id == "subnet-1" &&
      aws_sagemaker_notebook_instance.this.kms_key_id == var.kms_key_arn &&
      [
        for service in aws_sagemaker_notebook_instance.this.instance_metadata_service_configuration :
        service.minimum_instance_metadata_service_version
      ] == ["2"]
    )
    error_message = "No root, no internet, our subnet, our key, IMDSv2."
  }
}

run "stops_when_nobody_uses_it" {
  assert {
    condition = (
      strcontains(output.script, "60 * 60") &&
      strcontains(output.script, "stop-notebook-instance") &&
      base64decode(aws_sagemaker_notebook_instance_lifecycle_configuration.this.on_start) ==
      output.script
    )
    error_message = "Each start must leave a timer that stops the idle notebook."
  }

  assert {
    condition = {
      for statement in data.aws_iam_policy_document.permissions.statement :
      statement.sid => statement.resources
      if startswith(one(slice(tolist(statement.actions), 0, 1)), "sagemaker:")
      } == {
      StopItselfWhenIdle = toset([
        "arn:aws:sagemaker:eu-west-1:123456789012:notebook-instance/kennel-test-notebook",
      ])
    }
    error_message = "Of SageMaker the notebook may do one thing: stop itself."
  }
}

run "leaves_the_log_group_to_its_owner" {
  command = plan

  variables {
    manage_log_group = false
  }

  assert {
    condition     = length(aws_cloudwatch_log_group.this) == 0
    error_message = "A log group of the whole account must be possible to leave alone."
  }
}

run "refuses_wrong_values" {
  command = plan

  variables {
    buckets       = { data = "*", models = "*" }
    idle_minutes  = 0
    instance_type = "t3.medium"
    kms_key_arn   = "alias/kennel"

    network = {
      cidr_block        = "0.0.0.0/0"
      s3_prefix_list_id = "pl-1"
      subnet_id         = "subnet-1"
      vpc_id            = "vpc-1"
    }

    prefix    = "Kennel"
    volume_gb = 1
  }

  expect_failures = [
    var.buckets, var.idle_minutes, var.instance_type, var.kms_key_arn, var.network, var.prefix,
    var.volume_gb,
  ]
}

run "refuses_a_boundary_that_is_no_policy" {
  command = plan

  variables {
    permissions_boundary = "arn:aws:iam::123456789012:role/kennel"
  }

  expect_failures = [var.permissions_boundary]
}
