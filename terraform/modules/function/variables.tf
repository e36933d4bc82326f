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
  description = "ARN of the key of the environment and the log group."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[^*]+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key, not its id or alias."
  }
}

variable "most_provisioned" {
  description = "Let autoscaling keep up to so many instances warm. null: the number stays."
  type        = number
  default     = null

  validation {
    condition = alltrue([
      for most in var.most_provisioned[*] :
      most >= var.provisioned_concurrency && most <= var.reserved_concurrency
    ])
    error_message = "most_provisioned must be from provisioned_concurrency to reserved_concurrency."
  }
}

variable "name" {
  description = "Name of the function and of its role."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,60}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 62 of a-z, 0-9 and -, from a letter on."
  }
}

variable "network" {
  description = "Subnets to stand in, with a way to the internet. null: outside any VPC."
  type = object({
    subnet_ids = set(string)
    vpc_id     = string
  })
  default = null

  validation {
    condition     = alltrue([for network in var.network[*] : length(network.subnet_ids) >= 2])
    error_message = "network.subnet_ids must be two or more, in different zones."
  }
}

variable "permissions_boundary" {
  description = "ARN of the policy that no right of the role may go beyond. null sets none."
  type        = string
  default     = null

  validation {
    condition     = alltrue([for arn in var.permissions_boundary[*] : can(regex(":policy/", arn))])
    error_message = "permissions_boundary must be the ARN of a policy."
  }
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
