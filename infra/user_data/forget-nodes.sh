#!/usr/bin/env bash
# Nodes whose machine is gone leave the cluster, and with them the pods that still count as theirs.
# Nodes are named as machines are, so asking is simple. No cloud controller does it for us.
set -euo pipefail
# shellcheck source=lib.sh
. "${BASH_SOURCE%/*}/lib.sh"

k3s=$root/usr/local/bin/k3s

silent_nodes() {
  "$k3s" kubectl get nodes --no-headers | awk '$2 !~ /^Ready/ { print $1 }'
}

# machine_state ID: empty when EC2 has forgotten it. As a filter: asked for by id it is an error.
machine_state() {
  aws ec2 describe-instances --filters "Name=instance-id,Values=$1" \
    --query 'Reservations[].Instances[].State.Name' --output text
}

nodes=$(silent_nodes)
for node in $nodes; do
  state=$(machine_state "$node")
  case $state in
    pending | running | stopping | stopped) ;;
    *) "$k3s" kubectl delete node "$node" --wait=false ;;
  esac
done
