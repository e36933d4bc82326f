# Only what was refused; the key stays out of the log.
resource "aws_wafv2_web_acl_logging_configuration" "this" {
  count = (var.firewall == null ? 0 : 1)

  resource_arn            = aws_wafv2_web_acl.this[0].arn
  log_destination_configs = [aws_cloudwatch_log_group.firewall[0].arn]

  redacted_fields {
    single_header {
      name = "x-api-key"
    }
  }

  logging_filter {
    default_behavior = "DROP"

    filter {
      behavior    = "KEEP"
      requirement = "MEETS_ANY"

      condition {
        action_condition {
          action = "BLOCK"
        }
      }
    }
  }
}

resource "aws_cloudwatch_log_group" "firewall" {
  count = (var.firewall == null ? 0 : 1)

  name              = "aws-waf-logs-${var.name}" # WAF wants this start
  kms_key_id        = var.kms_key_arn
  retention_in_days = 365
}
