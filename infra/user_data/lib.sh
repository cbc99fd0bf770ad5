#!/usr/bin/env bash
# What the nodes' scripts share; sourced, never run. ROOT is empty on a node, a folder in tests.

# shellcheck disable=SC2034  # used by those who source this
root=${ROOT:-}
imds=http://169.254.169.254/latest

# metadata NAME: one value of the instance's metadata, by IMDSv2.
metadata() {
  local token
  token=$(curl -fsS --retry 5 --retry-connrefused -X PUT \
    -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$imds/api/token")
  curl -fsS --retry 5 --retry-connrefused -H "X-aws-ec2-metadata-token: $token" \
    "$imds/meta-data/$1"
}

# has_sha256 FILE SHA256
has_sha256() {
  [ -f "$1" ] && printf '%s  %s\n' "$2" "$1" | sha256sum --check --status
}

# download URL SHA256 FILE: FILE is what was asked for or not there; twice costs nothing.
download() {
  local part=$3.part
  has_sha256 "$3" "$2" && return
  mkdir -p "$(dirname "$3")"
  curl -fsSL --retry 5 --retry-all-errors --connect-timeout 10 -o "$part" "$1"
  if ! has_sha256 "$part" "$2"; then
    echo "$1: SHA-256 $(sha256sum "$part" | cut -d' ' -f1), expected $2" >&2
    rm -f "$part"
    return 1
  fi
  chmod 0755 "$part"
  mv -f "$part" "$3"
}

# secret PARAMETER FILE: a SecureString, readable by root only.
secret() {
  local value
  value=$(aws ssm get-parameter --name "$1" --with-decryption --query Parameter.Value --output text)
  write_private "$2" <<<"$value"
}

# write_private FILE: standard input, whole or not at all.
write_private() {
  mkdir -p "$(dirname "$1")"
  (umask 077 && cat >"$1.part")
  mv -f "$1.part" "$1"
}

# node_config: the part of k3s' configuration that server and agents have in common. The node's
# name is the machine's, so no node ever takes over the name (and the node password) of another.
node_config() {
  local lifecycle zone
  lifecycle=$(metadata instance-life-cycle)
  zone=$(metadata placement/availability-zone)
  cat <<EOF
node-name: $(metadata instance-id)
node-label:
  - topology.kubernetes.io/region=$AWS_DEFAULT_REGION
  - topology.kubernetes.io/zone=$zone
  - node.kubernetes.io/lifecycle=$lifecycle
kubelet-arg:
  - config=/etc/rancher/k3s/kubelet.yaml
EOF
}
