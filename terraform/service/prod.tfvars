# Example values: the platform root's outputs, the digest of a pushed image, a trained model.
data_bucket  = "kennel-prod-data-123456789012"
function_zip = "../../build/invoke.zip"
image        = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/kennel-prod/serve@sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
kms_key_arn  = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
model_data   = "s3://kennel-prod-models-123456789012/dogs/1/model.tar.gz"
prefix       = "kennel-prod"
region       = "eu-west-1"

alarms = {
  monthly_budget = 1500
  thresholds     = { silence_minutes = 60 }
}

# The platform root's output network.
network = {
  s3_prefix_list_id = "pl-6da54004"
  subnet_ids        = ["subnet-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60002", "subnet-0a1b2c3d4e5f60003"]
  vpc_id            = "vpc-0a1b2c3d4e5f60000"
}

# Two instances in two zones, so that one may fail.
scaling = {
  min_instances = 2
  surge         = { concurrent_requests = 12 }
}
