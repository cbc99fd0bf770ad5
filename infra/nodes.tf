# What server and agents have in common: the system's image and what is laid on it at boot.
# user_data/ holds plain scripts and units; what differs between two clusters is in node.env.

data "aws_ssm_parameter" "ami" {
  count = var.ami_id == null ? 1 : 0

  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-${local.ami_architecture}"
}

locals {
  ami_architecture = { amd64 = "x86_64", arm64 = "arm64" }[var.architecture]
  ami_id           = var.ami_id != null ? var.ami_id : nonsensitive(data.aws_ssm_parameter.ami[0].value)

  # k3s names its amd64 binary k3s, the others k3s-<architecture>.
  k3s_file = var.architecture == "amd64" ? "k3s" : "k3s-${var.architecture}"

  library = "/usr/local/lib/vibe-search"

  node_environment = {
    common = {
      AWS_DEFAULT_REGION = var.region
      K3S_BINARY         = "https://github.com/k3s-io/k3s/releases/download/${urlencode(var.k3s_version)}/${local.k3s_file}"
      K3S_SHA256         = var.k3s_sha256[var.architecture]
      SERVER_HOST        = local.server_host
      AGENT_TOKEN        = aws_ssm_parameter.agent_token.name
    }
    server = {
      SERVER_TOKEN     = aws_ssm_parameter.token.name
      SNAPSHOT_BUCKET  = aws_s3_bucket.this["snapshots"].id
      SNAPSHOT_MINUTES = var.snapshot_minutes
      DNS_ZONE         = aws_route53_zone.private.zone_id
      ADDRESS          = aws_eip.server.public_ip
      ADDRESS_ID       = aws_eip.server.allocation_id
    }
    agent = {
      ECR_PROVIDER        = "https://artifacts.k8s.io/binaries/cloud-provider-aws/${var.ecr_credential_provider_version}/linux/${var.architecture}/ecr-credential-provider-linux-${var.architecture}"
      ECR_PROVIDER_SHA256 = var.ecr_credential_provider_sha256[var.architecture]
    }
  }

  scripts = {
    server = ["lib.sh", "install.sh", "configure-server.sh", "restore.sh", "publish-address.sh", "forget-nodes.sh"]
    agent  = ["lib.sh", "install.sh", "configure-agent.sh"]
  }
  units = {
    server = { "k3s.service" = "k3s-server.service", "vibe-address.service" = "vibe-address.service", "vibe-forget-nodes.service" = "vibe-forget-nodes.service", "vibe-forget-nodes.timer" = "vibe-forget-nodes.timer" }
    agent  = { "k3s.service" = "k3s-agent.service" }
  }
  started = {
    server = ["vibe-address.service", "k3s.service", "vibe-forget-nodes.timer"]
    agent  = ["k3s.service"]
  }
  node_files = {
    server = { for name, manifest in local.manifests : "/var/lib/rancher/k3s/server/manifests/${name}.yaml" => manifest }
    agent  = { "/var/lib/rancher/credentialprovider/config.yaml" = file("${path.module}/user_data/ecr-credential-provider.yaml") }
  }

  # cloud-init writes the files and starts the units; all that can fail and must be tried again is
  # in units, which systemd restarts.
  user_data = {
    for role in ["server", "agent"] : role => join("\n", ["#cloud-config", yamlencode({
      write_files = concat(
        [for name in local.scripts[role] : {
          path        = "${local.library}/${name}"
          permissions = "0755"
          content     = file("${path.module}/user_data/${name}")
        }],
        [for name, source in local.units[role] : {
          path        = "/etc/systemd/system/${name}"
          permissions = "0644"
          content     = file("${path.module}/user_data/units/${source}")
        }],
        [for path, content in local.node_files[role] : { path = path, permissions = "0600", content = content }],
        [{
          path        = "/etc/vibe-search/node.env"
          permissions = "0644"
          content     = join("", [for name, value in merge(local.node_environment.common, local.node_environment[role]) : "${name}=${value}\n"])
        }],
        [{
          path        = "/etc/rancher/k3s/kubelet.yaml"
          permissions = "0600"
          content     = file("${path.module}/user_data/kubelet.yaml")
        }],
      )
      runcmd = [
        ["systemctl", "daemon-reload"],
        concat(["systemctl", "enable", "--now", "--no-block"], local.started[role]),
      ]
    })])
  }
}
