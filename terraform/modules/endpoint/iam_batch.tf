# A batch transform job runs the release's model on instances of its own, with the model's role:
# https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform.html
locals {
  _data_arns = [for bucket in var.data_bucket[*] : "arn:${local.partition}:s3:::${bucket}"]
  # Beside the model, where no released model lies.
  _models_arn = split("/", local.model_arn)[0]
}

data "aws_iam_policy_document" "batch" {
  count = (var.data_bucket == null ? 0 : 1)

  statement {
    sid       = "ListPictures"
    actions   = ["s3:ListBucket"]
    resources = local._data_arns
  }

  statement {
    sid       = "ReadPictures"
    actions   = ["s3:GetObject"]
    resources = [for arn in local._data_arns : "${arn}/*"]
  }

  statement {
    sid       = "WriteAnswers"
    actions   = ["s3:PutObject"]
    resources = ["${local._models_arn}/batch/*"]
  }

  # Pictures are decrypted by the same right as the model.
  statement {
    sid       = "EncryptAnswers"
    actions   = ["kms:GenerateDataKey"]
    resources = [var.kms_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${local.region}.amazonaws.com"]
    }
  }

  # The log group belongs to the account, see the training module.
  statement {
    sid     = "WriteLogsOfJobs"
    actions = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    resources = [join(":", [
      "arn", local.partition, "logs", local.region, local.account_id,
      "log-group", "/aws/sagemaker/TransformJobs", "*",
    ])]
  }

  statement {
    sid       = "ReportMetrics"
    actions   = ["cloudwatch:PutMetricData"]
    resources = ["*"] # the API has no resource level

    condition {
      test     = "StringEquals"
      variable = "cloudwatch:namespace"
      values   = ["/aws/sagemaker/TransformJobs"]
    }
  }
}
