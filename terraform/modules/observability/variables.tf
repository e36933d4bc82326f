variable "api" {
  description = "The API: its name and its stage."
  type = object({
    name  = string
    stage = string
  })
  nullable = false

  validation {
    condition     = can(regex("^[a-z0-9-]+/[a-z0-9_]+$", "${var.api.name}/${var.api.stage}"))
    error_message = "api must have the name of an API and of its stage."
  }
}

variable "cpus" {
  description = "CPUs of the endpoint's instance type: CloudWatch counts 100 % for each."
  type        = number
  default     = 4
  nullable    = false

  validation {
    condition     = var.cpus >= 1
    error_message = "cpus must be 1 or more."
  }
}

variable "emails" {
  description = "Addresses that get alarms; each must confirm once."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for email in var.emails : can(regex("^[^@ ]+@[^@ ]+$", email))])
    error_message = "emails must be addresses, name@example.com."
  }
}

variable "endpoint_name" {
  description = "Name of the SageMaker endpoint."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9-]+$", var.endpoint_name))
    error_message = "endpoint_name must be the endpoint's name, not its ARN."
  }
}

variable "function_name" {
  description = "Name of the function."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]+$", var.function_name))
    error_message = "function_name must be the function's name, not its ARN."
  }
}

variable "kms_key_arn" {
  description = "ARN of the key of the topic."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[^*]+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key, not its id or alias."
  }
}

variable "monthly_budget" {
  description = "US dollars a month; at 80 % spent, or 100 % foreseen, the topic hears of it."
  type        = number
  default     = 300
  nullable    = false

  validation {
    condition     = var.monthly_budget > 0
    error_message = "monthly_budget must be above 0."
  }
}

variable "name" {
  description = "Name of the dashboard, topic and budget, and start of the alarms' names."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,28}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 30 of a-z, 0-9 and -, from a letter on."
  }
}

variable "thresholds" {
  description = "When alarms ring. silence_minutes = null: no traffic is no fault."
  type = object({
    busy_percent          = optional(number, 85)
    client_errors_percent = optional(number, 20)
    errors_percent        = optional(number, 2)
    latency_ms            = optional(number, 3000)
    silence_minutes       = optional(number)
  })
  default  = {}
  nullable = false

  validation {
    condition = alltrue([
      for percent in [
        var.thresholds.busy_percent, var.thresholds.client_errors_percent,
        var.thresholds.errors_percent,
      ] : percent > 0 && percent < 100
    ])
    error_message = "thresholds: percentages must be above 0 and below 100."
  }

  validation {
    condition     = var.thresholds.latency_ms > 0
    error_message = "thresholds.latency_ms must be above 0."
  }

  validation {
    condition = alltrue([
      for minutes in var.thresholds.silence_minutes[*] :
      contains([1, 5, 10, 15, 30, 60, 180, 360, 720, 1440], minutes)
    ])
    error_message = "silence_minutes must be 1, 5, 10, 15, 30, 60, 180, 360, 720 or 1440."
  }
}
