#!/usr/bin/env bash
# The server's name for agents and its public address for everybody else now mean this machine.
set -euo pipefail
# shellcheck source=lib.sh
. "${BASH_SOURCE%/*}/lib.sh"

# change_batch IP: ten seconds to live, so agents find a new server at once.
change_batch() {
  printf '{"Changes":[{"Action":"UPSERT","ResourceRecordSet":{"Name":"%s","Type":"A","TTL":10,"ResourceRecords":[{"Value":"%s"}]}}]}' \
    "$SERVER_HOST" "$1"
}

ip=$(metadata local-ipv4)
instance=$(metadata instance-id)
aws route53 change-resource-record-sets --hosted-zone-id "$DNS_ZONE" \
  --change-batch "$(change_batch "$ip")" --query ChangeInfo.Status --output text
aws ec2 associate-address --allocation-id "$ADDRESS_ID" --instance-id "$instance" \
  --allow-reassociation --query AssociationId --output text
