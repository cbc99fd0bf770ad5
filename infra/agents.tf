# The agents: spot machines of several types in several zones. A reclaimed one is drained by the
# Node Termination Handler (k8s/argocd) and replaced by the group.

locals {
  # No burstable types: the encoder uses the CPU, and surplus credits cost extra.
  agent_instance_types = coalescelist(
    coalesce(var.agent_instance_types, []),
    {
      amd64 = ["c6a.large", "c6i.large", "c5a.large", "c7i.large", "m6a.large", "m6i.large", "m5a.large"]
      arm64 = ["c6g.large", "c7g.large", "c6gd.large", "m6g.large", "m7g.large", "m6gd.large"]
    }[var.architecture],
  )
}

resource "aws_launch_template" "agent" {
  name                   = "${var.name}-agent"
  description            = "k3s agent"
  image_id               = local.ami_id
  user_data              = base64encode(local.user_data.agent)
  update_default_version = true

  iam_instance_profile {
    arn = aws_iam_instance_profile.agent.arn
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = var.agent_metadata_hops
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_type           = "gp3"
      volume_size           = var.disk_gib
      encrypted             = true
      delete_on_termination = true
    }
  }

  network_interfaces {
    associate_public_ip_address = true # instead of a NAT gateway
    delete_on_termination       = true
    security_groups             = [aws_security_group.agent.id]
  }

  dynamic "tag_specifications" {
    for_each = ["instance", "volume", "network-interface"]

    content {
      resource_type = tag_specifications.value
      tags          = merge(local.tags, { Name = "${var.name}-agent" })
    }
  }
}

resource "aws_autoscaling_group" "agents" {
  name                = "${var.name}-agents"
  min_size            = var.agent_count
  max_size            = var.agent_count * 2 # a replacement may come before the old one goes
  desired_capacity    = var.agent_count
  vpc_zone_identifier = [for zone in local.zones : aws_subnet.public[zone].id]
  health_check_type   = "EC2"
  capacity_rebalance  = true

  mixed_instances_policy {
    instances_distribution {
      on_demand_base_capacity                  = 0
      on_demand_percentage_above_base_capacity = 0
      spot_allocation_strategy                 = "price-capacity-optimized"
    }

    launch_template {
      launch_template_specification {
        launch_template_id = aws_launch_template.agent.id
        version            = aws_launch_template.agent.latest_version
      }

      dynamic "override" {
        for_each = local.agent_instance_types

        content {
          instance_type = override.value
        }
      }
    }
  }

  # A changed template (a new k3s) rolls through: first the new machine, then the old one drained.
  instance_refresh {
    strategy = "Rolling"

    preferences {
      min_healthy_percentage = 100
      max_healthy_percentage = 200
      instance_warmup        = 180
    }
  }

  dynamic "tag" {
    for_each = merge(local.tags, { Name = "${var.name}-agent" })

    content {
      key                 = tag.key
      value               = tag.value
      propagate_at_launch = false # the launch template tags the machines
    }
  }

  depends_on = [
    aws_iam_role_policy.agent,
    aws_route_table_association.public,
    aws_vpc_security_group_egress_rule.tls,
  ]
}

# Machines that the group ends by itself (a new template, zones that are evened out, a replacement
# that came ahead of a reclaim) wait until they are drained: the handler sees in the instance's
# metadata that they are to go. It cannot say when it is done, so they always wait as long as a
# spot notice lasts. A machine that EC2 reclaims goes after its 120 seconds whatever this says.
resource "aws_autoscaling_lifecycle_hook" "drain" {
  name                   = "drain"
  autoscaling_group_name = aws_autoscaling_group.agents.name
  lifecycle_transition   = "autoscaling:EC2_INSTANCE_TERMINATING"
  heartbeat_timeout      = 120
  default_result         = "CONTINUE"
}
