# Private subnets with no way out: what stands in them reaches AWS through endpoints, or nothing.
data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

# `id` is the region's name in every provider version from 5 on.
data "aws_region" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  region     = data.aws_region.current.id

  # By its letter a subnet keeps its address when a zone is added or taken away.
  zones = { for letter in var.zones : letter => index(["a", "b", "c", "d", "e", "f"], letter) }
}

resource "aws_vpc" "this" {
  cidr_block           = var.cidr_block
  enable_dns_hostnames = true # endpoints with private names need both
  enable_dns_support   = true

  tags = { Name = var.prefix }
}

# AWS lets everything in the group talk to each other; without rules it is of no use to anyone.
resource "aws_default_security_group" "this" {
  vpc_id = aws_vpc.this.id
}

resource "aws_subnet" "private" {
  for_each = local.zones

  vpc_id            = aws_vpc.this.id
  availability_zone = "${local.region}${each.key}"
  cidr_block        = cidrsubnet(var.cidr_block, 4, each.value)

  tags = { Name = "${var.prefix}-private-${each.key}" }

  # SageMaker and Lambda give their network interfaces back some time after they are gone.
  timeouts {
    delete = "45m"
  }
}

resource "aws_route_table" "private" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.prefix}-private" }
}

resource "aws_route_table_association" "private" {
  for_each = local.zones

  subnet_id      = aws_subnet.private[each.key].id
  route_table_id = aws_route_table.private.id
}
