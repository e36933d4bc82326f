# Target tracking is calm; a step adds several instances at once when it is far behind, and wakes
# an asynchronous endpoint that has scaled to 0, where there is no instance to track.
locals {
  _surge = (local.is_async || var.scaling.surge == null ? {} : {
    surge = {
      metric       = "ConcurrentRequestsPerModel"
      dimensions   = { EndpointName = var.name, VariantName = local.variant_name }
      threshold    = var.scaling.surge.concurrent_requests
      operator     = "GreaterThanThreshold"
      statistic    = "Maximum"
      period       = 10
      add          = var.scaling.surge.add_instances
      missing_data = "notBreaching"
    }
  })
  _wake = (local.is_async ? {
    wake = {
      metric       = "HasBacklogWithoutCapacity"
      dimensions   = { EndpointName = var.name }
      threshold    = 1
      operator     = "GreaterThanOrEqualToThreshold"
      statistic    = "Average"
      period       = 60
      add          = 1
      missing_data = "missing"
    }
  } : {})
  _steps = (local.is_scaled ? merge(local._surge, local._wake) : {})
}

resource "aws_appautoscaling_policy" "step" {
  for_each = local._steps

  name               = "${var.name}-${each.key}"
  policy_type        = "StepScaling"
  service_namespace  = aws_appautoscaling_target.this[0].service_namespace
  scalable_dimension = aws_appautoscaling_target.this[0].scalable_dimension
  resource_id        = aws_appautoscaling_target.this[0].resource_id

  step_scaling_policy_configuration {
    adjustment_type         = "ChangeInCapacity"
    metric_aggregation_type = "Maximum"
    cooldown                = var.scaling.cooldown_seconds

    step_adjustment {
      metric_interval_lower_bound = 0
      scaling_adjustment          = each.value.add
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "step" {
  for_each = local._steps

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "Adds ${each.value.add} instance(s) to endpoint ${var.name}."
  namespace           = "AWS/SageMaker"
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = each.value.operator
  threshold           = each.value.threshold
  period              = each.value.period
  evaluation_periods  = 2
  treat_missing_data  = each.value.missing_data
  alarm_actions       = [aws_appautoscaling_policy.step[each.key].arn]
}
