terraform {
  required_version = ">= 1.11"

  # The rest (bucket, key, region) comes from `terraform init -backend-config=...`; without an
  # account, `terraform init -backend=false`.
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = {
      ManagedBy = "terraform"
      Project   = var.prefix
      Root      = "bootstrap"
    }
  }
}
