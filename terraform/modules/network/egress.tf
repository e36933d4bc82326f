# Only for a function in the VPC, which fetches pictures from the internet. Nothing else of ours
# belongs into these subnets.
locals {
  egress_zones = (var.egress ? local.zones : {})
}

resource "aws_internet_gateway" "this" {
  count = (var.egress ? 1 : 0)

  vpc_id = aws_vpc.this.id

  tags = { Name = var.prefix }
}

resource "aws_subnet" "public" {
  for_each = local.egress_zones

  vpc_id            = aws_vpc.this.id
  availability_zone = "${local.region}${each.key}"
  cidr_block        = cidrsubnet(var.cidr_block, 8, 240 + each.value)

  tags = { Name = "${var.prefix}-public-${each.key}" }
}

resource "aws_subnet" "egress" {
  for_each = local.egress_zones

  vpc_id            = aws_vpc.this.id
  availability_zone = "${local.region}${each.key}"
  cidr_block        = cidrsubnet(var.cidr_block, 4, 8 + each.value)

  tags = { Name = "${var.prefix}-egress-${each.key}" }

  # As for the private ones.
  timeouts {
    delete = "45m"
  }
}

resource "aws_eip" "nat" {
  for_each = local.egress_zones

  domain = "vpc"

  tags = { Name = "${var.prefix}-nat-${each.key}" }
}

# One for each zone: one that fails takes no other zone with it.
resource "aws_nat_gateway" "this" {
  for_each = local.egress_zones

  allocation_id = aws_eip.nat[each.key].id
  subnet_id     = aws_subnet.public[each.key].id

  tags = { Name = "${var.prefix}-${each.key}" }

  depends_on = [aws_internet_gateway.this]
}

resource "aws_route_table" "public" {
  count = (var.egress ? 1 : 0)

  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.prefix}-public" }
}

resource "aws_route" "public" {
  count = (var.egress ? 1 : 0)

  route_table_id         = aws_route_table.public[0].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this[0].id
}

resource "aws_route_table_association" "public" {
  for_each = local.egress_zones

  subnet_id      = aws_subnet.public[each.key].id
  route_table_id = aws_route_table.public[0].id
}

resource "aws_route_table" "egress" {
  for_each = local.egress_zones

  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.prefix}-egress-${each.key}" }
}

resource "aws_route" "egress" {
  for_each = local.egress_zones

  route_table_id         = aws_route_table.egress[each.key].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.this[each.key].id
}

resource "aws_route_table_association" "egress" {
  for_each = local.egress_zones

  subnet_id      = aws_subnet.egress[each.key].id
  route_table_id = aws_route_table.egress[each.key].id
}
