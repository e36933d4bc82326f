output "bucket_names" {
  description = "Name of each bucket by its role: data, logs, models."
  value       = module.storage.bucket_names
}

output "kms_key_arn" {
  description = "ARN of the key of buckets, images, volumes and log groups."
  value       = module.storage.kms_key_arn
}

output "prefix" {
  description = "Start of every name."
  value       = var.prefix
}

output "region" {
  description = "AWS region of everything."
  value       = var.region
}

output "repository_urls" {
  description = "Address of each repository by its image: serve, train."
  value       = module.registry.repository_urls
}
