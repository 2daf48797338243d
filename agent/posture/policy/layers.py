"""Policies laid over each other: a key that stands higher replaces the one below, and keeps its own place.

It knows no section and no key; what the whole amounts to is for `loading` to tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from agent.posture.policy.text import Document, Fault, Place, Tree, read


@dataclass(frozen=True, slots=True)
class Source:
    """One file's content, not yet read; the name is only repeated in what is said about it."""

    file: str
    text: str | bytes


def laid(sources: Sequence[Source]) -> Document:
    """Read at least one source, and lay each over those before it: mappings key by key, all else whole.

    A file that says nothing but comments changes nothing.
    """
    whole = Document(values={(): Place(sources[-1].file)})
    for source in sources:
        document = read(source.text, source.file)
        whole.complete &= document.complete
        whole.faults += document.faults
        if document.value is None:
            continue
        if not isinstance(document.value, dict):
            whole.faults.append(Fault(document.values[()], NO_SECTION))
        whole.value = _over(whole.value, document.value)
        whole.keys |= document.keys
        whole.values |= document.values
        whole.spoiled |= document.spoiled
    return whole


def _over(below: Tree, above: Tree) -> Tree:
    """Lay one value over another; a text's own depth is bounded, and so is this."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return {**below, **{key: _over(below.get(key), value) for key, value in above.items()}}


NO_SECTION = "the policy is a section: write its keys below it, each on its own line"
