locals {
  _image = regex(
    "^(?P<account>[0-9]{12})\\.dkr\\.ecr\\.(?P<region>[a-z0-9-]+)\\.[^/]+/(?P<name>[^@]+)@",
    var.image
  )
  repository_arn = join(":", [
    "arn", local.partition, "ecr", local._image.region, local._image.account,
    "repository/${local._image.name}",
  ])
  model_arn = "arn:${local.partition}:s3:::${trimprefix(var.model_data, "s3://")}"

  async_prefix   = "async/${var.name}"
  capture_prefix = "capture/${var.name}"
  # What the endpoint itself writes: captured requests and asynchronous results.
  _written = concat(
    [for capture in var.data_capture[*] : "${capture.bucket}/${local.capture_prefix}/*"],
    [for async in var.async[*] : "${async.bucket}/${local.async_prefix}/*"],
  )
  _read = [for async in var.async[*] : "${async.bucket}/${local.async_prefix}/requests/*"]
}

# A role for each release: an endpoint that was rolled back must still be able to read its own
# artifact when it scales out.
resource "aws_iam_role" "this" {
  name                 = local.release_name
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = var.permissions_boundary

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_iam_role_policy" "this" {
  name   = "serve"
  role   = aws_iam_role.this.name
  policy = data.aws_iam_policy_document.permissions.json

  lifecycle {
    create_before_destroy = true
  }
}

data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "SageMakerForThisAccount"
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

    # For hosting this ARN must end in "*"; that of one endpoint would not match:
    # https://docs.aws.amazon.com/sagemaker/latest/dg/security-confused-deputy-prevention.html
    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:sagemaker:${local.region}:${local.account_id}:*"]
    }
  }
}

data "aws_iam_policy_document" "permissions" {
  source_policy_documents = concat(
    data.aws_iam_policy_document.batch[*].json,
    data.aws_iam_policy_document.network[*].json,
    data.aws_iam_policy_document.objects[*].json,
    data.aws_iam_policy_document.rollback[*].json,
  )

  statement {
    sid       = "ReadTheModel"
    actions   = ["s3:GetObject"]
    resources = [local.model_arn]
  }

  statement {
    sid       = "DecryptTheModel"
    actions   = ["kms:Decrypt"]
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
    resources = [local.repository_arn]
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
    resources = ["${aws_cloudwatch_log_group.this.arn}:*"]
  }

  statement {
    sid       = "ReportUtilisation"
    actions   = ["cloudwatch:PutMetricData"]
    resources = ["*"] # the API has no resource level

    condition {
      test     = "StringEquals"
      variable = "cloudwatch:namespace"
      values   = ["/aws/sagemaker/Endpoints"]
    }
  }
}
