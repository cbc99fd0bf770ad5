"""``python -m handler.compare``: one load, sent to the HTTP service and to the Lambda function."""
