resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_145:S3 delivers no access log to a bucket with SSE-KMS
  for_each = local.bucket_names

  # The account id makes the name unique in the world without a random part.
  bucket        = "${var.prefix}-${each.key}-${local.account_id}"
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each = local.bucket_names

  bucket                  = aws_s3_bucket.this[each.key].bucket
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = local.bucket_names

  bucket = aws_s3_bucket.this[each.key].bucket

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = local.bucket_names

  bucket = aws_s3_bucket.this[each.key].bucket

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = local.bucket_names

  bucket = aws_s3_bucket.this[each.key].bucket

  rule {
    bucket_key_enabled = contains(local.logged_names, each.key)

    # S3 delivers access logs only to a bucket whose default encryption is SSE-S3:
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
    apply_server_side_encryption_by_default {
      sse_algorithm     = (each.key == "logs" ? "AES256" : "aws:kms")
      kms_master_key_id = (each.key == "logs" ? null : aws_kms_key.this.arn)
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  for_each = local.bucket_names

  bucket = aws_s3_bucket.this[each.key].bucket

  rule {
    id     = "forget-unfinished-uploads-and-old-versions"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }

    noncurrent_version_expiration {
      noncurrent_days = 30
    }

    dynamic "expiration" {
      for_each = (each.key == "logs" ? [365] : [])

      content {
        days = expiration.value
      }
    }
  }

  # A rule on noncurrent versions means nothing before versioning is on.
  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_logging" "this" {
  for_each = local.logged_names

  bucket        = aws_s3_bucket.this[each.key].bucket
  target_bucket = aws_s3_bucket.this["logs"].bucket
  target_prefix = "s3/${each.key}/"

  # S3 tests that it may write to the target when logging is switched on.
  depends_on = [aws_s3_bucket_policy.this]
}
