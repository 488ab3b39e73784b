"""`python -m mayfly`, and the `mayfly` command."""

import gc
import os
import sys


# They run in every shell start-up, before every `aws` command or in every prompt. They live for some ms, so collecting
# garbage would only make their imports slower, and Python's exit would free memory that the kernel frees anyway.
ENDS_AT_ONCE = {"env", "credential-process", "status", "prompt"}


def main() -> int:
    """Run the command line of this process; its exit code."""
    ends_at_once = not ENDS_AT_ONCE.isdisjoint(sys.argv[1:2])
    if ends_at_once:
        gc.disable()
    from mayfly.cli import main as run

    code = run()
    return _end(code) if ends_at_once else code


def _end(code: int) -> int:
    """End at once. Returns if the output cannot be written, which Python's exit tells."""
    try:
        sys.stdout.flush()
    except OSError:
        return code
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
