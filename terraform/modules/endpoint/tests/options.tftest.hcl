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

run "stands_in_our_subnets_and_reaches_only_s3" {
  variables {
    network = { vpc_id = "vpc-1", subnet_ids = ["subnet-1", "subnet-2"], s3_prefix_list_id = "pl-1" }
  }

  assert {
    condition = (
      one(aws_sagemaker_model.this.vpc_config).subnets == toset(["subnet-1", "subnet-2"]) &&
      aws_vpc_security_group_egress_rule.s3[0].prefix_list_id == "pl-1" &&
      aws_sagemaker_model.this.enable_network_isolation
    )
    error_message = "The model must stand in the given subnets, isolated, with a way to S3 only."
  }

  assert {
    condition = alltrue([
      for statement in data.aws_iam_policy_document.network[0].statement :
      statement.resources != toset(["*"]) || alltrue([
        for action in statement.actions : startswith(action, "ec2:Describe")
      ])
    ])
    error_message = "What creates or deletes interfaces must name subnets."
  }
}

run "captures_a_share_of_the_traffic" {
  variables {
    data_capture = { bucket = "kennel-data", percent = 5 }
  }

  assert {
    condition = alltrue([
      for capture in aws_sagemaker_endpoint_configuration.this.data_capture_config :
      capture.initial_sampling_percentage == 5 && capture.kms_key_id == var.kms_key_arn &&
      capture.destination_s3_uri == "s3://kennel-data/capture/kennel-test"
    ])
    error_message = "Captures must be sampled and encrypted with our key."
  }

  assert {
    condition = data.aws_iam_policy_document.objects[0].statement[0].resources == toset([
      "arn:aws:s3:::kennel-data/capture/kennel-test/*",
    ])
    error_message = "The role may write captures of this endpoint only."
  }
}

run "classifies_a_bucket_on_request" {
  variables {
    data_bucket = "kennel-data"
  }

  assert {
    condition = {
      for statement in data.aws_iam_policy_document.batch[0].statement :
      statement.sid => { actions = statement.actions, resources = statement.resources }
      if statement.resources != toset(["*"])
      } == {
      ListPictures = {
        actions   = toset(["s3:ListBucket"])
        resources = toset(["arn:aws:s3:::kennel-data"])
      }
      ReadPictures = {
        actions   = toset(["s3:GetObject"])
        resources = toset(["arn:aws:s3:::kennel-data/*"])
      }
      WriteAnswers = {
        actions   = toset(["s3:PutObject"])
        resources = toset(["arn:aws:s3:::kennel-models/batch/*"])
      }
      EncryptAnswers = {
        actions   = toset(["kms:GenerateDataKey"])
        resources = toset([var.kms_key_arn])
      }
      WriteLogsOfJobs = {
        actions = toset([
          "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents",
        ])
        resources = toset([
          "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/sagemaker/TransformJobs:*",
        ])
      }
    }
    error_message = "Batch transform may read one bucket and write answers, never a model."
  }
}

run "tracks_invocations_plans_the_day_and_surges_on_request" {
  variables {
    scaling = {
      invocations_per_minute = 600
      surge                  = { concurrent_requests = 12 }
      schedule = {
        morning = {
          cron          = "0 7 ? * MON-FRI *"
          min_instances = 2
          max_instances = 6
          timezone      = "Europe/Dublin"
        }
      }
    }
  }

  assert {
    condition = alltrue([
      for target in aws_appautoscaling_policy.this[0].target_tracking_scaling_policy_configuration :
      target.target_value == 600 &&
      one(target.predefined_metric_specification[*].predefined_metric_type) ==
      "SageMakerVariantInvocationsPerInstance"
    ])
    error_message = "The named number says which metric is tracked."
  }

  assert {
    condition = (
      aws_appautoscaling_scheduled_action.this["morning"].schedule == "cron(0 7 ? * MON-FRI *)" &&
      aws_appautoscaling_scheduled_action.this["morning"].scalable_target_action[0].min_capacity == "2"
    )
    error_message = "The schedule must move the limits."
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.step["surge"].period == 10 &&
      aws_cloudwatch_metric_alarm.step["surge"].threshold == 12 &&
      flatten([
        for step in aws_appautoscaling_policy.step["surge"].step_scaling_policy_configuration :
        [for adjustment in step.step_adjustment : adjustment.scaling_adjustment]
      ]) == [2]
    )
    error_message = "A surge must be seen within seconds."
  }
}

run "scales_a_queue_to_nothing_and_wakes_it" {
  variables {
    async   = { bucket = "kennel-data" }
    scaling = { min_instances = 0 }
  }

  assert {
    condition = (
      aws_appautoscaling_target.this[0].min_capacity == 0 &&
      one(aws_sagemaker_endpoint_configuration.this.production_variants).initial_instance_count == 1 &&
      aws_cloudwatch_metric_alarm.step["wake"].metric_name == "HasBacklogWithoutCapacity"
    )
    error_message = "A queue may sleep, must be born awake, and must be woken by its backlog."
  }

  assert {
    condition = alltrue([
      for target in aws_appautoscaling_policy.this[0].target_tracking_scaling_policy_configuration :
      one(target.customized_metric_specification).metric_name == "ApproximateBacklogSizePerInstance"
    ])
    error_message = "A queue is scaled by its backlog."
  }
}

run "runs_without_instances_on_request" {
  variables {
    serverless = { memory_mb = 6144 }
  }

  assert {
    condition = (
      !aws_sagemaker_model.this.enable_network_isolation &&
      length(aws_sagemaker_endpoint.this.deployment_config) == 0 &&
      length(aws_appautoscaling_target.this) + length(aws_cloudwatch_metric_alarm.rollback) == 0 &&
      aws_sagemaker_endpoint_configuration.this.kms_key_arn == null
    )
    error_message = "What serverless endpoints do not have must be left out."
  }
}
