# Needs no account and no credentials. Run in terraform/modules/endpoint:
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
  image       = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/kennel/serve@sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  model_data  = "s3://kennel-models/dogs/1/model.tar.gz"
  name        = "kennel-test"
}

run "role_reads_one_model_pulls_one_image_and_writes_one_log" {
  assert {
    condition = {
      for statement in data.aws_iam_policy_document.permissions.statement :
      statement.sid => { actions = statement.actions, resources = statement.resources }
      } == {
      ReadTheModel = {
        actions   = toset(["s3:GetObject"])
        resources = toset(["arn:aws:s3:::kennel-models/dogs/1/model.tar.gz"])
      }
      DecryptTheModel = {
        actions   = toset(["kms:Decrypt"])
        resources = toset([var.kms_key_arn])
      }
      EncryptTheVolume = {
        actions   = toset(["kms:CreateGrant"])
        resources = toset([var.kms_key_arn])
      }
      PullTheImage = {
        actions = toset([
          "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer",
        ])
        resources = toset(["arn:aws:ecr:eu-west-1:123456789012:repository/kennel/serve"])
      }
      LogInToEcr = {
        actions   = toset(["ecr:GetAuthorizationToken"])
        resources = toset(["*"])
      }
      WriteLogs = {
        actions = toset([
          "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents",
        ])
        resources = toset(["${aws_cloudwatch_log_group.this.arn}:*"])
      }
      ReportUtilisation = {
        actions   = toset(["cloudwatch:PutMetricData"])
        resources = toset(["*"])
      }
    }
    error_message = "The role may do exactly what serving this release takes."
  }

  assert {
    condition = {
      for statement in data.aws_iam_policy_document.permissions.statement :
      statement.sid => [for condition in statement.condition : condition.variable]...
      if length(statement.condition) > 0
      } == {
      DecryptTheModel   = [["kms:ViaService"]]
      EncryptTheVolume  = [["kms:GrantIsForAWSResource"]]
      ReportUtilisation = [["cloudwatch:namespace"]]
    }
    error_message = "What cannot be limited by resource must be limited by condition."
  }

  assert {
    condition     = aws_iam_role_policy.this.policy == data.aws_iam_policy_document.permissions.json
    error_message = "The role must carry these permissions."
  }
}

run "role_trusts_sagemaker_for_this_account_only" {
  assert {
    condition = {
      for condition in one(data.aws_iam_policy_document.trust.statement).condition :
      condition.variable => condition.values
      } == {
      "aws:SourceAccount" = tolist(["123456789012"])
      "aws:SourceArn"     = tolist(["arn:aws:sagemaker:eu-west-1:123456789012:*"])
    }
    error_message = "SageMaker must not use the role on behalf of another account."
  }

  assert {
    condition     = aws_iam_role.this.assume_role_policy == data.aws_iam_policy_document.trust.json
    error_message = "The role must carry this trust."
  }
}
