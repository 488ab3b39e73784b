"""`python -m mayfly`, and the `mayfly` command."""

import os
import sys

from mayfly.cli import main as run


# They run in every shell start-up, before every `aws` command or in every prompt, and leave nothing to Python's exit,
# which frees memory for as long as a third of a bare interpreter takes.
ENDS_AT_ONCE = {"env", "credential-process", "status"}


def main() -> int:
    """Run the command line of this process; its exit code."""
    code = run()
    if ENDS_AT_ONCE.isdisjoint(sys.argv[1:2]):
        return code
    try:
        sys.stdout.flush()
    except OSError:
        return code  # Python's exit tells it
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
