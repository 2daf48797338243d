"""YAML as plain values that remember where they stood, and every reason to refuse the text.

It knows nothing of policies. Strict: one document, no aliases, anchors or tags, no key twice,
bounded size and depth; `yes`, `no`, `on` and `off` are words, only `true` and `false` are truth.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

Tree = None | bool | int | str | list["Tree"] | dict[str, "Tree"]
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands; line and column count from 1."""

    file: str
    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True)
class Fault:
    """One reason to refuse the text."""

    place: Place
    message: str


@dataclass(slots=True)
class Document:
    """What a text, or several laid over each other, says; where each key and value stands; what is wrong as YAML.

    `spoiled` are the paths whose value could not be read; `complete` is false when reading
    stopped half-way.
    """

    value: Tree = None
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    spoiled: set[Path] = field(default_factory=set)
    complete: bool = True


def read(text: str | bytes, file: str) -> Document:
    """Read a YAML text; what is wrong with it is in the document, never raised. The file's name is only repeated."""
    document, top = Document(), Place(file)
    try:
        raw = text if isinstance(text, bytes) else text.encode()
        if len(raw) > LARGEST_TEXT:
            raise _StopError(top, f"the file has {len(raw)} bytes; {LARGEST_TEXT} are the most that is read")
        _Composer(document, file).compose(raw.decode())
    except _StopError as stop:
        document.faults.append(stop.fault)
        document.complete = False
    except UnicodeError:
        document.faults.append(Fault(top, "the file is not UTF-8 text"))
        document.complete = False
    return document


class _StopError(Exception):
    """The rest of the text cannot be read."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.fault = Fault(place, message)


@dataclass(slots=True)
class _Frame:
    """A mapping or list that is being read; `key` is where the next value goes, None before a key."""

    path: Path
    into: dict[str, Tree] | list[Tree]
    key: str | None = None


class _Composer:
    """Builds a document from parser events with a stack of its own, so that no depth can exhaust Python's."""

    def __init__(self, document: Document, file: str) -> None:
        self.document = document
        self.file = file
        self.stack: list[_Frame] = []

    def compose(self, text: str) -> None:
        """Read the one document; stop at what YAML itself does not allow."""
        documents = 0
        for event in self._events(text):
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _StopError(self._place(event), "a second document starts here; a policy is one document")
            elif isinstance(event, yaml.NodeEvent):
                self._node(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                self.stack.pop()

    def _node(self, event: yaml.NodeEvent) -> None:
        if self._wants_key():
            self._key(event)
            return
        path = self._next_path()
        self.document.values[path] = self._place(event)
        self._refuse_marks(event, path)
        value = _value(event)
        self._store(value)
        if isinstance(value, dict | list):
            if len(self.stack) >= DEEPEST:
                raise _StopError(self._place(event), f"this is nested deeper than {DEEPEST} levels")
            self.stack.append(_Frame(path, value))

    def _wants_key(self) -> bool:
        return bool(self.stack) and isinstance(self.stack[-1].into, dict) and self.stack[-1].key is None

    def _key(self, event: yaml.NodeEvent) -> None:
        if not isinstance(event, yaml.ScalarEvent):
            raise _StopError(self._place(event), "a key must be a plain word")
        frame, key = self.stack[-1], str(event.value)
        path = (*frame.path, key)
        self._refuse_marks(event, None)
        first = self.document.keys.get(path)
        if first is None:
            self.document.keys[path] = self._place(event)
        else:
            self._fault(event, f"the key {key!r} stands here a second time; the first is on line {first.line}")
        frame.key = key

    def _next_path(self) -> Path:
        if not self.stack:
            return ()
        frame = self.stack[-1]
        return (*frame.path, frame.key if frame.key is not None else len(frame.into))

    def _store(self, value: Tree) -> None:
        if not self.stack:
            self.document.value = value
            return
        frame = self.stack[-1]
        if isinstance(frame.into, list):
            frame.into.append(value)
        elif frame.key is not None:
            frame.into.setdefault(frame.key, value)
            frame.key = None

    def _refuse_marks(self, event: yaml.NodeEvent, path: Path | None) -> None:
        if isinstance(event, yaml.AliasEvent):
            self._fault(event, f"'*{event.anchor}' is an alias; write the value out")
            if path is not None:
                self.document.spoiled.add(path)
        elif event.anchor is not None:
            self._fault(event, f"'&{event.anchor}' is an anchor; a policy has none")
        if getattr(event, "tag", None) is not None:
            self._fault(event, "a tag ('!') stands here; a policy has none")

    def _events(self, text: str) -> Iterator[yaml.Event]:
        try:
            yield from yaml.parse(text, Loader=yaml.CSafeLoader)
        except yaml.MarkedYAMLError as error:
            mark, what = error.problem_mark or error.context_mark, error.problem or error.context or "it cannot be read"
            place = Place(self.file, mark.line + 1, mark.column + 1) if mark else Place(self.file)
            raise _StopError(place, f"this is not YAML: {what}") from error
        except yaml.YAMLError as error:
            said = "this is not YAML: it holds a character that no text may hold"
            raise _StopError(Place(self.file), said) from error

    def _place(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        return Place(self.file, mark.line + 1, mark.column + 1) if mark else Place(self.file)

    def _fault(self, event: yaml.NodeEvent, message: str) -> None:
        self.document.faults.append(Fault(self._place(event), message))


def _value(event: yaml.NodeEvent) -> Tree:
    if isinstance(event, yaml.MappingStartEvent):
        return {}
    if isinstance(event, yaml.SequenceStartEvent):
        return []
    if not isinstance(event, yaml.ScalarEvent):
        return None
    text = str(event.value)
    if event.style:  # quoted or folded: a text, whatever it looks like
        return text
    if re.fullmatch(PLAIN_NUMBER, text):
        return int(text)
    return PLAIN_WORDS.get(text, text)


PLAIN_WORDS: dict[str, Tree] = {"": None, "~": None, "null": None, "true": True, "false": False}
PLAIN_NUMBER = r"-?(?:0|[1-9][0-9]{0,17})"

# Our choices.
LARGEST_TEXT = 1 << 20
DEEPEST = 32
