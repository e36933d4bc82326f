# How GitHub's workflows get into the account: by tokens that GitHub signs for one repository and
# one occasion, never by stored keys.
data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

# `id` is the region's name in every provider version from 5 on.
data "aws_region" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  region     = data.aws_region.current.id

  issuer = "token.actions.githubusercontent.com"
  provider_arn = (var.create_provider ? aws_iam_openid_connect_provider.github[0].arn :
    "arn:${local.partition}:iam::${local.account_id}:oidc-provider/${local.issuer}"
  )

  # What a token says it is for: https://docs.github.com/actions/reference/security/oidc
  subjects = {
    apply = "${var.subject_prefix}:environment:${var.environment}"
    plan  = "${var.subject_prefix}:pull_request"
  }
  policies = {
    apply = data.aws_iam_policy_document.apply.json
    plan  = data.aws_iam_policy_document.plan.json
  }
}

# An account has one for each issuer: of two stacks, one may own it.
resource "aws_iam_openid_connect_provider" "github" {
  count = (var.create_provider ? 1 : 0)

  url            = "https://${local.issuer}"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "this" {
  for_each = local.subjects

  name                 = "${var.prefix}-ci-${each.key}"
  assume_role_policy   = data.aws_iam_policy_document.trust[each.key].json
  max_session_duration = 3600
}

resource "aws_iam_role_policy" "this" {
  for_each = local.policies

  name   = each.key
  role   = aws_iam_role.this[each.key].name
  policy = each.value
}

data "aws_iam_policy_document" "trust" {
  #checkov:skip=CKV_AWS_358:the subject is one repository and occasion, by StringEquals
  for_each = local.subjects

  statement {
    sid     = "OneRepositoryOnOneOccasion"
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [local.provider_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:aud"
      values   = ["sts.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:sub"
      values   = [each.value]
    }
  }
}
