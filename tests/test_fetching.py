"""Fetching a policy: whole, bounded in size and time, by one interface only; whatever else a server does is refused."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.daemon import fetching
from agent.daemon.fetching import LARGEST_POLICY, LARGEST_SIGNATURE, Fetched, _content, fetch_policy
from agent.problems import Trouble
from tests.certificates import Authority

FILES = {
    "/good": b"serial: 2\n",
    "/good.sig": b"signature",
    "/unsigned": b"serial: 2\n",
    "/large": b"x" * (LARGEST_POLICY + 1),
    "/large-signature": b"serial: 2\n",
    "/large-signature.sig": b"x" * (LARGEST_SIGNATURE + 1),
}


class Page(BaseHTTPRequestHandler):
    """Answers as its path says."""

    asked: list[tuple[str, dict[str, str]]]

    def do_GET(self) -> None:
        self.asked.append((self.path, dict(self.headers)))
        match self.path.partition("?")[0]:
            case place if place in FILES:
                self.say(FILES[place])
            case "/cut":
                self.say(b"serial", length=100)
            case "/endless":
                self.send_response(200)
                self.end_headers()
                with contextlib.suppress(OSError):
                    while True:
                        self.wfile.write(b"x" * 65536)
            case "/moved":
                self.send_response(302)
                self.send_header("Location", "/good")
                self.end_headers()
            case "/slow":
                self.wfile.write(b"HTTP/1.0 200 OK\r\n")
                self.server.slow.wait(20)  # type: ignore[attr-defined]  # set by the test
            case _:
                self.send_error(404)

    def say(self, body: bytes, length: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serving(secured: ssl.SSLContext | None = None) -> Iterator[tuple[str, type[Page]]]:
    """Serve on the loopback; give the address and the handler that remembers what was asked."""
    page = type("Asked", (Page,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), page)
    server.slow = threading.Event()  # type: ignore[attr-defined]  # for the slow page
    if secured is not None:
        server.socket = secured.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http{'s' if secured else ''}://127.0.0.1:{server.server_port}", page
    finally:
        server.slow.set()  # type: ignore[attr-defined]  # as above
        server.shutdown()
        thread.join()
        server.server_close()


def fetch(url: str, interface: str = "lo") -> Fetched:
    return asyncio.run(fetch_policy(url, interface))


pytestmark = pytest.mark.lab  # only root may bind a socket to an interface


def test_a_policy_comes_with_the_signature_beside_it_and_nothing_of_this_machine_is_told():
    with serving() as (base, page):
        assert fetch(f"{base}/good?site=1") == Fetched(b"serial: 2\n", b"signature")
        assert [path for path, _ in page.asked] == ["/good?site=1", "/good.sig?site=1"]
        assert [set(headers) for _, headers in page.asked] == [{"Host", "User-Agent"}] * 2
        assert {headers["User-Agent"] for _, headers in page.asked} == {"sekisho"}


def test_a_policy_without_a_signature_is_told_as_such():
    with serving() as (base, _):
        assert fetch(f"{base}/unsigned") == Fetched(b"serial: 2\n", None)


def test_a_certificate_that_no_authority_knows_is_no_obstacle_for_the_policys_signature_counts(tmp_path: Path):
    papers = Authority.create("Somebody", "ecdsa-p256").issue("policy.hospital.test")
    (tmp_path / "pem").write_bytes(papers.pem + papers.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pem")
    with serving(context) as (base, _):
        assert fetch(f"{base}/good").signature == b"signature"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("missing", "no policy there"),
        ("large", "longer than|too long"),
        ("large-signature", "longer than|too long"),
        ("endless", "longer than"),
        ("cut", "length that it promises"),
        ("moved", "status 302"),
    ],
)
def test_what_is_no_whole_policy_is_refused_and_said_why(path: str, why: str):
    with serving() as (base, _), pytest.raises(Trouble, match=why) as met:
        fetch(f"{base}/{path}")
    assert met.value.problem.code == "policy.unfetched"


def test_a_server_that_is_slow_or_away_is_given_up(monkeypatch):
    monkeypatch.setattr(fetching, "LONGEST_FETCH", 0.3)
    with serving() as (base, _):
        with pytest.raises(Trouble, match="takes too long"):
            fetch(f"{base}/slow")
    with pytest.raises(Trouble, match="Connect call failed"):
        fetch(f"{base}/good")


def test_nothing_leaves_by_another_interface():
    with serving() as (base, page):
        with pytest.raises(Trouble, match="No such device"):
            fetch(f"{base}/good", "sekisho0")
        assert page.asked == []


@given(st.binary(max_size=200) | st.binary(max_size=100).map(b"HTTP/1.1 200 OK\r\n".__add__))
def test_whatever_a_server_says_is_a_policys_bytes_or_one_error(answer: bytes):
    with contextlib.suppress(ValueError, fetching.http.client.HTTPException):
        content = _content(answer, 100)
        assert content is None or len(content) <= 100
