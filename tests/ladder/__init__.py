"""Whole exchanges between two sessions, as the ladders of the RFCs."""
