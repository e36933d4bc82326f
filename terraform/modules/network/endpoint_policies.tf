# What may pass an endpoint, whatever rights the caller has: someone who takes over an instance
# and brings keys of another account gets nothing out. In an endpoint's policy "*" is every
# principal and resource behind that endpoint, and the conditions cut it down to ours.
locals {
  _sagemaker = "arn:${local.partition}:sagemaker:${local.region}:${local.account_id}"

  endpoint_policies = {
    for service in var.interface_endpoints : service => (
      service == "sagemaker.runtime" ? data.aws_iam_policy_document.runtime.json :
      data.aws_iam_policy_document.own_account.json
    )
  }
}

data "aws_iam_policy_document" "runtime" {
  statement {
    sid       = "InvokeOurEndpointOnly"
    actions   = ["sagemaker:InvokeEndpoint", "sagemaker:InvokeEndpointAsync"]
    resources = ["${local._sagemaker}:endpoint/${var.endpoint_name}"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalAccount"
      values   = [local.account_id]
    }
  }
}

data "aws_iam_policy_document" "own_account" {
  #checkov:skip=CKV_AWS_1:an endpoint grants nothing: it narrows, to this account
  #checkov:skip=CKV_AWS_49:an endpoint grants nothing: it narrows, to this account
  statement {
    sid       = "OurPrincipals"
    actions   = ["*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalAccount"
      values   = [local.account_id]
    }
  }
}

data "aws_iam_policy_document" "s3" {
  #checkov:skip=CKV_AWS_283:layers of images are fetched with presigned addresses
  statement {
    sid       = "OurPrincipalsInOurBuckets"
    actions   = ["s3:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalAccount"
      values   = [local.account_id]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceAccount"
      values   = [local.account_id]
    }
  }

  # ECR keeps layers in a bucket of its own, and fetches them with presigned addresses:
  # https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html
  statement {
    sid       = "LayersOfImages"
    actions   = ["s3:GetObject"]
    resources = ["arn:${local.partition}:s3:::prod-${local.region}-starport-layer-bucket/*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
  }
}
