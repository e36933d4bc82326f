# Needs no account and no credentials. Run in terraform/modules/endpoint:
#   terraform init && terraform test

mock_provider "aws" {
  source = "../../testing/aws"
}

variables {
  image       = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/kennel/serve@sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  model_data  = "s3://kennel-models/dogs/1/model.tar.gz"
  name        = "kennel-test"
}

run "moves_a_tenth_first_and_back_when_an_alarm_rings" {
  assert {
    condition = alltrue([
      for policy in one(aws_sagemaker_endpoint.this.deployment_config).blue_green_update_policy :
      one(policy.traffic_routing_configuration).type == "CANARY" &&
      one(one(policy.traffic_routing_configuration).canary_size).value == 10 &&
      one(policy.traffic_routing_configuration).wait_interval_in_seconds == 300 &&
      length(one(policy.traffic_routing_configuration).linear_step_size) == 0
    ])
    error_message = "By default a tenth of the fleet is tried for five minutes."
  }

  assert {
    condition = toset(flatten([
      for rollback in one(aws_sagemaker_endpoint.this.deployment_config).auto_rollback_configuration :
      rollback.alarms[*].alarm_name
    ])) == toset(["kennel-test-rollback-errors", "kennel-test-rollback-latency"])
    error_message = "Errors and latency must roll a release back."
  }

  assert {
    condition = alltrue([
      for alarm in aws_cloudwatch_metric_alarm.rollback :
      alarm.dimensions.EndpointConfigName == aws_sagemaker_endpoint_configuration.this.name &&
      alarm.treat_missing_data == "notBreaching" && alarm.comparison_operator == "GreaterThanThreshold"
    ])
    error_message = "The alarms must watch the new fleet only, and no traffic is no fault."
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.rollback["errors"].threshold == 0.05 &&
      aws_cloudwatch_metric_alarm.rollback["latency"].threshold == 2000000
    )
    error_message = "Errors are a share, and latency is in microseconds."
  }

  assert {
    condition = one(data.aws_iam_policy_document.rollback[0].statement).resources == toset([
      "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:kennel-test-rollback-errors",
      "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:kennel-test-rollback-latency",
    ])
    error_message = "SageMaker looks at the alarms with the role's rights: at these, and no others."
  }
}

run "moves_step_by_step_on_request" {
  variables {
    deployment = { type = "LINEAR", step_percent = 25, wait_seconds = 120 }
  }

  assert {
    condition = alltrue([
      for policy in one(aws_sagemaker_endpoint.this.deployment_config).blue_green_update_policy :
      one(one(policy.traffic_routing_configuration).linear_step_size).value == 25 &&
      length(one(policy.traffic_routing_configuration).canary_size) == 0
    ])
    error_message = "A linear update has steps and no canary."
  }
}

run "moves_at_once_on_request" {
  variables {
    deployment = { type = "ALL_AT_ONCE" }
  }

  assert {
    condition = alltrue([
      for policy in one(aws_sagemaker_endpoint.this.deployment_config).blue_green_update_policy :
      length(one(policy.traffic_routing_configuration).canary_size) == 0 &&
      length(one(policy.traffic_routing_configuration).linear_step_size) == 0
    ])
    error_message = "All at once has neither canary nor steps."
  }
}

run "starts_with_as_many_instances_as_run" {
  # A state of its own: what is there already keeps its count.
  state_key = "starts_with_as_many_instances_as_run"

  variables {
    running_instances = 3
  }

  assert {
    condition = (one(
      aws_sagemaker_endpoint_configuration.this.production_variants
    ).initial_instance_count == 3)
    error_message = "A release in the busy hour must not shrink the fleet to its minimum."
  }
}

run "starts_with_no_more_than_the_maximum" {
  # A state of its own: what is there already keeps its count.
  state_key = "starts_with_no_more_than_the_maximum"

  variables {
    running_instances = 9
  }

  assert {
    condition = (one(
      aws_sagemaker_endpoint_configuration.this.production_variants
    ).initial_instance_count == 4)
    error_message = "Above the maximum autoscaling would take instances away at once."
  }
}

run "refuses_an_unknown_kind" {
  command = plan

  variables {
    deployment = { type = "ROLLING" }
  }

  expect_failures = [var.deployment]
}

run "refuses_a_step_above_half" {
  command = plan

  variables {
    deployment = { step_percent = 60 }
  }

  expect_failures = [var.deployment]
}

run "refuses_a_wait_of_hours" {
  command = plan

  variables {
    deployment = { wait_seconds = 3601, timeout_seconds = 14400 }
  }

  expect_failures = [var.deployment]
}

run "refuses_a_timeout_before_the_last_step" {
  command = plan

  variables {
    deployment = { type = "LINEAR", timeout_seconds = 3600 }
  }

  expect_failures = [var.deployment]
}

run "refuses_an_alarm_slower_than_the_canary" {
  command = plan

  variables {
    rollback = { minutes = 5 }
  }

  expect_failures = [var.rollback]
}

run "refuses_a_share_of_errors_of_nothing" {
  command = plan

  variables {
    rollback = { error_percent = 0 }
  }

  expect_failures = [var.rollback]
}

run "refuses_a_latency_of_nothing" {
  command = plan

  variables {
    rollback = { latency_ms = 0 }
  }

  expect_failures = [var.rollback]
}

run "refuses_fewer_than_no_instances" {
  command = plan

  variables {
    running_instances = -1
  }

  expect_failures = [var.running_instances]
}

run "refuses_to_capture_nothing" {
  command = plan

  variables {
    data_capture = { bucket = "kennel-data", percent = 0 }
  }

  expect_failures = [var.data_capture]
}

run "refuses_captures_of_a_serverless_endpoint" {
  command = plan

  variables {
    data_capture = { bucket = "kennel-data" }
    serverless   = {}
  }

  expect_failures = [aws_sagemaker_endpoint_configuration.this]
}

run "refuses_a_queue_without_instances" {
  command = plan

  variables {
    async      = { bucket = "kennel-data" }
    serverless = {}
  }

  expect_failures = [aws_sagemaker_endpoint_configuration.this]
}
