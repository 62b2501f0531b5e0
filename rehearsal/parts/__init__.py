"""Genuine parts: programs against which the world's stand-ins are checked.

    from rehearsal.parts import find, need

    find("postfix")     # Path, or None where it is not installed
    need("postfix")     # Path; PartMissingError names the command that installs it

`python -m rehearsal.parts` lists and installs them.
"""

from rehearsal.parts.finder import PartMissingError, cache, find, need

__all__ = ["PartMissingError", "cache", "find", "need"]
