"""The checks, one frozen class per rule: each judges facts, none looks for itself or reads a policy."""
