"""The exchange as a process. It lives for seconds, so garbage collection would only make its imports slower."""

import gc
import sys


if __name__ == "__main__":
    gc.disable()
    from mayfly.exchange.program import main

    sys.exit(main())
