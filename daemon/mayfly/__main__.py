"""`python -m mayfly`, and the `mayfly` command."""

import sys

from mayfly.cli import main


if __name__ == "__main__":
    sys.exit(main())
