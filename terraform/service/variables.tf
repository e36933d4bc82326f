variable "function_architecture" {
  description = "Processor of the function: arm64 or x86_64."
  type        = string
  default     = "arm64"
  nullable    = false
}

variable "function_zip" {
  description = "Path of the function's zip."
  type        = string
  nullable    = false
}

variable "image" {
  description = "Serving image of the release, by digest."
  type        = string
  nullable    = false
}

variable "instance_type" {
  description = "Instance type of the endpoint."
  type        = string
  default     = "ml.c6i.xlarge"
  nullable    = false
}

variable "kms_key_arn" {
  description = "The platform root's output kms_key_arn."
  type        = string
  nullable    = false
}

variable "model_data" {
  description = "Model artifact of the release, s3://bucket/key.tar.gz."
  type        = string
  nullable    = false
}

variable "prefix" {
  description = "Start of every name, for example kennel-dev."
  type        = string
  nullable    = false
}

variable "provisioned_concurrency" {
  description = "Instances of the function kept warm, and paid for. 0 keeps none."
  type        = number
  default     = 3
  nullable    = false
}

variable "region" {
  description = "AWS region of everything."
  type        = string
  nullable    = false
}

variable "reserved_concurrency" {
  description = "Requests that the function may serve at once."
  type        = number
  default     = 10
  nullable    = false
}

variable "scaling" {
  description = "Limits of the endpoint's autoscaling."
  type = object({
    concurrent_requests = optional(number)
    cooldown_seconds    = optional(number)
    max_instances       = optional(number)
    min_instances       = optional(number)
  })
  default  = {}
  nullable = false
}

variable "throttle" {
  description = "Limits of the whole API: requests a second, and how many at once on top."
  type = object({
    burst = optional(number)
    rate  = optional(number)
  })
  default  = {}
  nullable = false
}

variable "usage_plan" {
  description = "What one API key may do. null asks for no key: then anyone may call the API."
  type = object({
    burst            = optional(number)
    rate             = optional(number)
    requests_per_day = optional(number)
  })
  default = {}
}
