# Plans the whole root without an account. Run in terraform/platform:
#   terraform init -backend=false && terraform test -var-file=dev.tfvars

mock_provider "aws" {
  source = "../testing/aws"
}

run "plans" {
  command = plan

  assert {
    condition     = output.bucket_names.models == "${var.prefix}-models-123456789012"
    error_message = "Scripts read bucket names by role."
  }

  assert {
    condition     = length(aws_api_gateway_account.this) == 1
    error_message = "Without the account's role no API of the service root can write access logs."
  }
}

run "keeps_what_is_dear_unless_told" {
  command = plan

  variables {
    force_destroy = false
  }

  assert {
    condition     = length(output.private_subnet_ids) == length(var.network.zones)
    error_message = "The service root needs the private subnets."
  }
}

run "leaves_the_account_setting_to_its_owner" {
  command = plan

  variables {
    manage_account_settings = false
  }

  assert {
    condition     = length(aws_api_gateway_account.this) + length(aws_iam_role.api_gateway) == 0
    error_message = "A setting of the whole account must be possible to leave alone."
  }
}

# Other values are checked by the modules; tests/terraform/test_values.py has them all.
run "refuses_a_name_or_place_that_aws_would_not_take" {
  command = plan

  variables {
    prefix = "Kennel"
    region = "Ireland"
  }

  expect_failures = [var.prefix, var.region]
}
