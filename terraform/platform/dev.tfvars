# A throw-away stack for development.
force_destroy = true
prefix        = "kennel-dev"
region        = "eu-west-1"
