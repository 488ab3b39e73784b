"""A stand-in for 1Password's `op`, and the vault that it reads."""
