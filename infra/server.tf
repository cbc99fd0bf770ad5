# The k3s server: one machine in a group of one, so that a lost one is replaced. What must outlive
# it does: state in snapshots on S3, tokens in Parameter Store, the address by name and EIP.

# What clients use: it moves to the new machine when the server is replaced.
resource "aws_eip" "server" {
  domain = "vpc"

  tags = { Name = "${var.name}-server" }
}

locals {
  server_eip_arn = "arn:${local.partition}:ec2:${var.region}:${local.account}:elastic-ip/${aws_eip.server.allocation_id}"

  # k3s' own profiling puts a server with a workload at 1.6 GB: 2 GiB leave nothing over.
  server_instance_types = coalescelist(
    coalesce(var.server_instance_types, []),
    { amd64 = ["t3a.medium", "t3.medium"], arm64 = ["t4g.medium"] }[var.architecture],
  )
}

resource "aws_launch_template" "server" {
  name                   = "${var.name}-server"
  description            = "k3s server"
  image_id               = local.ami_id
  user_data              = base64encode(local.user_data.server)
  update_default_version = true

  iam_instance_profile {
    arn = aws_iam_instance_profile.server.arn
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1 # pods never have the server's role
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_type           = "gp3"
      volume_size           = var.disk_gib
      encrypted             = true
      delete_on_termination = true # the state is in the snapshots
    }
  }

  network_interfaces {
    associate_public_ip_address = true # to fetch k3s and to claim the EIP
    delete_on_termination       = true
    security_groups             = [aws_security_group.server.id]
  }

  dynamic "tag_specifications" {
    for_each = ["instance", "volume", "network-interface"]

    content {
      resource_type = tag_specifications.value
      tags          = merge(local.tags, { Name = "${var.name}-server" })
    }
  }
}

resource "aws_autoscaling_group" "server" {
  name                = "${var.name}-server"
  min_size            = 1
  max_size            = 1
  desired_capacity    = 1
  vpc_zone_identifier = [for zone in local.zones : aws_subnet.public[zone].id]
  health_check_type   = "EC2"

  # Two servers at once would both save snapshots of one cluster: first terminate, then launch;
  # no rebalancing, which launches first.
  capacity_rebalance  = false
  suspended_processes = ["AZRebalance"]

  instance_maintenance_policy {
    min_healthy_percentage = 0
    max_healthy_percentage = 100
  }

  mixed_instances_policy {
    instances_distribution {
      on_demand_base_capacity                  = var.server_spot ? 0 : 1
      on_demand_percentage_above_base_capacity = var.server_spot ? 0 : 100
      on_demand_allocation_strategy            = "prioritized"
      spot_allocation_strategy                 = "price-capacity-optimized"
    }

    launch_template {
      launch_template_specification {
        launch_template_id = aws_launch_template.server.id
        version            = aws_launch_template.server.latest_version
      }

      dynamic "override" {
        for_each = local.server_instance_types

        content {
          instance_type = override.value
        }
      }
    }
  }

  dynamic "tag" {
    for_each = merge(local.tags, { Name = "${var.name}-server" })

    content {
      key                 = tag.key
      value               = tag.value
      propagate_at_launch = false # the launch template tags the machines
    }
  }

  # A server without these starts a cluster that it cannot save, or that nobody finds.
  depends_on = [
    aws_iam_role_policy.server,
    aws_route_table_association.public,
    aws_s3_bucket_policy.tls_only,
    aws_vpc_security_group_egress_rule.tls,
  ]
}
