# A plan runs whatever a pull request holds, providers included: whatever its role can read, a pull
# request can print. So it reads no AWS service and no state, where API keys lie open, but only the
# copy that stack.py leaves of it, without secrets: docs/adr/0012-plans-of-pull-requests.md
data "aws_iam_policy_document" "plan" {
  statement {
    sid       = "ReadStateWithoutSecrets"
    actions   = ["s3:GetObject"]
    resources = ["${local._state_arn}/${var.prefix}/shown/*.tfstate"]
  }

  statement {
    sid       = "FindStateWithoutSecrets"
    actions   = ["s3:ListBucket"]
    resources = [local._state_arn]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["${var.prefix}/shown/*"]
    }
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

  # What is allowed above reaches none of this. This keeps it so when the list grows.
  statement {
    sid           = "NeverTheStateItself"
    effect        = "Deny"
    actions       = ["s3:GetObject*"]
    not_resources = ["${local._state_arn}/${var.prefix}/shown/*.tfstate"]
  }

  statement {
    sid    = "NeverSecretsOrWrites"
    effect = "Deny"
    actions = [
      "apigateway:GET",      # hands out API keys
      "lambda:GetFunction*", # hands out the code and the environment
      "s3:Delete*",
      "s3:Put*",
      "secretsmanager:GetSecretValue",
      "ssm:GetParameter*",
    ]
    resources = ["*"]
  }
}

locals {
  _state_arn = "arn:${local.partition}:s3:::${var.state.bucket}"
}
