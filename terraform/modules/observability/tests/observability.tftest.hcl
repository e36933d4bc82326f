# Needs no account and no credentials. Run in terraform/modules/observability:
#   terraform init && terraform test

mock_provider "aws" {
  source = "../../testing/aws"
}

variables {
  api           = { name = "kennel-test", stage = "live" }
  endpoint_name = "kennel-test"
  function_name = "kennel-test-invoke"
  kms_key_arn   = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  name          = "kennel-test"
}

run "watches_what_can_break" {
  variables {
    thresholds = { silence_minutes = 15 }
  }

  assert {
    condition = toset(output.alarm_names) == toset([
      for name in [
        "api-4xx", "api-5xx", "api-latency", "endpoint-5xx", "endpoint-cpu", "endpoint-disk",
        "endpoint-latency", "endpoint-memory", "function-errors", "function-throttles", "no-traffic",
      ] : "kennel-test-${name}"
    ])
    error_message = "Errors, latency, throttles, refusals, silence and resources must be watched."
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.this["endpoint-latency"].threshold == 3000000 &&
      aws_cloudwatch_metric_alarm.this["api-latency"].threshold == 3000
    )
    error_message = "SageMaker counts in microseconds, API Gateway in milliseconds."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.silence[0].treat_missing_data == "breaching"
    error_message = "No data is what no traffic looks like."
  }

  assert {
    condition = alltrue([
      for alarm in aws_cloudwatch_metric_alarm.this :
      alarm.alarm_actions == toset([aws_sns_topic.this.arn]) && alarm.alarm_description != null
    ])
    error_message = "Each alarm must reach the topic and say what it means."
  }
}

run "tells_only_whom_it_may" {
  variables {
    emails = ["on-call@example.com"]
  }

  assert {
    condition = (
      aws_sns_topic.this.kms_master_key_id == var.kms_key_arn &&
      one(one(data.aws_iam_policy_document.topic.statement).condition).variable == "aws:SourceAccount" &&
      length(aws_sns_topic_subscription.email) == 1
    )
    error_message = "The topic must be encrypted, and take messages from this account only."
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.silence) == 0
    error_message = "By default no traffic is no fault."
  }
}

run "counts_the_money_of_this_stack" {
  assert {
    condition = (
      aws_budgets_budget.this.limit_amount == "300" &&
      length(aws_budgets_budget.this.notification) == 2 &&
      one(aws_budgets_budget.this.cost_filter).values == tolist(["user:Project$kennel-test"])
    )
    error_message = "The budget must count this stack, and warn before it is spent."
  }
}

run "shows_everything_on_one_page" {
  assert {
    condition     = length(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets) == 6
    error_message = "The dashboard must be valid JSON with all graphs."
  }
}

run "refuses_wrong_values" {
  command = plan

  variables {
    api            = { name = "kennel", stage = "" }
    cpus           = 0
    emails         = ["nobody"]
    endpoint_name  = "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/kennel"
    function_name  = "arn:aws:lambda:eu-west-1:123456789012:function:kennel"
    kms_key_arn    = "alias/kennel"
    monthly_budget = 0
    name           = "Kennel"
    thresholds     = { errors_percent = 100 }
  }

  expect_failures = [
    var.api, var.cpus, var.emails, var.endpoint_name, var.function_name, var.kms_key_arn,
    var.monthly_budget, var.name, var.thresholds,
  ]
}

run "refuses_a_latency_of_nothing" {
  command = plan

  variables {
    thresholds = { latency_ms = 0 }
  }

  expect_failures = [var.thresholds]
}

run "refuses_a_period_that_cloudwatch_lacks" {
  command = plan

  variables {
    thresholds = { silence_minutes = 7 }
  }

  expect_failures = [var.thresholds]
}
