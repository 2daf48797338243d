"""A peer on a private message bus that claims whatever a test has it claim, true or not."""

from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

Claims = dict[tuple[str, str], dict[str, Variant]]
Settings = dict[tuple[str, str], dict[str, dict[str, Variant]]]


async def impostor(address: str, claims: Claims | None, *names: str, settings: Settings | None = None) -> MessageBus:
    """Take the names and answer with these properties and settings; None never answers."""

    def answer(message: Message) -> Message | bool:
        if message.message_type is not MessageType.METHOD_CALL:
            return False
        if claims is None:
            return True
        told = (settings or {}).get((str(message.path), str(message.member)))
        if told is not None:
            return Message.new_method_return(message, "a{sa{sv}}", [told])
        values = claims.get((str(message.path), message.body[0] if message.body else ""))
        if values is None:
            return Message.new_error(message, "org.freedesktop.DBus.Error.UnknownObject", "\x1b[2J gone")
        return Message.new_method_return(message, "a{sv}", [values])

    bus = await MessageBus(bus_address=address, bus_type=BusType.SYSTEM).connect()
    bus.add_message_handler(answer)
    for name in names:
        await bus.request_name(name)
    return bus
