"""The stand-in `op`, and the vault behind it."""
