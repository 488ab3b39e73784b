"""Mayfly without 1Password and AWS: a vault behind a stand-in `op`, an STS, and the story of `mayfly demo`."""
