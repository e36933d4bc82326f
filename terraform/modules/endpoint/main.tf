data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

# `id` is the region's name in every provider version from 5 on.
data "aws_region" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  region     = data.aws_region.current.id

  is_async      = var.async != null
  is_serverless = var.serverless != null

  # SageMaker offers serverless endpoints neither isolation nor a network of ours:
  # https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html
  network = (local.is_serverless ? null : var.network)

  # What a release consists of. Whatever forces a new model must go in here, or the new one's
  # name is taken.
  _release = {
    environment = var.environment
    image       = var.image
    isolated    = !local.is_serverless
    model_data  = var.model_data
    network     = local.network
  }
  release_name = "${var.name}-${substr(terraform_data.deployment.id, 0, 8)}"
  variant_name = "live"
}

# An identity for each time that a release is deployed: after SageMaker rolled an update back, the
# previous release may come again while its old role and model still wait to be destroyed.
resource "terraform_data" "deployment" {
  triggers_replace = local._release

  lifecycle {
    create_before_destroy = true
  }
}

# Model and configuration cannot be changed, only replaced, and the endpoint runs on the old
# ones until the new ones exist. So each link of the chain role -> model -> configuration has
# a name that is new for a new release and is created before its predecessor is destroyed.
resource "aws_sagemaker_model" "this" {
  #checkov:skip=CKV_AWS_370:isolated unless serverless, where SageMaker has no isolation
  # The resource has no name_prefix.
  name                     = local.release_name
  execution_role_arn       = aws_iam_role.this.arn
  enable_network_isolation = !local.is_serverless

  primary_container {
    image          = var.image
    model_data_url = var.model_data
    environment    = var.environment
  }

  dynamic "vpc_config" {
    for_each = (local.network == null ? [] : [local.network])

    content {
      security_group_ids = aws_security_group.this[*].id
      subnets            = vpc_config.value.subnet_ids
    }
  }

  # SageMaker reads the artifact with the role's rights as soon as the model is created.
  depends_on = [aws_iam_role_policy.this]

  lifecycle {
    create_before_destroy = true
  }
}

# Created here and not by SageMaker, so that it is encrypted and does not grow for ever.
resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/sagemaker/Endpoints/${var.name}"
  kms_key_id        = var.kms_key_arn
  retention_in_days = 365
}
