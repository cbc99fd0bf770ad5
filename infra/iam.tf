# The nodes' roles. Each may do what its scripts in user_data/ call, and nothing else.
# AmazonSSMManagedInstanceCore would be shorter, but lets a node read every parameter there is.

locals {
  instances  = "arn:${local.partition}:ec2:${var.region}:${local.account}:instance/*"
  interfaces = "arn:${local.partition}:ec2:${var.region}:${local.account}:network-interface/*"

  ec2_trust = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

# What the SSM agent needs for a shell by Session Manager.
resource "aws_iam_role_policy" "session_manager" {
  for_each = { server = aws_iam_role.server.id, agent = aws_iam_role.agent.id }

  name = "session-manager"
  role = each.value
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Register"
        Effect   = "Allow"
        Action   = "ssm:UpdateInstanceInformation"
        Resource = local.instances
      },
      {
        Sid    = "Channels" # these actions know no resources
        Effect = "Allow"
        Action = [
          "ssmmessages:CreateControlChannel",
          "ssmmessages:CreateDataChannel",
          "ssmmessages:OpenControlChannel",
          "ssmmessages:OpenDataChannel",
        ]
        Resource = "*"
      },
    ]
  })
}

resource "aws_iam_role" "server" {
  name               = "${var.name}-server"
  description        = "k3s server: its snapshots, its address, its tokens"
  assume_role_policy = local.ec2_trust
}

resource "aws_iam_role_policy" "server" {
  name = "server"
  role = aws_iam_role.server.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Tokens"
        Effect   = "Allow"
        Action   = "ssm:GetParameter"
        Resource = [aws_ssm_parameter.token.arn, aws_ssm_parameter.agent_token.arn]
      },
      {
        Sid    = "Snapshots"
        Effect = "Allow"
        Action = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
        # k3s deletes what its retention drops; the bucket's versions keep that for a day.
        Resource = "${aws_s3_bucket.this["snapshots"].arn}/k3s/*"
      },
      {
        # Without a condition on the prefix: k3s first asks whether the bucket exists.
        Sid      = "ListSnapshots"
        Effect   = "Allow"
        Action   = ["s3:ListBucket", "s3:GetBucketLocation"]
        Resource = aws_s3_bucket.this["snapshots"].arn
      },
      {
        Sid      = "Name"
        Effect   = "Allow"
        Action   = "route53:ChangeResourceRecordSets"
        Resource = aws_route53_zone.private.arn
        Condition = {
          "ForAllValues:StringEquals" = {
            "route53:ChangeResourceRecordSetsNormalizedRecordNames" = [local.server_host]
            "route53:ChangeResourceRecordSetsRecordTypes"           = ["A"]
            "route53:ChangeResourceRecordSetsActions"               = ["UPSERT"]
          }
        }
      },
      {
        Sid      = "Address"
        Effect   = "Allow"
        Action   = "ec2:AssociateAddress"
        Resource = local.server_eip_arn
      },
      {
        Sid       = "AddressOfServersOnly"
        Effect    = "Allow"
        Action    = "ec2:AssociateAddress"
        Resource  = [local.instances, local.interfaces]
        Condition = { StringEquals = { "aws:ResourceTag/Name" = "${var.name}-server" } }
      },
      {
        # forget-nodes.sh: is a node that does not answer still a machine? (Knows no resources.)
        Sid      = "WhichMachinesAreGone"
        Effect   = "Allow"
        Action   = "ec2:DescribeInstances"
        Resource = "*"
      },
    ]
  })
}

resource "aws_iam_instance_profile" "server" {
  name = "${var.name}-server"
  role = aws_iam_role.server.name
}

resource "aws_iam_role" "agent" {
  name               = "${var.name}-agent"
  description        = "k3s agents and, over two metadata hops, the embed Job: images, bundles, the agents' token"
  assume_role_policy = local.ec2_trust
}

resource "aws_iam_role_policy" "agent" {
  name = "agent"
  role = aws_iam_role.agent.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Token"
        Effect   = "Allow"
        Action   = "ssm:GetParameter"
        Resource = aws_ssm_parameter.agent_token.arn
      },
      {
        Sid      = "Login"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken" # knows no resources
        Resource = "*"
      },
      {
        Sid      = "Pull"
        Effect   = "Allow"
        Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = aws_ecr_repository.this.arn
      },
      {
        Sid      = "ReadMusicAndBundles"
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = [for prefix in ["music", "bundles"] : "${aws_s3_bucket.this["data"].arn}/${prefix}/*"]
      },
      {
        # No delete: versions of a bundle are immutable, and "latest" is overwritten.
        Sid      = "WriteBundles"
        Effect   = "Allow"
        Action   = ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
        Resource = "${aws_s3_bucket.this["data"].arn}/bundles/*"
      },
      {
        # The names of both prefixes; without it a missing object answers 403 instead of 404.
        Sid      = "ListData"
        Effect   = "Allow"
        Action   = ["s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads"]
        Resource = aws_s3_bucket.this["data"].arn
      },
    ]
  })
}

# Milvus' pod has the agents' role, as the embed Job has. It lists by "ListData" above.
resource "aws_iam_role_policy" "milvus" {
  count = var.milvus ? 1 : 0

  name = "milvus"
  role = aws_iam_role.agent.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      # With delete: it compacts what it wrote, and drops versions. Bundles it cannot touch.
      Sid    = "KeepSegments"
      Effect = "Allow"
      Action = [
        "s3:GetObject",
        "s3:PutObject",
        "s3:DeleteObject",
        "s3:AbortMultipartUpload",
        "s3:ListMultipartUploadParts",
      ]
      Resource = "${aws_s3_bucket.this["data"].arn}/milvus/*"
    }]
  })
}

resource "aws_iam_instance_profile" "agent" {
  name = "${var.name}-agent"
  role = aws_iam_role.agent.name
}
