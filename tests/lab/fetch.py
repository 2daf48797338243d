"""A small viewer's half, run as its own program inside a namespace: fetches and stores DICOM over HTTP.

Imports the standard library only, and never the rest of the lab, so it starts fast and as any user.

    fetch.py get URL                  print the answer's body
    fetch.py post URL FILE...         post each file
    fetch.py study URL                fetch a study (WADO-RS), print sha256 of each instance and what it took as JSON
"""

import hashlib
import http.client
import json
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit


def main(words: list[str]) -> int:
    """Carry out one command; any status but 200 ends with exit code 1."""
    match words:
        case ["get", url]:
            sys.stdout.buffer.write(ask("GET", url))
        case ["post", url, *files]:
            for file in files:
                ask("POST", url, Path(file).read_bytes())
        case ["study", url]:
            print(json.dumps(study(url)))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


def study(url: str) -> dict[str, object]:
    """Fetch every instance as it is stored, whatever its transfer syntax."""
    began = time.monotonic()
    body = ask("GET", url, accept='multipart/related; type="application/dicom"; transfer-syntax=*')
    seconds = time.monotonic() - began
    parts = instances(body)
    digests = sorted(hashlib.sha256(part).hexdigest() for part in parts)
    return {"sha256": digests, "bytes": sum(map(len, parts)), "seconds": seconds}


def instances(body: bytes) -> list[bytes]:
    """Cut a multipart/related body into its parts (RFC 2046 §5.1.1)."""
    delimiter = body[: body.index(b"\r\n")]
    pieces = body.split(b"\r\n" + delimiter)
    return [piece.partition(b"\r\n\r\n")[2] for piece in pieces if b"\r\n\r\n" in piece]


def ask(method: str, url: str, body: bytes | None = None, accept: str = "*/*") -> bytes:
    """Send one request and return the body of a 200, or end the program with a sentence."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.netloc, timeout=SECONDS)
    target = f"{place.path}?{place.query}" if place.query else place.path
    try:
        connection.request(method, target, body, {"Accept": accept})
        answer = connection.getresponse()
        content = answer.read()
    except OSError as failed:
        sys.exit(f"{url}: {failed}")
    if answer.status != 200:
        sys.exit(f"{url}: HTTP {answer.status} {content[:200]!r}")
    return content


# Our choices
SECONDS = 30.0

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
