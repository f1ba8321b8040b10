"""Use up the free pieces of the C library's heap in the server.

Setup leaves small free pieces all over the heap. The variables of a request would
be put into them, one here and one there, and each executor would copy a page for
each. So they are filled, and what is allocated later lies close together.

The C library allocates memory for a variable and, as a program may still hold it,
does not free that; and nothing else that Python offers allocates so little there.
"""

from posix import putenv, unsetenv

_NAME = b"PREFORK_INTERP"  # its place in the environment is ours, and free
_SIZES = range(24, 140, 16)  # in bytes: most variables are not longer
_EACH = 150
_LARGE = 1 << 17


def fill() -> None:
    """Fill the small pieces, and have the others put in order, which the next large request would do."""
    for size in _SIZES:
        digits = size - len(_NAME) - 2
        for number in range(_EACH):
            putenv(_NAME, b"%0*d" % (digits, number))
    unsetenv(_NAME)
    bytearray(_LARGE)
