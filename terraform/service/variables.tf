variable "alarms" {
  description = "Who hears of trouble, and what counts as trouble."
  type = object({
    cpus           = optional(number)
    emails         = optional(set(string))
    monthly_budget = optional(number)
    thresholds = optional(object({
      busy_percent          = optional(number)
      client_errors_percent = optional(number)
      errors_percent        = optional(number)
      latency_ms            = optional(number)
      silence_minutes       = optional(number)
    }), {})
  })
  default  = {}
  nullable = false
}

variable "api" {
  description = "Who may call the API, from where, and through what firewall."
  type = object({
    authorization = optional(string, "API_KEY")
    firewall = optional(object({
      enabled                = optional(bool, true)
      max_body_megabytes     = optional(number)
      requests_per_5_minutes = optional(number)
    }), {})
    private = optional(object({
      vpc_endpoint_ids = set(string)
    }))
  })
  default  = {}
  nullable = false
}

variable "function" {
  description = "The function's processor, how many run at once, how many are warm, and where."
  type = object({
    architecture            = optional(string, "arm64")
    most_provisioned        = optional(number)
    provisioned_concurrency = optional(number, 3)
    reserved_concurrency    = optional(number, 10)
    network = optional(object({
      subnet_ids = set(string)
      vpc_id     = string
    }))
  })
  default  = {}
  nullable = false
}

variable "function_zip" {
  description = "Path of the function's zip."
  type        = string
  nullable    = false
}

variable "kms_key_arn" {
  description = "The platform root's output kms_key_arn."
  type        = string
  nullable    = false
}

variable "permissions_boundary" {
  description = "The bootstrap root's output boundary_arn: CI may make roles only under it."
  type        = string
  default     = null
}

variable "prefix" {
  description = "Start of every name, for example kennel-dev."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.prefix))
    error_message = "prefix must be 3 to 20 of a-z, 0-9 and -, from a letter on."
  }
}

variable "region" {
  description = "AWS region of everything."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be the name of an AWS region, for example eu-west-1."
  }
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
