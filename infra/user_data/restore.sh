#!/usr/bin/env bash
# Before k3s first starts on a machine: the cluster as its newest snapshot has it. A cluster that
# has snapshots never starts empty, because the next snapshot would be of the empty one.
set -euo pipefail
# shellcheck source=lib.sh
. "${BASH_SOURCE%/*}/lib.sh"

state=$root/var/lib/rancher/k3s/server
settled=$root/var/lib/vibe-search/state-settled

# newest_snapshots: names, newest first, three at most. Tabs between time and key; "None" when
# there are none. Sorted here, as the CLI would sort each page by itself.
newest_snapshots() {
  aws s3api list-objects-v2 --bucket "$SNAPSHOT_BUCKET" --prefix k3s/etcd-snapshot- \
    --query 'Contents[].[LastModified,Key]' --output text |
    sort -r | awk 'NF == 2 && NR <= 3 { sub(".*/", "", $2); print $2 }'
}

# restore NAME: k3s fetches it from S3 (config.yaml says where) and ends when it is done.
restore() {
  echo "restoring $1"
  rm -rf "$state/db" "$state/tls" "$state/cred"
  timeout 900 "$root/usr/local/bin/k3s" server --cluster-reset --cluster-reset-restore-path="$1"
}

restore_newest() {
  local name
  for name in "$@"; do
    restore "$name" && return
    echo "$name: not restored" >&2
  done
  return 1
}

if [ -e "$settled" ]; then
  exit 0
fi
snapshots=$(newest_snapshots)
if [ -n "$snapshots" ]; then
  mapfile -t names <<<"$snapshots"
  restore_newest "${names[@]}"
else
  echo "no snapshot in $SNAPSHOT_BUCKET: a new cluster"
fi
mkdir -p "$(dirname "$settled")"
touch "$settled"
