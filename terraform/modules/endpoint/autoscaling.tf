resource "aws_appautoscaling_target" "this" {
  service_namespace  = "sagemaker"
  scalable_dimension = "sagemaker:variant:DesiredInstanceCount"
  resource_id        = "endpoint/${aws_sagemaker_endpoint.this.name}/variant/${local.variant_name}"
  min_capacity       = var.scaling.min_instances
  max_capacity       = var.scaling.max_instances
}

resource "aws_appautoscaling_policy" "this" {
  name               = "${var.name}-concurrency"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension
  resource_id        = aws_appautoscaling_target.this.resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = var.scaling.concurrent_requests
    scale_in_cooldown  = var.scaling.cooldown_seconds
    scale_out_cooldown = var.scaling.cooldown_seconds

    # Emitted every 10 seconds; SageMakerVariantInvocationsPerInstance only every minute.
    predefined_metric_specification {
      predefined_metric_type = "SageMakerVariantConcurrentRequestsPerModelHighResolution"
    }
  }
}
