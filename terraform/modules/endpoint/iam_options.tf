# Rights that only some endpoints need.

data "aws_iam_policy_document" "rollback" {
  count = (local.is_serverless ? 0 : 1)

  statement {
    sid     = "WatchTheReleasesAlarms"
    actions = ["cloudwatch:DescribeAlarms"]
    # By name: the alarms watch the configuration, which depends on this role.
    resources = [
      for name in values(local.rollback_alarm_names) :
      "arn:${local.partition}:cloudwatch:${local.region}:${local.account_id}:alarm:${name}"
    ]
  }
}

data "aws_iam_policy_document" "objects" {
  count = (length(local._written) == 0 ? 0 : 1)

  statement {
    sid       = "WriteCapturesAndResults"
    actions   = ["s3:PutObject"]
    resources = [for path in local._written : "arn:${local.partition}:s3:::${path}"]
  }

  statement {
    sid       = "EncryptCapturesAndResults"
    actions   = ["kms:GenerateDataKey"]
    resources = [var.kms_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${local.region}.amazonaws.com"]
    }
  }

  dynamic "statement" {
    for_each = (length(local._read) == 0 ? [] : [local._read])

    content {
      sid       = "ReadQueuedRequests"
      actions   = ["s3:GetObject"]
      resources = [for path in statement.value : "arn:${local.partition}:s3:::${path}"]
    }
  }
}
