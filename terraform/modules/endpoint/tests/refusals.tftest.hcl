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

run "refuses_wrong_values" {
  command = plan

  variables {
    image         = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/kennel/serve:latest"
    instance_type = "c6i.xlarge"
    model_data    = "s3://kennel-models/*.tar.gz"
    name          = "Kennel"
    scaling       = { min_instances = 0 } # only asynchronous endpoints scale to zero
  }

  expect_failures = [
    var.image, var.instance_type, var.model_data, var.name, var.scaling,
  ]
}

run "refuses_a_maximum_below_the_minimum" {
  command = plan

  variables {
    scaling = { min_instances = 3, max_instances = 2 }
  }

  expect_failures = [var.scaling]
}

run "refuses_a_target_of_nothing" {
  command = plan

  variables {
    scaling = { concurrent_requests = 0 }
  }

  expect_failures = [var.scaling]
}

run "refuses_an_alarm_topic_that_is_no_arn" {
  command = plan

  variables {
    alarm_topic_arns = ["kennel-alarms"]
  }

  expect_failures = [var.alarm_topic_arns]
}

run "refuses_an_empty_environment_variable" {
  command = plan

  variables {
    environment = { KENNEL_MODE = "" }
  }

  expect_failures = [var.environment]
}

run "refuses_the_id_of_a_key" {
  command = plan

  variables {
    kms_key_arn = "1234abcd-12ab-34cd-56ef-1234567890ab"
  }

  expect_failures = [var.kms_key_arn]
}

run "refuses_a_single_subnet" {
  command = plan

  variables {
    network = { vpc_id = "vpc-1", subnet_ids = ["subnet-1"], s3_prefix_list_id = "pl-1" }
  }

  expect_failures = [var.network]
}

run "refuses_a_cooldown_below_nothing" {
  command = plan

  variables {
    scaling = { cooldown_seconds = -1 }
  }

  expect_failures = [var.scaling]
}

run "refuses_a_schedule_of_five_fields" {
  command = plan

  variables {
    scaling = { schedule = { day = { cron = "0 7 * * *", min_instances = 2, max_instances = 4 } } }
  }

  expect_failures = [var.scaling]
}

run "refuses_a_surge_below_the_target" {
  command = plan

  variables {
    scaling = { surge = { concurrent_requests = 2 } }
  }

  expect_failures = [var.scaling]
}

run "refuses_a_queue_without_concurrency" {
  command = plan

  variables {
    async = { bucket = "kennel-data", concurrent_requests = 0 }
  }

  expect_failures = [var.async]
}

run "refuses_a_serverless_memory_between_sizes" {
  command = plan

  variables {
    serverless = { memory_mb = 3000 }
  }

  expect_failures = [var.serverless]
}

run "refuses_more_warm_serverless_than_may_run" {
  command = plan

  variables {
    serverless = { max_concurrency = 2, provisioned_concurrency = 3 }
  }

  expect_failures = [var.serverless]
}

run "refuses_all_buckets" {
  command = plan

  variables {
    data_bucket = "*"
  }

  expect_failures = [var.data_bucket]
}

run "refuses_a_boundary_that_is_no_policy" {
  command = plan

  variables {
    permissions_boundary = "arn:aws:iam::123456789012:role/kennel"
  }

  expect_failures = [var.permissions_boundary]
}
