# Keeps more instances warm when those that are warm are busy. The number that Terraform sets is
# then only the start, and autoscaling's least.
locals {
  is_scaled = var.most_provisioned != null && var.provisioned_concurrency > 0
}

# Apart from `live`, as ignore_changes knows no condition: an apply must not take back what
# autoscaling has added.
resource "aws_lambda_provisioned_concurrency_config" "scaled" {
  count = (local.is_scaled ? 1 : 0)

  function_name                     = aws_lambda_function.this.function_name
  qualifier                         = aws_lambda_alias.live.name
  provisioned_concurrent_executions = var.provisioned_concurrency

  lifecycle {
    ignore_changes = [provisioned_concurrent_executions]
  }
}

resource "aws_appautoscaling_target" "this" {
  count = (local.is_scaled ? 1 : 0)

  service_namespace  = "lambda"
  scalable_dimension = "lambda:function:ProvisionedConcurrency"
  resource_id        = "function:${var.name}:${aws_lambda_alias.live.name}"
  min_capacity       = var.provisioned_concurrency
  max_capacity       = var.most_provisioned

  depends_on = [aws_lambda_provisioned_concurrency_config.scaled]
}

resource "aws_appautoscaling_policy" "this" {
  count = (local.is_scaled ? 1 : 0)

  name               = "${var.name}-utilisation"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this[0].service_namespace
  scalable_dimension = aws_appautoscaling_target.this[0].scalable_dimension
  resource_id        = aws_appautoscaling_target.this[0].resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = 0.7
    scale_in_cooldown  = 60
    scale_out_cooldown = 60

    predefined_metric_specification {
      predefined_metric_type = "LambdaProvisionedConcurrencyUtilization"
    }
  }
}
