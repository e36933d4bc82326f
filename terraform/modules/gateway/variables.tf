variable "function" {
  description = "The function behind the API: its name, the alias to call, the alias' invoke ARN."
  type = object({
    alias      = string
    invoke_arn = string
    name       = string
  })
  nullable = false
}

variable "kms_key_arn" {
  description = "ARN of the key of the log group."
  type        = string
  nullable    = false
}

variable "name" {
  description = "Name of the API, its key and its usage plan."
  type        = string
  nullable    = false
}

variable "openapi_file" {
  description = "Path of the OpenAPI 3.0 file, in YAML, that describes the API."
  type        = string
  nullable    = false

  validation {
    condition     = fileexists(var.openapi_file)
    error_message = "There is no file ${var.openapi_file}."
  }
}

variable "throttle" {
  description = "Limits of the whole stage: requests a second, and how many at once on top."
  type = object({
    burst = optional(number, 50)
    rate  = optional(number, 25)
  })
  default  = {}
  nullable = false

  # To API Gateway -1 means no limit, and the provider lets it through.
  validation {
    condition     = var.throttle.burst >= 1 && var.throttle.rate >= 1
    error_message = "throttle.burst and throttle.rate must be 1 or more."
  }
}

variable "usage_plan" {
  description = "What one API key may do. null asks for no key: then anyone may call the API."
  type = object({
    burst            = optional(number, 20)
    rate             = optional(number, 10)
    requests_per_day = optional(number, 10000)
  })
  default = {}
}
