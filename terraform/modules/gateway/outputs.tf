output "api_key" {
  description = "Value of the x-api-key header; null if no key is asked for."
  value       = one(aws_api_gateway_api_key.this[*].value)
  sensitive   = true
}

output "firewall_arn" {
  description = "ARN of the web application firewall; null if there is none."
  value       = one(aws_wafv2_web_acl.this[*].arn)
}

output "invoke_url" {
  description = "Address of the stage; paths of the OpenAPI file follow it."
  value       = aws_api_gateway_stage.this.invoke_url

  # Before these exist the address answers 403 or 500.
  depends_on = [aws_api_gateway_usage_plan_key.this, aws_lambda_permission.this]
}

output "log_group_name" {
  description = "Log group of the access logs."
  value       = aws_cloudwatch_log_group.this.name
}

output "stage" {
  description = "The API's name and its stage's, by which CloudWatch counts."
  value       = { name = var.name, stage = aws_api_gateway_stage.this.stage_name }
}
