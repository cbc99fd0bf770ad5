"""What operators need: metrics, logs, request ids, and which version this is."""
