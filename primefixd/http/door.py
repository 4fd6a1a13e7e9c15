"""Who may ask at all: what a page of another site could make a browser send is turned away before anything is done.

The control plane turns away the same (contract.md section 3, authentication).
"""

from collections.abc import Collection, Mapping

from primefixd.http.server import Answer, Respond
from primefixd.websocket import is_loopback_host

READING = ("GET", "HEAD")


def guarded(respond: Respond, methods: Collection[str] = READING, origins: Collection[str] = ()) -> Respond:
    """`respond`, for requests of these methods whose Host is a loopback name and whose Origin, if any, is listed.

    After DNS rebinding a page's requests carry the attacker's own name as Host; Origin names the page.
    """

    def answer(method: str, target: str, headers: Mapping[str, str]) -> Answer:
        host, origin = headers.get("host"), headers.get("origin")
        if host is None:
            return refused(400, "The Host header is missing.")
        if not is_loopback_host(host):
            return refused(403, "Host must be a loopback name, such as localhost or 127.0.0.1.")
        if origin is not None and origin not in origins:
            return refused(403, "Requests with an Origin of another page are refused.")
        if method not in methods:
            return refused(405, f"Only {', '.join(methods)} is understood here.", ("allow", ", ".join(methods)))
        return respond(method, target, headers)

    return answer


def refused(status: int, sentence: str, *headers: tuple[str, str]) -> Answer:
    """An answer of one line of text."""
    return Answer(status, sentence.encode() + b"\n", "text/plain; charset=utf-8", headers)
