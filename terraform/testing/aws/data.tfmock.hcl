# Data sources under the mock provider: values that the real provider would accept.

mock_data "aws_caller_identity" {
  defaults = {
    account_id = "123456789012"
  }
}

# A mocked document does not hold the statements that it was given: tests read them from the
# data source's own `statement` argument.
mock_data "aws_iam_policy_document" {
  defaults = {
    json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}"
  }
}

mock_data "aws_partition" {
  defaults = {
    partition = "aws"
  }
}

mock_data "aws_region" {
  defaults = {
    id   = "eu-west-1"
    name = "eu-west-1"
  }
}
