"""How much of its space AWS needs for session policies and tags once they are packed.

An assumption throughout: AWS documents that it packs them, that the packed form has a limit of its own, and that it
tells the percentage (API reference, PackedPolicySize). It documents neither the form nor the limit. Here the form is
zlib's, and the limit such that ordinary policies of 2,048 characters fit and random ones do not.
"""

import re
import zlib

from collections.abc import Mapping

from mayfly.demo.sts.responses import StsError


PACKED_BYTES = 1100

_PACKED = re.compile(r"Policy|PolicyArns\.member\.\d+\.arn|Tags\.member\.\d+\.(Key|Value)", re.ASCII)


def packed_percent(parameters: Mapping[str, str]) -> int | None:
    """The percentage for a request with these parameters; None if it has neither policies nor tags.

    Raises StsError, PackedPolicyTooLarge in AWS's words, above a hundred.
    """
    texts = [value for name, value in parameters.items() if _PACKED.fullmatch(name)]
    if not texts:
        return None
    percent = -(-100 * len(zlib.compress("\n".join(texts).encode())) // PACKED_BYTES)
    if percent > 100:
        message = f"Packed policy consumes {percent}% of allotted space, please use smaller policy."
        raise StsError(400, "PackedPolicyTooLarge", message)
    return percent
