locals {
  # Disks that come with the instance are encrypted by its hardware, and SageMaker refuses a key:
  # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpointConfig.html
  _own_disks    = "^ml\\.([a-z]+[0-9]+[a-z]*d[a-z]*|g5|g6e?|p5[a-z]*)\\."
  _has_own_disk = can(regex(local._own_disks, var.instance_type))
  volume_key    = (local._has_own_disk || local.is_serverless ? null : var.kms_key_arn)

  async_uri   = one([for async in var.async[*] : "s3://${async.bucket}/${local.async_prefix}"])
  capture_uri = one([for data in var.data_capture[*] : "s3://${data.bucket}/${local.capture_prefix}"])

  # UpdateEndpoint resets the count to the configuration's, and the provider cannot ask it to keep
  # what autoscaling had reached (terraform-provider-aws#49069): so a new configuration starts
  # with as many instances as run now.
  _running       = coalesce(var.running_instances, var.scaling.min_instances)
  _at_least      = max(1, var.scaling.min_instances, local._running)
  instance_count = min(var.scaling.max_instances, local._at_least)
}

resource "aws_sagemaker_endpoint_configuration" "this" {
  name_prefix = "${var.name}-"
  kms_key_arn = local.volume_key

  production_variants {
    variant_name           = local.variant_name
    model_name             = aws_sagemaker_model.this.name
    instance_type          = (local.is_serverless ? null : var.instance_type)
    initial_instance_count = (local.is_serverless ? null : local.instance_count)

    dynamic "routing_config" {
      for_each = (local.is_serverless ? [] : ["LEAST_OUTSTANDING_REQUESTS"])

      content {
        routing_strategy = routing_config.value
      }
    }

    dynamic "serverless_config" {
      for_each = var.serverless[*]

      content {
        max_concurrency         = serverless_config.value.max_concurrency
        memory_size_in_mb       = serverless_config.value.memory_mb
        provisioned_concurrency = serverless_config.value.provisioned_concurrency
      }
    }
  }

  dynamic "async_inference_config" {
    for_each = var.async[*]

    content {
      client_config {
        max_concurrent_invocations_per_instance = async_inference_config.value.concurrent_requests
      }

      output_config {
        kms_key_id      = var.kms_key_arn
        s3_output_path  = "${local.async_uri}/results"
        s3_failure_path = "${local.async_uri}/failures"
      }
    }
  }

  dynamic "data_capture_config" {
    for_each = var.data_capture[*]

    content {
      enable_capture              = true
      initial_sampling_percentage = data_capture_config.value.percent
      destination_s3_uri          = local.capture_uri
      kms_key_id                  = var.kms_key_arn

      capture_options {
        capture_mode = "Input"
      }

      capture_options {
        capture_mode = "Output"
      }
    }
  }

  lifecycle {
    create_before_destroy = true

    # The count matters at birth only: autoscaling changes the endpoint, not its configuration.
    ignore_changes = [production_variants[0].initial_instance_count]

    precondition {
      condition     = !(local.is_async && local.is_serverless)
      error_message = "An endpoint is asynchronous or serverless, not both: set one to null."
    }

    precondition {
      condition     = !(local.is_serverless && var.data_capture != null)
      error_message = "A serverless endpoint captures no data: set data_capture to null."
    }
  }
}
