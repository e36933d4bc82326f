variable "async" {
  description = "Serve requests from a queue, with results in S3: then min_instances may be 0."
  type = object({
    bucket               = string
    backlog_per_instance = optional(number, 5)
    concurrent_requests  = optional(number, 4)
  })
  default = null

  validation {
    condition = alltrue([
      for async in var.async[*] :
      async.backlog_per_instance > 0 &&
      async.concurrent_requests >= 1 && async.concurrent_requests <= 1000
    ])
    error_message = "async: backlog_per_instance must be above 0, concurrent_requests 1 to 1000."
  }
}

variable "scaling" {
  description = "Limits of autoscaling, what an instance should bear, and when limits change."
  type = object({
    concurrent_requests    = optional(number, 4)
    cooldown_seconds       = optional(number, 60)
    invocations_per_minute = optional(number) # tracked instead of concurrent_requests
    max_instances          = optional(number, 4)
    min_instances          = optional(number, 1)

    schedule = optional(map(object({
      cron          = string # six fields, as in "0 7 ? * MON-FRI *"
      max_instances = number
      min_instances = number
      timezone      = optional(string, "UTC")
    })), {})

    surge = optional(object({
      add_instances       = optional(number, 2)
      concurrent_requests = number # an instance; adds instances at once beyond it
    }))
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.scaling.min_instances >= (var.async == null ? 1 : 0)
    error_message = "scaling.min_instances must be 1 or more; only async endpoints scale to 0."
  }

  validation {
    condition     = var.scaling.max_instances >= max(1, var.scaling.min_instances)
    error_message = "scaling.max_instances must not be below scaling.min_instances, nor below 1."
  }

  validation {
    condition = alltrue([
      for target in [var.scaling.concurrent_requests, var.scaling.invocations_per_minute] :
      target == null ? true : target > 0
    ])
    error_message = "scaling: concurrent_requests and invocations_per_minute must be above 0."
  }

  validation {
    condition     = var.scaling.cooldown_seconds >= 0 && var.scaling.cooldown_seconds <= 3600
    error_message = "scaling.cooldown_seconds must be 0 to 3600."
  }

  validation {
    condition = alltrue([
      for plan in var.scaling.schedule : length(split(" ", plan.cron)) == 6 &&
      plan.min_instances >= 1 && plan.max_instances >= plan.min_instances
    ])
    error_message = "scaling.schedule: six cron fields, 1 <= min_instances <= max_instances."
  }

  validation {
    condition = alltrue([
      for surge in var.scaling.surge[*] : surge.add_instances >= 1 &&
      surge.concurrent_requests > var.scaling.concurrent_requests
    ])
    error_message = "scaling.surge must add 1 or more, and begin above scaling.concurrent_requests."
  }
}

variable "serverless" {
  description = "Run without instances: no isolation, no network of ours, no guarded update."
  type = object({
    max_concurrency         = optional(number, 5)
    memory_mb               = optional(number, 4096)
    provisioned_concurrency = optional(number)
  })
  default = null

  validation {
    condition = alltrue([
      for serverless in var.serverless[*] :
      contains([1024, 2048, 3072, 4096, 5120, 6144], serverless.memory_mb)
    ])
    error_message = "serverless.memory_mb must be 1024, 2048, 3072, 4096, 5120 or 6144."
  }

  validation {
    condition = alltrue([
      for serverless in var.serverless[*] :
      serverless.max_concurrency >= 1 && serverless.max_concurrency <= 200 &&
      coalesce(serverless.provisioned_concurrency, 1) <= serverless.max_concurrency
    ])
    error_message = "serverless: max_concurrency is 1 to 200, provisioned_concurrency not above it."
  }
}
