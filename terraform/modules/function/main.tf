data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

# `id` is the region's name in every provider version from 5 on.
data "aws_region" "current" {}

# This group must exist before the function: Lambda would create it without a key, for ever.
resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${var.name}"
  kms_key_id        = var.kms_key_arn
  retention_in_days = 365
}

resource "aws_lambda_function" "this" {
  function_name    = var.name
  role             = aws_iam_role.this.arn
  runtime          = "python3.12"
  architectures    = [var.architecture]
  handler          = "invoke.handler.handle"
  filename         = var.zip_file
  source_code_hash = filebase64sha256(var.zip_file)

  # Lambda gives CPU in proportion to memory. The caller, API Gateway, hangs up after 29 s.
  memory_size = 1024
  timeout     = 29

  # Provisioned concurrency exists only on published versions.
  publish                        = true
  reserved_concurrent_executions = var.reserved_concurrency

  # Of the environment. Lambda decrypts by a grant that it makes for itself, so the role
  # needs no right to the key: who applies must hold kms:CreateGrant.
  kms_key_arn = var.kms_key_arn

  environment {
    variables = {
      KENNEL_ENDPOINT = var.endpoint.name
    }
  }

  tracing_config {
    mode = "Active"
  }

  dynamic "vpc_config" {
    for_each = var.network[*]

    content {
      security_group_ids = aws_security_group.this[*].id
      subnet_ids         = vpc_config.value.subnet_ids
    }
  }

  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.this]
}

resource "aws_lambda_alias" "live" {
  name        = "live"
  description = "The version that callers get"
  # The name, not the ARN: with the ARN provisioned concurrency fails at the second apply,
  # https://github.com/hashicorp/terraform-provider-aws/issues/12923
  function_name    = aws_lambda_function.this.function_name
  function_version = aws_lambda_function.this.version
}

resource "aws_lambda_provisioned_concurrency_config" "live" {
  count = (var.provisioned_concurrency > 0 && !local.is_scaled ? 1 : 0)

  function_name                     = aws_lambda_function.this.function_name
  qualifier                         = aws_lambda_alias.live.name
  provisioned_concurrent_executions = var.provisioned_concurrency
}
