"""The hospital's name server, run as its own program: answers A questions for the names it was given.

Imports the standard library only; answers "no such name" to everything else and never asks anybody.

    resolver.py ADDRESS NAME=ADDRESS...
"""

import socket
import sys
from ipaddress import IPv4Address
from struct import pack, unpack_from


def main(words: list[str]) -> int:
    """Serve until ended."""
    names = {name.lower(): IPv4Address(address) for name, _, address in (word.partition("=") for word in words[1:])}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind((words[0], 53))
        print("ready", flush=True)
        while True:
            question, asker = listener.recvfrom(512)
            if reply := answer(question, names):
                listener.sendto(reply, asker)


def answer(question: bytes, names: dict[str, IPv4Address]) -> bytes:
    """Answer one question (RFC 1035 §4.1); nothing for what is not a plain question."""
    if len(question) < HEADER or question[2] & 0x80 or unpack_from("!H", question, 4) != (1,):
        return b""
    labels, at = [], HEADER
    while at < len(question) and (length := question[at]):
        labels.append(question[at + 1 : at + 1 + length].decode("ascii", "replace").lower())
        at += 1 + length
    asked = question[HEADER : at + 5]
    if len(asked) < 6:
        return b""
    address = names.get(".".join(labels))
    wants_address = unpack_from("!H", asked, len(asked) - 4) == (A,)
    record = pack("!HHHIH4s", POINTER, A, IN, 60, 4, address.packed) if address and wants_address else b""
    status = 0x8580 if address else 0x8583
    return question[:2] + pack("!HHHHH", status, 1, 1 if record else 0, 0, 0) + asked + record


# Fixed by RFC 1035
HEADER = 12
POINTER = 0xC00C
A = 1
IN = 1

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
