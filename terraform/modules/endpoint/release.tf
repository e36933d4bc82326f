# The endpoint moves from one configuration to the next: first a part of the traffic (canary) or
# step by step (linear), and back if an alarm rings. The old configuration lives until then.
resource "aws_sagemaker_endpoint" "this" {
  name                 = var.name
  endpoint_config_name = aws_sagemaker_endpoint_configuration.this.name

  dynamic "deployment_config" {
    # Not offered for serverless endpoints:
    # https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails.html
    for_each = (local.is_serverless ? [] : [var.deployment])

    content {
      blue_green_update_policy {
        maximum_execution_timeout_in_seconds = deployment_config.value.timeout_seconds
        termination_wait_in_seconds          = deployment_config.value.termination_wait_seconds

        traffic_routing_configuration {
          type                     = deployment_config.value.type
          wait_interval_in_seconds = deployment_config.value.wait_seconds

          dynamic "canary_size" {
            for_each = (deployment_config.value.type == "CANARY" ? [1] : [])

            content {
              type  = "CAPACITY_PERCENT"
              value = deployment_config.value.step_percent
            }
          }

          dynamic "linear_step_size" {
            for_each = (deployment_config.value.type == "LINEAR" ? [1] : [])

            content {
              type  = "CAPACITY_PERCENT"
              value = deployment_config.value.step_percent
            }
          }
        }
      }

      auto_rollback_configuration {
        dynamic "alarms" {
          for_each = aws_cloudwatch_metric_alarm.rollback

          content {
            alarm_name = alarms.value.alarm_name
          }
        }
      }
    }
  }

  lifecycle {
    # SageMaker ends a failed update on the old configuration, in service, and the provider
    # calls that success: https://github.com/hashicorp/terraform-provider-aws/issues/46663
    postcondition {
      condition     = self.endpoint_config_name == aws_sagemaker_endpoint_configuration.this.name
      error_message = <<-EOT
        SageMaker rolled this release back: endpoint ${var.name} still serves the previous one.
        An alarm of the release rang (${join(", ", values(local.rollback_alarm_names))}), or the
        new container did not start: see ${aws_cloudwatch_log_group.this.name}.
        Apply a mended release, or the previous one.
      EOT
    }
  }
}
