# What exists before there is a model: where data, models and images live, their key, the network,
# and what trains.

locals {
  vpc = {
    s3_prefix_list_id = module.network.s3_prefix_list_id
    vpc_id            = module.network.vpc_id
  }
  buckets = { for role in ["data", "models"] : role => module.storage.bucket_names[role] }
  # What stands on one address of the VPC, not on many.
  place = merge(local.vpc, {
    cidr_block = var.network.cidr_block
    subnet_id  = module.network.private_subnet_ids[0]
  })
}

module "storage" {
  source = "../modules/storage"

  prefix        = var.prefix
  force_destroy = var.force_destroy
}

module "registry" {
  source = "../modules/registry"

  prefix       = var.prefix
  force_delete = var.force_destroy
  kms_key_arn  = module.storage.kms_key_arn
}

module "network" {
  source = "../modules/network"

  prefix               = var.prefix
  cidr_block           = var.network.cidr_block
  egress               = var.network.egress
  endpoint_name        = var.prefix
  interface_endpoints  = var.network.interface_endpoints
  kms_key_arn          = module.storage.kms_key_arn
  permissions_boundary = var.permissions_boundary
  zones                = var.network.zones
}

module "training" {
  source = "../modules/training"

  prefix               = var.prefix
  buckets              = local.buckets
  job                  = var.job
  kms_key_arn          = module.storage.kms_key_arn
  manage_log_groups    = var.manage_account_settings
  network              = merge(local.vpc, { subnet_ids = module.network.private_subnet_ids })
  permissions_boundary = var.permissions_boundary
  repository_arn       = module.registry.repository_arns["train"]
}

module "fleet" {
  source = "../modules/fleet"
  count  = (var.fleet == null ? 0 : 1)

  prefix               = var.prefix
  data_uri             = "s3://${module.storage.bucket_names.data}/${var.fleet.data_prefix}"
  gpus                 = var.fleet.gpus
  image                = var.fleet.image
  instance_type        = var.fleet.instance_type
  kms_key_arn          = module.storage.kms_key_arn
  max_minutes          = var.fleet.max_minutes
  network              = local.place
  nodes                = var.fleet.nodes
  output               = { bucket = module.storage.bucket_names.models }
  permissions_boundary = var.permissions_boundary
  spot                 = var.fleet.spot
  volume_gb            = var.fleet.volume_gb
}

module "notebook" {
  source = "../modules/notebook"
  count  = (var.notebook == null ? 0 : 1)

  prefix               = var.prefix
  buckets              = local.buckets
  idle_minutes         = var.notebook.idle_minutes
  instance_type        = var.notebook.instance_type
  kms_key_arn          = module.storage.kms_key_arn
  manage_log_group     = var.manage_account_settings
  network              = local.place
  permissions_boundary = var.permissions_boundary
}
