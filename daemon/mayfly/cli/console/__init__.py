"""`mayfly console`: the AWS console in a browser, by AWS's federation endpoint."""
