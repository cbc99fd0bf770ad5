# One VPC with a public subnet per zone. Nodes have public addresses instead of a NAT gateway,
# which would cost more than the nodes; nothing reaches them but what security.tf lets in.

data "aws_availability_zones" "available" {
  state = "available"

  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

locals {
  zones = slice(sort(data.aws_availability_zones.available.names), 0, min(var.zone_count, length(data.aws_availability_zones.available.names)))
}

resource "aws_vpc" "this" {
  cidr_block           = var.vpc_cidr
  enable_dns_support   = true
  enable_dns_hostnames = true # a private zone is answered only with both

  tags = { Name = var.name }
}

# Whatever is started without a security group of its own can talk to nobody.
resource "aws_default_security_group" "closed" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-default-closed" }
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id

  tags = { Name = var.name }
}

resource "aws_subnet" "public" {
  for_each = { for index, zone in local.zones : zone => cidrsubnet(var.vpc_cidr, 4, index) }

  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = each.value
  # Launch templates ask for a public address; nothing else that lands here gets one.
  map_public_ip_on_launch = false

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.this.id

  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.this.id
  }

  tags = { Name = "${var.name}-public" }
}

resource "aws_route_table_association" "public" {
  for_each = aws_subnet.public

  subnet_id      = each.value.id
  route_table_id = aws_route_table.public.id
}

# Bundles, snapshots and image layers come from S3: this way is free and stays inside AWS.
resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${var.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.public.id]

  tags = { Name = "${var.name}-s3" }
}

# The name under which agents find the server, whichever machine it is on. The server writes the
# record when it boots (user_data/publish-address.sh), so Terraform does not own it.
resource "aws_route53_zone" "private" {
  name          = "${var.name}.internal"
  comment       = "The k3s server's current address"
  force_destroy = true # the record in it is not in the state

  vpc {
    vpc_id = aws_vpc.this.id
  }
}

locals {
  server_host = "server.${var.name}.internal"
}
