variable "create_provider" {
  description = "Make GitHub's identity provider; false if the account has it already."
  type        = bool
  default     = true
  nullable    = false
}

variable "environment" {
  description = "GitHub environment whose jobs may apply: give it reviewers."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9_-]*$", var.environment))
    error_message = "environment must be the name of one GitHub environment, without wildcards."
  }
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

variable "state" {
  description = "The bucket that holds Terraform's state, and its key."
  type = object({
    bucket      = string
    kms_key_arn = string
  })
  nullable = false

  validation {
    condition = (
      can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.state.bucket)) &&
      can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[^*]+$", var.state.kms_key_arn))
    )
    error_message = "state must be the name of one bucket and the ARN of its key."
  }
}

variable "subject_prefix" {
  description = "How GitHub names the repository in tokens: repo:ORG/NAME, or repo:ORG@ID/NAME@ID."
  type        = string
  nullable    = false

  # Repositories made since 2026-07-15 have the ids in it.
  validation {
    condition = can(regex(
      "^repo:[A-Za-z0-9-]+(@[0-9]+)?/[A-Za-z0-9._-]+(@[0-9]+)?$", var.subject_prefix
    ))
    error_message = "subject_prefix must be repo:ORG/NAME or repo:ORG@ID/NAME@ID."
  }
}
