locals {
  read_paths    = ["${var.buckets.data}/*", "${var.buckets.models}/checkpoints/*"]
  written_paths = [for folder in ["checkpoints", "jobs"] : "${var.buckets.models}/${folder}/*"]
}

# SageMaker puts network interfaces into our subnets with the role's rights.
data "aws_iam_policy_document" "network" {
  statement {
    sid     = "CreateInterfacesInOurSubnets"
    actions = ["ec2:CreateNetworkInterface"]
    resources = concat(local.subnet_arns, [
      "${local._ec2}:network-interface/*",
      "${local._ec2}:security-group/${aws_security_group.this.id}",
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
      values   = local.subnet_arns
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
