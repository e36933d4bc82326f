output "name" {
  description = "Name of the notebook instance."
  value       = aws_sagemaker_notebook_instance.this.name
}

output "script" {
  description = "The script that runs at each start, for tests and readers."
  value       = local.script
}
