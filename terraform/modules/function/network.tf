# In a VPC the function needs a way to the internet, for pictures, and to SageMaker. What it may
# reach besides is what these subnets lead to: give it subnets of its own.
resource "aws_security_group" "this" {
  count = (var.network == null ? 0 : 1)

  name        = var.name
  description = "Function ${var.name}: nothing comes in, HTTPS goes out"
  vpc_id      = var.network.vpc_id

  # Lambda gives its network interfaces back some time after the function is gone.
  timeouts {
    delete = "45m"
  }
}

resource "aws_vpc_security_group_egress_rule" "https" {
  count = (var.network == null ? 0 : 1)

  security_group_id = aws_security_group.this[0].id
  description       = "Pictures on the internet, and AWS"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

# Lambda manages its interfaces with the role's rights, and the function's code could use them: so
# code that runs in the function is denied them again.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
data "aws_iam_policy_document" "network" {
  #checkov:skip=CKV_AWS_111:Lambda checks these without a resource; code is denied them
  count = (var.network == null ? 0 : 1)

  statement {
    sid       = "ManageInterfaces"
    actions   = local.interface_actions
    resources = ["*"] # Lambda checks these rights without naming a resource
  }

  statement {
    sid       = "ButNotFromItsCode"
    effect    = "Deny"
    actions   = local.interface_actions
    resources = ["*"]

    condition {
      test     = "ArnEquals"
      variable = "lambda:SourceFunctionArn"
      values = [join(":", [
        "arn", data.aws_partition.current.partition, "lambda", data.aws_region.current.id,
        data.aws_caller_identity.current.account_id, "function", var.name,
      ])]
    }
  }
}

locals {
  interface_actions = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
  ]
}
