"""The embedded STS."""
