"""A stand-in for AWS STS: an HTTP server for one account."""
