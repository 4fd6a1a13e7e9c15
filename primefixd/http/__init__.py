"""HTTP/1.1 on the loopback, the small part of it that is needed here: metrics, and the REST of the sandbox."""

from primefixd.http.door import guarded, refused
from primefixd.http.server import Answer, Respond, serve

__all__ = ["Answer", "Respond", "guarded", "refused", "serve"]
