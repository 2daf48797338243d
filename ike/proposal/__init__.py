"""Suites: offered, parsed, chosen and checked."""

from ike.proposal.choice import check_chosen, choose
from ike.proposal.suites import (
    ESP_DEFAULT,
    IKE_COMPATIBLE,
    IKE_DEFAULT,
    format,
    is_aead,
    no_stronger_than,
    parse,
    parse_all,
)
from ike.proposal.transforms import (
    Proposal,
    Transform,
    decode_proposals,
    encode_proposals,
    groups,
    with_group,
    with_spi,
    without_group,
)

__all__ = [
    "ESP_DEFAULT",
    "IKE_COMPATIBLE",
    "IKE_DEFAULT",
    "Proposal",
    "Transform",
    "check_chosen",
    "choose",
    "decode_proposals",
    "encode_proposals",
    "format",
    "groups",
    "is_aead",
    "no_stronger_than",
    "parse",
    "parse_all",
    "with_group",
    "with_spi",
    "without_group",
]
