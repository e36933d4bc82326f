output "boundary_arn" {
  description = "Boundary that every role must carry which CI applies."
  value       = aws_iam_policy.boundary.arn
}

output "role_arns" {
  description = "Role of each kind of workflow: apply, plan."
  value       = { for name, role in aws_iam_role.this : name => role.arn }

  # Without its policy a role can do nothing.
  depends_on = [aws_iam_role_policy.this]
}
