output "alarm_topic_arn" {
  description = "Topic that hears of alarms and of the budget."
  value       = module.observability.topic_arn
}

output "api_key" {
  description = "Value of the x-api-key header; null if no key is asked for."
  value       = module.gateway.api_key
  sensitive   = true
}

output "endpoint_name" {
  description = "Name of the SageMaker endpoint."
  value       = module.endpoint.name
}

output "function_alias" {
  description = "Alias of the function that callers use."
  value       = module.function.alias_name
}

output "function_name" {
  description = "Name of the function."
  value       = module.function.name
}

output "log_group_names" {
  description = "Log group of each part: endpoint, function, gateway."
  value = {
    endpoint = module.endpoint.log_group_name
    function = module.function.log_group_name
    gateway  = module.gateway.log_group_name
  }
}

output "predict_url" {
  description = "Where to POST a picture."
  value       = "${module.gateway.invoke_url}/v1/predict"
}

output "region" {
  description = "AWS region of everything."
  value       = var.region
}

output "release_name" {
  description = "Name of the model and role of the release that serves; new for each deployment."
  value       = module.endpoint.release_name
}
