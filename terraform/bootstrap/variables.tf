variable "ci" {
  description = "The repository whose workflows may plan and apply. null: none."
  type = object({
    create_provider = optional(bool)
    environment     = string
    subject_prefix  = string
  })
  default = null
}

variable "force_destroy" {
  description = "Let destroy delete the bucket with every state in it."
  type        = bool
  default     = false
  nullable    = false
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
