#!/usr/bin/env bash
# The agent's token and configuration, anew before every start.
set -euo pipefail
# shellcheck source=lib.sh
. "${BASH_SOURCE%/*}/lib.sh"

agent_config() {
  node_config
  cat <<EOF
server: https://$SERVER_HOST:6443
token-file: /etc/rancher/k3s/token
EOF
}

secret "$AGENT_TOKEN" "$root/etc/rancher/k3s/token"
config=$(agent_config)
write_private "$root/etc/rancher/k3s/config.yaml" <<<"$config"
