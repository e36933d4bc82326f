variable "async" {
  description = "Serve from a queue, by InvokeEndpointAsync alone: the API cannot. null: at once."
  type = object({
    backlog_per_instance = optional(number)
    bucket               = string
    concurrent_requests  = optional(number)
  })
  default = null
}

variable "data_bucket" {
  description = "The platform root's output bucket_names.data, for `kennel batch`. null: no batch jobs."
  type        = string
  default     = null
}

variable "data_capture" {
  description = "Keep this share of requests and answers in a bucket. null keeps none."
  type = object({
    bucket  = string
    percent = optional(number)
  })
  default = null
}

variable "deployment" {
  description = "How traffic moves to a new release: CANARY, LINEAR or ALL_AT_ONCE, and when."
  type = object({
    step_percent             = optional(number)
    termination_wait_seconds = optional(number)
    timeout_seconds          = optional(number)
    type                     = optional(string)
    wait_seconds             = optional(number)
  })
  default  = {}
  nullable = false
}

variable "environment" {
  description = "Environment variables of the container. Nothing secret: the model shows them."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "image" {
  description = "Serving image of the release, by digest."
  type        = string
  nullable    = false
}

variable "instance_type" {
  description = "Instance type of the endpoint."
  type        = string
  default     = "ml.c6i.xlarge"
  nullable    = false
}

variable "model_data" {
  description = "Model artifact of the release, s3://bucket/key.tar.gz."
  type        = string
  nullable    = false
}

variable "network" {
  description = "The platform root's output network. null: instances stand in SageMaker's own."
  type = object({
    s3_prefix_list_id = string
    subnet_ids        = set(string)
    vpc_id            = string
  })
  default = null
}

variable "rollback" {
  description = "What ends a deployment: share of 5xx answers or p99 latency, for so many minutes."
  type = object({
    error_percent = optional(number)
    latency_ms    = optional(number)
    minutes       = optional(number)
  })
  default  = {}
  nullable = false
}

variable "running_instances" {
  description = "Instances that run now (terraform/stack.py looks). null: start with the minimum."
  type        = number
  default     = null
}

variable "scaling" {
  description = "Limits of the endpoint's autoscaling, and when they change."
  type = object({
    concurrent_requests    = optional(number)
    cooldown_seconds       = optional(number)
    invocations_per_minute = optional(number)
    max_instances          = optional(number)
    min_instances          = optional(number)

    schedule = optional(map(object({
      cron          = string
      max_instances = number
      min_instances = number
      timezone      = optional(string)
    })))

    surge = optional(object({
      add_instances       = optional(number)
      concurrent_requests = number
    }))
  })
  default  = {}
  nullable = false
}

variable "serverless" {
  description = "Run without instances: no isolation, no network of ours, no guarded update."
  type = object({
    max_concurrency         = optional(number)
    memory_mb               = optional(number)
    provisioned_concurrency = optional(number)
  })
  default = null
}
