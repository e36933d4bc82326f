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

variable "scaling" {
  description = "Limits of autoscaling, and the concurrent requests an instance should have."
  type = object({
    concurrent_requests = optional(number, 4)
    cooldown_seconds    = optional(number, 60)
    max_instances       = optional(number, 4)
    min_instances       = optional(number, 1)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.scaling.min_instances >= 1
    error_message = "scaling.min_instances must be 1 or more: real-time variants never scale to 0."
  }

  validation {
    condition     = var.scaling.max_instances >= var.scaling.min_instances
    error_message = "scaling.max_instances must not be below scaling.min_instances."
  }

  validation {
    condition     = var.scaling.concurrent_requests > 0 && var.scaling.cooldown_seconds >= 0
    error_message = "scaling: concurrent_requests must be above 0, cooldown_seconds not below."
  }
}
