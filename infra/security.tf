# Who may talk to whom. There is no SSH: Session Manager needs no open port.

locals {
  node_port = 30080 # k8s/base: the Service of the API
  api_port  = 6443  # k3s: Kubernetes API and supervisor

  # flannel's VXLAN carries all traffic between pods; 10250 is the kubelet (metrics, logs, exec).
  cluster_ports = {
    vxlan   = { protocol = "udp", port = 8472 }
    kubelet = { protocol = "tcp", port = 10250 }
  }
  groups = { server = aws_security_group.server.id, agent = aws_security_group.agent.id }

  cluster_rules = {
    for rule in flatten([
      for to in ["server", "agent"] : [
        for from in ["server", "agent"] : [
          for name, what in local.cluster_ports : { key = "${name}-${from}-${to}", to = to, from = from, what = what }
        ]
      ]
    ]) : rule.key => rule if !(rule.to == "server" && rule.from == "server") # there is one server
  }
  client_rules = {
    for rule in setproduct(["server", "agent"], var.client_cidrs) : "${rule[0]}-${rule[1]}" => { to = rule[0], cidr = rule[1] }
  }
}

resource "aws_security_group" "server" {
  name        = "${var.name}-server"
  description = "k3s server: Kubernetes API for agents and for api_cidrs, NodePort for client_cidrs"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name}-server" }
}

resource "aws_security_group" "agent" {
  name        = "${var.name}-agent"
  description = "k3s agents: NodePort for client_cidrs, the cluster among itself"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name}-agent" }
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each = local.client_rules

  security_group_id = local.groups[each.value.to]
  description       = "The API's NodePort"
  ip_protocol       = "tcp"
  from_port         = local.node_port
  to_port           = local.node_port
  cidr_ipv4         = each.value.cidr
}

resource "aws_vpc_security_group_ingress_rule" "api" {
  for_each = toset(var.api_cidrs)

  security_group_id = aws_security_group.server.id
  description       = "Kubernetes API from outside"
  ip_protocol       = "tcp"
  from_port         = local.api_port
  to_port           = local.api_port
  cidr_ipv4         = each.value
}

resource "aws_vpc_security_group_ingress_rule" "join" {
  security_group_id            = aws_security_group.server.id
  description                  = "Kubernetes API and supervisor, for agents"
  ip_protocol                  = "tcp"
  from_port                    = local.api_port
  to_port                      = local.api_port
  referenced_security_group_id = aws_security_group.agent.id
}

resource "aws_vpc_security_group_ingress_rule" "cluster" {
  for_each = local.cluster_rules

  security_group_id            = local.groups[each.value.to]
  description                  = "The cluster among itself: ${each.key}"
  ip_protocol                  = each.value.what.protocol
  from_port                    = each.value.what.port
  to_port                      = each.value.what.port
  referenced_security_group_id = local.groups[each.value.from]
}

# Out: TLS to anywhere (images, charts, git, AWS), anything to the VPC. The VPC's resolver, its
# clock and the instance metadata are not subject to security groups.
resource "aws_vpc_security_group_egress_rule" "tls" {
  for_each = local.groups

  security_group_id = each.value
  description       = "TLS: registries, charts, git, AWS"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_egress_rule" "vpc" {
  for_each = local.groups

  security_group_id = each.value
  description       = "The cluster among itself"
  ip_protocol       = "-1"
  cidr_ipv4         = var.vpc_cidr
}
