"""Who one is and the proof of it: identities, certificates, signatures, EAP; it never judges them."""

from dataclasses import dataclass
from struct import pack
from typing import ClassVar, Self

from ike.identity import Identity
from ike.registry import PayloadType
from ike.wire import Reader


@dataclass(frozen=True, slots=True)
class _Identification:
    """Who an end claims to be; the reserved bytes are kept because AUTH covers them (RFC 7296 §2.15, §3.5).

    +---------+----------------+-- ...
    | ID type |   reserved     | data
    +---------+----------------+-- ...
    """

    kind: int
    data: bytes
    reserved: bytes = bytes(3)

    @classmethod
    def of(cls, identity: Identity) -> Self:
        """Claim an identity."""
        return cls(identity.kind, identity.data)

    @classmethod
    def decode(cls, body: Reader) -> Self:
        """Read the body."""
        kind, reserved = body.u8(), body.take(3)
        return cls(kind, body.rest(), reserved)

    def encode(self) -> bytes:
        """Write the body, which is also what AUTH covers."""
        return pack("!B3s", self.kind, self.reserved) + self.data

    @property
    def identity(self) -> Identity:
        """The identity claimed."""
        return Identity(self.kind, self.data)


@dataclass(frozen=True, slots=True)
class IdInitiator(_Identification):
    """Who the initiator claims to be (RFC 7296 §3.5)."""

    type: ClassVar[int] = PayloadType.ID_INITIATOR


@dataclass(frozen=True, slots=True)
class IdResponder(_Identification):
    """Who the responder claims to be, or is asked to be (RFC 7296 §3.5)."""

    type: ClassVar[int] = PayloadType.ID_RESPONDER


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate, in a payload of its own (RFC 7296 §3.6)."""

    type: ClassVar[int] = PayloadType.CERT
    encoding: int
    data: bytes

    @classmethod
    def decode(cls, body: Reader) -> Self:
        """Read the body."""
        return cls(body.u8(), body.rest())

    def encode(self) -> bytes:
        """Write the body."""
        return pack("!B", self.encoding) + self.data


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """The trust anchors one would accept, as concatenated SHA-1 hashes of their public keys (RFC 7296 §3.7)."""

    type: ClassVar[int] = PayloadType.CERTREQ
    encoding: int
    authorities: bytes

    @classmethod
    def decode(cls, body: Reader) -> Self:
        """Read the body."""
        return cls(body.u8(), body.rest())

    def encode(self) -> bytes:
        """Write the body."""
        return pack("!B", self.encoding) + self.authorities


@dataclass(frozen=True, slots=True)
class Authentication:
    """A signature or MAC over what this end has sent (RFC 7296 §3.8).

    +--------+----------------+-- ...
    | method |   reserved     | data
    +--------+----------------+-- ...
    """

    type: ClassVar[int] = PayloadType.AUTH
    method: int
    data: bytes

    @classmethod
    def decode(cls, body: Reader) -> Self:
        """Read the body; the reserved bytes are ignored (RFC 7296 §2.5)."""
        method = body.u8()
        body.take(3)
        return cls(method, body.rest())

    def encode(self) -> bytes:
        """Write the body."""
        return pack("!B3x", self.method) + self.data


@dataclass(frozen=True, slots=True)
class Eap:
    """One EAP message (RFC 7296 §3.16, RFC 3748 §4)."""

    type: ClassVar[int] = PayloadType.EAP
    data: bytes

    @classmethod
    def decode(cls, body: Reader) -> Self:
        """Read the body."""
        return cls(body.rest())

    def encode(self) -> bytes:
        """Write the body."""
        return self.data
