# Needs no account and no credentials. Run in terraform/modules/training:
#   terraform init && terraform test

mock_provider "aws" {
  source = "../../testing/aws"
}

variables {
  buckets        = { data = "kennel-test-data", models = "kennel-test-models" }
  kms_key_arn    = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  prefix         = "kennel-test"
  repository_arn = "arn:aws:ecr:eu-west-1:123456789012:repository/kennel-test/train"

  network = {
    s3_prefix_list_id = "pl-1"
    subnet_ids        = ["subnet-1", "subnet-2"]
    vpc_id            = "vpc-1"
  }
}

run "role_serves_jobs_of_this_stack_only" {
  assert {
    condition = {
      for condition in one(data.aws_iam_policy_document.trust.statement).condition :
      condition.variable => toset(condition.values)
      } == {
      "aws:SourceAccount" = toset(["123456789012"])
      "aws:SourceArn" = toset([
        "arn:aws:sagemaker:eu-west-1:123456789012:hyper-parameter-tuning-job/kennel-test-*",
        "arn:aws:sagemaker:eu-west-1:123456789012:training-job/kennel-test-*",
      ])
    }
    error_message = "Only jobs named after this stack may use the role."
  }

  assert {
    condition = {
      for statement in data.aws_iam_policy_document.permissions.statement :
      statement.sid => statement.resources
      if startswith(one(slice(tolist(statement.actions), 0, 1)), "s3:")
      } == {
      ListData = toset(["arn:aws:s3:::kennel-test-data"])
      ReadDataAndCheckpoints = toset([
        "arn:aws:s3:::kennel-test-data/*", "arn:aws:s3:::kennel-test-models/checkpoints/*",
      ])
      WriteModelsAndCheckpoints = toset([
        "arn:aws:s3:::kennel-test-models/checkpoints/*", "arn:aws:s3:::kennel-test-models/jobs/*",
      ])
      ForgetOldCheckpoints = toset(["arn:aws:s3:::kennel-test-models/checkpoints/*"])
    }
    error_message = "A job reads data and writes where jobs write: never a released model."
  }

  assert {
    condition = alltrue([
      for statement in data.aws_iam_policy_document.permissions.statement :
      length(statement.condition) > 0
      if startswith(statement.sid, "Encrypt") || statement.sid == "ReportMetrics"
    ])
    error_message = "What cannot be limited by resource must be limited by condition."
  }
}

run "hosts_reach_each_other_and_s3" {
  assert {
    condition = (
      aws_vpc_security_group_egress_rule.s3.prefix_list_id == "pl-1" && alltrue([
        for rule in [
          aws_vpc_security_group_egress_rule.peers, aws_vpc_security_group_ingress_rule.peers,
        ] : rule.referenced_security_group_id == aws_security_group.this.id
      ])
    )
    error_message = "A host may talk to its peers and to S3, and to nobody else."
  }
}

run "tells_scripts_all_a_job_needs" {
  assert {
    condition = (
      output.job_defaults.isolated && output.job_defaults.max_runtime == 21600 &&
      output.job_defaults.output_s3_uri == "s3://kennel-test-models/jobs" &&
      output.job_defaults.role_arn == aws_iam_role.this.arn
    )
    error_message = "A job must be isolated, bounded in time, and write where its role may."
  }
}

run "keeps_the_logs_of_jobs_encrypted_and_not_for_ever" {
  assert {
    condition = {
      for group in aws_cloudwatch_log_group.this : group.name => group.retention_in_days
      } == {
      "/aws/sagemaker/TrainingJobs"  = 365
      "/aws/sagemaker/TransformJobs" = 365
    }
    error_message = "SageMaker would make both itself, without a key and without an end."
  }
}

run "leaves_the_log_groups_to_their_owner" {
  command = plan

  variables {
    manage_log_groups = false
  }

  assert {
    condition     = length(aws_cloudwatch_log_group.this) == 0
    error_message = "What is the whole account's must be possible to leave alone."
  }
}

run "refuses_wrong_values" {
  command = plan

  variables {
    buckets        = { data = "s3://data", models = "*" }
    job            = { instance_type = "g5.xlarge" }
    kms_key_arn    = "alias/kennel"
    network        = { vpc_id = "vpc-1", subnet_ids = [], s3_prefix_list_id = "pl-1" }
    prefix         = "Kennel"
    repository_arn = "arn:aws:ecr:eu-west-1:123456789012:repository/*"
  }

  expect_failures = [
    var.buckets, var.job, var.kms_key_arn, var.network, var.prefix, var.repository_arn,
  ]
}

run "refuses_no_instances" {
  command = plan

  variables {
    job = { instance_count = 0 }
  }

  expect_failures = [var.job]
}

run "refuses_a_job_without_end" {
  command = plan

  variables {
    job = { max_hours = 1000 }
  }

  expect_failures = [var.job]
}

run "refuses_a_boundary_that_is_no_policy" {
  command = plan

  variables {
    permissions_boundary = "arn:aws:iam::123456789012:role/kennel"
  }

  expect_failures = [var.permissions_boundary]
}
