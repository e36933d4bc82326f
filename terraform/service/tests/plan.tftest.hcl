# Plans the whole root without an account. Run in terraform/service:
#   terraform init -backend=false && terraform test -var-file=dev.tfvars

mock_provider "aws" {
  source = "../testing/aws"
}

variables {
  # Its schema is so large that each run with it takes seconds; the gateway's own tests have it.
  api          = { firewall = { enabled = false } }
  function_zip = "dev.tfvars" # the mock provider reads no zip: any file will do
}

run "joins_endpoint_function_and_api" {
  assert {
    condition     = module.gateway.firewall_arn == null
    error_message = "api.firewall.enabled = false must reach the gateway."
  }

  assert {
    condition     = output.endpoint_name == var.prefix && output.function_name == "${var.prefix}-invoke"
    error_message = "Names must come from the prefix."
  }

  assert {
    condition = output.predict_url == join("/", [
      "https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com", "live/v1/predict",
    ])
    error_message = "predict_url must be the stage's address and the path of the OpenAPI file."
  }

  assert {
    condition = output.log_group_names == {
      endpoint = "/aws/sagemaker/Endpoints/${var.prefix}"
      function = "/aws/lambda/${var.prefix}-invoke"
      gateway  = "/aws/apigateway/${var.prefix}"
    }
    error_message = "Scripts find the logs of each part by its name."
  }

  assert {
    condition     = nonsensitive(output.api_key) == "mocked-key-value"
    error_message = "By default callers need a key."
  }
}

run "opens_the_api_only_on_request" {
  command = plan

  variables {
    usage_plan = null
  }

  assert {
    condition     = nonsensitive(output.api_key) == null
    error_message = "usage_plan = null must reach the gateway: without a plan there is no key."
  }
}

run "lets_an_endpoint_have_no_instances" {
  command = plan

  variables {
    environment = { KENNEL_MOST_BATCH = "4" }
    network     = null
    serverless  = { memory_mb = 6144 }
  }

  assert {
    condition     = output.endpoint_name == var.prefix
    error_message = "A serverless endpoint must be possible from the root."
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
