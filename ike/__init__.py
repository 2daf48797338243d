"""IKEv2 (RFC 7296) as a pure state machine: bytes, instants and dice in, state and effects out."""
