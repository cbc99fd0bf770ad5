# What must be given comes first; the rest has a default that works.

variable "github_repository" {
  description = "owner/name of the repository whose workflow may push images, and which ArgoCD follows."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "github_repository: expected owner/name, without wildcards."
  }
}

variable "github_repository_ids" {
  description = "GitHub's numbers of the repository and of its owner. README.md has the command."
  type        = object({ owner = number, repository = number })

  validation {
    condition     = alltrue([for id in values(var.github_repository_ids) : id >= 1 && floor(id) == id])
    error_message = "github_repository_ids: expected the owner's and the repository's number, such as { owner = 583231, repository = 1296269 }."
  }
}

variable "client_cidrs" {
  description = "IPv4 ranges that may reach the API on NodePort 30080."
  type        = list(string)

  validation {
    condition     = length(var.client_cidrs) > 0 && alltrue([for cidr in var.client_cidrs : can(cidrnetmask(cidr))])
    error_message = "client_cidrs: expected at least one IPv4 range such as 203.0.113.7/32."
  }
}

variable "alarm_email" {
  description = "Who is told when the budget is nearly spent."
  type        = string

  validation {
    condition     = can(regex("^[^@\\s]+@[^@\\s]+$", var.alarm_email))
    error_message = "alarm_email: expected an address."
  }
}

variable "k3s_sha256" {
  description = "SHA-256 of the k3s binary of k3s_version, by architecture. Read it from the release's sha256sum-amd64.txt or sha256sum-arm64.txt; README.md has the command."
  type        = map(string)

  validation {
    condition     = alltrue([for sum in values(var.k3s_sha256) : can(regex("^[0-9a-f]{64}$", sum))])
    error_message = "k3s_sha256: expected 64 hexadecimal digits for each architecture."
  }
  validation {
    condition     = contains(keys(var.k3s_sha256), var.architecture)
    error_message = "k3s_sha256: no checksum for the architecture ${var.architecture}."
  }
}

variable "ecr_credential_provider_sha256" {
  description = "SHA-256 of the ecr-credential-provider binary of ecr_credential_provider_version, by architecture. README.md has the command."
  type        = map(string)

  validation {
    condition     = alltrue([for sum in values(var.ecr_credential_provider_sha256) : can(regex("^[0-9a-f]{64}$", sum))])
    error_message = "ecr_credential_provider_sha256: expected 64 hexadecimal digits for each architecture."
  }
  validation {
    condition     = contains(keys(var.ecr_credential_provider_sha256), var.architecture)
    error_message = "ecr_credential_provider_sha256: no checksum for the architecture ${var.architecture}."
  }
}

# --- where and what ---------------------------------------------------------------------------

variable "name" {
  description = "Prefix of everything that has a name."
  type        = string
  default     = "vibe-search"

  validation {
    # Buckets add 13 characters of account and a suffix, and stay below 63.
    condition     = can(regex("^[a-z][a-z0-9-]{1,22}[a-z0-9]$", var.name))
    error_message = "name: expected 3 to 24 lower-case letters, digits and hyphens."
  }
}

variable "region" {
  description = "AWS region of everything."
  type        = string
  default     = "us-east-1"

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region: expected a region such as us-east-1."
  }
}

variable "architecture" {
  description = "Processor of the nodes and of the Lambda function: amd64 or arm64."
  type        = string
  default     = "amd64"

  validation {
    condition     = contains(["amd64", "arm64"], var.architecture)
    error_message = "architecture: expected amd64 or arm64."
  }
}

variable "vpc_cidr" {
  description = "Range of the VPC; it must not meet 10.42.0.0/16 and 10.43.0.0/16, k3s' pods and services."
  type        = string
  default     = "10.20.0.0/16"

  validation {
    condition     = can(cidrnetmask(var.vpc_cidr)) && !can(regex("^10\\.4[23]\\.", var.vpc_cidr))
    error_message = "vpc_cidr: expected an IPv4 range outside 10.42.0.0/16 and 10.43.0.0/16."
  }
}

variable "zone_count" {
  description = "How many availability zones the nodes spread over. More zones, more spot pools."
  type        = number
  default     = 3

  validation {
    condition     = var.zone_count >= 2 && var.zone_count <= 6 && floor(var.zone_count) == var.zone_count
    error_message = "zone_count: expected 2 to 6."
  }
}

variable "api_cidrs" {
  description = "IPv4 ranges that may reach the Kubernetes API (6443). None by default: Session Manager is the way in."
  type        = list(string)
  default     = []

  validation {
    # A prefix length, not the text 0.0.0.0/0: 1.2.3.4/0 and two halves of a /1 mean the same.
    condition     = alltrue([for cidr in var.api_cidrs : can(cidrnetmask(cidr)) && try(tonumber(split("/", cidr)[1]) >= 8, false)])
    error_message = "api_cidrs: expected IPv4 ranges of /8 or narrower, never the whole internet."
  }
}

# --- nodes ------------------------------------------------------------------------------------

variable "k3s_version" {
  description = "k3s release, with its +k3sN."
  type        = string
  default     = "v1.33.5+k3s1"

  validation {
    condition     = can(regex("^v1\\.[0-9]+\\.[0-9]+\\+k3s[0-9]+$", var.k3s_version))
    error_message = "k3s_version: expected a release such as v1.33.5+k3s1."
  }
}

variable "ecr_credential_provider_version" {
  description = "Release of kubernetes/cloud-provider-aws whose ecr-credential-provider lets the kubelet pull from ECR; the minor version of k3s."
  type        = string
  default     = "v1.33.0"

  validation {
    condition     = can(regex("^v1\\.[0-9]+\\.[0-9]+$", var.ecr_credential_provider_version))
    error_message = "ecr_credential_provider_version: expected a release such as v1.33.0."
  }
}

variable "server_spot" {
  description = "Whether the server, too, runs on spot. It comes back from its last snapshot either way."
  type        = bool
  default     = false
}

variable "server_instance_types" {
  description = "Types for the server, the first that can be had; null takes 4 GiB burstable ones."
  type        = list(string)
  default     = null
}

variable "agent_instance_types" {
  description = "Types for the agents, as many as fit: each type in each zone is a spot pool. null takes 2 vCPU with 4 to 8 GiB."
  type        = list(string)
  default     = null

  validation {
    condition     = var.agent_instance_types == null || try(length(var.agent_instance_types) >= 2, false)
    error_message = "agent_instance_types: expected at least two types, or one full pool stops the cluster."
  }
}

variable "agent_count" {
  description = "How many agents. Two survive the loss of one."
  type        = number
  default     = 2

  validation {
    condition     = var.agent_count >= 1 && var.agent_count <= 20 && floor(var.agent_count) == var.agent_count
    error_message = "agent_count: expected 1 to 20."
  }
}

variable "agent_metadata_hops" {
  description = "Hops that the agents' instance metadata answers over: 2 gives pods the agents' role (the embed Job needs it), 1 only pods on the host network."
  type        = number
  default     = 2

  validation {
    condition     = contains([1, 2], var.agent_metadata_hops)
    error_message = "agent_metadata_hops: expected 1 or 2."
  }
}

variable "disk_gib" {
  description = "Root disk of each node."
  type        = number
  default     = 20

  validation {
    condition     = var.disk_gib >= 10
    error_message = "disk_gib: expected at least 10; the image of the system and of the API need it."
  }
}

variable "ami_id" {
  description = "Amazon Linux 2023 image of the nodes; null takes the newest, for nodes that are started from then on."
  type        = string
  default     = null
}

variable "snapshot_minutes" {
  description = "How often the cluster's state is saved to S3: what a lost server can lose."
  type        = number
  default     = 5

  validation {
    condition     = contains([1, 2, 5, 10, 15, 20, 30], var.snapshot_minutes)
    error_message = "snapshot_minutes: expected 1, 2, 5, 10, 15, 20 or 30."
  }
}

variable "milvus" {
  description = "Whether Milvus runs on the agents (k8s/milvus), and keeps its data below milvus/ in the data bucket: the agents' role may then write and delete there."
  type        = bool
  default     = false
}

# --- GitOps -----------------------------------------------------------------------------------

variable "argocd_chart_version" {
  description = "Version of the chart argo-cd."
  type        = string
  default     = "9.4.1"

  validation {
    condition     = can(regex("^[0-9]+\\.[0-9]+\\.[0-9]+$", var.argocd_chart_version))
    error_message = "argocd_chart_version: expected a version such as 9.4.1, not a range."
  }
}

variable "git_url" {
  description = "What ArgoCD clones; null takes github_repository on GitHub."
  type        = string
  default     = null

  validation {
    condition     = var.git_url == null || can(regex("^https://", var.git_url))
    error_message = "git_url: expected https://; the nodes reach nothing but port 443."
  }
}

variable "git_branch" {
  description = "Branch that ArgoCD follows, and the only one whose workflow may push images."
  type        = string
  default     = "main"

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._/-]*$", var.git_branch))
    error_message = "git_branch: expected one branch, without wildcards."
  }
}

variable "github_oidc_provider_arn" {
  description = "GitHub's OIDC provider where the account already has one (there can be only one); null makes it."
  type        = string
  default     = null
}

# --- Lambda -----------------------------------------------------------------------------------

variable "lambda_image_digest" {
  description = "sha256:… of the image in ECR that the function runs, for one architecture (Lambda takes no index); null makes no function, as long as no image was pushed."
  type        = string
  default     = null

  validation {
    condition     = var.lambda_image_digest == null || can(regex("^sha256:[0-9a-f]{64}$", var.lambda_image_digest))
    error_message = "lambda_image_digest: expected sha256: and 64 hexadecimal digits, not a tag."
  }
}

variable "lambda_memory_mb" {
  description = "Memory, and with it CPU: 1769 MB is one vCPU. Beside the songs asking by sound takes up to 800, asking by words 630."
  type        = number
  default     = 1769
}

variable "lambda_timeout_s" {
  description = "Longest request; a cold start is part of it, and a clip that is asked by may take 20."
  type        = number
  default     = 30
}

variable "lambda_concurrency" {
  description = "Most copies at once, a bound on what it can cost; -1 sets none (a new account has too few to reserve any)."
  type        = number
  default     = -1
}

variable "lambda_url_auth" {
  description = "AWS_IAM: only signed requests; NONE: the function is public."
  type        = string
  default     = "AWS_IAM"

  validation {
    condition     = contains(["AWS_IAM", "NONE"], var.lambda_url_auth)
    error_message = "lambda_url_auth: expected AWS_IAM or NONE."
  }
}

variable "lambda_environment" {
  description = "Settings of the API, VIBE_…, where the image's own are not wanted."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.lambda_environment) : startswith(name, "VIBE_")])
    error_message = "lambda_environment: expected names that begin with VIBE_."
  }
}

variable "log_retention_days" {
  description = "How long the function's logs are kept."
  type        = number
  default     = 30
}

# --- money and endings ------------------------------------------------------------------------

variable "budget_usd" {
  description = "Monthly budget of the account; a mail goes out at 80 % spent and at 100 % forecast."
  type        = number
  default     = 120

  validation {
    condition     = var.budget_usd > 0
    error_message = "budget_usd: expected more than 0."
  }
}

variable "disposable" {
  description = "Whether terraform destroy may delete buckets and images that are not empty."
  type        = bool
  default     = false
}
