locals {
  rollback_alarm_names = (local.is_serverless ? {} : {
    errors  = "${var.name}-rollback-errors"
    latency = "${var.name}-rollback-latency"
  })

  _rollback = {
    errors = {
      description = "Over ${var.rollback.error_percent} % of the new release's answers are 5xx."
      metric      = "Invocation5XXErrors" # its average is the share of requests
      statistic   = { plain = "Average", percentile = null }
      threshold   = var.rollback.error_percent / 100
    }
    latency = {
      description = "The new release is slower than ${var.rollback.latency_ms} ms (p99)."
      metric      = "ModelLatency" # in microseconds
      statistic   = { plain = null, percentile = "p99" }
      threshold   = var.rollback.latency_ms * 1000
    }
  }
}

# What ends a deployment. The dimension EndpointConfigName makes them watch the new fleet only:
# without it, an old release that fails would forbid the one that mends it.
# https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-configuration.html
resource "aws_cloudwatch_metric_alarm" "rollback" {
  for_each = local.rollback_alarm_names

  alarm_name          = each.value
  alarm_description   = local._rollback[each.key].description
  namespace           = "AWS/SageMaker"
  metric_name         = local._rollback[each.key].metric
  statistic           = local._rollback[each.key].statistic.plain
  extended_statistic  = local._rollback[each.key].statistic.percentile
  comparison_operator = "GreaterThanThreshold"
  threshold           = local._rollback[each.key].threshold
  period              = 60
  evaluation_periods  = var.rollback.minutes
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns

  dimensions = {
    EndpointConfigName = aws_sagemaker_endpoint_configuration.this.name
    EndpointName       = var.name
    VariantName        = local.variant_name
  }
}
