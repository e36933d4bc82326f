# What serves one release, an image and a model: endpoint <- function <- API, and who watches.

module "endpoint" {
  source = "../modules/endpoint"

  name                 = var.prefix
  alarm_topic_arns     = [module.observability.topic_arn]
  async                = var.async
  data_bucket          = var.data_bucket
  data_capture         = var.data_capture
  deployment           = var.deployment
  environment          = var.environment
  image                = var.image
  instance_type        = var.instance_type
  kms_key_arn          = var.kms_key_arn
  model_data           = var.model_data
  network              = var.network
  permissions_boundary = var.permissions_boundary
  rollback             = var.rollback
  running_instances    = var.running_instances
  scaling              = var.scaling
  serverless           = var.serverless
}

module "function" {
  source = "../modules/function"

  name                    = "${var.prefix}-invoke"
  architecture            = var.function.architecture
  kms_key_arn             = var.kms_key_arn
  most_provisioned        = var.function.most_provisioned
  network                 = var.function.network
  permissions_boundary    = var.permissions_boundary
  provisioned_concurrency = var.function.provisioned_concurrency
  reserved_concurrency    = var.function.reserved_concurrency
  zip_file                = var.function_zip

  endpoint = {
    arn  = module.endpoint.arn
    name = module.endpoint.name
  }
}

module "gateway" {
  source = "../modules/gateway"

  name          = var.prefix
  authorization = var.api.authorization
  firewall      = (var.api.firewall.enabled ? var.api.firewall : null)
  kms_key_arn   = var.kms_key_arn
  openapi_file  = "${path.module}/../../functions/invoke/openapi.yaml"
  private       = var.api.private
  throttle      = var.throttle
  usage_plan    = var.usage_plan

  function = {
    alias      = module.function.alias_name
    invoke_arn = module.function.alias_invoke_arn
    name       = module.function.name
  }
}

# By name, not by the other modules' outputs: the endpoint's alarms need the topic first.
module "observability" {
  source = "../modules/observability"

  name           = var.prefix
  api            = { name = var.prefix, stage = "live" }
  cpus           = var.alarms.cpus
  emails         = var.alarms.emails
  endpoint_name  = var.prefix
  function_name  = "${var.prefix}-invoke"
  kms_key_arn    = var.kms_key_arn
  monthly_budget = var.alarms.monthly_budget
  thresholds     = var.alarms.thresholds
}
