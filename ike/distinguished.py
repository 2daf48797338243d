"""An X.501 name in DER, taken apart and shown to people; it never decides whether two names are equal."""

from dataclasses import dataclass

from ike.errors import MalformedError
from ike.wire import Reader


@dataclass(frozen=True, slots=True)
class Attribute:
    """One type and value of a name; `tag` says which kind of string the value is."""

    kind: bytes
    tag: int
    value: bytes


def read(der: bytes) -> tuple[tuple[Attribute, ...], ...]:
    """Take a name apart into its relative names, each one attribute or more.

    Name ::= SEQUENCE OF SET OF SEQUENCE { type OBJECT IDENTIFIER, value ANY }   (RFC 5280 §4.1.2.4)
    """
    outer = Reader(der)
    names = _element(outer, SEQUENCE)
    outer.end()
    parts = []
    while names.remaining:
        relative = _element(names, SET)
        attributes = []
        while relative.remaining:
            attributes.append(_attribute(_element(relative, SEQUENCE)))
        parts.append(tuple(attributes))
    return tuple(parts)


def describe(der: bytes) -> str:
    """Write a DER name as "C=JP, O=Hospital, CN=gateway", as encoded; a comma inside a value wears a backslash."""
    return ", ".join(_shown(attribute) for relative in read(der) for attribute in relative)


def _shown(attribute: Attribute) -> str:
    text = attribute.value.decode(CODECS.get(attribute.tag, "utf-8"), "backslashreplace")
    return f"{SHORT_NAMES.get(attribute.kind, attribute.kind.hex())}={text.replace(',', COMMA)}"


def _attribute(body: Reader) -> Attribute:
    kind = _element(body, OBJECT_IDENTIFIER).rest()
    tag, value = _any(body)
    body.end()
    return Attribute(kind, tag, value.rest())


def _element(reader: Reader, wanted: int) -> Reader:
    tag, body = _any(reader)
    if tag != wanted:
        raise MalformedError(f"DER tag {tag:#x} where {wanted:#x} belongs")
    return body


def _any(reader: Reader) -> tuple[int, Reader]:
    tag = reader.u8()
    length = reader.u8()
    if length > LONG_FORM:
        length = int.from_bytes(reader.take(length - LONG_FORM))
    return tag, reader.sub(length)


# Fixed by X.690 and RFC 5280
SEQUENCE, SET, OBJECT_IDENTIFIER = 0x30, 0x31, 0x06
LONG_FORM = 0x80
CODECS = {0x1E: "utf-16-be", 0x14: "latin-1"}  # BMPString, TeletexString
COMMA = "\\,"  # so that no value can pass for two (RFC 4514 §2.4)
SHORT_NAMES = {
    bytes.fromhex("550403"): "CN",
    bytes.fromhex("550405"): "serialNumber",
    bytes.fromhex("550406"): "C",
    bytes.fromhex("550407"): "L",
    bytes.fromhex("550408"): "ST",
    bytes.fromhex("55040a"): "O",
    bytes.fromhex("55040b"): "OU",
    bytes.fromhex("0992268993f22c640119"): "DC",
    bytes.fromhex("2a864886f70d010901"): "emailAddress",
}
