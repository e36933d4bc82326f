# A place to look at data and results. It costs while it runs, so it stops when nobody uses it.
data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

# `id` is the region's name in every provider version from 5 on.
data "aws_region" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  region     = data.aws_region.current.id

  name = "${var.prefix}-notebook"
  arn = join(":", [
    "arn", local.partition, "sagemaker", local.region, local.account_id,
    "notebook-instance/${local.name}",
  ])
  script = templatefile("${path.module}/on_start.sh.tftpl", { idle_minutes = var.idle_minutes })
}

resource "aws_sagemaker_notebook_instance" "this" {
  name                   = local.name
  role_arn               = aws_iam_role.this.arn
  instance_type          = var.instance_type
  platform_identifier    = "notebook-al2-v3"
  volume_size            = var.volume_gb
  kms_key_id             = var.kms_key_arn
  lifecycle_config_name  = aws_sagemaker_notebook_instance_lifecycle_configuration.this.name
  root_access            = "Disabled"
  direct_internet_access = "Disabled"
  subnet_id              = var.network.subnet_id
  security_groups        = [aws_security_group.this.id]

  instance_metadata_service_configuration {
    minimum_instance_metadata_service_version = "2"
  }

  depends_on = [aws_iam_role_policy.this]
}

resource "aws_sagemaker_notebook_instance_lifecycle_configuration" "this" {
  name     = local.name
  on_start = base64encode(local.script)
}

resource "aws_security_group" "this" {
  name        = local.name
  description = "Notebook: it reaches AWS from here, and nobody reaches it through here"
  vpc_id      = var.network.vpc_id

  # SageMaker gives its network interface back some time after the notebook is gone.
  timeouts {
    delete = "45m"
  }
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

# Created here and not by SageMaker, so that it is encrypted and does not grow for ever. The name
# is SageMaker's, and one for the whole account: the notebook's streams start with its own.
resource "aws_cloudwatch_log_group" "this" {
  count = (var.manage_log_group ? 1 : 0)

  name              = "/aws/sagemaker/NotebookInstances"
  kms_key_id        = var.kms_key_arn
  retention_in_days = 365
}
