# A shell on a node, for people with the right to it, through Session Manager: no SSH, no keys, no
# open port. What the agent itself needs; none of it has a resource level:
# https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-create-iam-instance-profile.html
data "aws_iam_policy_document" "session" {
  #checkov:skip=CKV_AWS_111:the agent's calls have no resource level
  #checkov:skip=CKV_AWS_356:the agent's calls have no resource level
  statement {
    sid = "TakeSessions"
    actions = [
      "ssm:UpdateInstanceInformation",
      "ssmmessages:CreateControlChannel",
      "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel",
      "ssmmessages:OpenDataChannel",
    ]
    resources = ["*"] # the API has no resource level
  }
}

resource "aws_security_group" "this" {
  name        = local.name
  description = "Nodes of the trainer: they talk to each other and to AWS"
  vpc_id      = var.network.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "peers" {
  security_group_id            = aws_security_group.this.id
  description                  = "Other nodes of the run"
  referenced_security_group_id = aws_security_group.this.id
  ip_protocol                  = "-1"
}

resource "aws_vpc_security_group_egress_rule" "peers" {
  security_group_id            = aws_security_group.this.id
  description                  = "Other nodes of the run"
  referenced_security_group_id = aws_security_group.this.id
  ip_protocol                  = "-1"
}

resource "aws_vpc_security_group_egress_rule" "s3" {
  security_group_id = aws_security_group.this.id
  description       = "S3 through its gateway endpoint"
  prefix_list_id    = var.network.s3_prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "endpoints" {
  security_group_id = aws_security_group.this.id
  description       = "Interface endpoints of the VPC"
  cidr_ipv4         = var.network.cidr_block
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}
