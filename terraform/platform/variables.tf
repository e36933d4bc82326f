variable "fleet" {
  description = "EC2 machines that train together, for one image. null: none."
  type = object({
    data_prefix   = string
    gpus          = optional(bool)
    image         = string
    instance_type = optional(string)
    max_minutes   = optional(number)
    nodes         = optional(number)
    spot          = optional(bool)
    volume_gb     = optional(number)
  })
  default = null
}

variable "force_destroy" {
  description = "Let destroy delete buckets and repositories with everything in them."
  type        = bool
  default     = false
  nullable    = false
}

variable "job" {
  description = "What a training job gets unless it asks for something else."
  type = object({
    instance_count = optional(number)
    instance_type  = optional(string)
    max_hours      = optional(number)
    spot           = optional(bool)
    volume_gb      = optional(number)
  })
  default  = {}
  nullable = false
}

variable "manage_account_settings" {
  description = "Own what an account has once: API Gateway's log role, log groups of jobs."
  type        = bool
  default     = true
  nullable    = false
}

variable "network" {
  description = "The VPC: addresses, zones, services to reach from inside, a way out."
  type = object({
    cidr_block          = optional(string, "10.20.0.0/16")
    egress              = optional(bool, false)
    interface_endpoints = optional(set(string))
    zones               = optional(set(string), ["a", "b"])
  })
  default  = {}
  nullable = false
}

variable "notebook" {
  description = "A SageMaker notebook. null: none."
  type = object({
    idle_minutes  = optional(number)
    instance_type = optional(string)
  })
  default = null
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
