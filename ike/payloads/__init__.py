"""The payloads of IKEv2, one frozen class each (RFC 7296 §3); they hold values and never act on them."""

from ike.payloads.negotiation import (
    CfgValue,
    Configuration,
    KeyExchange,
    Nonce,
    SecurityAssociation,
    TsInitiator,
    TsResponder,
)
from ike.payloads.notices import Delete, Notify, Unknown, VendorId
from ike.payloads.proof import Authentication, Certificate, CertificateRequest, Eap, IdInitiator, IdResponder

KnownPayload = (
    SecurityAssociation
    | KeyExchange
    | IdInitiator
    | IdResponder
    | Certificate
    | CertificateRequest
    | Authentication
    | Nonce
    | Notify
    | Delete
    | VendorId
    | TsInitiator
    | TsResponder
    | Configuration
    | Eap
)
Payload = KnownPayload | Unknown

KNOWN: dict[int, type[KnownPayload]] = {
    SecurityAssociation.type: SecurityAssociation,
    KeyExchange.type: KeyExchange,
    IdInitiator.type: IdInitiator,
    IdResponder.type: IdResponder,
    Certificate.type: Certificate,
    CertificateRequest.type: CertificateRequest,
    Authentication.type: Authentication,
    Nonce.type: Nonce,
    Notify.type: Notify,
    Delete.type: Delete,
    VendorId.type: VendorId,
    TsInitiator.type: TsInitiator,
    TsResponder.type: TsResponder,
    Configuration.type: Configuration,
    Eap.type: Eap,
}

__all__ = [
    "KNOWN",
    "Authentication",
    "Certificate",
    "CertificateRequest",
    "CfgValue",
    "Configuration",
    "Delete",
    "Eap",
    "IdInitiator",
    "IdResponder",
    "KeyExchange",
    "KnownPayload",
    "Nonce",
    "Notify",
    "Payload",
    "SecurityAssociation",
    "TsInitiator",
    "TsResponder",
    "Unknown",
    "VendorId",
]
