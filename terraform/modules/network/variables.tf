variable "cidr_block" {
  description = "Addresses of the VPC, /16 to /20."
  type        = string
  default     = "10.20.0.0/16"
  nullable    = false

  validation {
    condition = can(cidrnetmask(var.cidr_block)) && alltrue([
      for bits in regexall("/([0-9]+)$", var.cidr_block) : bits[0] >= 16 && bits[0] <= 20
    ])
    error_message = "cidr_block must be an IPv4 range from /16 to /20, for example 10.20.0.0/16."
  }
}

variable "egress" {
  description = "Add subnets with a way to the internet, for a function in the VPC. Costs."
  type        = bool
  default     = false
  nullable    = false
}

variable "endpoint_name" {
  description = "The one SageMaker endpoint that may be invoked from inside."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,28}[a-z0-9]$", var.endpoint_name))
    error_message = "endpoint_name must be 3 to 30 of a-z, 0-9 and -, from a letter on."
  }
}

variable "interface_endpoints" {
  description = "AWS services to reach from inside, by the end of their endpoint's name. Cost each."
  type        = set(string)
  default     = ["ecr.api", "ecr.dkr", "logs", "sagemaker.api", "sagemaker.runtime", "sts"]
  nullable    = false

  validation {
    condition = length(setsubtract(var.interface_endpoints, [
      "ec2messages", "ecr.api", "ecr.dkr", "kms", "logs", "monitoring", "sagemaker.api",
      "sagemaker.runtime", "ssm", "ssmmessages", "sts",
    ])) == 0
    error_message = "interface_endpoints: one of these is no service that Kennel calls."
  }
}

variable "kms_key_arn" {
  description = "ARN of the key of the log group."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[^*]+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key, not its id or alias."
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

variable "zones" {
  description = "Letters of the availability zones."
  type        = set(string)
  default     = ["a", "b"]
  nullable    = false

  validation {
    condition = length(var.zones) >= 2 && length(var.zones) <= 3 && length(setsubtract(
      var.zones, ["a", "b", "c", "d", "e", "f"]
    )) == 0
    error_message = "zones must be two or three of the letters a to f."
  }
}
