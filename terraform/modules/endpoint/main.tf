data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

# `id` is the region's name in every provider version from 5 on.
data "aws_region" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  region     = data.aws_region.current.id

  # A release is an image and a model, and what belongs to one carries its fingerprint. Another
  # argument that forces a new model must go in here too, or the new one's name is taken.
  _fingerprint = substr(sha256("${var.image} ${var.model_data}"), 0, 12)
  release_name = "${var.name}-${local._fingerprint}"
  variant_name = "live"

  # Disks that come with the instance are encrypted by its hardware, and SageMaker refuses a key:
  # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpointConfig.html
  _own_disks    = "^ml\\.([a-z]+[0-9]+[a-z]*d[a-z]*|g5|g6e?|p5[a-z]*)\\."
  _has_own_disk = can(regex(local._own_disks, var.instance_type))
  volume_key    = (local._has_own_disk ? null : var.kms_key_arn)
}

# Model and configuration cannot be changed, only replaced, and the endpoint runs on the old
# ones until the new ones exist. So each link of the chain role -> model -> configuration has
# a name that is new for a new release and is created before its predecessor is destroyed.
resource "aws_sagemaker_model" "this" {
  # The resource has no name_prefix.
  name                     = local.release_name
  execution_role_arn       = aws_iam_role.this.arn
  enable_network_isolation = true

  primary_container {
    image          = var.image
    model_data_url = var.model_data
  }

  # SageMaker reads the artifact with the role's rights as soon as the model is created.
  depends_on = [aws_iam_role_policy.this]

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_sagemaker_endpoint_configuration" "this" {
  name_prefix = "${var.name}-"
  kms_key_arn = local.volume_key

  production_variants {
    variant_name           = local.variant_name
    model_name             = aws_sagemaker_model.this.name
    instance_type          = var.instance_type
    initial_instance_count = var.scaling.min_instances
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_sagemaker_endpoint" "this" {
  name                 = var.name
  endpoint_config_name = aws_sagemaker_endpoint_configuration.this.name

  lifecycle {
    # SageMaker ends a failed update on the old configuration, in service, and the provider
    # calls that success: https://github.com/hashicorp/terraform-provider-aws/issues/46663
    postcondition {
      condition     = self.endpoint_config_name == aws_sagemaker_endpoint_configuration.this.name
      error_message = "SageMaker rolled this release back: see its log group for the cause."
    }
  }
}

# Created here and not by SageMaker, so that it is encrypted and does not grow for ever.
resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/sagemaker/Endpoints/${var.name}"
  kms_key_id        = var.kms_key_arn
  retention_in_days = 365
}
