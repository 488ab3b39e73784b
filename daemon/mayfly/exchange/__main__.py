"""The exchange as a process. Who lives for seconds has nothing to collect, and looking for it makes imports slower."""

import gc
import sys


if __name__ == "__main__":
    gc.disable()
    from mayfly.exchange.program import main

    sys.exit(main())
