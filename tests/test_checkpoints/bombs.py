"""What runs code when a file with it is read without care."""


class Bomb:
    """Runs code when it is unpickled without care."""

    exploded = 0

    def __reduce__(self):
        return (explode, ())


def explode():
    Bomb.exploded += 1
