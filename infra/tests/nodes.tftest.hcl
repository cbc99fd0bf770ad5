# The nodes: what they are, what is laid on them, how they come back.

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
  # nodes
  assert {
    condition     = alltrue([for template in [aws_launch_template.server, aws_launch_template.agent] : template.metadata_options[0].http_tokens == "required" && template.metadata_options[0].http_endpoint == "enabled"])
    error_message = "A node answers metadata requests without a token (IMDSv1)."
  }
  assert {
    condition     = aws_launch_template.server.metadata_options[0].http_put_response_hop_limit == 1
    error_message = "Pods on the server can take the server's role."
  }
  assert {
    condition     = aws_launch_template.agent.metadata_options[0].http_put_response_hop_limit == 2
    error_message = "The embed Job's pod cannot take the agents' role."
  }
  assert {
    condition     = alltrue([for template in [aws_launch_template.server, aws_launch_template.agent] : template.block_device_mappings[0].ebs[0].encrypted == "true" && template.block_device_mappings[0].ebs[0].volume_type == "gp3"])
    error_message = "A node's disk is not an encrypted gp3."
  }
  assert {
    condition     = alltrue([for template in [aws_launch_template.server, aws_launch_template.agent] : template.key_name == null || template.key_name == ""])
    error_message = "A node has an SSH key."
  }

  # agents are spot
  assert {
    condition = (
      aws_autoscaling_group.agents.mixed_instances_policy[0].instances_distribution[0].on_demand_base_capacity == 0 &&
      aws_autoscaling_group.agents.mixed_instances_policy[0].instances_distribution[0].on_demand_percentage_above_base_capacity == 0 &&
      aws_autoscaling_group.agents.mixed_instances_policy[0].instances_distribution[0].spot_allocation_strategy == "price-capacity-optimized"
    )
    error_message = "Agents are not all spot, or not price-capacity-optimized."
  }
  assert {
    condition     = aws_autoscaling_group.agents.capacity_rebalance
    error_message = "Agents are not replaced before they are reclaimed."
  }
  assert {
    condition     = length(aws_autoscaling_group.agents.mixed_instances_policy[0].launch_template[0].override) >= 6 && length(aws_autoscaling_group.agents.vpc_zone_identifier) == 3
    error_message = "Too few spot pools: six types in three zones were expected."
  }

  assert {
    condition     = aws_autoscaling_lifecycle_hook.drain.lifecycle_transition == "autoscaling:EC2_INSTANCE_TERMINATING" && aws_autoscaling_lifecycle_hook.drain.heartbeat_timeout >= 120 && aws_autoscaling_lifecycle_hook.drain.default_result == "CONTINUE"
    error_message = "Agents that the group ends are not given time to be drained."
  }

  # server is replaced one at a time
  assert {
    condition     = aws_autoscaling_group.server.min_size == 1 && aws_autoscaling_group.server.max_size == 1
    error_message = "The server is not a group of one."
  }
  assert {
    condition     = !aws_autoscaling_group.server.capacity_rebalance && contains(aws_autoscaling_group.server.suspended_processes, "AZRebalance") && aws_autoscaling_group.server.instance_maintenance_policy[0].max_healthy_percentage == 100
    error_message = "A second server may be launched beside the first: two writers of one cluster's snapshots."
  }
  assert {
    condition     = aws_autoscaling_group.server.mixed_instances_policy[0].instances_distribution[0].on_demand_base_capacity == 1
    error_message = "The server is not on demand by default."
  }

  # user data
  assert {
    condition     = alltrue([for data in [aws_launch_template.server.user_data, aws_launch_template.agent.user_data] : length(base64decode(data)) <= 16384])
    error_message = "User data is over EC2's 16 KiB."
  }
  assert {
    condition     = alltrue([for data in [aws_launch_template.server.user_data, aws_launch_template.agent.user_data] : strcontains(base64decode(data), "releases/download/v1.33.5%2Bk3s1/k3s\n") && strcontains(base64decode(data), var.k3s_sha256["amd64"])])
    error_message = "k3s is not pinned by version and checksum."
  }
  assert {
    condition     = strcontains(base64decode(aws_launch_template.agent.user_data), "AGENT_TOKEN=/vibe-search/agent-token") && !strcontains(base64decode(aws_launch_template.agent.user_data), "server-token")
    error_message = "Agents must know the parameter of their own token only."
  }
  assert {
    condition     = yamldecode(local.manifests.argocd).spec.version == "9.4.1" && strcontains(base64decode(aws_launch_template.server.user_data), "/var/lib/rancher/k3s/server/manifests/argocd.yaml")
    error_message = "ArgoCD's chart is not pinned."
  }
  assert {
    condition     = yamldecode(local.manifests.argocd-root).spec.source == { repoURL = "https://github.com/owner/vibe-search.git", targetRevision = "main", path = "k8s/argocd" }
    error_message = "The root Application does not follow k8s/argocd of the repository."
  }

  # tokens are not in the state
  assert {
    condition     = alltrue([for token in [aws_ssm_parameter.token, aws_ssm_parameter.agent_token] : token.type == "SecureString" && token.value_wo_version == 1])
    error_message = "A join token is not a SecureString, or not write-only."
  }
}

run "server_on_spot" {
  variables {
    server_spot = true
  }

  assert {
    condition     = aws_autoscaling_group.server.mixed_instances_policy[0].instances_distribution[0].on_demand_base_capacity == 0 && aws_autoscaling_group.server.mixed_instances_policy[0].instances_distribution[0].on_demand_percentage_above_base_capacity == 0
    error_message = "server_spot does not put the server on spot."
  }
}

run "arm64" {
  variables {
    architecture = "arm64"
  }

  assert {
    condition     = alltrue([for data in [aws_launch_template.server.user_data, aws_launch_template.agent.user_data] : strcontains(base64decode(data), "v1.33.5%2Bk3s1/k3s-arm64\n") && strcontains(base64decode(data), var.k3s_sha256["arm64"]) && !strcontains(base64decode(data), var.k3s_sha256["amd64"])])
    error_message = "arm64 nodes do not fetch the arm64 binary with its checksum."
  }
  assert {
    condition     = data.aws_ssm_parameter.ami[0].name == "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
    error_message = "arm64 nodes do not boot an arm64 image."
  }
  assert {
    # Graviton's types have a g after the generation.
    condition     = alltrue([for override in concat(aws_autoscaling_group.agents.mixed_instances_policy[0].launch_template[0].override, aws_autoscaling_group.server.mixed_instances_policy[0].launch_template[0].override) : can(regex("^[a-z][0-9]g", override.instance_type))])
    error_message = "An arm64 group may launch an amd64 type."
  }
}
