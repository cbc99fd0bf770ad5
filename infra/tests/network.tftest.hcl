# Who reaches what over the network.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  github_repository              = "owner/vibe-search"
  github_repository_ids          = { owner = 583231, repository = 1296269123 }
  client_cidrs                   = ["203.0.113.7/32"]
  alarm_email                    = "owner@example.org"
  k3s_sha256                     = { amd64 = "1111111111111111111111111111111111111111111111111111111111111111", arm64 = "2222222222222222222222222222222222222222222222222222222222222222" }
  ecr_credential_provider_sha256 = { amd64 = "3333333333333333333333333333333333333333333333333333333333333333", arm64 = "4444444444444444444444444444444444444444444444444444444444444444" }
}

run "defaults" {
  # closed by default
  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.api) == 0
    error_message = "The Kubernetes API is open although no range was given."
  }
  assert {
    condition = alltrue([
      for rule in concat(values(aws_vpc_security_group_ingress_rule.clients), values(aws_vpc_security_group_ingress_rule.cluster), [aws_vpc_security_group_ingress_rule.join]) :
      contains([30080, 6443, 8472, 10250], rule.from_port) && rule.from_port == rule.to_port
    ])
    error_message = "A port other than 30080, 6443, 8472 and 10250 is open (22 is SSH)."
  }
  assert {
    condition     = alltrue([for rule in concat(values(aws_vpc_security_group_ingress_rule.cluster), [aws_vpc_security_group_ingress_rule.join]) : rule.cidr_ipv4 == null && rule.cidr_ipv6 == null])
    error_message = "The cluster's inner ports are open to addresses, not just to its groups."
  }
  assert {
    condition     = alltrue([for rule in values(aws_vpc_security_group_ingress_rule.clients) : rule.from_port == 30080 && rule.cidr_ipv4 == "203.0.113.7/32"]) && length(aws_vpc_security_group_ingress_rule.clients) == 2
    error_message = "NodePort 30080 is not open to client_cidrs alone, on server and agents."
  }
  assert {
    condition     = length(coalesce(aws_default_security_group.closed.ingress, [])) == 0 && length(coalesce(aws_default_security_group.closed.egress, [])) == 0
    error_message = "The VPC's default group lets something through."
  }
  assert {
    condition     = alltrue([for subnet in values(aws_subnet.public) : !subnet.map_public_ip_on_launch]) && join(" ", keys(aws_subnet.public)) == "us-east-1a us-east-1b us-east-1c"
    error_message = "Subnets hand out public addresses by themselves, or are not in the first zones by name."
  }
}

run "api_from_given_ranges" {
  variables {
    api_cidrs = ["198.51.100.0/24"]
  }

  assert {
    condition     = [for rule in values(aws_vpc_security_group_ingress_rule.api) : "${rule.from_port}-${rule.to_port} ${rule.cidr_ipv4}"] == ["6443-6443 198.51.100.0/24"]
    error_message = "The Kubernetes API is not open to exactly the given range."
  }
}

# One run for many variables: each of them must be refused, and is named below.
run "refused" {
  command = plan

  variables {
    api_cidrs                      = ["0.0.0.0/0"]
    client_cidrs                   = []
    vpc_cidr                       = "10.42.0.0/16"
    k3s_sha256                     = { amd64 = "1111" }
    ecr_credential_provider_sha256 = { arm64 = "4444444444444444444444444444444444444444444444444444444444444444" }
    lambda_image_digest            = "latest"
    agent_instance_types           = ["c6a.large"]
    github_repository              = "owner/*"
    github_repository_ids          = { owner = 0, repository = 1 }
    git_branch                     = "*"
    git_url                        = "ssh://git@example.org/x.git"
    lambda_environment             = { PYTHONPATH = "/tmp" }
    argocd_chart_version           = "9.x"
  }

  expect_failures = [
    var.api_cidrs, var.client_cidrs, var.vpc_cidr, var.k3s_sha256, var.ecr_credential_provider_sha256,
    var.lambda_image_digest, var.agent_instance_types, var.github_repository,
    var.github_repository_ids, var.git_branch, var.git_url, var.lambda_environment, var.argocd_chart_version,
  ]
}

run "refused_in_halves" {
  command = plan

  variables {
    api_cidrs  = ["0.0.0.0/1", "128.0.0.0/1"]
    k3s_sha256 = { arm64 = "2222222222222222222222222222222222222222222222222222222222222222" }
  }

  expect_failures = [var.api_cidrs, var.k3s_sha256]
}

run "refused_in_ipv6" {
  command = plan

  variables {
    api_cidrs    = ["::/0"]
    client_cidrs = ["::/0"]
  }

  expect_failures = [var.api_cidrs, var.client_cidrs]
}
