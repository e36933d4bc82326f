# In front of the stage: known bad addresses and inputs, one caller that floods, and bodies that
# are too large. The common rules' own body limit (8 KB) would refuse any picture, and their
# search for scripts stumbles over bytes of pictures: both only count.
resource "aws_wafv2_web_acl" "this" {
  #checkov:skip=CKV_AWS_192:the rule set is attached by a dynamic block
  count = (var.firewall == null ? 0 : 1)

  name        = var.name
  description = "Guards the API ${var.name}"
  scope       = "REGIONAL"

  default_action {
    allow {}
  }

  dynamic "rule" {
    for_each = {
      AWSManagedRulesAmazonIpReputationList = { priority = 1, counted = [] }
      AWSManagedRulesKnownBadInputsRuleSet  = { priority = 2, counted = [] }
      AWSManagedRulesCommonRuleSet = {
        priority = 3
        counted  = ["CrossSiteScripting_BODY", "SizeRestrictions_BODY"]
      }
    }

    content {
      name     = rule.key
      priority = rule.value.priority

      override_action {
        none {}
      }

      statement {
        managed_rule_group_statement {
          name        = rule.key
          vendor_name = "AWS"

          dynamic "rule_action_override" {
            for_each = rule.value.counted

            content {
              name = rule_action_override.value

              action_to_use {
                count {}
              }
            }
          }
        }
      }

      visibility_config {
        cloudwatch_metrics_enabled = true
        metric_name                = rule.key
        sampled_requests_enabled   = false
      }
    }
  }

  rule {
    name     = "OneAddressTooOften"
    priority = 4

    action {
      block {}
    }

    statement {
      rate_based_statement {
        aggregate_key_type = "IP"
        limit              = var.firewall.requests_per_5_minutes
      }
    }

    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "OneAddressTooOften"
      sampled_requests_enabled   = false
    }
  }

  # WAF sees the first 16 KB of a body only, so it is the announced length that is judged, as
  # text: seven digits from the limit on, or more digits.
  rule {
    name     = "BodyTooLarge"
    priority = 5

    action {
      block {}
    }

    statement {
      regex_match_statement {
        regex_string = "^0*([${var.firewall.max_body_megabytes}-9][0-9]{6}|[1-9][0-9]{7,})$"

        field_to_match {
          single_header {
            name = "content-length"
          }
        }

        text_transformation {
          priority = 0
          type     = "NONE"
        }
      }
    }

    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "BodyTooLarge"
      sampled_requests_enabled   = false
    }
  }

  visibility_config {
    cloudwatch_metrics_enabled = true
    metric_name                = var.name
    sampled_requests_enabled   = false
  }
}

resource "aws_wafv2_web_acl_association" "this" {
  count = (var.firewall == null ? 0 : 1)

  resource_arn = aws_api_gateway_stage.this.arn
  web_acl_arn  = aws_wafv2_web_acl.this[0].arn
}
