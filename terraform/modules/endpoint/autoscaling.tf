locals {
  is_scaled = !local.is_serverless
  # `or`: one number says both which metric is tracked and at what value.
  _by_invocations = var.scaling.invocations_per_minute != null
  _predefined = (local._by_invocations ? "SageMakerVariantInvocationsPerInstance" :
    # Emitted every 10 seconds, the other one every minute.
    "SageMakerVariantConcurrentRequestsPerModelHighResolution"
  )
  _target_value = (local.is_async ? var.async.backlog_per_instance :
    local._by_invocations ? var.scaling.invocations_per_minute : var.scaling.concurrent_requests
  )
}

# SageMaker refuses another instance type while the variant is registered here:
# https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-scaling.html
# As a tag of its own, the type makes the target be destroyed first and registered again after.
resource "terraform_data" "instance_type" {
  input = var.instance_type
}

resource "aws_appautoscaling_target" "this" {
  count = (local.is_scaled ? 1 : 0)

  service_namespace  = "sagemaker"
  scalable_dimension = "sagemaker:variant:DesiredInstanceCount"
  resource_id        = "endpoint/${aws_sagemaker_endpoint.this.name}/variant/${local.variant_name}"
  min_capacity       = var.scaling.min_instances
  max_capacity       = var.scaling.max_instances

  lifecycle {
    replace_triggered_by = [terraform_data.instance_type]
  }
}

resource "aws_appautoscaling_policy" "this" {
  count = (local.is_scaled ? 1 : 0)

  name               = "${var.name}-${local.is_async ? "backlog" : "load"}"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this[0].service_namespace
  scalable_dimension = aws_appautoscaling_target.this[0].scalable_dimension
  resource_id        = aws_appautoscaling_target.this[0].resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = local._target_value
    scale_in_cooldown  = var.scaling.cooldown_seconds
    scale_out_cooldown = var.scaling.cooldown_seconds

    dynamic "predefined_metric_specification" {
      for_each = (local.is_async ? [] : [local._predefined])

      content {
        predefined_metric_type = predefined_metric_specification.value
      }
    }

    dynamic "customized_metric_specification" {
      for_each = (local.is_async ? ["ApproximateBacklogSizePerInstance"] : [])

      content {
        namespace   = "AWS/SageMaker"
        metric_name = customized_metric_specification.value
        statistic   = "Average"

        dimensions {
          name  = "EndpointName"
          value = aws_sagemaker_endpoint.this.name
        }
      }
    }
  }
}

resource "aws_appautoscaling_scheduled_action" "this" {
  for_each = (local.is_scaled ? var.scaling.schedule : {})

  name               = "${var.name}-${each.key}"
  service_namespace  = aws_appautoscaling_target.this[0].service_namespace
  scalable_dimension = aws_appautoscaling_target.this[0].scalable_dimension
  resource_id        = aws_appautoscaling_target.this[0].resource_id
  schedule           = "cron(${each.value.cron})"
  timezone           = each.value.timezone

  scalable_target_action {
    min_capacity = each.value.min_instances
    max_capacity = each.value.max_instances
  }
}
