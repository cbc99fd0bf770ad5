#!/usr/bin/env bash
# k3s at its pinned version and, on agents, what logs the kubelet in to ECR.
set -euo pipefail
# shellcheck source=lib.sh
. "${BASH_SOURCE%/*}/lib.sh"

download "$K3S_BINARY" "$K3S_SHA256" "$root/usr/local/bin/k3s"
ln -sfn k3s "$root/usr/local/bin/kubectl"
if [ -n "${ECR_PROVIDER:-}" ]; then
  # k3s looks in this folder by itself; the name is the one in config.yaml beside it.
  download "$ECR_PROVIDER" "$ECR_PROVIDER_SHA256" \
    "$root/var/lib/rancher/credentialprovider/bin/ecr-credential-provider"
fi
