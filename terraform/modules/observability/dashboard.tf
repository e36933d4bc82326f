locals {
  _dimensions = ["EndpointName", var.endpoint_name, "VariantName", "live"]

  # Two in a row, in this order. A widget's metrics are [namespace, name, dimension, value, ...].
  _graphs = [
    { title = "Requests", stat = "Sum", metrics = [
      ["AWS/ApiGateway", "Count", "ApiName", var.api.name, "Stage", var.api.stage],
      concat(["AWS/SageMaker", "Invocations"], local._dimensions),
    ] },
    { title = "Errors", stat = "Sum", metrics = [
      ["AWS/ApiGateway", "4XXError", "ApiName", var.api.name, "Stage", var.api.stage],
      ["AWS/ApiGateway", "5XXError", "ApiName", var.api.name, "Stage", var.api.stage],
      ["AWS/Lambda", "Errors", "FunctionName", var.function_name],
      ["AWS/Lambda", "Throttles", "FunctionName", var.function_name],
      concat(["AWS/SageMaker", "Invocation5XXErrors"], local._dimensions),
    ] },
    { title = "API latency, p99 (ms)", stat = "p99", metrics = [
      ["AWS/ApiGateway", "Latency", "ApiName", var.api.name, "Stage", var.api.stage],
      ["AWS/Lambda", "Duration", "FunctionName", var.function_name],
    ] },
    { title = "Model latency, p99 (microseconds)", stat = "p99", metrics = [
      concat(["AWS/SageMaker", "ModelLatency"], local._dimensions),
      concat(["AWS/SageMaker", "OverheadLatency"], local._dimensions),
    ] },
    { title = "Concurrent requests", stat = "Maximum", metrics = [
      concat(["AWS/SageMaker", "ConcurrentRequestsPerModel"], local._dimensions),
      ["AWS/Lambda", "ConcurrentExecutions", "FunctionName", var.function_name],
    ] },
    { title = "Endpoint resources (%)", stat = "Average", metrics = [
      for name in ["CPUUtilization", "MemoryUtilization", "DiskUtilization"] :
      concat([local._resources, name], local._dimensions)
    ] },
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name

  dashboard_body = jsonencode({
    widgets = [
      for index, graph in local._graphs : {
        type   = "metric"
        x      = index % 2 * 12
        y      = floor(index / 2) * 6
        width  = 12
        height = 6
        properties = {
          title   = graph.title
          stat    = graph.stat
          metrics = graph.metrics
          period  = 60
          region  = local.region
        }
      }
    ]
  })
}
