# Needs no account and no credentials. Run in terraform/modules/ci:
#   terraform init && terraform test

mock_provider "aws" {
  source = "../../testing/aws"
}

variables {
  environment = "prod"
  prefix      = "kennel-test"
  state = {
    bucket      = "kennel-test-state-123456789012"
    kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  }
  subject_prefix = "repo:kennel/kennel"
}

run "trusts_one_repository_on_one_occasion" {
  assert {
    condition = {
      for name, document in data.aws_iam_policy_document.trust : name => {
        for condition in one(document.statement).condition : condition.variable => condition.values
      }
      } == {
      for name, subject in tomap({ apply = "environment:prod", plan = "pull_request" }) :
      name => {
        "token.actions.githubusercontent.com:aud" = tolist(["sts.amazonaws.com"])
        "token.actions.githubusercontent.com:sub" = tolist(["repo:kennel/kennel:${subject}"])
      }
    }
    error_message = "A token must be for this repository and this occasion, word for word."
  }
}

run "knows_the_new_names_of_repositories" {
  command = plan

  variables {
    create_provider = false
    subject_prefix  = "repo:kennel@1234/kennel@5678"
  }

  assert {
    condition = contains(flatten([
      for condition in one(data.aws_iam_policy_document.trust["plan"].statement).condition :
      condition.values
    ]), "repo:kennel@1234/kennel@5678:pull_request")
    error_message = "Repositories made since July 2026 have ids in their tokens."
  }
}

run "plans_from_a_state_without_secrets_and_nothing_else" {
  assert {
    condition = {
      for statement in data.aws_iam_policy_document.plan.statement :
      statement.sid => join(" ", concat(tolist(statement.actions), tolist(statement.resources)))
      if statement.effect != "Deny"
      } == {
      DecryptState            = "kms:Decrypt ${var.state.kms_key_arn}"
      FindStateWithoutSecrets = "s3:ListBucket arn:aws:s3:::${var.state.bucket}"
      ReadStateWithoutSecrets = join(" ", [
        "s3:GetObject", "arn:aws:s3:::${var.state.bucket}/kennel-test/shown/*.tfstate",
      ])
    }
    error_message = "A pull request's plan may read the state without secrets, and nothing else."
  }

  assert {
    condition = alltrue([
      for statement in data.aws_iam_policy_document.plan.statement :
      statement.not_resources == toset([
        "arn:aws:s3:::kennel-test-state-123456789012/kennel-test/shown/*.tfstate",
      ]) if statement.sid == "NeverTheStateItself"
    ])
    error_message = "What holds the API key must be denied by name."
  }
}

run "applies_within_the_prefix_and_the_boundary" {
  assert {
    condition = alltrue([
      for statement in data.aws_iam_policy_document.apply_roles.statement :
      contains(
        flatten([for condition in statement.condition : condition.values]),
        aws_iam_policy.boundary.arn
      )
      if statement.effect != "Deny" && length(setintersection(
        statement.actions, ["iam:CreateRole", "iam:PutRolePolicy", "iam:PutRolePermissionsBoundary"]
      )) > 0
    ])
    error_message = "Who applies must not make a role outside the boundary."
  }

  assert {
    condition = anytrue([
      for statement in data.aws_iam_policy_document.apply_roles.statement :
      statement.effect == "Deny" &&
      contains(statement.resources, "arn:aws:iam::123456789012:role/kennel-test-ci-*")
    ])
    error_message = "Who applies must not change the roles of CI, nor the boundary."
  }

  assert {
    condition = alltrue([
      for action in one(data.aws_iam_policy_document.boundary.statement).actions :
      !startswith(action, "iam:") && !startswith(action, "sts:")
    ])
    error_message = "No workload may give or take rights."
  }
}

run "refuses_wrong_values" {
  command = plan

  variables {
    environment    = "*"
    prefix         = "Kennel"
    state          = { bucket = "*", kms_key_arn = "alias/kennel" }
    subject_prefix = "repo:kennel/*"
  }

  expect_failures = [var.environment, var.prefix, var.state, var.subject_prefix]
}
