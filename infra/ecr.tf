# One repository: the same image runs as a k3s pod and as the Lambda function.

resource "aws_ecr_repository" "this" {
  name                 = var.name
  image_tag_mutability = "IMMUTABLE"
  force_delete         = var.disposable

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "AES256"
  }
}

# The images of an index are untagged, but ECR keeps them as long as the index itself.
resource "aws_ecr_lifecycle_policy" "this" {
  repository = aws_ecr_repository.this.name
  policy = jsonencode({
    rules = [
      {
        rulePriority = 1
        description  = "What lost its tag, or never had one"
        selection    = { tagStatus = "untagged", countType = "sinceImagePushed", countUnit = "days", countNumber = 14 }
        action       = { type = "expire" }
      },
      # Apart, or many bundles (a new image that serves for each) would push the one that embeds out.
      {
        rulePriority = 2
        description  = "The last 50 that serve: far more than anybody rolls back"
        selection    = { tagStatus = "tagged", tagPatternList = ["serve-*"], countType = "imageCountMoreThan", countNumber = 50 }
        action       = { type = "expire" }
      },
      {
        rulePriority = 3
        description  = "The last 50 that embed"
        selection    = { tagStatus = "tagged", tagPatternList = ["embed-*"], countType = "imageCountMoreThan", countNumber = 50 }
        action       = { type = "expire" }
      },
    ]
  })
}

# Lambda fetches the image itself, with this policy rather than with the function's role.
resource "aws_ecr_repository_policy" "lambda" {
  repository = aws_ecr_repository.this.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "LambdaPulls"
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      Condition = { ArnEquals = { "aws:SourceArn" = local.lambda_arn } }
    }]
  })
}
