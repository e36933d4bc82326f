# Needs no account and no credentials. Run in terraform/modules/registry:
#   terraform init && terraform test

mock_provider "aws" {
  source = "../../testing/aws"
}

variables {
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  prefix      = "kennel-test"
}

run "makes_an_immutable_scanned_encrypted_repository_for_each_image" {
  assert {
    condition = toset([for repository in aws_ecr_repository.this : repository.name]) == toset([
      "kennel-test/serve", "kennel-test/train",
    ])
    error_message = "There must be one repository for each image."
  }

  assert {
    condition = alltrue([
      for repository in aws_ecr_repository.this :
      repository.image_tag_mutability == "IMMUTABLE" &&
      repository.image_scanning_configuration[0].scan_on_push &&
      repository.encryption_configuration[0].kms_key == var.kms_key_arn &&
      !repository.force_delete
    ])
    error_message = "Tags must not move, pushes must be scanned, images encrypted with our key and kept."
  }

  assert {
    condition = alltrue([
      for lifecycle in aws_ecr_lifecycle_policy.this :
      jsondecode(lifecycle.policy).rules[*].selection.tagStatus == ["untagged", "any"] &&
      jsondecode(lifecycle.policy).rules[1].selection.countNumber == 200
    ])
    error_message = "Untagged images go first; then all but the newest 200."
  }
}

run "refuses_wrong_values" {
  command = plan

  variables {
    kms_key_arn = "alias/kennel"
    prefix      = "k"
  }

  expect_failures = [var.kms_key_arn, var.prefix]
}
