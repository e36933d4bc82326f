# One key for everything Kennel keeps: buckets, images, volumes and log groups.
resource "aws_kms_key" "this" {
  description         = "${var.prefix}: data, models, images, volumes and logs"
  enable_key_rotation = true
  policy              = data.aws_iam_policy_document.key.json
}

locals {
  spot_role_arn = join("", [
    "arn:${local.partition}:iam::${local.account_id}:role/aws-service-role/",
    "spot.amazonaws.com/AWSServiceRoleForEC2Spot",
  ])
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.prefix}"
  target_key_id = aws_kms_key.this.key_id
}

# In a key policy "*" is this key, not every key.
data "aws_iam_policy_document" "key" {
  #checkov:skip=CKV_AWS_109:in a key policy the resource is this key
  #checkov:skip=CKV_AWS_111:in a key policy the resource is this key
  #checkov:skip=CKV_AWS_356:in a key policy the resource is this key
  statement {
    sid       = "LetIamPoliciesDecide"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.account_id}:root"]
    }
  }

  statement {
    sid = "EncryptLogGroupsOfThisAccount"
    actions = [
      "kms:Decrypt*",
      "kms:Describe*",
      "kms:Encrypt*",
      "kms:GenerateDataKey*",
      "kms:ReEncrypt*",
    ]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["logs.${local.region}.amazonaws.com"]
    }

    condition {
      test     = "ArnLike"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values   = ["arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:*"]
    }
  }

  # EC2 starts Spot instances by a role of its own, which must be able to encrypt their disks. As a
  # condition, as no policy may name a role that AWS makes only when the account first uses Spot:
  # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/service-linked-roles-spot-instance-requests.html
  statement {
    sid = "LetSpotEncryptDisks"
    actions = [
      "kms:CreateGrant",
      "kms:Decrypt",
      "kms:DescribeKey",
      "kms:Encrypt",
      "kms:GenerateDataKey*",
      "kms:ReEncrypt*",
    ]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:PrincipalArn"
      values   = [local.spot_role_arn]
    }
  }

  # Alarms and budgets write to an encrypted topic.
  statement {
    sid       = "LetAlarmsOfThisAccountReachTheirTopic"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["budgets.amazonaws.com", "cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }
  }
}
