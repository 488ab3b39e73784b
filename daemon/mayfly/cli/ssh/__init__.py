"""`mayfly ssh`: a grant that goes to a shell on another host."""
