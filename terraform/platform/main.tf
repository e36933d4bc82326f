# What exists before there is a model: where data, models and images live, and their key.

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
