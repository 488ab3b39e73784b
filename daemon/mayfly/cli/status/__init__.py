"""`mayfly status`: the page of the daemon's status, once or live."""
