output "log_group_name" {
  description = "Log group of the nodes: a stream each for its boot and its trainer."
  value       = aws_cloudwatch_log_group.this.name
}

output "start" {
  description = "What RunInstances needs to start a run, what a run may change, and where it is seen."
  value = {
    data_uri           = var.data_uri
    gpus               = var.gpus
    image              = var.image
    instance_type      = var.instance_type
    launch_template_id = aws_launch_template.this.id
    log_group_name     = aws_cloudwatch_log_group.this.name
    max_count          = var.nodes
    max_minutes        = var.max_minutes
    min_count          = var.nodes
    output_uri         = local.output_uri
    spot               = var.spot # in the call, as one could not be without it in the template
  }

  # A node needs its rights and its ways to AWS from its first second.
  depends_on = [
    aws_iam_role_policy.this,
    aws_vpc_security_group_egress_rule.endpoints,
    aws_vpc_security_group_egress_rule.peers,
    aws_vpc_security_group_egress_rule.s3,
    aws_vpc_security_group_ingress_rule.peers,
  ]
}

output "user_data" {
  description = "The script that a node runs at boot, for tests and readers."
  value       = local.user_data
}
