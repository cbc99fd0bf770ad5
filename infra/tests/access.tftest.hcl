# Buckets, images, roles, the function, the budget.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  github_repository              = "owner/vibe-search"
  github_repository_ids          = { owner = 583231, repository = 1296269123 }
  client_cidrs                   = ["203.0.113.7/32"]
  alarm_email                    = "owner@example.org"
  k3s_sha256                     = { amd64 = "1111111111111111111111111111111111111111111111111111111111111111", arm64 = "2222222222222222222222222222222222222222222222222222222222222222" }
  ecr_credential_provider_sha256 = { amd64 = "3333333333333333333333333333333333333333333333333333333333333333", arm64 = "4444444444444444444444444444444444444444444444444444444444444444" }
}

run "defaults" {
  # buckets
  assert {
    condition     = toset(keys(aws_s3_bucket.this)) == toset(["data", "snapshots"]) && alltrue([for bucket in values(aws_s3_bucket.this) : !bucket.force_destroy])
    error_message = "Two buckets were expected, neither to be deleted with what is in it."
  }
  assert {
    condition     = alltrue([for versioning in values(aws_s3_bucket_versioning.this) : versioning.versioning_configuration[0].status == "Enabled"]) && length(aws_s3_bucket_versioning.this) == 2
    error_message = "A bucket is not versioned."
  }
  assert {
    condition     = length(aws_s3_bucket_server_side_encryption_configuration.this) == 2
    error_message = "A bucket is not encrypted."
  }
  assert {
    condition     = alltrue([for block in values(aws_s3_bucket_public_access_block.this) : block.block_public_acls && block.block_public_policy && block.ignore_public_acls && block.restrict_public_buckets]) && length(aws_s3_bucket_public_access_block.this) == 2
    error_message = "A bucket could be made public."
  }
  assert {
    condition = alltrue([for policy in values(aws_s3_bucket_policy.tls_only) : anytrue([
      for statement in jsondecode(policy.policy).Statement :
      statement.Effect == "Deny" && statement.Principal == "*" && statement.Action == "s3:*" && try(statement.Condition.Bool["aws:SecureTransport"], "") == "false" && length(statement.Resource) == 2
    ])]) && length(aws_s3_bucket_policy.tls_only) == 2
    error_message = "A bucket answers without TLS."
  }
  assert {
    condition     = alltrue([for lifecycle in values(aws_s3_bucket_lifecycle_configuration.this) : alltrue([for rule in lifecycle.rule : rule.status == "Enabled"])]) && length(aws_s3_bucket_lifecycle_configuration.this["snapshots"].rule) == 2
    error_message = "A bucket has no lifecycle, or old snapshots stay for ever."
  }
  assert {
    condition     = alltrue([for rule in aws_s3_bucket_lifecycle_configuration.this["data"].rule : alltrue([for expiration in rule.expiration : expiration.days == null || expiration.days == 0])])
    error_message = "Bundles expire: the one that is served may be the oldest."
  }

  # images
  assert {
    condition     = aws_ecr_repository.this.image_tag_mutability == "IMMUTABLE" && aws_ecr_repository.this.image_scanning_configuration[0].scan_on_push && !aws_ecr_repository.this.force_delete
    error_message = "Images can be overwritten, are not scanned, or go with the repository."
  }
  assert {
    condition     = [for rule in jsondecode(aws_ecr_lifecycle_policy.this.policy).rules : join(",", try(rule.selection.tagPatternList, ["untagged"]))] == ["untagged", "serve-*", "embed-*"]
    error_message = "Images are not tidied."
  }

  # least privilege
  assert {
    condition = alltrue(flatten([
      for policy in concat([aws_iam_role_policy.server, aws_iam_role_policy.agent, aws_iam_role_policy.lambda, aws_iam_role_policy.build], values(aws_iam_role_policy.session_manager)) : [
        for statement in jsondecode(policy.policy).Statement : [
          for action in flatten([statement.Action]) : !strcontains(action, "*") && statement.Effect == "Allow"
        ]
      ]
    ]))
    error_message = "A role may do more than named actions."
  }
  assert {
    condition = toset(flatten([
      for policy in concat([aws_iam_role_policy.server, aws_iam_role_policy.agent, aws_iam_role_policy.lambda, aws_iam_role_policy.build], values(aws_iam_role_policy.session_manager)) : [
        for statement in jsondecode(policy.policy).Statement : statement.Action if contains(flatten([statement.Resource]), "*")
      ]
    ])) == toset(["ec2:DescribeInstances", "ecr:GetAuthorizationToken", "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel"])
    error_message = "An action that knows resources is allowed on all of them."
  }
  assert {
    condition     = !strcontains(aws_iam_role_policy.agent.policy, "DeleteObject") && !strcontains(aws_iam_role_policy.build.policy, "s3:Put")
    error_message = "Agents may delete, or the build may write bundles."
  }
  assert {
    condition     = length(aws_iam_role_policy.milvus) == 0 && length(aws_s3_bucket_lifecycle_configuration.this["data"].rule) == 1
    error_message = "Agents have Milvus' rights although nobody wants Milvus."
  }
  assert {
    condition     = toset(flatten([for statement in jsondecode(aws_iam_role_policy.lambda.policy).Statement : statement.Action])) == toset(["logs:CreateLogStream", "logs:PutLogEvents"])
    error_message = "The function may do more than log."
  }

  # build by oidc
  assert {
    condition = jsondecode(aws_iam_role.build.assume_role_policy).Statement[0].Condition == {
      StringEquals = {
        "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
        "token.actions.githubusercontent.com:sub" = [
          "repo:owner/vibe-search:ref:refs/heads/main",
          "repo:owner@583231/vibe-search@1296269123:ref:refs/heads/main",
        ]
      }
    }
    error_message = "Others than this repository's branch can take the build's role."
  }
  assert {
    condition     = jsondecode(aws_iam_role.build.assume_role_policy).Statement[0].Action == "sts:AssumeRoleWithWebIdentity" && length(jsondecode(aws_iam_role.build.assume_role_policy).Statement) == 1
    error_message = "The build's role can be taken in another way, too."
  }

  # no function without an image
  assert {
    condition     = length(aws_lambda_function.this) == 0 && length(aws_lambda_function_url.this) == 0 && output.lambda_cli == null && output.lambda_curl == null && output.lambda_url == null
    error_message = "A first apply would fail: there is no image yet."
  }

  # outputs
  assert {
    condition     = output.nodeport_url == "http://192.0.2.10:30080" && output.nodeport_curl == "curl -s http://192.0.2.10:30080/recommend -H 'content-type: application/json' -d '{\"song\":\"in this dark\",\"top_k\":3}'"
    error_message = "The command for the NodePort is not exact."
  }

  # budget
  assert {
    condition     = toset([for notification in aws_budgets_budget.monthly.notification : "${notification.notification_type} ${notification.threshold}"]) == toset(["ACTUAL 80", "FORECASTED 100"]) && alltrue([for notification in aws_budgets_budget.monthly.notification : notification.subscriber_email_addresses == toset(["owner@example.org"])])
    error_message = "Nobody is told in time."
  }
}

run "existing_oidc_provider" {
  variables {
    github_oidc_provider_arn = "arn:aws:iam::123456789012:oidc-provider/elsewhere"
  }

  assert {
    condition     = length(aws_iam_openid_connect_provider.github) == 0 && jsondecode(aws_iam_role.build.assume_role_policy).Statement[0].Principal.Federated == "arn:aws:iam::123456789012:oidc-provider/elsewhere"
    error_message = "A provider is made although the account has one."
  }
}

run "function" {
  variables {
    lambda_image_digest = "sha256:5555555555555555555555555555555555555555555555555555555555555555"
  }

  assert {
    condition     = aws_lambda_function.this[0].image_uri == "123456789012.dkr.ecr.us-east-1.amazonaws.com/vibe-search@sha256:5555555555555555555555555555555555555555555555555555555555555555" && aws_lambda_function.this[0].package_type == "Image"
    error_message = "The function does not run the image by digest."
  }
  assert {
    condition     = aws_lambda_function_url.this[0].authorization_type == "AWS_IAM" && length(aws_lambda_permission.public) == 0
    error_message = "The function is public by default."
  }
  assert {
    condition     = startswith(output.lambda_cli, "aws lambda invoke --region us-east-1 --function-name vibe-search --cli-binary-format raw-in-base64-out --payload '") && strcontains(output.lambda_curl, "https://mock.lambda-url.us-east-1.on.aws/recommend -H 'content-type: application/json' -d '{\"song\":\"in this dark\",\"top_k\":3}' --aws-sigv4 aws:amz:us-east-1:lambda")
    error_message = "The commands for the function are not exact."
  }
}

run "public_function" {
  variables {
    lambda_image_digest = "sha256:5555555555555555555555555555555555555555555555555555555555555555"
    lambda_url_auth     = "NONE"
  }

  assert {
    condition     = toset([for permission in values(aws_lambda_permission.public) : permission.action]) == toset(["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"]) && !strcontains(output.lambda_curl, "sigv4")
    error_message = "A public URL would answer 403."
  }
}

run "milvus" {
  variables {
    milvus = true
  }

  assert {
    condition     = alltrue([for statement in jsondecode(aws_iam_role_policy.milvus[0].policy).Statement : statement.Resource == "${aws_s3_bucket.this["data"].arn}/milvus/*" && statement.Effect == "Allow"])
    error_message = "Milvus may touch more than its own prefix."
  }
  assert {
    condition     = toset(flatten([for statement in jsondecode(aws_iam_role_policy.milvus[0].policy).Statement : statement.Action])) == toset(["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"])
    error_message = "Milvus can not do what it does, or more."
  }
  assert {
    condition     = aws_iam_role_policy.milvus[0].role == aws_iam_role.agent.id && !strcontains(aws_iam_role_policy.agent.policy, "DeleteObject")
    error_message = "The rights are not the agents', or reach bundles."
  }
  assert {
    condition     = toset(flatten([for rule in aws_s3_bucket_lifecycle_configuration.this["data"].rule : [for expiration in rule.noncurrent_version_expiration : expiration.noncurrent_days if length([for filter in rule.filter : filter if filter.prefix == "milvus/"]) == 1]])) == toset([1]) && length(aws_s3_bucket_lifecycle_configuration.this["snapshots"].rule) == 2
    error_message = "What Milvus overwrote stays for a month."
  }
}

run "disposable" {
  variables {
    disposable = true
  }

  assert {
    condition     = aws_ecr_repository.this.force_delete && alltrue([for bucket in values(aws_s3_bucket.this) : bucket.force_destroy])
    error_message = "terraform destroy would stop at what is not empty."
  }
}
