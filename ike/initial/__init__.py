"""IKE_SA_INIT and IKE_AUTH (RFC 7296 §1.2), from either side."""
