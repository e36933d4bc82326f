# Needs no account and no credentials. Run in terraform/modules/gateway:
#   terraform init && terraform test

mock_provider "aws" {
  source = "../../testing/aws"
}

variables {
  # Only where it is what is tested: its schema is so large that a run with it takes seconds.
  firewall = null
  function = {
    alias      = "live"
    invoke_arn = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:123456789012:function:kennel-test-invoke:live/invocations"
    name       = "kennel-test-invoke"
  }
  kms_key_arn  = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  name         = "kennel-test"
  openapi_file = "tests/openapi.yaml"
}

run "asks_for_signed_requests_on_request" {
  variables {
    authorization = "AWS_IAM"
  }

  assert {
    condition = (
      jsondecode(local.body).paths["/v1/predict"].post.security == [{ sigv4 = [] }] &&
      jsondecode(local.body).components.securitySchemes.sigv4["x-amazon-apigateway-authtype"] ==
      "awsSigv4" &&
      length(aws_api_gateway_api_key.this) == 0
    )
    error_message = "With IAM there must be a signature and no key."
  }
}

run "answers_in_a_vpc_only_on_request" {
  variables {
    private = { vpc_endpoint_ids = ["vpce-1"] }
  }

  assert {
    condition = (
      one(aws_api_gateway_rest_api.this.endpoint_configuration).types == tolist(["PRIVATE"]) &&
      one(one(data.aws_iam_policy_document.private[0].statement).condition).variable == "aws:SourceVpce"
    )
    error_message = "A private API must answer through the given endpoints only."
  }
}

run "stands_behind_a_firewall" {
  command = plan

  variables {
    firewall = {}
  }

  assert {
    condition = (
      toset([for rule in aws_wafv2_web_acl.this[0].rule : rule.name]) == toset([
        "AWSManagedRulesAmazonIpReputationList", "AWSManagedRulesCommonRuleSet",
        "AWSManagedRulesKnownBadInputsRuleSet", "BodyTooLarge", "OneAddressTooOften",
      ]) && length(aws_wafv2_web_acl_association.this) == 1
    )
    error_message = "Managed rules, a rate and a size must stand before the stage."
  }

  assert {
    condition = {
      for length in ["99", "6999999", "7000000", "9999999", "10000000"] : length => anytrue([
        for rule in aws_wafv2_web_acl.this[0].rule :
        can(regex(one(one(rule.statement).regex_match_statement).regex_string, length))
        if rule.name == "BodyTooLarge"
      ])
    } == { "99" = false, "6999999" = false, "7000000" = true, "9999999" = true, "10000000" = true }
    error_message = "Lengths from 7 MB on must be refused, and no others."
  }
}

run "refuses_wrong_values" {
  command = plan

  variables {
    authorization = "BASIC"
    firewall      = { max_body_megabytes = 10 }
    function      = { alias = "live", invoke_arn = "kennel", name = "kennel" }
    kms_key_arn   = "alias/kennel"
    name          = "Kennel"
    openapi_file  = "missing.yaml"
    private       = { vpc_endpoint_ids = [] }
    throttle      = { rate = -1 }
    usage_plan    = { requests_per_day = 0 }
  }

  expect_failures = [
    var.authorization, var.firewall, var.function, var.kms_key_arn, var.name, var.openapi_file,
    var.private, var.throttle, var.usage_plan,
  ]
}

run "refuses_a_rate_that_stops_everyone" {
  command = plan

  variables {
    firewall = { requests_per_5_minutes = 1 }
  }

  expect_failures = [var.firewall]
}
