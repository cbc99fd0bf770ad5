# Two buckets, so that no role that reads bundles can read the cluster's snapshots (they hold its
# secrets): "data" for bundles/, music/ and, if wanted, milvus/; "snapshots" for etcd.

locals {
  buckets = {
    data      = { name = "${var.name}-${local.account}-data", noncurrent_days = 30 }
    snapshots = { name = "${var.name}-${local.account}-snapshots", noncurrent_days = 1 }
  }
}

resource "aws_s3_bucket" "this" {
  for_each = local.buckets

  bucket        = each.value.name
  force_destroy = var.disposable
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each = local.buckets

  bucket                  = aws_s3_bucket.this[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_policy" "tls_only" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "OnlyTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [aws_s3_bucket.this[each.key].arn, "${aws_s3_bucket.this[each.key].arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        Sid       = "OnlyTls12"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [aws_s3_bucket.this[each.key].arn, "${aws_s3_bucket.this[each.key].arn}/*"]
        Condition = { NumericLessThan = { "s3:TlsVersion" = "1.2" } }
      },
    ]
  })

  # Both change the bucket's access at once, and S3 refuses one of two such calls.
  depends_on = [aws_s3_bucket_public_access_block.this]
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    id     = "tidy"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }

    # Versions of a bundle are objects of their own and stay; this is for what was overwritten
    # ("latest") or deleted by hand.
    noncurrent_version_expiration {
      noncurrent_days = each.value.noncurrent_days
    }

    expiration {
      expired_object_delete_marker = true
    }
  }

  # k3s prunes the snapshots of the server that runs; those of its predecessors nobody would.
  # The newest is always minutes old, unless there was no server for two weeks.
  dynamic "rule" {
    for_each = each.key == "snapshots" ? [14] : []

    content {
      id     = "forget-old-snapshots"
      status = "Enabled"

      filter {
        prefix = "k3s/"
      }

      expiration {
        days = rule.value
      }

      abort_incomplete_multipart_upload {
        days_after_initiation = 1
      }
    }
  }

  # Milvus rewrites its segments all the time, and all that is in them is in a bundle, too.
  dynamic "rule" {
    for_each = each.key == "data" && var.milvus ? [1] : []

    content {
      id     = "forget-old-segments"
      status = "Enabled"

      filter {
        prefix = "milvus/"
      }

      noncurrent_version_expiration {
        noncurrent_days = rule.value
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}
