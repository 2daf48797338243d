"""The one translation from a negotiated Child SA to the data plane's own words."""

from collections.abc import Mapping
from typing import Literal

import esp
from ike.effects import ChildSa
from ike.registry import Encr
from ike.selectors import Selector


def sa_of(child: ChildSa, direction: Literal["in", "out"]) -> esp.Sa:
    """Give the data plane one direction of a Child SA."""
    inbound = direction == "in"
    return esp.Sa(
        spi=child.spi_in if inbound else child.spi_out,
        cipher=CIPHERS[child.suite.encr.id, child.suite.encr.key_bits],
        key=child.key_in if inbound else child.key_out,
        local=tuple(map(_selector, child.local)),
        remote=tuple(map(_selector, child.remote)),
    )


def _selector(selector: Selector) -> esp.Selector:
    return esp.Selector(
        protocol=selector.protocol,
        ports=(selector.port_start, selector.port_end),
        start=selector.start,
        end=selector.end,
    )


CIPHERS: Mapping[tuple[int, int | None], esp.Cipher] = {
    (Encr.AES_GCM_16, 128): esp.Cipher.AES_128_GCM,
    (Encr.AES_GCM_16, 256): esp.Cipher.AES_256_GCM,
    (Encr.CHACHA20_POLY1305, None): esp.Cipher.CHACHA20_POLY1305,
}
