prefix = "kennel-prod"
region = "eu-west-1"

ci = {
  create_provider = false # the account has it from dev
  environment     = "prod"
  subject_prefix  = "repo:example/kennel"
}
