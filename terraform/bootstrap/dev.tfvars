prefix = "kennel-dev"
region = "eu-west-1"

ci = {
  environment    = "dev"
  subject_prefix = "repo:example/kennel"
}
