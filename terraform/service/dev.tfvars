# Example values: the platform root's outputs, the digest of a pushed image, a trained model.
data_bucket  = "kennel-dev-data-123456789012"
function_zip = "../../build/invoke.zip"
image        = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/kennel-dev/serve@sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
kms_key_arn  = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
model_data   = "s3://kennel-dev-models-123456789012/dogs/1/model.tar.gz"
prefix       = "kennel-dev"
region       = "eu-west-1"

# Nobody minds a cold start here, and a release may come at once.
deployment = { type = "ALL_AT_ONCE", wait_seconds = 0 }
function   = { provisioned_concurrency = 0 }
scaling    = { max_instances = 2 }
