"""One connection to a message bus (D-Bus): properties read with their types checked, and signals heard.

Whatever a peer answers, a wrong type, an error or nothing, is a `BusError` with a reason; it calls no
method that changes anything.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Self, cast

from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus


class BusError(Exception):
    """The bus or a peer on it gave no usable answer; the text says why in one clause."""


class AbsentError(BusError):
    """There is no such peer, or no bus at all."""


class Properties:
    """The properties of one interface of one object, as a peer claims them."""

    def __init__(self, values: Mapping[object, object]) -> None:
        """Take the decoded answer, of which nothing has been checked yet."""
        self._values = values

    def number(self, name: str, absent: int | None = None) -> int:
        """Give an unsigned number; `absent`, if given, where the peer leaves it out."""
        if absent is not None and name not in self._values:
            return absent
        value = self._take(name, "u")
        if not isinstance(value, int):
            raise BusError(f"{name} is no number")
        return value

    def text(self, name: str, longest: int, absent: str | None = None) -> str:
        """Give a text of bounded length; `absent`, if given, where the peer leaves it out."""
        if absent is not None and name not in self._values:
            return absent
        value = self._take(name, "s")
        if not isinstance(value, str) or len(value) > longest:
            raise BusError(f"{name} is no text of at most {longest} characters")
        return value

    def list_of_texts(self, name: str, most: int, longest: int) -> list[str]:
        """Give a bounded list of bounded texts; empty where the peer leaves it out."""
        value = self._take(name, "as") if name in self._values else []
        if not isinstance(value, list) or len(value) > most or any(len(text) > longest for text in value):
            raise BusError(f"{name} is no list of at most {most} texts")
        return [str(text) for text in value]

    def octets(self, name: str, longest: int, absent: bytes | None = None) -> bytes:
        """Give a bounded run of bytes; `absent`, if given, where the peer leaves it out."""
        if absent is not None and name not in self._values:
            return absent
        value = self._take(name, "ay")
        if not isinstance(value, bytes) or len(value) > longest:
            raise BusError(f"{name} is longer than {longest} bytes")
        return value

    def path(self, name: str) -> str | None:
        """Give the path of an object; None where there is none, which D-Bus writes as `/`."""
        if name not in self._values:
            return None
        value = self._take(name, "o")
        return str(value) if value != "/" else None

    def paths(self, name: str, most: int) -> list[str]:
        """Give a bounded list of object paths."""
        value = self._take(name, "ao")
        if not isinstance(value, list) or len(value) > most:
            raise BusError(f"{name} lists more than {most} objects")
        return [str(path) for path in value]

    def flag(self, name: str, absent: bool | None = None) -> bool:
        """Give a yes or no; `absent`, if given, where the peer leaves it out."""
        if absent is not None and name not in self._values:
            return absent
        return self._take(name, "b") is True

    def texts(self, name: str, most: int, longest: int) -> Mapping[str, str]:
        """Give the texts of a bounded table; its other values are left out."""
        table = self._take(name, "a{sv}")
        if not isinstance(table, dict) or len(table) > most:
            raise BusError(f"{name} has more than {most} entries")
        texts = {key: cast(object, entry.value) for key, entry in table.items() if entry.signature == "s"}
        if any(len(text) > longest for text in texts.values() if isinstance(text, str)):
            raise BusError(f"{name} holds a text of more than {longest} characters")
        return {str(key): str(text) for key, text in texts.items()}

    def _take(self, name: str, signature: str) -> object:
        value = self._values.get(name)
        if not isinstance(value, Variant) or value.signature != signature:
            raise BusError(f"{name} is missing or of another type")
        return cast(object, value.value)


class Bus:
    """A connection; `closed` ends when the bus is gone, for whatever reason."""

    def __init__(self, connection: MessageBus) -> None:
        """Take over a connection that has been made."""
        self._connection = connection
        self.closed = asyncio.create_task(_wait_for_end(connection))

    @classmethod
    async def connect(
        cls, address: str | None, rules: tuple[str, ...], heard: Callable[[str, list[object]], None]
    ) -> Self:
        """Connect to the bus at an address, or to the system bus; signals that match the rules are told."""
        connection = MessageBus(bus_address=address, bus_type=BusType.SYSTEM)
        try:
            bus = cls(await connection.connect())
        except Exception as error:  # the library promises no narrower one
            raise AbsentError(f"the system bus cannot be reached ({_name(error)})") from error
        try:
            await bus._listen(rules, heard)
        except BaseException:
            await bus.close()
            raise
        return bus

    @property
    def is_connected(self) -> bool:
        """Tell whether the bus is still there, a moment before `closed` can."""
        return self._connection.connected

    async def properties(self, peer: str, path: str, interface: str) -> Properties:
        """Read all properties of one interface of an object."""
        values, *_ = await self._call(peer, path, PROPERTIES, "GetAll", "s", interface) or [None]
        return _properties(peer, values)

    async def sections(
        self, peer: str, path: str, interface: str, member: str, signature: str = "", *arguments: object
    ) -> Mapping[str, Properties]:
        """Ask an object for its settings by a method that only tells them: properties, by their section."""
        values, *_ = await self._call(peer, path, interface, member, signature, *arguments) or [None]
        if not isinstance(values, dict) or len(values) > MOST_SECTIONS:
            raise BusError(f"{peer} answered with something else than settings")
        return {str(name): _properties(peer, section) for name, section in values.items()}

    async def close(self) -> None:
        """Leave the bus."""
        self._connection.disconnect()
        await self.closed

    async def _listen(self, rules: tuple[str, ...], heard: Callable[[str, list[object]], None]) -> None:
        def tell(message: Message) -> None:
            if message.message_type is MessageType.SIGNAL:
                heard(message.member or "", message.body)

        self._connection.add_message_handler(tell)
        for rule in rules:
            await self._call(BUS, "/org/freedesktop/DBus", BUS, "AddMatch", "s", rule)

    async def _call(
        self, peer: str, path: str, interface: str, member: str, signature: str, *arguments: object
    ) -> list[object]:
        if not self.is_connected:
            raise BusError("the system bus is gone")
        try:
            message = Message(peer, path, interface, member, signature=signature, body=list(arguments))
            answer = await self._connection.call(message)
        except Exception as error:  # the library promises no narrower one
            raise BusError(f"{peer} did not answer ({_name(error)})") from error
        if answer.error_name in NOBODY:
            raise AbsentError("it is not running")
        if answer.message_type is not MessageType.METHOD_RETURN:
            raise BusError(REFUSALS.get(answer.error_name or "", f"{peer} refused to answer"))
        return list(answer.body)


class Line:
    """The way to a bus: connects when first needed, and again once the bus had gone; `lost` is told that it goes."""

    def __init__(
        self,
        address: str | None,
        rules: tuple[str, ...],
        heard: Callable[[str, list[object]], None],
        lost: Callable[[], None],
    ) -> None:
        """Remember where the bus is, or that it is the system bus, and what is to be heard there."""
        self._address = address
        self._rules = rules
        self._heard = heard
        self._lost = lost
        self._bus: Bus | None = None
        self._connecting = asyncio.Lock()

    async def bus(self) -> Bus:
        """Give the connection; raise `BusError` when there is no bus."""
        async with self._connecting:
            if self._bus is None or not self._bus.is_connected:
                self._bus = await Bus.connect(self._address, self._rules, self._heard)
                self._bus.closed.add_done_callback(lambda _: self._lost())
            return self._bus

    async def close(self) -> None:
        """Leave the bus."""
        if self._bus is not None:
            await self._bus.close()


def _properties(peer: str, values: object) -> Properties:
    if not isinstance(values, dict):
        raise BusError(f"{peer} answered with something else than properties")
    return Properties(values)


async def _wait_for_end(connection: MessageBus) -> None:
    try:
        await connection.wait_for_disconnect()  # type: ignore[no-untyped-call]  # dbus-fast leaves it untyped
    except Exception:  # the library promises no narrower one, and why it ended makes no difference
        return


def _name(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__


# Fixed by the D-Bus specification.
BUS = "org.freedesktop.DBus"
PROPERTIES = "org.freedesktop.DBus.Properties"
NOBODY = frozenset({"org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner"})
REFUSALS: Mapping[str, str] = {
    "org.freedesktop.DBus.Error.UnknownObject": "an object is gone",
    "org.freedesktop.DBus.Error.UnknownMethod": "an object is gone",
    "org.freedesktop.DBus.Error.AccessDenied": "asking it is not allowed",
    "org.freedesktop.DBus.Error.NoReply": "it gave no answer",
}

# Our choice.
MOST_SECTIONS = 64
