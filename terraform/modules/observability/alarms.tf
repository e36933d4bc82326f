# One table for all alarms: what is measured, and when it is too much. Each `why` is what a person
# reads when it rings.
locals {
  _variant   = { EndpointName = var.endpoint_name, VariantName = "live" }
  _api       = { ApiName = var.api.name, Stage = var.api.stage }
  _function  = { FunctionName = var.function_name }
  _resources = "/aws/sagemaker/Endpoints"

  _alarms = {
    api-4xx = {
      why    = "Over ${var.thresholds.client_errors_percent} % of requests are refused."
      metric = ["AWS/ApiGateway", "4XXError", local._api], stat = "Average"
      above  = var.thresholds.client_errors_percent / 100, minutes = 10
    }
    api-5xx = {
      why    = "Over ${var.thresholds.errors_percent} % of requests fail: see the function's log."
      metric = ["AWS/ApiGateway", "5XXError", local._api], stat = "Average"
      above  = var.thresholds.errors_percent / 100, minutes = 3
    }
    api-latency = {
      why    = "The slowest 1 % of requests take over ${var.thresholds.latency_ms} ms."
      metric = ["AWS/ApiGateway", "Latency", local._api], stat = "p99"
      above  = var.thresholds.latency_ms, minutes = 5 # in milliseconds here
    }
    endpoint-5xx = {
      why    = "Over ${var.thresholds.errors_percent} % of predictions fail: see the endpoint's log."
      metric = ["AWS/SageMaker", "Invocation5XXErrors", local._variant], stat = "Average"
      above  = var.thresholds.errors_percent / 100, minutes = 3
    }
    endpoint-latency = {
      why    = "The slowest 1 % of predictions take over ${var.thresholds.latency_ms} ms."
      metric = ["AWS/SageMaker", "ModelLatency", local._variant], stat = "p99"
      above  = var.thresholds.latency_ms * 1000, minutes = 5 # in microseconds here
    }
    endpoint-cpu = {
      why    = "The endpoint's CPUs are busy beyond ${var.thresholds.busy_percent} %."
      metric = [local._resources, "CPUUtilization", local._variant], stat = "Average"
      above  = var.thresholds.busy_percent * var.cpus, minutes = 10 # 100 % for each CPU
    }
    endpoint-memory = {
      why    = "The endpoint's memory is ${var.thresholds.busy_percent} % full."
      metric = [local._resources, "MemoryUtilization", local._variant], stat = "Maximum"
      above  = var.thresholds.busy_percent, minutes = 5
    }
    endpoint-disk = {
      why    = "The endpoint's disk is ${var.thresholds.busy_percent} % full."
      metric = [local._resources, "DiskUtilization", local._variant], stat = "Maximum"
      above  = var.thresholds.busy_percent, minutes = 5
    }
    function-errors = {
      why    = "The function crashes or times out: see its log."
      metric = ["AWS/Lambda", "Errors", local._function], stat = "Sum"
      above  = 0, minutes = 3
    }
    function-throttles = {
      why    = "Callers are turned away: raise the function's reserved concurrency."
      metric = ["AWS/Lambda", "Throttles", local._function], stat = "Sum"
      above  = 0, minutes = 3
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local._alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.why
  namespace           = each.value.metric[0]
  metric_name         = each.value.metric[1]
  dimensions          = each.value.metric[2]
  statistic           = (startswith(each.value.stat, "p") ? null : each.value.stat)
  extended_statistic  = (startswith(each.value.stat, "p") ? each.value.stat : null)
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.above
  period              = 60
  evaluation_periods  = each.value.minutes
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.this.arn]
  ok_actions          = [aws_sns_topic.this.arn]
}

# Silence is a fault only where there is always traffic.
resource "aws_cloudwatch_metric_alarm" "silence" {
  count = (var.thresholds.silence_minutes == null ? 0 : 1)

  alarm_name          = "${var.name}-no-traffic"
  alarm_description   = "Nobody has called for ${var.thresholds.silence_minutes} minutes."
  namespace           = "AWS/ApiGateway"
  metric_name         = "Count"
  dimensions          = local._api
  statistic           = "Sum"
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  period              = var.thresholds.silence_minutes * 60
  evaluation_periods  = 1
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.this.arn]
  ok_actions          = [aws_sns_topic.this.arn]
}
