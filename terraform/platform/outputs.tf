output "bucket_names" {
  description = "Name of each bucket by its role: data, logs, models."
  value       = module.storage.bucket_names
}

output "egress_subnet_ids" {
  description = "Subnets with a way to the internet; none unless asked for."
  value       = module.network.egress_subnet_ids
}

output "fleet" {
  description = "What RunInstances needs to start the fleet; null if there is none."
  value       = one(module.fleet[*].start)
}

output "kms_key_arn" {
  description = "ARN of the key of buckets, images, volumes, log groups and the alarms' topic."
  value       = module.storage.kms_key_arn
}

output "network" {
  description = "Where the endpoint stands, for the service root: VPC, private subnets, way to S3."
  value       = merge(local.vpc, { subnet_ids = module.network.private_subnet_ids })
}

output "notebook_name" {
  description = "Name of the notebook; null if there is none."
  value       = one(module.notebook[*].name)
}

output "prefix" {
  description = "Start of every name."
  value       = var.prefix
}

output "private_subnet_ids" {
  description = "Subnets with no way out, one for each zone."
  value       = module.network.private_subnet_ids
}

output "region" {
  description = "AWS region of everything."
  value       = var.region
}

output "repository_urls" {
  description = "Address of each repository by its image: serve, train."
  value       = module.registry.repository_urls
}

output "training_job" {
  description = "What scripts give CreateTrainingJob and CreateHyperParameterTuningJob."
  value       = module.training.job_defaults
}
