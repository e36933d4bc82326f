locals {
  binary_media_types = ["image/*"]
  needs_key          = var.usage_plan != null
  stage_name         = "live"

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

  endpoint_configuration {
    types = ["REGIONAL"]
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
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_api_gateway_stage" "this" {
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
    throttling_burst_limit = var.throttle.burst
    throttling_rate_limit  = var.throttle.rate
  }
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/apigateway/${var.name}"
  kms_key_id        = var.kms_key_arn
  retention_in_days = 365
}

resource "aws_lambda_permission" "this" {
  statement_id  = "ApiGateway"
  action        = "lambda:InvokeFunction"
  function_name = var.function.name
  qualifier     = var.function.alias
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_api_gateway_rest_api.this.execution_arn}/${local.stage_name}/*"
}
