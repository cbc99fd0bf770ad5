#!/usr/bin/env bash
# The server's tokens and configuration, anew before every start.
set -euo pipefail
# shellcheck source=lib.sh
. "${BASH_SOURCE%/*}/lib.sh"

server_config() {
  node_config
  cat <<EOF
node-taint:
  - node-role.kubernetes.io/control-plane=true:NoSchedule
token-file: /etc/rancher/k3s/token
agent-token-file: /etc/rancher/k3s/agent-token
tls-san:
  - $SERVER_HOST
  - $ADDRESS
disable:
  - traefik
  - servicelb
secrets-encryption: true
write-kubeconfig-mode: "0600"
cluster-init: true
etcd-snapshot-schedule-cron: "*/$SNAPSHOT_MINUTES * * * *"
etcd-snapshot-retention: 12
etcd-s3: true
etcd-s3-endpoint: s3.$AWS_DEFAULT_REGION.amazonaws.com
etcd-s3-region: $AWS_DEFAULT_REGION
etcd-s3-bucket: $SNAPSHOT_BUCKET
etcd-s3-folder: k3s
EOF
}

secret "$SERVER_TOKEN" "$root/etc/rancher/k3s/token"
secret "$AGENT_TOKEN" "$root/etc/rancher/k3s/agent-token"
config=$(server_config)
write_private "$root/etc/rancher/k3s/config.yaml" <<<"$config"
