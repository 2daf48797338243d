"""All cryptography of IKE: the only room that imports `cryptography` and `OpenSSL`; it draws no dice of its own.

RSA-PSS salts and ECDSA nonces come from the library: the named exceptions.
"""

from ike.crypto.box import Box, IntegrityError, box_for, encryption_key_size, integrity_key_size
from ike.crypto.certificates import CertificateError, read_pem
from ike.crypto.chain import Role
from ike.crypto.exchange import Dice, KeyAgreement, generate
from ike.crypto.names import distinguished_name
from ike.crypto.prf import Prf, prf, sha1, sha256
from ike.crypto.scheme import Family, SignatureScheme
from ike.crypto.signature import FileKey, load_private_key, verify

__all__ = [
    "Box",
    "CertificateError",
    "Dice",
    "Family",
    "FileKey",
    "IntegrityError",
    "KeyAgreement",
    "Prf",
    "Role",
    "SignatureScheme",
    "box_for",
    "distinguished_name",
    "encryption_key_size",
    "generate",
    "integrity_key_size",
    "load_private_key",
    "prf",
    "read_pem",
    "sha1",
    "sha256",
    "verify",
]
