variable "buckets" {
  description = "Names of the buckets that hold data and take models."
  type = object({
    data   = string
    models = string
  })
  nullable = false

  validation {
    condition = alltrue([
      for name in values(var.buckets) : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", name))
    ])
    error_message = "buckets must be names of buckets, without wildcards or s3://."
  }
}

variable "job" {
  description = "What a job gets unless it asks for something else."
  type = object({
    instance_count = optional(number, 1)
    instance_type  = optional(string, "ml.g5.xlarge")
    max_hours      = optional(number, 6)
    spot           = optional(bool, true)
    volume_gb      = optional(number, 50)
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex("^ml\\.[a-z0-9-]+\\.[a-z0-9]+$", var.job.instance_type))
    error_message = "job.instance_type must be a SageMaker type, for example ml.g5.xlarge."
  }

  validation {
    condition     = var.job.instance_count >= 1 && var.job.volume_gb >= 1
    error_message = "job.instance_count and job.volume_gb must be 1 or more."
  }

  validation {
    condition     = var.job.max_hours > 0 && var.job.max_hours <= 120
    error_message = "job.max_hours must be above 0, and at most 120: nobody watches a job for ever."
  }
}

variable "kms_key_arn" {
  description = "ARN of the key of data, models, volumes and logs."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[^*]+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key, not its id or alias."
  }
}

variable "manage_log_groups" {
  description = "Own the account-wide log groups of jobs; false if another stack does."
  type        = bool
  default     = true
  nullable    = false
}

variable "network" {
  description = "Where jobs run: private subnets of the VPC, and the way to S3."
  type = object({
    s3_prefix_list_id = string
    subnet_ids        = set(string)
    vpc_id            = string
  })
  nullable = false

  validation {
    condition     = length(var.network.subnet_ids) >= 1 && length(var.network.subnet_ids) <= 16
    error_message = "network.subnet_ids must be 1 to 16 subnets."
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

variable "prefix" {
  description = "Start of every name, for example kennel-dev."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.prefix))
    error_message = "prefix must be 3 to 20 of a-z, 0-9 and -, from a letter on."
  }
}

variable "repository_arn" {
  description = "ARN of the repository of the training image."
  type        = string
  nullable    = false

  validation {
    condition = can(regex(
      "^arn:[a-z-]+:ecr:[a-z0-9-]+:[0-9]{12}:repository/[^*]+$", var.repository_arn
    ))
    error_message = "repository_arn must be the ARN of one repository, without wildcards."
  }
}
