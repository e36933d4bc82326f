resource "aws_kms_key" "state" {
  description         = "${var.prefix}: Terraform's state"
  enable_key_rotation = true
  policy              = data.aws_iam_policy_document.key.json
}

resource "aws_kms_alias" "state" {
  name          = "alias/${var.prefix}-state"
  target_key_id = aws_kms_key.state.key_id
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
}
