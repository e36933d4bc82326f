variable "data_capture" {
  description = "Keep this share of requests and answers in a bucket. null keeps none."
  type = object({
    bucket  = string
    percent = optional(number, 10)
  })
  default = null

  validation {
    condition = alltrue([
      for capture in var.data_capture[*] : capture.percent >= 1 && capture.percent <= 100
    ])
    error_message = "data_capture.percent must be 1 to 100."
  }
}

variable "deployment" {
  description = "How traffic moves to a new release: CANARY, LINEAR or ALL_AT_ONCE, and when."
  type = object({
    step_percent             = optional(number, 10)
    termination_wait_seconds = optional(number, 120)
    timeout_seconds          = optional(number, 3600)
    type                     = optional(string, "CANARY")
    wait_seconds             = optional(number, 300)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["ALL_AT_ONCE", "CANARY", "LINEAR"], var.deployment.type)
    error_message = "deployment.type must be ALL_AT_ONCE, CANARY or LINEAR."
  }

  # A canary may have 5 % too, a linear step may not: one rule that holds for both.
  validation {
    condition     = var.deployment.step_percent >= 10 && var.deployment.step_percent <= 50
    error_message = "deployment.step_percent must be 10 to 50."
  }

  validation {
    condition = alltrue([
      for seconds in [var.deployment.wait_seconds, var.deployment.termination_wait_seconds] :
      seconds >= 0 && seconds <= 3600
    ])
    error_message = "deployment: wait_seconds and termination_wait_seconds must be 0 to 3600."
  }

  # SageMaker gives up at the timeout: it must leave room for each step and for new instances.
  validation {
    condition = var.deployment.timeout_seconds <= 14400 && (var.deployment.timeout_seconds >=
      600 + var.deployment.termination_wait_seconds + var.deployment.wait_seconds *
      (var.deployment.type == "LINEAR" ? ceil(100 / var.deployment.step_percent) : 1)
    )
    error_message = "deployment.timeout_seconds must be at most 14400, and 600 more than all waits."
  }
}

variable "rollback" {
  description = "What ends a deployment: share of 5xx answers or p99 latency, for so many minutes."
  type = object({
    error_percent = optional(number, 5)
    latency_ms    = optional(number, 2000)
    minutes       = optional(number, 1)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.rollback.error_percent > 0 && var.rollback.error_percent < 100
    error_message = "rollback.error_percent must be above 0 and below 100."
  }

  validation {
    condition     = var.rollback.latency_ms > 0
    error_message = "rollback.latency_ms must be above 0."
  }

  # An alarm that needs longer than the canary stands would ring when all traffic has moved.
  validation {
    condition = var.rollback.minutes >= 1 && (
      var.deployment.type == "ALL_AT_ONCE" ||
      var.rollback.minutes * 60 < var.deployment.wait_seconds
    )
    error_message = "rollback.minutes must be 1 or more, and shorter than deployment.wait_seconds."
  }
}

variable "running_instances" {
  description = "Instances that run now: a new release starts with as many. null: with the minimum."
  type        = number
  default     = null

  validation {
    condition     = alltrue([for count in var.running_instances[*] : count >= 0])
    error_message = "running_instances must be 0 or more."
  }
}
