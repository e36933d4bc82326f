resource "aws_iam_instance_profile" "this" {
  name = local.name
  role = aws_iam_role.this.name
}

resource "aws_iam_role" "this" {
  name                 = local.name
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = var.permissions_boundary
}

resource "aws_iam_role_policy" "this" {
  name   = "train"
  role   = aws_iam_role.this.name
  policy = data.aws_iam_policy_document.permissions.json
}

# Without a condition on the source: EC2 sends none when an instance takes its role, and who
# gives the role to an instance must hold iam:PassRole in this very account.
data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "Ec2"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

locals {
  _image = regex(
    "^(?P<account>[0-9]{12})\\.dkr\\.ecr\\.(?P<region>[a-z0-9-]+)\\.[^/]+/(?P<name>[^@]+)@",
    var.image
  )
  repository_arn = join(":", [
    "arn", local.partition, "ecr", local._image.region, local._image.account,
    "repository/${local._image.name}",
  ])
  _data       = regex("^s3://(?P<bucket>[^/]+)/", var.data_uri)
  _output_arn = "arn:${local.partition}:s3:::${var.output.bucket}/${var.output.prefix}/*"
}

data "aws_iam_policy_document" "permissions" {
  source_policy_documents = [data.aws_iam_policy_document.session.json]

  statement {
    sid       = "ListTheData"
    actions   = ["s3:ListBucket"]
    resources = ["arn:${local.partition}:s3:::${local._data.bucket}"]
  }

  statement {
    sid       = "ListResults"
    actions   = ["s3:ListBucket"]
    resources = ["arn:${local.partition}:s3:::${var.output.bucket}"]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["${var.output.prefix}/*"]
    }
  }

  statement {
    sid     = "ReadTheDataAndTheRendezvous"
    actions = ["s3:GetObject"]
    resources = [
      "arn:${local.partition}:s3:::${local._data.bucket}/*", # of any set: a run may name its own
      local._output_arn,
    ]
  }

  statement {
    sid       = "WriteResults"
    actions   = ["s3:PutObject"]
    resources = [local._output_arn]
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
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this.arn}:*"]
  }
}
