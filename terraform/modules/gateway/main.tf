locals {
  binary_media_types = ["image/*"]
  is_private         = var.private != null
  # Without a plan there is no key, and without a key anyone may call.
  needs_key  = var.authorization == "API_KEY" && var.usage_plan != null
  needs_iam  = var.authorization == "AWS_IAM"
  stage_name = "live"

  access_log_fields = {
    apiKeyId           = "$context.identity.apiKeyId"
    error              = "$context.error.message"
    integrationLatency = "$context.integration.latency"
    ip                 = "$context.identity.sourceIp"
    latency            = "$context.responseLatency"
    length             = "$context.responseLength"
    method             = "$context.httpMethod"
    path               = "$context.path"
    requestId          = "$context.requestId"
    status             = "$context.status"
    time               = "$context.requestTime"
    traceId            = "$context.xrayTraceId"
  }
}

resource "aws_api_gateway_rest_api" "this" {
  name = var.name
  body = local.body
  # Bodies of these types reach the function as base64, byte for byte.
  binary_media_types = local.binary_media_types

  policy = one(data.aws_iam_policy_document.private[*].json)

  endpoint_configuration {
    types            = [local.is_private ? "PRIVATE" : "REGIONAL"]
    vpc_endpoint_ids = one(var.private[*].vpc_endpoint_ids)
  }

  lifecycle {
    create_before_destroy = true
  }
}

# A deployment is a snapshot: without a trigger a changed API would never reach the stage.
resource "aws_api_gateway_deployment" "this" {
  rest_api_id = aws_api_gateway_rest_api.this.id

  triggers = {
    binary_media_types = join(",", local.binary_media_types)
    body               = sha256(local.body)
    # In hand-picked form, as the whole policy names the API itself.
    private = jsonencode(var.private)
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_api_gateway_stage" "this" {
  #checkov:skip=CKV2_AWS_29:firewall.tf attaches one unless the variable says no
  #checkov:skip=CKV2_AWS_77:the rule set is attached by a dynamic block
  rest_api_id          = aws_api_gateway_rest_api.this.id
  deployment_id        = aws_api_gateway_deployment.this.id
  stage_name           = local.stage_name
  xray_tracing_enabled = true

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.this.arn
    format          = jsonencode(local.access_log_fields)
  }
}

resource "aws_api_gateway_method_settings" "this" {
  rest_api_id = aws_api_gateway_rest_api.this.id
  stage_name  = aws_api_gateway_stage.this.stage_name
  method_path = "*/*"

  settings {
    metrics_enabled        = true
    logging_level          = "ERROR"
    data_trace_enabled     = false # requests hold strangers' pictures
    throttling_burst_limit = var.throttle.burst
    throttling_rate_limit  = var.throttle.rate
  }
}
