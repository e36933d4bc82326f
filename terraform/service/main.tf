# What serves one release, an image and a model: endpoint <- function <- API.

module "endpoint" {
  source = "../modules/endpoint"

  name          = var.prefix
  image         = var.image
  instance_type = var.instance_type
  kms_key_arn   = var.kms_key_arn
  model_data    = var.model_data
  scaling       = var.scaling
}

module "function" {
  source = "../modules/function"

  name                    = "${var.prefix}-invoke"
  architecture            = var.function_architecture
  kms_key_arn             = var.kms_key_arn
  provisioned_concurrency = var.provisioned_concurrency
  reserved_concurrency    = var.reserved_concurrency
  zip_file                = var.function_zip

  endpoint = {
    arn  = module.endpoint.arn
    name = module.endpoint.name
  }
}

module "gateway" {
  source = "../modules/gateway"

  name         = var.prefix
  kms_key_arn  = var.kms_key_arn
  openapi_file = "${path.module}/../../functions/invoke/openapi.yaml"
  throttle     = var.throttle
  usage_plan   = var.usage_plan

  function = {
    alias      = module.function.alias_name
    invoke_arn = module.function.alias_invoke_arn
    name       = module.function.name
  }
}
