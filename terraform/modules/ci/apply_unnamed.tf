# Services whose resources are born with ids.
data "aws_iam_policy_document" "apply_unnamed" {
  #checkov:skip=CKV_AWS_356:descriptions only, and keys that do not exist yet, by tag
  statement {
    sid       = "DescribeWhatIsThere"
    actions   = local.describing
    resources = ["*"] # many of these have no resource level, and none returns data
  }

  statement {
    sid = "ScaleInThisRegion"
    actions = [
      "application-autoscaling:DeleteScalingPolicy",
      "application-autoscaling:DeleteScheduledAction",
      "application-autoscaling:DeregisterScalableTarget",
      "application-autoscaling:PutScalingPolicy",
      "application-autoscaling:PutScheduledAction",
      "application-autoscaling:RegisterScalableTarget",
      "application-autoscaling:TagResource",
      "application-autoscaling:UntagResource",
    ]
    resources = ["${local._arn}:application-autoscaling:${local._here}:scalable-target/*"]
  }

  statement {
    sid       = "MakeKeysWithOurTag"
    actions   = ["kms:CreateKey", "kms:TagResource"]
    resources = ["*"] # a key that does not exist yet has no ARN

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/Project"
      values   = [var.prefix]
    }
  }

  statement {
    sid       = "KeepKeysWithOurTag"
    actions   = ["kms:*"]
    resources = ["${local._arn}:kms:${local._here}:key/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/Project"
      values   = [var.prefix]
    }
  }

  statement {
    sid       = "NameKeys"
    actions   = ["kms:CreateAlias", "kms:DeleteAlias", "kms:UpdateAlias"]
    resources = ["${local._arn}:kms:${local._here}:alias/${var.prefix}"]
  }

  statement {
    sid = "MakeNetworks"
    actions = [
      "ec2:Allocate*", "ec2:Associate*", "ec2:Attach*", "ec2:Authorize*", "ec2:Create*",
      "ec2:ModifyLaunchTemplate", "ec2:ModifySecurityGroupRules", "ec2:ModifySubnetAttribute",
      "ec2:ModifyVpc*", "ec2:Replace*",
    ]
    resources = ["${local._arn}:ec2:${local._here}:*/*"]
  }

  statement {
    sid = "RemoveNetworksWithOurTag"
    actions = [
      "ec2:Delete*", "ec2:Detach*", "ec2:Disassociate*", "ec2:ReleaseAddress", "ec2:Revoke*",
    ]
    resources = ["${local._arn}:ec2:${local._here}:*/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/Project"
      values   = [var.prefix]
    }
  }
}
