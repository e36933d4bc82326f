resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/apigateway/${var.name}"
  kms_key_id        = var.kms_key_arn
  retention_in_days = 365
}

# API Gateway writes what went wrong inside it to this name; made here, it is encrypted and ends.
resource "aws_cloudwatch_log_group" "execution" {
  name              = "API-Gateway-Execution-Logs_${local.api_id}/${local.stage_name}"
  kms_key_id        = var.kms_key_arn
  retention_in_days = 365
}

locals {
  api_id = aws_api_gateway_rest_api.this.id
}

resource "aws_lambda_permission" "this" {
  statement_id  = "ApiGateway"
  action        = "lambda:InvokeFunction"
  function_name = var.function.name
  qualifier     = var.function.alias
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_api_gateway_rest_api.this.execution_arn}/${local.stage_name}/*"
}

# A private API answers only through the given endpoints of a VPC.
data "aws_iam_policy_document" "private" {
  count = (local.is_private ? 1 : 0)

  statement {
    sid       = "ThroughOurEndpointsOnly"
    actions   = ["execute-api:Invoke"]
    resources = ["execute-api:/*"] # API Gateway puts its own ARN in front

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceVpce"
      values   = var.private.vpc_endpoint_ids
    }
  }
}
