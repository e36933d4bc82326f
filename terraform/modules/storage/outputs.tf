output "bucket_names" {
  description = "Name of each bucket by its role: data, logs, models."
  value       = { for name, bucket in aws_s3_bucket.this : name => bucket.bucket }

  # Who reads a name may write at once: then the bucket must be encrypted and closed already.
  depends_on = [
    aws_s3_bucket_policy.this,
    aws_s3_bucket_server_side_encryption_configuration.this,
    aws_s3_bucket_versioning.this,
  ]
}

output "kms_key_arn" {
  description = "ARN of the key that encrypts buckets, images, volumes and log groups."
  value       = aws_kms_key.this.arn
}
