output "alarm_names" {
  description = "Name of each alarm."
  value = sort(concat(
    [for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_name],
    aws_cloudwatch_metric_alarm.silence[*].alarm_name,
  ))
}

output "dashboard_name" {
  description = "Name of the dashboard."
  value       = aws_cloudwatch_dashboard.this.dashboard_name
}

output "topic_arn" {
  description = "Topic that hears of alarms and of the budget."
  value       = aws_sns_topic.this.arn

  # Before its policy exists, CloudWatch may not publish.
  depends_on = [aws_sns_topic_policy.this]
}
