# Needs no account and no credentials. Run in terraform/modules/storage:
#   terraform init && terraform test

mock_provider "aws" {
  source = "../../testing/aws"
}

variables {
  prefix = "kennel-test"
}

run "keeps_objects_and_for_a_while_their_old_versions" {
  assert {
    condition = output.bucket_names == {
      data   = "kennel-test-data-123456789012"
      logs   = "kennel-test-logs-123456789012"
      models = "kennel-test-models-123456789012"
    }
    error_message = "Bucket names must be unique in the world without a random part."
  }

  assert {
    condition = alltrue([
      for name, lifecycle in aws_s3_bucket_lifecycle_configuration.this :
      aws_s3_bucket_versioning.this[name].versioning_configuration[0].status == "Enabled" &&
      lifecycle.rule[0].noncurrent_version_expiration[0].noncurrent_days == 30 &&
      lifecycle.rule[0].abort_incomplete_multipart_upload[0].days_after_initiation == 7
    ])
    error_message = "Buckets must be versioned, with an end to old versions and unfinished uploads."
  }

  assert {
    condition = {
      for name, lifecycle in aws_s3_bucket_lifecycle_configuration.this :
      name => length(lifecycle.rule[0].expiration)
    } == { data = 0, logs = 1, models = 0 }
    error_message = "Logs expire; data and models never do."
  }

  assert {
    condition     = !anytrue([for bucket in aws_s3_bucket.this : bucket.force_destroy])
    error_message = "Only an explicit force_destroy may delete objects."
  }
}

run "closes_and_encrypts_every_bucket" {
  assert {
    condition = alltrue([
      for name in keys(aws_s3_bucket.this) :
      aws_s3_bucket_public_access_block.this[name].block_public_acls &&
      aws_s3_bucket_public_access_block.this[name].block_public_policy &&
      aws_s3_bucket_public_access_block.this[name].ignore_public_acls &&
      aws_s3_bucket_public_access_block.this[name].restrict_public_buckets
    ])
    error_message = "All four switches must be on, on each bucket."
  }

  assert {
    condition = alltrue([
      for name in keys(aws_s3_bucket.this) :
      aws_s3_bucket_ownership_controls.this[name].rule[0].object_ownership == "BucketOwnerEnforced"
    ])
    error_message = "ACLs must be off on each bucket."
  }

  assert {
    condition = alltrue([
      for name in ["data", "models"] : alltrue([
        for rule in aws_s3_bucket_server_side_encryption_configuration.this[name].rule :
        rule.bucket_key_enabled &&
        rule.apply_server_side_encryption_by_default[0].sse_algorithm == "aws:kms" &&
        rule.apply_server_side_encryption_by_default[0].kms_master_key_id == output.kms_key_arn
      ])
    ])
    error_message = "Data and models must be encrypted with our key, through a bucket key."
  }

  assert {
    condition = one(
      aws_s3_bucket_server_side_encryption_configuration.this["logs"].rule
    ).apply_server_side_encryption_by_default[0].sse_algorithm == "AES256"
    error_message = "S3 delivers no access log to a bucket with SSE-KMS."
  }

  assert {
    condition = [
      for statement in data.aws_iam_policy_document.key.statement : one(statement.condition).values
      if statement.sid == "LetSpotEncryptDisks"
      ] == [tolist([
        "arn:aws:iam::123456789012:role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot",
    ])]
    error_message = "A fleet on Spot needs the key, by EC2's own role and no other."
  }

  assert {
    condition     = aws_kms_key.this.enable_key_rotation
    error_message = "The key must rotate."
  }

  assert {
    condition = alltrue([
      for document in data.aws_iam_policy_document.bucket :
      document.statement[0].effect == "Deny" &&
      document.statement[0].actions == toset(["s3:*"]) &&
      one(document.statement[0].principals).identifiers == toset(["*"]) &&
      one(document.statement[0].condition).variable == "aws:SecureTransport"
    ])
    error_message = "Each bucket policy must begin by denying what comes without TLS."
  }
}

run "takes_access_logs_only_from_its_own_buckets" {
  assert {
    condition = {
      for name, logging in aws_s3_bucket_logging.this : name => logging.target_bucket
    } == { data = output.bucket_names.logs, models = output.bucket_names.logs }
    error_message = "Data and models must log to logs, and logs must not log itself."
  }

  assert {
    condition = {
      for name, document in data.aws_iam_policy_document.bucket :
      name => [for statement in document.statement : statement.sid if statement.effect != "Deny"]
    } == { data = [], logs = ["TakeAccessLogsOfOurBuckets"], models = [] }
    error_message = "Only the logs bucket lets anyone in, and only S3's log delivery."
  }

  assert {
    condition = toset(
      data.aws_iam_policy_document.bucket["logs"].statement[1].condition[*].variable
    ) == toset(["aws:SourceAccount", "aws:SourceArn"])
    error_message = "Log delivery must come from this account and these buckets."
  }
}

run "refuses_wrong_values" {
  command = plan

  variables {
    prefix = "Kennel"
  }

  expect_failures = [var.prefix]
}
