"""/docs: Swagger UI from our own host, under a strict Content-Security-Policy."""
