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
}

variable "region" {
  description = "AWS region of everything."
  type        = string
  nullable    = false
}
