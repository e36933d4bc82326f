# SageMaker puts network interfaces into our subnets with the role's rights:
# https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html
locals {
  _ec2 = "arn:${local.partition}:ec2:${local.region}:${local.account_id}"
  _subnet_arns = (local.network == null ? [] : [
    for id in local.network.subnet_ids : "${local._ec2}:subnet/${id}"
  ])
}

data "aws_iam_policy_document" "network" {
  count = (local.network == null ? 0 : 1)

  statement {
    sid     = "CreateInterfacesInOurSubnets"
    actions = ["ec2:CreateNetworkInterface"]
    resources = concat(local._subnet_arns, [
      "${local._ec2}:network-interface/*",
      "${local._ec2}:security-group/${aws_security_group.this[0].id}",
    ])
  }

  statement {
    sid = "ManageInterfacesInOurSubnets"
    actions = [
      "ec2:CreateNetworkInterfacePermission",
      "ec2:DeleteNetworkInterface",
      "ec2:DeleteNetworkInterfacePermission",
    ]
    resources = ["${local._ec2}:network-interface/*"]

    condition {
      test     = "ArnEquals"
      variable = "ec2:Subnet"
      values   = local._subnet_arns
    }
  }

  statement {
    sid = "LookAtTheNetwork"
    actions = [
      "ec2:DescribeDhcpOptions",
      "ec2:DescribeNetworkInterfaces",
      "ec2:DescribeSecurityGroups",
      "ec2:DescribeSubnets",
      "ec2:DescribeVpcs",
    ]
    resources = ["*"] # the API has no resource level
  }
}
