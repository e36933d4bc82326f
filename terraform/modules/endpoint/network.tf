# The container is isolated; this group is for the instance around it, which fetches the artifact.
resource "aws_security_group" "this" {
  #checkov:skip=CKV2_AWS_5:attached to the model, which this check does not know
  count = (local.network == null ? 0 : 1)

  name        = "${var.name}-endpoint"
  description = "Instances of endpoint ${var.name}: nothing comes in, only S3 is reached"
  vpc_id      = local.network.vpc_id

  # SageMaker gives its network interfaces back some time after the endpoint is gone.
  timeouts {
    delete = "45m"
  }
}

resource "aws_vpc_security_group_egress_rule" "s3" {
  count = (local.network == null ? 0 : 1)

  security_group_id = aws_security_group.this[0].id
  description       = "S3 through its gateway endpoint"
  prefix_list_id    = local.network.s3_prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}
