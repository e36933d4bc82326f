# API Gateway writes access logs with one role for the whole account and region, so the role
# belongs to no single API:
# https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

resource "aws_api_gateway_account" "this" {
  count = (var.manage_account_settings ? 1 : 0)

  cloudwatch_role_arn = aws_iam_role.api_gateway[0].arn

  # API Gateway tries the role out at once.
  depends_on = [aws_iam_role_policy.api_gateway]
}

resource "aws_iam_role" "api_gateway" {
  count = (var.manage_account_settings ? 1 : 0)

  name                 = "${var.prefix}-api-gateway-logs"
  assume_role_policy   = data.aws_iam_policy_document.api_gateway_trust.json
  permissions_boundary = var.permissions_boundary
}

resource "aws_iam_role_policy" "api_gateway" {
  count = (var.manage_account_settings ? 1 : 0)

  name   = "write-logs"
  role   = aws_iam_role.api_gateway[0].name
  policy = data.aws_iam_policy_document.api_gateway_logs.json
}

# Without a condition on the source: AWS documents none for this role, and who sets it must
# hold iam:PassRole in this very account.
data "aws_iam_policy_document" "api_gateway_trust" {
  statement {
    sid     = "ApiGateway"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["apigateway.amazonaws.com"]
    }
  }
}

# The actions of AWS's own AmazonAPIGatewayPushToCloudWatchLogs, in this account and region.
data "aws_iam_policy_document" "api_gateway_logs" {
  statement {
    sid = "WriteLogs"
    actions = [
      "logs:CreateLogGroup",
      "logs:CreateLogStream",
      "logs:DescribeLogGroups",
      "logs:DescribeLogStreams",
      "logs:FilterLogEvents",
      "logs:GetLogEvents",
      "logs:PutLogEvents",
    ]
    resources = [join(":", [
      "arn", data.aws_partition.current.partition, "logs", var.region,
      data.aws_caller_identity.current.account_id, "*",
    ])]
  }
}
