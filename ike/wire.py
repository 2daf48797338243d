"""A bounded cursor over bytes from the network; it never reads past its end and never copies what it skips."""

from typing import Self

from ike.errors import MalformedError


class Reader:
    """Reads big-endian numbers and byte strings in order; a read past the end is a `MalformedError`."""

    __slots__ = ("_data", "_position")

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = memoryview(data)
        self._position = 0

    @property
    def remaining(self) -> int:
        """Count the bytes not read yet."""
        return len(self._data) - self._position

    def u8(self) -> int:
        """Read one byte."""
        return int.from_bytes(self._next(1))

    def u16(self) -> int:
        """Read two bytes."""
        return int.from_bytes(self._next(2))

    def u32(self) -> int:
        """Read four bytes."""
        return int.from_bytes(self._next(4))

    def take(self, size: int) -> bytes:
        """Read exactly `size` bytes."""
        return bytes(self._next(size))

    def sub(self, size: int) -> Self:
        """Hand the next `size` bytes to a reader of their own."""
        return type(self)(self._next(size))

    def rest(self) -> bytes:
        """Read everything that is left, perhaps nothing."""
        return self.take(self.remaining)

    def end(self) -> None:
        """Insist that nothing is left."""
        if self.remaining:
            raise MalformedError(f"{self.remaining} bytes too many")

    def _next(self, size: int) -> memoryview:
        if not 0 <= size <= self.remaining:
            raise MalformedError(f"{size} bytes wanted where {self.remaining} are left")
        start = self._position
        self._position += size
        return self._data[start : self._position]
