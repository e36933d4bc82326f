data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

# `id` is the region's name in every provider version from 5 on.
data "aws_region" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  region     = data.aws_region.current.id

  bucket_names = toset(["data", "logs", "models"])
  # What is logged cannot be the log bucket itself: each delivery would be logged in turn.
  logged_names = setsubtract(local.bucket_names, ["logs"])
}
