# Needs no account and no credentials. Run in terraform/modules/network:
#   terraform init && terraform test

mock_provider "aws" {
  source = "../../testing/aws"
}

variables {
  endpoint_name = "kennel-test"
  kms_key_arn   = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  prefix        = "kennel-test"
}

run "has_private_subnets_and_no_way_out" {
  command = plan

  assert {
    condition = {
      for letter, subnet in aws_subnet.private : subnet.availability_zone => subnet.cidr_block
    } == { eu-west-1a = "10.20.0.0/20", eu-west-1b = "10.20.16.0/20" }
    error_message = "There must be one private subnet for each zone."
  }

  assert {
    condition = (
      length(aws_internet_gateway.this) + length(aws_nat_gateway.this) +
      length(aws_route.public) + length(aws_route.egress) + length(aws_subnet.public)
    ) == 0
    error_message = "By default nothing may lead to the internet."
  }

  assert {
    condition = (
      aws_flow_log.this.traffic_type == "ALL" &&
      aws_cloudwatch_log_group.flow.kms_key_id == var.kms_key_arn
    )
    error_message = "All traffic must be logged, encrypted with our key."
  }
}

run "lets_only_our_endpoint_be_invoked" {
  command = plan

  assert {
    condition = one(data.aws_iam_policy_document.runtime.statement).resources == toset([
      "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/kennel-test",
    ])
    error_message = "Through the runtime's endpoint only our endpoint may be invoked."
  }

  assert {
    condition = alltrue([
      for statement in concat(
        data.aws_iam_policy_document.runtime.statement,
        data.aws_iam_policy_document.own_account.statement,
        slice(data.aws_iam_policy_document.s3.statement, 0, 1),
      ) : contains(statement.condition[*].variable, "aws:PrincipalAccount")
    ])
    error_message = "Keys of another account must be of no use inside."
  }

  assert {
    condition     = data.aws_iam_policy_document.s3.statement[1].actions == toset(["s3:GetObject"])
    error_message = "From buckets of others, only layers of images may be read."
  }
}

run "adds_a_way_out_on_request" {
  command = plan

  variables {
    egress = true
    zones  = ["a", "b", "c"]
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 3 && length(aws_subnet.egress) == 3
    error_message = "Each zone must have its own way out."
  }

  assert {
    condition = length(setintersection(
      [for subnet in aws_subnet.private : subnet.cidr_block],
      [for subnet in aws_subnet.egress : subnet.cidr_block],
    )) == 0
    error_message = "Private subnets must stay as they are."
  }
}

run "refuses_wrong_values" {
  command = plan

  variables {
    cidr_block          = "10.20.0.0/24"
    endpoint_name       = "*"
    interface_endpoints = ["s3"]
    kms_key_arn         = "alias/kennel"
    prefix              = "Kennel"
    zones               = ["a"]
  }

  expect_failures = [
    var.cidr_block, var.endpoint_name, var.interface_endpoints, var.kms_key_arn, var.prefix,
    var.zones,
  ]
}

run "refuses_a_boundary_that_is_no_policy" {
  command = plan

  variables {
    permissions_boundary = "arn:aws:iam::123456789012:role/kennel"
  }

  expect_failures = [var.permissions_boundary]
}
