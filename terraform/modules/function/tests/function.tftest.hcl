# Needs no account and no credentials. Run in terraform/modules/function:
#   terraform init && terraform test

mock_provider "aws" {
  source = "../../testing/aws"
}

variables {
  endpoint = {
    arn  = "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/kennel-test"
    name = "kennel-test"
  }
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  name        = "kennel-test-invoke"
  zip_file    = "main.tf" # the mock provider reads no zip: any file will do
}

run "runs_the_handler_with_three_of_ten_instances_warm" {
  assert {
    condition = (
      aws_lambda_function.this.handler == "invoke.handler.handle" &&
      aws_lambda_function.this.runtime == "python3.12" &&
      aws_lambda_function.this.architectures == tolist(["arm64"]) &&
      aws_lambda_function.this.environment[0].variables == tomap({ KENNEL_ENDPOINT = "kennel-test" })
    )
    error_message = "The function must be our handler on Python 3.12 and know its endpoint."
  }

  assert {
    condition     = aws_lambda_function.this.kms_key_arn == var.kms_key_arn
    error_message = "The environment must be encrypted with our key."
  }

  assert {
    condition     = aws_lambda_function.this.tracing_config[0].mode == "Active"
    error_message = "Calls must be traced."
  }

  assert {
    condition = (
      aws_cloudwatch_log_group.this.name == "/aws/lambda/kennel-test-invoke" &&
      aws_cloudwatch_log_group.this.kms_key_id == var.kms_key_arn &&
      aws_cloudwatch_log_group.this.retention_in_days == 365
    )
    error_message = "The group that Lambda logs to must be encrypted with our key, and logs must end."
  }

  assert {
    condition = (
      aws_lambda_function.this.publish &&
      aws_lambda_alias.live.function_version == aws_lambda_function.this.version
    )
    error_message = "The alias must point to the version just published, never to $LATEST."
  }

  assert {
    condition = (
      aws_lambda_function.this.reserved_concurrent_executions == 10 &&
      aws_lambda_provisioned_concurrency_config.live[0].provisioned_concurrent_executions == 3 &&
      aws_lambda_provisioned_concurrency_config.live[0].qualifier == "live"
    )
    error_message = "By default 10 are reserved, and 3 of them kept warm on the alias."
  }
}

run "keeps_none_warm_on_request" {
  variables {
    provisioned_concurrency = 0
  }

  assert {
    condition     = length(aws_lambda_provisioned_concurrency_config.live) == 0
    error_message = "0 must switch provisioned concurrency off: the API refuses it."
  }
}

run "refuses_wrong_values" {
  command = plan

  variables {
    architecture = "riscv"
    endpoint = {
      arn  = "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/*"
      name = "kennel-test"
    }
    kms_key_arn          = "alias/kennel"
    name                 = "Kennel"
    network              = { vpc_id = "vpc-1", subnet_ids = ["subnet-1"] }
    reserved_concurrency = 0
    zip_file             = "missing.zip"
  }

  expect_failures = [
    var.architecture, var.endpoint, var.kms_key_arn, var.name, var.network,
    var.reserved_concurrency, var.zip_file,
  ]
}

run "refuses_to_keep_more_warm_than_are_reserved" {
  command = plan

  variables {
    provisioned_concurrency = 11
  }

  expect_failures = [var.provisioned_concurrency]
}

run "refuses_to_keep_fewer_than_none_warm" {
  command = plan

  variables {
    provisioned_concurrency = -1
  }

  expect_failures = [var.provisioned_concurrency]
}

run "keeps_more_warm_when_busy_on_request" {
  variables {
    most_provisioned = 8
  }

  assert {
    condition = (
      aws_lambda_provisioned_concurrency_config.scaled[0].qualifier == "live" &&
      length(aws_lambda_provisioned_concurrency_config.live) == 0 &&
      aws_appautoscaling_target.this[0].resource_id == "function:kennel-test-invoke:live" &&
      aws_appautoscaling_target.this[0].min_capacity == 3 &&
      aws_appautoscaling_target.this[0].max_capacity == 8
    )
    error_message = "Autoscaling must move between what is set and the most."
  }
}

run "refuses_to_scale_above_what_is_reserved" {
  command = plan

  variables {
    most_provisioned = 11
  }

  expect_failures = [var.most_provisioned]
}

run "stands_in_a_vpc_on_request" {
  variables {
    network = { vpc_id = "vpc-1", subnet_ids = ["subnet-1", "subnet-2"] }
  }

  assert {
    condition = (
      one(aws_lambda_function.this.vpc_config).subnet_ids == toset(["subnet-1", "subnet-2"]) &&
      aws_vpc_security_group_egress_rule.https[0].to_port == 443
    )
    error_message = "The function must stand in the given subnets, with HTTPS to go out."
  }

  assert {
    condition = (
      data.aws_iam_policy_document.network[0].statement[1].effect == "Deny" &&
      data.aws_iam_policy_document.network[0].statement[1].actions ==
      data.aws_iam_policy_document.network[0].statement[0].actions
    )
    error_message = "What Lambda may do for the function, its code must not."
  }
}

run "refuses_a_boundary_that_is_no_policy" {
  command = plan

  variables {
    permissions_boundary = "arn:aws:iam::123456789012:role/kennel"
  }

  expect_failures = [var.permissions_boundary]
}
