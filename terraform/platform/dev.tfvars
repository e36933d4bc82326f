# A throw-away stack for development: no interface endpoints, which cost by the hour. The
# endpoint and training jobs are isolated and need none.
force_destroy = true
network       = { interface_endpoints = [] }
prefix        = "kennel-dev"
region        = "eu-west-1"
