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

run "serves_a_release" {
  assert {
    condition     = aws_sagemaker_model.this.enable_network_isolation
    error_message = "The container must not reach any network."
  }

  assert {
    condition = (
      aws_sagemaker_model.this.primary_container[0].image == var.image &&
      aws_sagemaker_model.this.primary_container[0].model_data_url == var.model_data
    )
    error_message = "The model must be the release's image and artifact."
  }

  assert {
    condition = (
      aws_sagemaker_endpoint_configuration.this.kms_key_arn == var.kms_key_arn &&
      aws_cloudwatch_log_group.this.kms_key_id == var.kms_key_arn &&
      aws_cloudwatch_log_group.this.retention_in_days == 365
    )
    error_message = "Volumes and logs must be encrypted with our key, and logs must end."
  }

  assert {
    condition = (
      aws_appautoscaling_target.this[0].resource_id == "endpoint/kennel-test/variant/live" &&
      aws_appautoscaling_target.this[0].min_capacity == 1 &&
      aws_appautoscaling_target.this[0].max_capacity == 4
    )
    error_message = "The endpoint's only variant must scale from 1 to 4."
  }

  assert {
    condition = alltrue([
      for target in aws_appautoscaling_policy.this[0].target_tracking_scaling_policy_configuration :
      target.target_value == 4 && target.scale_in_cooldown == 60 && target.scale_out_cooldown == 60
    ])
    error_message = "Scaling must track 4 requests an instance with cooldowns of 60 s."
  }
}

run "replaces_role_and_model_but_not_the_endpoint_for_the_next_release" {
  variables {
    model_data = "s3://kennel-models/dogs/2/model.tar.gz"
  }

  assert {
    condition = (
      aws_sagemaker_model.this.name != run.serves_a_release.release_name &&
      aws_iam_role.this.name == aws_sagemaker_model.this.name
    )
    error_message = "Old and new release live side by side: they need names of their own."
  }

  assert {
    condition     = output.name == run.serves_a_release.name
    error_message = "Callers know the endpoint by name: it must outlive releases."
  }
}

run "names_the_previous_release_anew" {
  assert {
    condition     = output.release_name != run.serves_a_release.release_name
    error_message = "After a rollback its old role and model may still have the old names."
  }
}

run "changes_no_name_when_nothing_is_deployed" {
  assert {
    condition     = output.release_name == run.names_the_previous_release_anew.release_name
    error_message = "Applying twice must change nothing."
  }
}

run "asks_no_key_for_disks_that_come_with_the_instance" {
  variables {
    instance_type = "ml.g4dn.xlarge"
  }

  assert {
    condition     = aws_sagemaker_endpoint_configuration.this.kms_key_arn == null
    error_message = "SageMaker refuses a key for an instance with its own disk."
  }
}
