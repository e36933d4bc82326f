output "boundary_arn" {
  description = "Boundary that every role must carry which CI applies; null without CI."
  value       = one(module.ci[*].boundary_arn)
}

output "ci_role_arns" {
  description = "Role of each kind of workflow: apply, plan; null without CI."
  value       = one(module.ci[*].role_arns)
}

output "state_bucket" {
  description = "Bucket of the state of all roots of this prefix."
  value       = aws_s3_bucket.state.bucket

  # State must never lie there in the clear or without a history.
  depends_on = [
    aws_s3_bucket_policy.state,
    aws_s3_bucket_server_side_encryption_configuration.state,
    aws_s3_bucket_versioning.state,
  ]
}
