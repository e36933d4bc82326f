# Needs no account and no credentials. Run in terraform/modules/function:
#   terraform init && terraform test
#
# A mocked document keeps the statements it was given, so the tests compare those; the marks
# below prove that the role carries this document and no other.

mock_provider "aws" {
  source = "../../testing/aws"

  override_data {
    target = data.aws_iam_policy_document.permissions
    values = { json = "{\"Id\":\"permissions\"}" }
  }

  override_data {
    target = data.aws_iam_policy_document.trust
    values = { json = "{\"Id\":\"trust\"}" }
  }
}

variables {
  endpoint = {
    arn  = "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/kennel-test"
    name = "kennel-test"
  }
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  name        = "kennel-test-invoke"
  zip_file    = "main.tf" # the mock provider reads no zip: any file will do
}

run "role_invokes_one_endpoint_and_nothing_else" {
  assert {
    condition = {
      for statement in data.aws_iam_policy_document.permissions.statement :
      statement.sid => { actions = statement.actions, resources = statement.resources }
      } == {
      InvokeTheEndpoint = {
        actions   = toset(["sagemaker:InvokeEndpoint"])
        resources = toset(["arn:aws:sagemaker:eu-west-1:123456789012:endpoint/kennel-test"])
      }
      WriteLogs = {
        actions   = toset(["logs:CreateLogStream", "logs:PutLogEvents"])
        resources = toset(["${aws_cloudwatch_log_group.this.arn}:*"])
      }
      SendTraces = {
        actions   = toset(["xray:PutTelemetryRecords", "xray:PutTraceSegments"])
        resources = toset(["*"])
      }
    }
    error_message = "The role may invoke one endpoint, write one log and send traces."
  }

  assert {
    condition = (
      length(data.aws_iam_policy_document.permissions.source_policy_documents) == 0 &&
      data.aws_iam_policy_document.permissions.override_policy_documents == null
    )
    error_message = "No other document may flow into this one."
  }

  assert {
    condition     = aws_iam_role_policy.this.policy == data.aws_iam_policy_document.permissions.json
    error_message = "The role must carry these permissions."
  }
}

run "role_trusts_lambda_for_this_account_only" {
  assert {
    condition = {
      for condition in one(data.aws_iam_policy_document.trust.statement).condition :
      condition.variable => condition.values
    } == { "aws:SourceAccount" = tolist(["123456789012"]) }
    error_message = "Lambda must not use the role on behalf of another account."
  }

  assert {
    condition     = aws_iam_role.this.assume_role_policy == data.aws_iam_policy_document.trust.json
    error_message = "The role must carry this trust."
  }
}
