# The build in GitHub Actions gets short-lived credentials by OIDC: no key is stored anywhere.

resource "aws_iam_openid_connect_provider" "github" {
  count = var.github_oidc_provider_arn == null ? 1 : 0

  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

locals {
  github_oidc_provider_arn = var.github_oidc_provider_arn != null ? var.github_oidc_provider_arn : aws_iam_openid_connect_provider.github[0].arn

  # What GitHub's tokens say they are for. Of a repository that was made, renamed or transferred
  # since July 2026 it is names with numbers, which nobody can take over with the name; of an older
  # one, names alone. https://docs.github.com/en/actions/reference/security/oidc#immutable-subject-claims
  build_repositories = [
    var.github_repository,
    format("%s@%d/%s@%d", split("/", var.github_repository)[0], var.github_repository_ids.owner, split("/", var.github_repository)[1], var.github_repository_ids.repository),
  ]
}

resource "aws_iam_role" "build" {
  name                 = "${var.name}-build"
  description          = "The build of ${var.github_repository} on ${var.git_branch}: pushes images, reads bundles"
  max_session_duration = 3600
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = local.github_oidc_provider_arn }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = {
        StringEquals = {
          "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
          # Exactly this branch: no pull request, no tag, no fork. A job with an "environment:"
          # has another subject and is refused.
          "token.actions.githubusercontent.com:sub" = [for repository in local.build_repositories : "repo:${repository}:ref:refs/heads/${var.git_branch}"]
        }
      }
    }]
  })
}

resource "aws_iam_role_policy" "build" {
  name = "build"
  role = aws_iam_role.build.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Login"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken" # knows no resources
        Resource = "*"
      },
      {
        Sid    = "Push"
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability",
          "ecr:BatchGetImage",
          "ecr:CompleteLayerUpload",
          "ecr:DescribeImages",
          "ecr:DescribeImageScanFindings",
          "ecr:GetDownloadUrlForLayer",
          "ecr:InitiateLayerUpload",
          "ecr:PutImage",
          "ecr:UploadLayerPart",
        ]
        Resource = aws_ecr_repository.this.arn
      },
      {
        Sid      = "ReadBundles"
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = "${aws_s3_bucket.this["data"].arn}/bundles/*"
      },
      {
        Sid       = "ListBundles"
        Effect    = "Allow"
        Action    = "s3:ListBucket"
        Resource  = aws_s3_bucket.this["data"].arn
        Condition = { StringLike = { "s3:prefix" = ["bundles/*"] } }
      },
    ]
  })
}
