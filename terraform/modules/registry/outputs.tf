output "repository_arns" {
  description = "ARN of each repository by its image: serve, train."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.arn }
}


output "repository_urls" {
  description = "Address of each repository by its image: serve, train."
  value       = { for name, this in aws_ecr_repository.this : name => this.repository_url }
}
