"""HTTP around the service: TLS, sign-in and tokens, strict parsing, throttling, the request log."""
