# What carries the prefix in its name may be changed; what has no name to limit by is limited by
# tag, region or account. Roles may be made only under the boundary, so that none of them can do
# what a workload never does.
locals {
  _here = "${local.region}:${local.account_id}"
  _arn  = "arn:${local.partition}"

  _by_name = {
    Alarms     = ["cloudwatch:*", ["cloudwatch:${local._here}:alarm:${var.prefix}-*"]]
    Dashboards = ["cloudwatch:*", ["cloudwatch::${local.account_id}:dashboard/${var.prefix}"]]
    Budgets    = ["budgets:*", ["budgets::${local.account_id}:budget/${var.prefix}"]]
    Buckets    = ["s3:*", ["s3:::${var.prefix}-*"]]
    Functions  = ["lambda:*", ["lambda:${local._here}:function:${var.prefix}-*"]]
    Images     = ["ecr:*", ["ecr:${local._here}:repository/${var.prefix}/*"]]
    Topics     = ["sns:*", ["sns:${local._here}:${var.prefix}-*"]]
    Firewalls  = ["wafv2:*", ["wafv2:${local._here}:regional/*"]]
    # REST APIs have ids, no names, in their ARNs.
    Apis = ["apigateway:*", ["apigateway:${local.region}::/*"]]
    Logs = ["logs:*", [
      for group in [
        "/aws/lambda/${var.prefix}-*", "/aws/sagemaker/*", "/aws/apigateway/${var.prefix}*",
        "/kennel/${var.prefix}/*", "API-Gateway-Execution-Logs_*",
        "aws-waf-logs-${var.prefix}*",
      ] : "logs:${local._here}:log-group:${group}"
    ]]
    Models = ["sagemaker:*", [
      for kind in [
        "endpoint", "endpoint-config", "model", "notebook-instance",
        "notebook-instance-lifecycle-config",
      ] :
      "sagemaker:${local._here}:${kind}/${var.prefix}*"
    ]]
  }
}

data "aws_iam_policy_document" "apply" {
  source_policy_documents = [
    data.aws_iam_policy_document.apply_roles.json,
    data.aws_iam_policy_document.apply_unnamed.json,
  ]

  dynamic "statement" {
    for_each = local._by_name

    content {
      sid       = statement.key
      actions   = [statement.value[0]]
      resources = [for path in statement.value[1] : "${local._arn}:${path}"]
    }
  }

  statement {
    sid       = "KeepState"
    actions   = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
    resources = ["${local._arn}:s3:::${var.state.bucket}/${var.prefix}/*"]
  }

  statement {
    sid       = "FindState"
    actions   = ["s3:ListBucket"]
    resources = ["${local._arn}:s3:::${var.state.bucket}"]
  }

  statement {
    sid       = "EncryptState"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.state.kms_key_arn]
  }
}
