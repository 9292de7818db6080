"""HTTP around the service: TLS, tokens, parsing with suspicion, throttling, the request log."""
