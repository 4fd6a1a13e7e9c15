"""What this side did wrong. A peer's fault is never an exception: it is the last event (`events.Ended`)."""


class LocalProtocolError(Exception):
    """We asked for something FIX 4.2 or the session's state does not allow: a bug here, never the peer's doing."""
