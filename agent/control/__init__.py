"""The local socket between people's programs and the daemon: messages, both ends, and who may ask."""
