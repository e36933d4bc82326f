variable "authorization" {
  description = "Who may call: API_KEY (who has one), AWS_IAM (who signs) or NONE (anyone)."
  type        = string
  default     = "API_KEY"
  nullable    = false

  validation {
    condition     = contains(["API_KEY", "AWS_IAM", "NONE"], var.authorization)
    error_message = "authorization must be API_KEY, AWS_IAM or NONE."
  }
}

variable "firewall" {
  description = "Limits of the web application firewall. null: none; only for a private API."
  type = object({
    max_body_megabytes     = optional(number, 7)
    requests_per_5_minutes = optional(number, 2000)
  })
  default = {}

  # Compared as text, digit by digit, so whole megabytes below 10: API Gateway takes no more.
  validation {
    condition = alltrue([
      for firewall in var.firewall[*] : contains(range(1, 10), firewall.max_body_megabytes)
    ])
    error_message = "firewall.max_body_megabytes must be a whole number from 1 to 9."
  }

  validation {
    condition = alltrue([
      for firewall in var.firewall[*] :
      firewall.requests_per_5_minutes >= 10 && firewall.requests_per_5_minutes <= 2000000000
    ])
    error_message = "firewall.requests_per_5_minutes must be 10 to 2000000000."
  }
}

variable "function" {
  description = "The function behind the API: its name, the alias to call, the alias' invoke ARN."
  type = object({
    alias      = string
    invoke_arn = string
    name       = string
  })
  nullable = false

  validation {
    condition     = can(regex(":function:[^*/]+:[^*/]+/invocations$", var.function.invoke_arn))
    error_message = "function.invoke_arn must be that of one alias, as aws_lambda_alias has it."
  }
}

variable "kms_key_arn" {
  description = "ARN of the key of the log group."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[^*]+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key, not its id or alias."
  }
}

variable "name" {
  description = "Name of the API, its key and its usage plan."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,28}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 30 of a-z, 0-9 and -, from a letter on."
  }
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

variable "private" {
  description = "Answer only through these VPC endpoints (execute-api), not on the internet."
  type = object({
    vpc_endpoint_ids = set(string)
  })
  default = null

  validation {
    condition = alltrue([
      for private in var.private[*] : length(private.vpc_endpoint_ids) > 0 &&
      alltrue([for id in private.vpc_endpoint_ids : startswith(id, "vpce-")])
    ])
    error_message = "private.vpc_endpoint_ids must be one or more ids vpce-..."
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

  validation {
    condition = alltrue([
      for plan in var.usage_plan[*] : plan.burst >= 1 && plan.rate > 0 && plan.requests_per_day >= 1
    ])
    error_message = "usage_plan: burst and requests_per_day must be 1 or more, rate above 0."
  }
}
