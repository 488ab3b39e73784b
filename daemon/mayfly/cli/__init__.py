"""The command: parse, call, print. One file a command; what is heavy is imported by the command that needs it."""

from mayfly.cli.main import main


__all__ = ["main"]
