module "ci" {
  source = "../modules/ci"
  count  = (var.ci == null ? 0 : 1)

  create_provider = var.ci.create_provider
  environment     = var.ci.environment
  prefix          = var.prefix
  subject_prefix  = var.ci.subject_prefix

  state = {
    bucket      = aws_s3_bucket.state.bucket
    kms_key_arn = aws_kms_key.state.arn
  }
}
