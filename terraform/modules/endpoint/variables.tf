variable "alarm_topic_arns" {
  description = "SNS topics that hear when a release's rollback alarm rings."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.alarm_topic_arns : startswith(arn, "arn:")])
    error_message = "alarm_topic_arns must be ARNs of SNS topics."
  }
}

variable "data_bucket" {
  description = "Bucket that batch transform jobs read; answers go to the model's, batch/. null: none."
  type        = string
  default     = null

  validation {
    condition = alltrue([
      for name in var.data_bucket[*] : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", name))
    ])
    error_message = "data_bucket must be the name of one bucket, without wildcards or s3://."
  }
}

variable "environment" {
  description = "Environment variables of the container. Nothing secret: the model shows them."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(var.environment) <= 100 && !contains(values(var.environment), "")
    error_message = "environment must have at most 100 variables, none of them empty."
  }
}

variable "image" {
  description = "Serving image in ECR, by digest (...@sha256:...)."
  type        = string
  nullable    = false

  validation {
    condition = can(regex(
      "^[0-9]{12}\\.dkr\\.ecr\\.[a-z0-9-]+\\.amazonaws\\.com(\\.cn)?/[a-z0-9._/-]+@sha256:[0-9a-f]{64}$",
      var.image
    ))
    error_message = "image must be an ECR image by digest (...@sha256:...): a tag can move."
  }
}

variable "instance_type" {
  description = "Instance type of the endpoint. int8 models want a CPU with VNNI (c6i, c7i, m7i)."
  type        = string
  default     = "ml.c6i.xlarge"
  nullable    = false

  validation {
    condition     = can(regex("^ml\\.[a-z0-9-]+\\.[a-z0-9]+$", var.instance_type))
    error_message = "instance_type must be a SageMaker type, for example ml.c6i.xlarge."
  }
}

variable "kms_key_arn" {
  description = "ARN of the key of the model artifact, the instances' volumes and the log group."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[^*]+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key, not its id or alias."
  }
}

variable "model_data" {
  description = "Model artifact, s3://bucket/key.tar.gz."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^s3://[a-z0-9][a-z0-9.-]+/[^*?]+\\.tar\\.gz$", var.model_data))
    error_message = "model_data must be one object s3://bucket/key.tar.gz, without wildcards."
  }
}

variable "name" {
  description = "Name of the endpoint, and start of all names here."
  type        = string
  nullable    = false

  # SageMaker writes endpoint ARNs in lower case: IAM would not match a name with capitals.
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,28}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 30 of a-z, 0-9 and -, from a letter on."
  }
}

variable "network" {
  description = "Where instances stand: private subnets of two zones or more. null: SageMaker's."
  type = object({
    s3_prefix_list_id = string
    subnet_ids        = set(string)
    vpc_id            = string
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
