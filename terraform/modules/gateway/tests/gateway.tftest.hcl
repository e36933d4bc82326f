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

# One run, as each new one evaluates the firewall's schema again, be there a firewall or not.
run "joins_the_alias_and_is_guarded_logged_and_throttled" {
  assert {
    condition = alltrue([
      for operation in [
        jsondecode(local.body).paths["/v1/predict"].post,
        jsondecode(local.body).paths["/v1/health"].get,
      ] :
      operation["x-amazon-apigateway-integration"].type == "aws_proxy" &&
      operation["x-amazon-apigateway-integration"].httpMethod == "POST" &&
      operation["x-amazon-apigateway-integration"].uri == var.function.invoke_arn &&
      operation["x-amazon-apigateway-request-validator"] == "all"
    ])
    error_message = "Each operation must be validated and proxied to the function's alias."
  }

  assert {
    condition = (
      jsondecode(local.body).paths["/v1/predict"].parameters[0].name == "top" &&
      jsondecode(local.body).paths["/v1/predict"].post.operationId == "predict" &&
      can(jsondecode(local.body).components.schemas.Request)
    )
    error_message = "What the OpenAPI file says must stay as it is."
  }

  assert {
    condition = keys(
      jsondecode(local.body).paths["/v1/predict"].post.requestBody.content
    ) == ["application/json"]
    error_message = "Pictures must not be validated as JSON."
  }

  assert {
    condition = (
      one(aws_api_gateway_rest_api.this.endpoint_configuration).types == tolist(["REGIONAL"]) &&
      contains(aws_api_gateway_rest_api.this.binary_media_types, "image/*")
    )
    error_message = "The API must be regional and take pictures as bytes."
  }

  assert {
    condition = (
      aws_lambda_permission.this.principal == "apigateway.amazonaws.com" &&
      aws_lambda_permission.this.qualifier == "live" &&
      aws_lambda_permission.this.source_arn == "${aws_api_gateway_rest_api.this.execution_arn}/live/*"
    )
    error_message = "The function's alias must be open to this API's stage and to nothing else."
  }

  assert {
    condition = (
      one(aws_api_gateway_stage.this.access_log_settings[*].destination_arn) ==
      aws_cloudwatch_log_group.this.arn &&
      can(jsondecode(aws_api_gateway_stage.this.access_log_settings[0].format).requestId) &&
      aws_cloudwatch_log_group.this.kms_key_id == var.kms_key_arn
    )
    error_message = "Each access must be a JSON line in our encrypted log group."
  }

  assert {
    condition = (
      aws_api_gateway_stage.this.xray_tracing_enabled &&
      aws_api_gateway_method_settings.this.settings[0].throttling_rate_limit == 25 &&
      aws_api_gateway_method_settings.this.settings[0].throttling_burst_limit == 50
    )
    error_message = "The stage must be traced and throttled."
  }

  assert {
    condition = (
      aws_api_gateway_rest_api.this.body == local.body &&
      aws_api_gateway_deployment.this.triggers.body == sha256(local.body)
    )
    error_message = "A changed body must reach the API and make a new deployment."
  }

  assert {
    condition = alltrue([
      for operation in [
        jsondecode(local.body).paths["/v1/predict"].post,
        jsondecode(local.body).paths["/v1/health"].get,
      ] : operation.security == [{ api_key = [] }]
    ])
    error_message = "Without a key no operation may be called."
  }

  assert {
    condition = (
      length(aws_api_gateway_usage_plan_key.this) == 1 &&
      aws_api_gateway_usage_plan.this[0].quota_settings[0].limit == 10000 &&
      aws_api_gateway_usage_plan.this[0].throttle_settings[0].rate_limit == 10
    )
    error_message = "The key must belong to a plan with a quota and a rate."
  }

  assert {
    condition = (
      jsondecode(local.body).paths["/v1/predict"].options.security == [] &&
      jsondecode(local.body).paths["/v1/predict"].post.security == [{ api_key = [] }]
    )
    error_message = "A preflight request carries no key."
  }

  assert {
    condition = alltrue([
      for kind, response in jsondecode(local.body)["x-amazon-apigateway-gateway-responses"] :
      response.responseParameters["gatewayresponse.header.Content-Type"] ==
      "'application/problem+json'" &&
      jsondecode(response.responseTemplates["application/json"]).detail != null
    ])
    error_message = "API Gateway's own refusals must be problems too."
  }

  assert {
    condition = [
      for kind, response in jsondecode(local.body)["x-amazon-apigateway-gateway-responses"] : kind
      if try(jsondecode(response.responseTemplates["application/json"]).status, 0) !=
      try(response.statusCode, null)
    ] == ["DEFAULT_4XX", "DEFAULT_5XX"]
    error_message = "A problem must have the answer's status; what can have any must name none."
  }

  assert {
    condition = (
      aws_api_gateway_method_settings.this.settings[0].logging_level == "ERROR" &&
      !aws_api_gateway_method_settings.this.settings[0].data_trace_enabled &&
      aws_cloudwatch_log_group.execution.name == "API-Gateway-Execution-Logs_a1b2c3d4e5/live"
    )
    error_message = "Faults must be logged, and pictures must not."
  }

  assert {
    condition     = length(aws_wafv2_web_acl.this) + length(aws_wafv2_web_acl_association.this) == 0
    error_message = "firewall = null must switch it off."
  }
}

run "opens_the_api_only_on_request" {
  variables {
    usage_plan = null
  }

  assert {
    condition = (
      jsondecode(local.body).paths["/v1/predict"].post.security == [] &&
      length(aws_api_gateway_api_key.this) == 0 && nonsensitive(output.api_key) == null
    )
    error_message = "usage_plan = null must switch the key off."
  }
}
