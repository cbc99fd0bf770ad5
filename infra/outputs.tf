locals {
  question = jsonencode({ song = "in this dark", top_k = 3 })

  # What a Function URL would hand to the function for that request (payload format 2.0).
  lambda_event = jsonencode({
    version         = "2.0"
    routeKey        = "$default"
    rawPath         = "/recommend"
    rawQueryString  = ""
    headers         = { "content-type" = "application/json", host = "lambda" }
    requestContext  = { http = { method = "POST", path = "/recommend", protocol = "HTTP/1.1", sourceIp = "127.0.0.1", userAgent = "aws-cli" } }
    body            = local.question
    isBase64Encoded = false
  })
}

output "nodeport_url" {
  description = "The API on k3s, once ArgoCD has deployed it."
  value       = "http://${aws_eip.server.public_ip}:${local.node_port}"
}

output "nodeport_curl" {
  description = "Ask the API on k3s."
  value       = "curl -s http://${aws_eip.server.public_ip}:${local.node_port}/recommend -H 'content-type: application/json' -d '${local.question}'"
}

output "lambda_url" {
  description = "The API on Lambda; null without an image."
  value       = one(aws_lambda_function_url.this[*].function_url)
}

output "lambda_cli" {
  description = "Ask the API on Lambda, with the credentials of the AWS CLI; null without an image."
  value = local.lambda_count == 0 ? null : join(" ", [
    "aws lambda invoke --region ${var.region} --function-name ${local.function_name}",
    "--cli-binary-format raw-in-base64-out --payload '${local.lambda_event}' /dev/stdout",
  ])
}

output "lambda_curl" {
  description = "Ask the API on Lambda through its URL, signed unless it is public; null without an image."
  value = local.lambda_count == 0 ? null : join(" ", concat(
    ["curl -s ${trimsuffix(aws_lambda_function_url.this[0].function_url, "/")}/recommend -H 'content-type: application/json' -d '${local.question}'"],
    var.lambda_url_auth == "NONE" ? [] : [
      "--aws-sigv4 aws:amz:${var.region}:lambda --user \"$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY\" -H \"x-amz-security-token: $AWS_SESSION_TOKEN\"",
    ],
  ))
}

output "bundles" {
  description = "The store: python -m embed push BUNDLE, VIBE_BUNDLE, docker build --build-arg BUNDLE."
  value       = "s3://${aws_s3_bucket.this["data"].id}/bundles"
}

output "music" {
  description = "Where the embed Job looks for songs."
  value       = "s3://${aws_s3_bucket.this["data"].id}/music"
}

output "repository_url" {
  description = "Where the build pushes the image."
  value       = aws_ecr_repository.this.repository_url
}

output "build_role_arn" {
  description = "role-to-assume of the build workflow."
  value       = aws_iam_role.build.arn
}

output "server_shell" {
  description = "A shell on the server (Session Manager); then: sudo /usr/local/bin/kubectl get nodes."
  value       = "aws ssm start-session --region ${var.region} --target $(aws ec2 describe-instances --region ${var.region} --filters Name=tag:Name,Values=${var.name}-server Name=instance-state-name,Values=running --query 'Reservations[].Instances[].InstanceId' --output text)"
}

output "server_ip" {
  description = "The server's address, the same after it was replaced."
  value       = aws_eip.server.public_ip
}
