variable "architecture" {
  description = "Processor of the function: arm64 or x86_64."
  type        = string
  default     = "arm64"
  nullable    = false

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be arm64 or x86_64."
  }
}

variable "endpoint" {
  description = "The endpoint that the function may invoke."
  type = object({
    arn  = string
    name = string
  })
  nullable = false

  validation {
    condition = can(regex(
      "^arn:[a-z-]+:sagemaker:[a-z0-9-]+:[0-9]{12}:endpoint/[a-z0-9-]+$", var.endpoint.arn
    ))
    error_message = "endpoint.arn must be the ARN of one SageMaker endpoint, without wildcards."
  }
}

variable "kms_key_arn" {
  description = "ARN of the key of the log group."
  type        = string
  nullable    = false
}

variable "name" {
  description = "Name of the function and of its role."
  type        = string
  nullable    = false
}

variable "provisioned_concurrency" {
  description = "Instances kept warm, and paid for, on the alias. 0 keeps none."
  type        = number
  default     = 3
  nullable    = false

  validation {
    condition     = var.provisioned_concurrency >= 0
    error_message = "provisioned_concurrency must be 0 or more."
  }

  validation {
    condition     = var.provisioned_concurrency <= var.reserved_concurrency
    error_message = "provisioned_concurrency is a part of reserved_concurrency: lower it."
  }
}

variable "reserved_concurrency" {
  description = "Requests the function may serve at once; taken from the account's limit."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.reserved_concurrency >= 1
    error_message = "reserved_concurrency must be 1 or more: 0 refuses all calls, -1 sets no limit."
  }
}

variable "zip_file" {
  description = "Path of the function's zip."
  type        = string
  nullable    = false

  validation {
    condition     = fileexists(var.zip_file)
    error_message = "There is no file ${var.zip_file}: build the function first (see make help)."
  }
}
