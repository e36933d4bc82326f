resource "aws_iam_role" "this" {
  name                 = "${var.prefix}-training"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = var.permissions_boundary
}

resource "aws_iam_role_policy" "this" {
  name   = "train"
  role   = aws_iam_role.this.name
  policy = data.aws_iam_policy_document.permissions.json
}

data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "SageMakerJobsOfThisAccount"
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
      values = [
        for job in ["hyper-parameter-tuning-job", "training-job"] :
        "${local._sagemaker}:${job}/${var.prefix}-*"
      ]
    }
  }
}

# https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html
data "aws_iam_policy_document" "permissions" {
  source_policy_documents = [data.aws_iam_policy_document.network.json]

  statement {
    sid       = "ListData"
    actions   = ["s3:ListBucket"]
    resources = ["arn:${local.partition}:s3:::${var.buckets.data}"]
  }

  statement {
    sid       = "ReadDataAndCheckpoints"
    actions   = ["s3:GetObject"]
    resources = [for path in local.read_paths : "arn:${local.partition}:s3:::${path}"]
  }

  statement {
    sid       = "WriteModelsAndCheckpoints"
    actions   = ["s3:PutObject"]
    resources = [for path in local.written_paths : "arn:${local.partition}:s3:::${path}"]
  }

  # A checkpoint that the trainer has put away is deleted in S3 too.
  statement {
    sid       = "ForgetOldCheckpoints"
    actions   = ["s3:DeleteObject"]
    resources = ["arn:${local.partition}:s3:::${var.buckets.models}/checkpoints/*"]
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
    sid = "PullTheImage"
    actions = [
      "ecr:BatchCheckLayerAvailability",
      "ecr:BatchGetImage",
      "ecr:GetDownloadUrlForLayer",
    ]
    resources = [var.repository_arn]
  }

  statement {
    sid       = "LogInToEcr"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"] # the API has no resource level
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
      "log-group", "/aws/sagemaker/TrainingJobs", "*",
    ])]
  }

  statement {
    sid       = "ReportMetrics"
    actions   = ["cloudwatch:PutMetricData"]
    resources = ["*"] # the API has no resource level

    condition {
      test     = "StringEquals"
      variable = "cloudwatch:namespace"
      values   = ["/aws/sagemaker/TrainingJobs"]
    }
  }
}
