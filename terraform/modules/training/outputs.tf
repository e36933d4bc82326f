output "job_defaults" {
  description = "What scripts give CreateTrainingJob and CreateHyperParameterTuningJob."
  value = {
    checkpoint_s3_uri  = "s3://${var.buckets.models}/checkpoints"
    instance_count     = var.job.instance_count
    instance_type      = var.job.instance_type
    isolated           = true
    kms_key_arn        = var.kms_key_arn
    max_runtime        = ceil(var.job.max_hours * 3600)
    name_prefix        = "${var.prefix}-"
    output_s3_uri      = "s3://${var.buckets.models}/jobs"
    role_arn           = aws_iam_role.this.arn
    security_group_ids = [aws_security_group.this.id]
    spot               = var.job.spot
    subnet_ids         = sort(var.network.subnet_ids)
    volume_gb          = var.job.volume_gb
  }

  # A job needs its rights and its way to S3 from its first second.
  depends_on = [
    aws_iam_role_policy.this,
    aws_vpc_security_group_egress_rule.peers,
    aws_vpc_security_group_egress_rule.s3,
    aws_vpc_security_group_ingress_rule.peers,
  ]
}

output "role_arn" {
  description = "Role of training and tuning jobs."
  value       = aws_iam_role.this.arn
}
