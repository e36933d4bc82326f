resource "aws_iam_role" "this" {
  name                 = local.name
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = var.permissions_boundary
}

resource "aws_iam_role_policy" "this" {
  name   = "explore"
  role   = aws_iam_role.this.name
  policy = data.aws_iam_policy_document.permissions.json
}

data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "ThisNotebookOnly"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["sagemaker.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = [local.arn]
    }
  }
}

data "aws_iam_policy_document" "permissions" {
  statement {
    sid       = "ListBuckets"
    actions   = ["s3:ListBucket"]
    resources = [for name in values(var.buckets) : "arn:${local.partition}:s3:::${name}"]
  }

  statement {
    sid       = "ReadDataAndModels"
    actions   = ["s3:GetObject"]
    resources = [for name in values(var.buckets) : "arn:${local.partition}:s3:::${name}/*"]
  }

  statement {
    sid       = "WriteNotes"
    actions   = ["s3:PutObject"]
    resources = ["arn:${local.partition}:s3:::${var.buckets.data}/notebook/*"]
  }

  statement {
    sid       = "DecryptAndEncryptObjects"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.kms_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${local.region}.amazonaws.com"]
    }
  }

  statement {
    sid       = "EncryptTheVolume"
    actions   = ["kms:CreateGrant"]
    resources = [var.kms_key_arn]

    condition {
      test     = "Bool"
      variable = "kms:GrantIsForAWSResource"
      values   = ["true"]
    }
  }

  statement {
    sid       = "StopItselfWhenIdle"
    actions   = ["sagemaker:StopNotebookInstance"]
    resources = [local.arn]
  }

  statement {
    sid = "WriteLogs"
    actions = [
      "logs:CreateLogStream",
      "logs:DescribeLogStreams",
      "logs:PutLogEvents",
    ]
    resources = [join(":", [
      "arn", local.partition, "logs", local.region, local.account_id,
      "log-group", "/aws/sagemaker/NotebookInstances", "*",
    ])]
  }
}
