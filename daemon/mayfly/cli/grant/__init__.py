"""`mayfly grant`, and what the commands about grants share."""
