"""The journal of inverses: written and flushed before the first change, gone after the last is undone.

JSON lines, readable by root alone. It carries nothing out, and a journal of another boot or
namespace gives back only what outlived it: files.
"""

import base64
import binascii
import json
import os
from collections.abc import Sequence
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

from agent.network.dns import FileState, ResolverChange
from agent.network.errors import NetworkRefused, reason
from agent.network.plan import AddressChange, Change, LinkChange, LinkState, RouteChange, RuleChange

Json = dict[str, "str | int | bool | Json | None"]


class Journal:
    """One file that holds the way back."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, inverses: Sequence[Change]) -> None:
        """Store the inverses, in the order in which they are to be made, before anything is changed."""
        lines = [json.dumps({"journal": VERSION, "where": where()}), *(json.dumps(encode(each)) for each in inverses)]
        try:
            self._replace("\n".join([*lines, END, ""]).encode())
        except OSError as error:
            raise NetworkRefused("journal", f"{self.path} cannot be written: {reason(error)}") from error

    def leftover(self) -> tuple[Change, ...] | None:
        """Read what an earlier run did not undo; None when there is nothing.

        A journal that cannot be read is put aside beside its place, so that it is refused once only.
        """
        try:
            text = self.path.read_bytes().decode()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise self._unreadable() from error
        try:
            return _decode_all(text)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._unreadable() from error

    def clear(self) -> None:
        """Forget what was undone."""
        self.path.unlink(missing_ok=True)

    def _replace(self, content: bytes) -> None:
        beside = self.path.with_name(f".{self.path.name}.new")
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            beside.replace(self.path)
        except OSError:
            beside.unlink(missing_ok=True)
            raise
        _flush_folder(self.path.parent)

    def _unreadable(self) -> NetworkRefused:
        aside = self.path.with_name(f"{self.path.name}.unreadable")
        try:
            self.path.replace(aside)
        except OSError as error:
            return NetworkRefused("journal", f"{self.path} cannot be read nor put aside: {reason(error)}")
        return NetworkRefused("journal", f"{self.path} could not be read and was kept as {aside.name}")


def where() -> str:
    """Name this boot and this network namespace: interface numbers mean nothing elsewhere."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}:{Path('/proc/self/ns/net').stat().st_ino}"


def encode(change: Change) -> Json:
    """Turn a change into JSON."""
    match change:
        case LinkChange(interface, index, before, after):
            return {
                "kind": "link",
                "interface": interface,
                "index": index,
                "before": _link(before),
                "after": _link(after),
            }
        case AddressChange(add, index, address):
            return {"kind": "address", "add": add, "index": index, "address": str(address)}
        case RouteChange(add, table, network, index, source):
            told = None if source is None else str(source)
            return {
                "kind": "route",
                "add": add,
                "table": table,
                "network": str(network),
                "index": index,
                "source": told,
            }
        case RuleChange(add, family, priority, network, table, mark, target):
            to = None if network is None else str(network)
            rule: Json = {"kind": "rule", "add": add, "family": family, "priority": priority, "network": to}
            return rule | {"table": table, "mark": mark, "target": target}
        case ResolverChange(path, before, after):
            return {"kind": "resolver", "path": str(path), "before": _file(before), "after": _file(after)}


def decode(line: Json) -> Change:
    """Read a change back; raise `ValueError`, `KeyError` or `TypeError` for anything else."""
    match line["kind"]:
        case "link":
            before, after = _link_state(_object(line, "before")), _link_state(_object(line, "after"))
            return LinkChange(_text(line, "interface"), _number(line, "index"), before, after)
        case "address":
            return AddressChange(_flag(line, "add"), _number(line, "index"), ip_interface(_text(line, "address")))
        case "route":
            network = ip_network(_text(line, "network"))
            source = None if line["source"] is None else ip_address(_text(line, "source"))
            return RouteChange(
                _flag(line, "add"), _number(line, "table"), network, _number_or_none(line, "index"), source
            )
        case "rule":
            to = None if line["network"] is None else ip_network(_text(line, "network"))
            optional = (_number_or_none(line, name) for name in ("table", "mark", "target"))
            return RuleChange(_flag(line, "add"), _number(line, "family"), _number(line, "priority"), to, *optional)
        case "resolver":
            states = (_file_state(_object(line, name)) for name in ("before", "after"))
            return ResolverChange(Path(_text(line, "path")), *states)
        case other:
            raise ValueError(f"unknown kind {other!r}")


def _decode_all(text: str) -> tuple[Change, ...]:
    head, *lines, end = text.splitlines()
    opening = json.loads(head)
    if opening["journal"] != VERSION or end != END:
        raise ValueError("not a whole journal")
    changes = tuple(decode(json.loads(line)) for line in lines)
    if opening["where"] == where():
        return changes
    return tuple(change for change in changes if isinstance(change, ResolverChange))


def _link(state: LinkState) -> Json:
    return {"mtu": state.mtu, "queue": state.queue, "up": state.up}


def _link_state(line: Json) -> LinkState:
    return LinkState(_number(line, "mtu"), _number(line, "queue"), _flag(line, "up"))


def _file(state: FileState) -> Json:
    content = None if state.content is None else base64.b64encode(state.content).decode()
    owner: Json = {"mode": state.mode, "owner": state.owner, "group": state.group}
    return {"content": content, "link": state.link} | owner


def _file_state(line: Json) -> FileState:
    content = None if line["content"] is None else _bytes(_text(line, "content"))
    link = None if line["link"] is None else _text(line, "link")
    return FileState(content, link, _number(line, "mode"), _number(line, "owner"), _number(line, "group"))


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def _object(line: Json, name: str) -> Json:
    if not isinstance(value := line[name], dict):
        raise TypeError(name)
    return value


def _text(line: Json, name: str) -> str:
    if not isinstance(value := line[name], str):
        raise TypeError(name)
    return value


def _flag(line: Json, name: str) -> bool:
    if not isinstance(value := line[name], bool):
        raise TypeError(name)
    return value


def _number(line: Json, name: str) -> int:
    value = line[name]
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(name)
    return value


def _number_or_none(line: Json, name: str) -> int | None:
    return None if line[name] is None else _number(line, name)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# Our choices.
VERSION = 1
END = '{"end": true}'
