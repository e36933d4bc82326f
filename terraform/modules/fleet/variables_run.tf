variable "data_uri" {
  description = "Folder of the data, s3://bucket/prefix, unless a run names another of the bucket."
  type        = string
  nullable    = false

  validation {
    condition = can(regex(
      "^s3://[a-z0-9][a-z0-9.-]+/[A-Za-z0-9][A-Za-z0-9./_-]*[A-Za-z0-9/]$", var.data_uri
    ))
    error_message = "data_uri must be s3://bucket/prefix, without wildcards."
  }
}

variable "image" {
  description = "Training image in ECR, by digest (...@sha256:...), unless a run names another."
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

variable "max_minutes" {
  description = "Every node ends after this time, finished or not; a run may ask for less."
  type        = number
  default     = 360
  nullable    = false

  validation {
    condition = (var.max_minutes >= 10 && var.max_minutes <= 2880 &&
      floor(var.max_minutes) == var.max_minutes
    )
    error_message = "max_minutes must be a whole number from 10 to 2880 (two days)."
  }
}

variable "nodes" {
  description = "Instances in a run, unless it asks for another number."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = var.nodes >= 1 && var.nodes <= 64 && floor(var.nodes) == var.nodes
    error_message = "nodes must be a whole number from 1 to 64."
  }
}

variable "output" {
  description = "Where results go: a bucket, and the one prefix that nodes may write."
  type = object({
    bucket = string
    prefix = optional(string, "fleet")
  })
  nullable = false

  validation {
    condition = (can(regex("^[a-z0-9][a-z0-9._/-]*[a-z0-9]$", var.output.prefix)) &&
      !strcontains(var.output.bucket, "*")
    )
    error_message = "output.prefix must be a plain folder, without a slash at its ends."
  }
}
