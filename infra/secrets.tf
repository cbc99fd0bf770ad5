# The join tokens. Made at apply and written straight to Parameter Store by a write-only argument:
# they are in no plan, no state and no user data. Terraform writes them once; another value is
# written only when value_wo_version changes.
#
# Two of them: who reads the agents' token can join an agent, but not a server, and cannot read
# a snapshot. The server's token also encrypts the snapshots' certificates: a server that is
# replaced restores only with the token that it was made with, so leave its version alone.

resource "aws_ssm_parameter" "token" {
  name        = "/${var.name}/server-token"
  description = "k3s: joins servers, and opens the snapshots"
  type        = "SecureString"
  # Two random UUIDs, 244 random bits. Not an ephemeral resource: tests could not mock it.
  value_wo         = replace("${uuid()}${uuid()}", "-", "")
  value_wo_version = 1
}

resource "aws_ssm_parameter" "agent_token" {
  name             = "/${var.name}/agent-token"
  description      = "k3s: joins agents"
  type             = "SecureString"
  value_wo         = replace("${uuid()}${uuid()}", "-", "")
  value_wo_version = 1
}
