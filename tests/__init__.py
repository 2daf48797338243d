"""Tests of Sekisho."""
