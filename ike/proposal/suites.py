"""Suites by the words of a policy, as in "aes256gcm16-prfsha384-ecp384"; it never lets a broken algorithm through."""

from collections.abc import Iterable

from ike.errors import ConfigError
from ike.proposal.transforms import Proposal, Transform
from ike.registry import Encr, Esn, Group, Integ, Prf, ProtocolId, TransformType, name_of


def parse(text: str, protocol: int = ProtocolId.IKE, number: int = 1) -> Proposal:
    """Read one suite; several words of one kind are alternatives, best first.

    An IKE suite names cipher, PRF (or, with AES-CBC, a hash that stands for both) and group.
    An ESP suite names its cipher, and a group if rekeys shall make a fresh key exchange.
    """
    named = [_transform(word, text) for word in text.split("-")]
    if len(set(named)) != len(named):
        raise ConfigError(f'the suite "{text}" names an algorithm twice', code=CODE)
    transforms = _complete_esp(named, text) if protocol == ProtocolId.ESP else _complete_ike(named, text)
    ordered = sorted(transforms, key=lambda transform: transform.type)
    return Proposal(number, protocol, b"", tuple(ordered))


def parse_all(texts: Iterable[str], protocol: int = ProtocolId.IKE) -> tuple[Proposal, ...]:
    """Read suites in order of preference."""
    return tuple(parse(text, protocol, number) for number, text in enumerate(texts, 1))


def format(proposal: Proposal) -> str:
    """Write a proposal in the words `parse` reads; an algorithm without a word shows its number."""
    hidden = _implied(proposal.transforms)
    shown = [t for t in proposal.transforms if t not in hidden and t not in SILENT]
    return "-".join(_word(transform) for transform in shown)


def is_aead(transform: Transform) -> bool:
    """Tell whether a cipher brings its own integrity."""
    return transform.type == TransformType.ENCR and transform.id in AEAD


def _transform(word: str, text: str) -> Transform:
    if word in NEVER:
        raise ConfigError(f'the suite "{text}" asks for {NEVER[word]}, which is refused for good', code=CODE)
    if word not in KEYWORDS:
        raise ConfigError(f'the suite "{text}" has the unknown word "{word}"; known: {", ".join(KEYWORDS)}', code=CODE)
    return KEYWORDS[word]


def _complete_ike(named: list[Transform], text: str) -> list[Transform]:
    ciphers = _of(named, TransformType.ENCR)
    prfs = _of(named, TransformType.PRF)
    if not ciphers or not _of(named, TransformType.KE):
        raise ConfigError(f'the IKE suite "{text}" must name a cipher and a key exchange group', code=CODE)
    if len({is_aead(cipher) for cipher in ciphers}) == 2:
        raise ConfigError(f'the suite "{text}" mixes AEAD and CBC ciphers; write them as two suites', code=CODE)
    integrity = _of(named, TransformType.INTEG)
    if is_aead(ciphers[0]):
        if integrity or not prfs:
            raise ConfigError(f'the IKE suite "{text}" needs a PRF word such as prfsha384 and no other hash', code=CODE)
        return named
    if not integrity:
        raise ConfigError(f'the IKE suite "{text}" has a CBC cipher without a hash such as sha256', code=CODE)
    return named if prfs else named + [IMPLIED_PRF[one] for one in integrity]


def _complete_esp(named: list[Transform], text: str) -> list[Transform]:
    ciphers = _of(named, TransformType.ENCR)
    if not ciphers or not all(map(is_aead, ciphers)):
        raise ConfigError(f'the ESP suite "{text}" needs an AEAD cipher such as aes256gcm16', code=CODE)
    if _of(named, TransformType.PRF) or _of(named, TransformType.INTEG):
        raise ConfigError(f'the ESP suite "{text}" takes a cipher and perhaps a group, no hash', code=CODE)
    return [*named, *SILENT]


def _implied(transforms: tuple[Transform, ...]) -> tuple[Transform, ...]:
    """Find the PRFs that `parse` would add by itself."""
    prfs = tuple(t for t in transforms if t.type == TransformType.PRF)
    return prfs if prfs == tuple(IMPLIED_PRF.get(t) for t in transforms if t.type == TransformType.INTEG) else ()


def no_stronger_than(cipher: Transform, proposals: Iterable[Proposal]) -> tuple[Proposal, ...]:
    """Leave out the proposals with a cipher of more key bits than this one; ChaCha20 has 256."""
    most = _strength(cipher)
    return tuple(one for one in proposals if all(_strength(each) <= most for each in one.of(TransformType.ENCR)))


def _strength(cipher: Transform) -> int:
    return CHACHA20_BITS if cipher.key_bits is None else cipher.key_bits


def _of(transforms: list[Transform], kind: int) -> list[Transform]:
    return [transform for transform in transforms if transform.type == kind]


def _word(transform: Transform) -> str:
    if transform in WORDS:
        return WORDS[transform]
    bits = "" if transform.key_bits is None else f"/{transform.key_bits}"
    return f"{name_of(TransformType, transform.type).lower()}:{transform.id}{bits}"


# Fixed: IANA numbers by strongSwan's words, which hospital IT already writes in its routers
KEYWORDS = {
    "aes256gcm16": Transform(TransformType.ENCR, Encr.AES_GCM_16, 256),
    "aes128gcm16": Transform(TransformType.ENCR, Encr.AES_GCM_16, 128),
    "chacha20poly1305": Transform(TransformType.ENCR, Encr.CHACHA20_POLY1305),
    "aes256": Transform(TransformType.ENCR, Encr.AES_CBC, 256),
    "aes128": Transform(TransformType.ENCR, Encr.AES_CBC, 128),
    "sha256": Transform(TransformType.INTEG, Integ.HMAC_SHA2_256_128),
    "sha384": Transform(TransformType.INTEG, Integ.HMAC_SHA2_384_192),
    "sha512": Transform(TransformType.INTEG, Integ.HMAC_SHA2_512_256),
    "prfsha256": Transform(TransformType.PRF, Prf.HMAC_SHA2_256),
    "prfsha384": Transform(TransformType.PRF, Prf.HMAC_SHA2_384),
    "prfsha512": Transform(TransformType.PRF, Prf.HMAC_SHA2_512),
    "ecp256": Transform(TransformType.KE, Group.ECP_256),
    "ecp384": Transform(TransformType.KE, Group.ECP_384),
    "ecp521": Transform(TransformType.KE, Group.ECP_521),
    "x25519": Transform(TransformType.KE, Group.CURVE25519),
    "modp2048": Transform(TransformType.KE, Group.MODP_2048),
    "modp3072": Transform(TransformType.KE, Group.MODP_3072),
    "modp4096": Transform(TransformType.KE, Group.MODP_4096),
}
WORDS = {transform: word for word, transform in KEYWORDS.items()}
CHACHA20_BITS = 256
IMPLIED_PRF = {KEYWORDS[f"sha{size}"]: KEYWORDS[f"prfsha{size}"] for size in (256, 384, 512)}
AEAD = frozenset({Encr.AES_GCM_16, Encr.CHACHA20_POLY1305})
SILENT = (Transform(TransformType.ESN, Esn.NO_ESN),)

# Our choices
CODE = "config.suite"
NEVER = {
    "null": "no encryption",
    "des": "DES",
    "3des": "3DES",
    "md5": "MD5",
    "sha1": "SHA-1",
    "sha": "SHA-1",
    "prfmd5": "MD5",
    "prfsha1": "SHA-1",
    "modp768": "a 768 bit group",
    "modp1024": "a 1024 bit group",
    "modp1536": "a 1536 bit group",
    "modp1024s160": "a 1024 bit group",
}
IKE_DEFAULT = parse_all(
    ("aes256gcm16-prfsha384-ecp384", "aes256gcm16-prfsha256-x25519", "aes256gcm16-prfsha256-ecp256"),
)
IKE_COMPATIBLE = IKE_DEFAULT + tuple(
    parse(text, number=number)
    for number, text in enumerate(
        (
            "aes256gcm16-prfsha384-prfsha256-prfsha512-modp4096-modp3072-modp2048",
            "aes256-aes128-sha384-sha256-sha512-ecp384-x25519-ecp256-modp4096-modp3072-modp2048",
        ),
        len(IKE_DEFAULT) + 1,
    )
)
ESP_DEFAULT = parse_all(("aes256gcm16", "aes128gcm16", "chacha20poly1305"), ProtocolId.ESP)
