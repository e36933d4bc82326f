variable "gpus" {
  description = "Give the container the machine's GPUs."
  type        = bool
  default     = true
  nullable    = false
}

variable "instance_type" {
  description = "Instance type of the nodes, one that placement groups take; a run may ask for another."
  type        = string
  default     = "g5.xlarge"
  nullable    = false

  validation {
    condition = (can(regex("^[a-z0-9-]+\\.[a-z0-9]+$", var.instance_type)) &&
      !can(regex("^(ml\\.|t[0-9])", var.instance_type))
    )
    error_message = "instance_type must be an EC2 type, and not burstable: g5.xlarge."
  }
}

variable "kms_key_arn" {
  description = "ARN of the key of disks, data, results and logs."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[^*]+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key, not its id or alias."
  }
}

variable "machine_image_parameter" {
  description = "SSM parameter with the machine image: it must have Docker, AWS CLI and drivers."
  type        = string
  # https://docs.aws.amazon.com/dlami/latest/devguide/find-dlami-id.html
  default  = "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-22.04/latest/ami-id"
  nullable = false

  validation {
    condition     = startswith(var.machine_image_parameter, "/aws/service/")
    error_message = "machine_image_parameter must be one of AWS's own, /aws/service/..."
  }
}

variable "network" {
  description = "Where the nodes stand: one private subnet, as placement groups have one zone."
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

variable "spot" {
  description = "Take spare capacity at a lower price, which may be taken back; a run may decline."
  type        = bool
  default     = true
  nullable    = false
}

variable "volume_gb" {
  description = "Disk of a node: system, image and data."
  type        = number
  default     = 200
  nullable    = false

  validation {
    condition     = var.volume_gb >= 75
    error_message = "volume_gb must be 75 or more: the machine image alone takes most of that."
  }
}
