locals {
  repository_names = toset(["serve", "train"])
}

resource "aws_ecr_repository" "this" {
  for_each = local.repository_names

  name = "${var.prefix}/${each.key}"
  # A tag that can move would make a release mean two things.
  image_tag_mutability = "IMMUTABLE"
  force_delete         = var.force_delete

  encryption_configuration {
    encryption_type = "KMS"
    kms_key         = var.kms_key_arn
  }

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  for_each = local.repository_names

  repository = aws_ecr_repository.this[each.key].name
  policy = jsonencode({
    rules = [
      {
        rulePriority = 1
        description  = "Untagged images are left-overs of a push"
        selection = {
          tagStatus   = "untagged"
          countType   = "sinceImagePushed"
          countUnit   = "days"
          countNumber = 14
        }
        action = { type = "expire" }
      },
      # An endpoint pulls its image again at each scale-out: keep far more than one would ever
      # roll back over.
      {
        rulePriority = 2
        description  = "History ends at some point"
        selection = {
          tagStatus   = "any"
          countType   = "imageCountMoreThan"
          countNumber = 200
        }
        action = { type = "expire" }
      },
    ]
  })
}
