resource "aws_iam_role" "this" {
  name                 = var.name
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = var.permissions_boundary
}

resource "aws_iam_role_policy" "this" {
  name   = "invoke"
  role   = aws_iam_role.this.name
  policy = data.aws_iam_policy_document.permissions.json
}

# https://docs.aws.amazon.com/lambda/latest/dg/permissions-managed-policies.html on the condition
data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "LambdaForThisAccount"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

# The function fetches strangers' URLs. Should one of them take it over, this is all it gets.
data "aws_iam_policy_document" "permissions" {
  source_policy_documents = data.aws_iam_policy_document.network[*].json

  statement {
    sid       = "InvokeTheEndpoint"
    actions   = ["sagemaker:InvokeEndpoint"]
    resources = [var.endpoint.arn]
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this.arn}:*"]
  }

  statement {
    sid       = "SendTraces"
    actions   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    resources = ["*"] # the API has no resource level
  }
}
