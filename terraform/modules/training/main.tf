data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

# `id` is the region's name in every provider version from 5 on.
data "aws_region" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  region     = data.aws_region.current.id

  _sagemaker  = "arn:${local.partition}:sagemaker:${local.region}:${local.account_id}"
  _ec2        = "arn:${local.partition}:ec2:${local.region}:${local.account_id}"
  subnet_arns = [for id in var.network.subnet_ids : "${local._ec2}:subnet/${id}"]
}

# Every job of the account and region logs here, batch transform's too: of two stacks, one may own
# these groups.
resource "aws_cloudwatch_log_group" "this" {
  for_each = (var.manage_log_groups ? toset(["TrainingJobs", "TransformJobs"]) : [])

  name              = "/aws/sagemaker/${each.key}"
  kms_key_id        = var.kms_key_arn
  retention_in_days = 365
}

resource "aws_security_group" "this" {
  #checkov:skip=CKV2_AWS_5:for jobs, which scripts start
  name        = "${var.prefix}-training"
  description = "Hosts of a training job: they talk to each other and to S3"
  vpc_id      = var.network.vpc_id

  # SageMaker gives its network interfaces back some time after the last job.
  timeouts {
    delete = "45m"
  }
}

resource "aws_vpc_security_group_ingress_rule" "peers" {
  security_group_id            = aws_security_group.this.id
  description                  = "Other hosts of the job"
  referenced_security_group_id = aws_security_group.this.id
  ip_protocol                  = "-1"
}

resource "aws_vpc_security_group_egress_rule" "peers" {
  security_group_id            = aws_security_group.this.id
  description                  = "Other hosts of the job"
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
