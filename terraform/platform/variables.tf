variable "force_destroy" {
  description = "Let destroy delete buckets and repositories with everything in them."
  type        = bool
  default     = false
  nullable    = false
}

variable "manage_api_gateway_account" {
  description = "Set the account-wide role for API Gateway logs; false if another stack does."
  type        = bool
  default     = true
  nullable    = false
}

variable "prefix" {
  description = "Start of every name, for example kennel-dev."
  type        = string
  nullable    = false
}

variable "region" {
  description = "AWS region of everything."
  type        = string
  nullable    = false
}
