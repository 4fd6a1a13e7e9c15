"""Secrets from where the configuration says they are. It never repeats one, nor text that may be one.

Each is `{credential: NAME}`, `{file: PATH}`, `{env: NAME}` or `{value: TEXT}` (contract.md section 2).
"""

import re
import stat
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from primefixd.secret import Secret
from primefixd.strict import Wrong, shown

SECRET_MAX_BYTES = 4096  # of a file; a larger one is no key, secret, passphrase or token
PATH_SHOWN_MAX_CHARS = 200
_KINDS = ("credential", "file", "env", "value")
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}")


@frozen(kw_only=True)
class Found:
    secret: Secret
    warning: str | None = None


@frozen(kw_only=True)
class Sources:
    """`directory` holds credentials, None where there is none; `base` is what relative paths start from.

    `exposed` says that others can read the configuration file, so that no secret may stand in it.
    """

    directory: Path | None
    env: Mapping[str, str]
    base: Path
    exposed: bool

    def read(self, source: object) -> Found:
        """The secret that `source`, a value out of the configuration, tells of; raises Wrong."""
        kind, text = _told(source)
        match kind:
            case "credential":
                return self._credential(text)
            case "file":
                return _from_file(self.base / text)
            case "env":
                if text not in self.env:
                    raise Wrong(f"names the environment variable {shown(text)}, which is not set; set it")
                return Found(secret=_secret(self.env[text], f"the environment variable {shown(text)}"))
        return self._value(text)

    def _credential(self, name: str) -> Found:
        if not _NAME.fullmatch(name):
            raise Wrong("must name a credential by its file name: letters, digits, '.', '_' and '-'")
        if self.directory is None:
            what = "start under systemd with LoadCredential=, or pass --credentials DIR"
            raise Wrong(f"names the credential {name}, and there is no credentials directory; {what}")
        return _from_file(self.directory / name)

    def _value(self, text: str) -> Found:
        if self.exposed:
            raise Wrong("is a secret in a file that others can read; make it mode 0600, or use {credential: NAME}")
        return Found(
            secret=_secret(text, "the value"), warning="is a secret in the configuration; {credential: NAME} is safer"
        )


def _told(source: object) -> tuple[str, str]:
    if isinstance(source, dict) and len(source) == 1:
        ((kind, text),) = source.items()
        if kind in _KINDS and isinstance(text, str):
            return kind, text
    forms = ", ".join(f"{{{kind}: …}}" for kind in _KINDS)
    raise Wrong(f"must be one of {forms}, with a text (in quotes if it looks like a number)")


def _from_file(path: Path) -> Found:
    place = shown(str(path), PATH_SHOWN_MAX_CHARS)
    try:
        mode = path.stat().st_mode
        text = _start(path) if stat.S_ISREG(mode) else None
    except (OSError, ValueError) as error:
        raise Wrong(f"names {place}, which cannot be read: {why(error)}; make it, readable to the daemon") from None
    if text is None:
        raise Wrong(f"names {place}, which is not a file")
    if len(text) > SECRET_MAX_BYTES:
        raise Wrong(f"names {place}, which is larger than any secret ({SECRET_MAX_BYTES} bytes)")
    open_to_all = "can be read by every user of this machine; make it mode 0600"
    warning = f"names {place}, which {open_to_all}" if mode & stat.S_IROTH else None
    return Found(secret=_secret(text.decode("utf-8", "replace").rstrip("\r\n"), place), warning=warning)


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(SECRET_MAX_BYTES + 1)


def why(error: OSError | ValueError) -> str:
    """Why a path cannot be read, in the system's words."""
    return error.strerror.lower() if isinstance(error, OSError) and error.strerror else "no such path"


def _secret(text: str, place: str) -> Secret:
    if not text:
        raise Wrong(f"is empty: {place} holds nothing")
    if not text.isprintable() or "\N{REPLACEMENT CHARACTER}" in text:
        raise Wrong(f"cannot be a secret: {place} holds more than one line of plain text")
    return Secret(text)
