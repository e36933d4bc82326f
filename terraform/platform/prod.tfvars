# Three zones, a notebook that needs no internet, and a fleet for large trainings. The image is an
# example: take the digest of one that was pushed.
manage_account_settings = true
prefix                  = "kennel-prod"
region                  = "eu-west-1"

fleet = {
  data_prefix = "dogs"
  image       = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/kennel-prod/train@sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
}

network = {
  interface_endpoints = [
    "ec2messages", "ecr.api", "ecr.dkr", "logs", "sagemaker.api", "sagemaker.runtime", "ssm",
    "ssmmessages",
  ]
  zones = ["a", "b", "c"]
}

notebook = {}
