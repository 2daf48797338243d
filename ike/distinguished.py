"""An X.501 name in DER, read far enough to show it to people; it never decides whether two names are equal."""

from ike.errors import MalformedError
from ike.wire import Reader


def describe(der: bytes) -> str:
    """Write a DER name as "C=JP, O=Hospital, CN=gateway", as encoded; a comma inside a value wears a backslash.

    Name ::= SEQUENCE OF SET OF SEQUENCE { type OBJECT IDENTIFIER, value ANY }   (RFC 5280 §4.1.2.4)
    """
    outer = Reader(der)
    names = _element(outer, SEQUENCE)
    outer.end()
    parts = []
    while names.remaining:
        relative = _element(names, SET)
        while relative.remaining:
            parts.append(_attribute(_element(relative, SEQUENCE)))
    return ", ".join(parts)


def _attribute(body: Reader) -> str:
    kind = _element(body, OBJECT_IDENTIFIER).rest()
    tag, value = _any(body)
    body.end()
    text = value.rest().decode(CODECS.get(tag, "utf-8"), "backslashreplace")
    return f"{SHORT_NAMES.get(kind, kind.hex())}={text.replace(',', COMMA)}"


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
