"""What is configured: read whole, judged whole, then frozen.

Every problem of a file is found in one reading and told in one line that names the file and the key. Nobody below
this room judges a config, and nobody above it meets a bad one.
"""

from mayfly.config.load import is_as_on_disk, load, load_document
from mayfly.config.model import Config, KeyProfile, OnePassword, Profile, RoleProfile
from mayfly.config.values import REFRESH_MODES


__all__ = [
    "REFRESH_MODES",
    "Config",
    "KeyProfile",
    "OnePassword",
    "Profile",
    "RoleProfile",
    "is_as_on_disk",
    "load",
    "load_document",
]
