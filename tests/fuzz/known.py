"""Faults that are known: each is asserted to be one still, until it is not.

Attack and kind of damage -> why it is not mended yet.
"""

KNOWN: dict[str, str] = {}
