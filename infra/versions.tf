terraform {
  # 1.11: write-only arguments, which keep the join tokens out of the state.
  required_version = ">= 1.11, < 2.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = local.tags
  }
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  tags      = { Project = var.name, ManagedBy = "terraform" }
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
}
