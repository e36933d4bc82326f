# Plans the whole root without an account. Run in terraform/bootstrap:
#   terraform init -backend=false && terraform test -var-file=dev.tfvars

mock_provider "aws" {
  source = "../testing/aws"
}

run "keeps_state_encrypted_with_a_history_and_closed" {
  assert {
    condition     = output.state_bucket == "${var.prefix}-state-123456789012"
    error_message = "stack.py finds the bucket by this name."
  }

  assert {
    condition = (
      aws_s3_bucket_versioning.state.versioning_configuration[0].status == "Enabled" &&
      aws_s3_bucket_public_access_block.state.restrict_public_buckets &&
      !aws_s3_bucket.state.force_destroy && aws_kms_key.state.enable_key_rotation
    )
    error_message = "State must be closed, have a history, and survive a destroy."
  }

  assert {
    condition     = keys(output.ci_role_arns) == ["apply", "plan"]
    error_message = "Workflows need one role to plan and another to apply."
  }
}

run "has_no_ci_on_request" {
  command = plan

  variables {
    ci = null
  }

  assert {
    condition     = output.ci_role_arns == null
    error_message = "ci = null must make no role."
  }
}

run "refuses_a_name_or_place_that_aws_would_not_take" {
  command = plan

  variables {
    prefix = "Kennel"
    region = "Ireland"
  }

  expect_failures = [var.prefix, var.region]
}
