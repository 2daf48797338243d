"""Judging what was seen of the machine: facts, checks, verdict, policy. Pure: it never looks for itself."""
