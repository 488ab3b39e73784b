"""Mayfly: short-lived AWS credentials from 1Password, always fresh, for every terminal."""

__version__ = "0.2.0"
