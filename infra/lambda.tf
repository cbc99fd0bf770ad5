# The same image as a function. It exists once lambda_image_digest is set: a first apply has no
# image yet.

locals {
  function_name = var.name
  lambda_arn    = "arn:${local.partition}:lambda:${var.region}:${local.account}:function:${local.function_name}"
  lambda_count  = var.lambda_image_digest == null ? 0 : 1
}

resource "aws_cloudwatch_log_group" "lambda" {
  name              = "/aws/lambda/${local.function_name}"
  retention_in_days = var.log_retention_days
}

# The bundle is in the image: the function needs its logs and nothing else.
resource "aws_iam_role" "lambda" {
  name        = "${var.name}-lambda"
  description = "The API as a function: writes its logs"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "lambda" {
  name = "logs"
  role = aws_iam_role.lambda.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "Logs"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "${aws_cloudwatch_log_group.lambda.arn}:*"
    }]
  })
}

resource "aws_lambda_function" "this" {
  count = local.lambda_count

  function_name                  = local.function_name
  description                    = "Songs that sound alike"
  role                           = aws_iam_role.lambda.arn
  package_type                   = "Image"
  image_uri                      = "${aws_ecr_repository.this.repository_url}@${var.lambda_image_digest}"
  architectures                  = [{ amd64 = "x86_64", arm64 = "arm64" }[var.architecture]]
  memory_size                    = var.lambda_memory_mb
  timeout                        = var.lambda_timeout_s
  reserved_concurrent_executions = var.lambda_concurrency

  # Traced when the caller asks for it; no traces of its own to pay for.
  tracing_config {
    mode = "PassThrough"
  }

  dynamic "environment" {
    for_each = length(var.lambda_environment) == 0 ? [] : [var.lambda_environment]

    content {
      variables = environment.value
    }
  }

  depends_on = [aws_cloudwatch_log_group.lambda, aws_ecr_repository_policy.lambda, aws_iam_role_policy.lambda]
}

resource "aws_lambda_function_url" "this" {
  count = local.lambda_count

  function_name      = aws_lambda_function.this[0].function_name
  authorization_type = var.lambda_url_auth
}

# Only for a public URL. Since October 2025 a URL needs both actions; provider 5 cannot tie the
# second to the URL, so a public function can also be invoked directly, by any AWS account.
resource "aws_lambda_permission" "public" {
  for_each = {
    for action in ["InvokeFunctionUrl", "InvokeFunction"] : action => "lambda:${action}" if local.lambda_count == 1 && var.lambda_url_auth == "NONE"
  }

  statement_id           = "Public${each.key}"
  action                 = each.value
  function_name          = aws_lambda_function.this[0].function_name
  principal              = "*"
  function_url_auth_type = each.key == "InvokeFunctionUrl" ? "NONE" : null
}
