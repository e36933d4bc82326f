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

variable "idle_minutes" {
  description = "Stop after so long without a busy kernel."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.idle_minutes >= 10 && var.idle_minutes <= 1440
    error_message = "idle_minutes must be 10 to 1440."
  }
}

variable "instance_type" {
  description = "Instance type of the notebook."
  type        = string
  default     = "ml.t3.medium"
  nullable    = false

  validation {
    condition     = can(regex("^ml\\.[a-z0-9-]+\\.[a-z0-9]+$", var.instance_type))
    error_message = "instance_type must be a SageMaker type, for example ml.t3.medium."
  }
}

variable "kms_key_arn" {
  description = "ARN of the key of the volume, data, models and logs."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[^*]+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key, not its id or alias."
  }
}

variable "manage_log_group" {
  description = "Own the account-wide log group of notebooks; false if another stack does."
  type        = bool
  default     = true
  nullable    = false
}

variable "network" {
  description = "Where the notebook stands: a private subnet, with endpoints for what it calls."
  type = object({
    cidr_block        = string
    s3_prefix_list_id = string
    subnet_id         = string
    vpc_id            = string
  })
  nullable = false

  validation {
    condition = (
      can(cidrnetmask(var.network.cidr_block)) && !endswith(var.network.cidr_block, "/0")
    )
    error_message = "network.cidr_block must be the VPC's own range."
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

variable "volume_gb" {
  description = "Size of the volume."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.volume_gb >= 5 && var.volume_gb <= 16384
    error_message = "volume_gb must be 5 to 16384."
  }
}
