"""What the command reads and writes in ~/.aws."""
