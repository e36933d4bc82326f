# A plan runs whatever a pull request holds, providers included. So its role reads descriptions
# and this project's state, and no data, no secret, nothing of others.
data "aws_iam_policy_document" "plan" {
  #checkov:skip=CKV_AWS_356:descriptions, which have no resource level
  statement {
    sid     = "ReadState"
    actions = ["s3:GetObject"]
    resources = [
      "arn:${local.partition}:s3:::${var.state.bucket}/${var.prefix}/*.tfstate",
    ]
  }

  statement {
    sid       = "FindState"
    actions   = ["s3:ListBucket"]
    resources = ["arn:${local.partition}:s3:::${var.state.bucket}"]
  }

  statement {
    sid       = "DecryptState"
    actions   = ["kms:Decrypt"]
    resources = [var.state.kms_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${local.region}.amazonaws.com"]
    }
  }

  statement {
    sid       = "DescribeWhatIsThere"
    actions   = local.describing
    resources = ["*"] # many of these have no resource level, and none returns data
  }

  # What is allowed above reaches none of these. This keeps it so when the list grows.
  statement {
    sid    = "NeverSecretsOrWrites"
    effect = "Deny"
    actions = [
      "lambda:GetFunction", # hands out the code
      "s3:DeleteObject",
      "s3:PutObject",
      "secretsmanager:GetSecretValue",
      "ssm:GetParameter",
      "ssm:GetParameters",
      "ssm:GetParametersByPath",
    ]
    resources = ["*"]
  }
}

locals {
  describing = [
    "application-autoscaling:Describe*",
    "application-autoscaling:ListTagsForResource",
    "apigateway:GET",
    "budgets:ListTagsForResource",
    "budgets:ViewBudget",
    "cloudwatch:Describe*",
    "cloudwatch:GetDashboard",
    "cloudwatch:ListTagsForResource",
    "ec2:Describe*",
    "ecr:Describe*",
    "ecr:GetLifecyclePolicy",
    "ecr:ListTagsForResource",
    "iam:GetInstanceProfile",
    "iam:GetOpenIDConnectProvider",
    "iam:GetPolicy",
    "iam:GetPolicyVersion",
    "iam:GetRole",
    "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:ListRolePolicies",
    "kms:DescribeKey",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListAliases",
    "kms:ListResourceTags",
    "lambda:GetAlias",
    "lambda:GetFunctionCodeSigningConfig",
    "lambda:GetFunctionConcurrency",
    "lambda:GetFunctionConfiguration",
    "lambda:GetPolicy",
    "lambda:GetProvisionedConcurrencyConfig",
    "lambda:ListTags",
    "lambda:ListVersionsByFunction",
    "logs:DescribeLogGroups",
    "logs:ListTagsForResource",
    "s3:GetAccelerateConfiguration",
    "s3:GetBucket*",
    "s3:GetEncryptionConfiguration",
    "s3:GetLifecycleConfiguration",
    "s3:GetReplicationConfiguration",
    "sagemaker:Describe*",
    "sagemaker:ListTags",
    "sns:GetSubscriptionAttributes",
    "sns:GetTopicAttributes",
    "sns:ListTagsForResource",
    "wafv2:GetWebACL",
    "wafv2:GetWebACLForResource",
    "wafv2:ListTagsForResource",
  ]
}
