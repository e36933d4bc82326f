# The rights to give rights. A role may be made or changed only under the boundary, and neither
# the boundary nor the roles of CI itself may be touched: whoever gets into a workflow cannot
# make a role that gets further than a workload does.
data "aws_iam_policy_document" "apply_roles" {
  statement {
    sid = "MakeRolesUnderTheBoundary"
    actions = [
      "iam:CreateRole",
      "iam:DeleteRolePolicy",
      "iam:PutRolePermissionsBoundary",
      "iam:PutRolePolicy",
    ]
    resources = ["${local._arn}:iam::${local.account_id}:role/${var.prefix}-*"]

    condition {
      test     = "StringEquals"
      variable = "iam:PermissionsBoundary"
      values   = [aws_iam_policy.boundary.arn]
    }
  }

  statement {
    sid = "KeepRoles"
    actions = [
      "iam:AddRoleToInstanceProfile",
      "iam:CreateInstanceProfile",
      "iam:DeleteInstanceProfile",
      "iam:DeleteRole",
      "iam:ListInstanceProfilesForRole",
      "iam:RemoveRoleFromInstanceProfile",
      "iam:TagInstanceProfile",
      "iam:TagRole",
      "iam:UntagRole",
    ]
    resources = [
      "${local._arn}:iam::${local.account_id}:instance-profile/${var.prefix}-*",
      "${local._arn}:iam::${local.account_id}:role/${var.prefix}-*",
    ]
  }

  statement {
    sid       = "PassRolesToOurServices"
    actions   = ["iam:PassRole"]
    resources = ["${local._arn}:iam::${local.account_id}:role/${var.prefix}-*"]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values = [
        "apigateway.amazonaws.com", "ec2.amazonaws.com", "lambda.amazonaws.com",
        "sagemaker.amazonaws.com", "vpc-flow-logs.amazonaws.com",
      ]
    }
  }

  # Autoscaling has a role of its own, which AWS writes and only it may take.
  statement {
    sid       = "LetAutoscalingMakeItsRole"
    actions   = ["iam:CreateServiceLinkedRole"]
    resources = ["${local._arn}:iam::${local.account_id}:role/aws-service-role/*"]

    condition {
      test     = "StringLike"
      variable = "iam:AWSServiceName"
      values   = ["*.application-autoscaling.amazonaws.com"]
    }
  }

  statement {
    sid     = "NeverTheRolesOfCi"
    effect  = "Deny"
    actions = ["iam:*"]
    resources = [
      "${local._arn}:iam::${local.account_id}:policy/${var.prefix}-boundary",
      "${local._arn}:iam::${local.account_id}:role/${var.prefix}-ci-*",
    ]
  }
}

resource "aws_iam_policy" "boundary" {
  #checkov:skip=CKV_AWS_288:a boundary grants nothing: policies of roles name resources
  #checkov:skip=CKV_AWS_289:a boundary grants nothing: policies of roles name resources
  #checkov:skip=CKV_AWS_290:a boundary grants nothing: policies of roles name resources
  #checkov:skip=CKV_AWS_355:a boundary grants nothing: policies of roles name resources
  name        = "${var.prefix}-boundary"
  description = "The most that a role of ${var.prefix} may ever do, whatever its own policy says"
  policy      = data.aws_iam_policy_document.boundary.json
}

data "aws_iam_policy_document" "boundary" {
  #checkov:skip=CKV_AWS_108:a boundary grants nothing: policies of roles name resources
  #checkov:skip=CKV_AWS_109:a boundary grants nothing: policies of roles name resources
  #checkov:skip=CKV_AWS_111:a boundary grants nothing: policies of roles name resources
  #checkov:skip=CKV_AWS_356:a boundary grants nothing: policies of roles name resources
  statement {
    sid = "WhatWorkloadsDo"
    actions = [
      "cloudwatch:DescribeAlarms",
      "cloudwatch:PutMetricData",
      "ec2:*NetworkInterface*",
      "ec2:AssignPrivateIpAddresses",
      "ec2:Describe*",
      "ec2:UnassignPrivateIpAddresses",
      "ecr:BatchCheckLayerAvailability",
      "ecr:BatchGetImage",
      "ecr:GetAuthorizationToken",
      "ecr:GetDownloadUrlForLayer",
      "kms:CreateGrant",
      "kms:Decrypt",
      "kms:GenerateDataKey",
      "logs:CreateLog*",
      "logs:Describe*",
      "logs:FilterLogEvents",
      "logs:GetLogEvents",
      "logs:PutLogEvents",
      "s3:DeleteObject",
      "s3:GetObject",
      "s3:ListBucket",
      "s3:PutObject",
      "sagemaker:InvokeEndpoint",
      "sagemaker:StopNotebookInstance",
      "ssm:UpdateInstanceInformation",
      "ssmmessages:*",
      "xray:Put*",
    ]
    resources = ["*"] # a boundary grants nothing: each role's own policy names its resources
  }
}
