"""Why settings of the QuickFIX family have no counterpart here, in words for the comments of an imported file.

Keys are those of QuickFIX (C++), QuickFIX/J, QuickFIX/n and QuickFIX/Go, matched whole and in any case; the first
match counts.
"""

import re

_DATABASES = "(jdbc|mysql|postgresql|odbc|sql|mongo|sleepycat)"

_WHY: tuple[tuple[str, str], ...] = (
    (
        "the daemon has no message store: each connection begins with number 1, and the venue resends nothing",
        rf"(file|memory|null|{_DATABASES})store.*|{_DATABASES}(database|user|driver|url|dsn|connection).*|persistmessages"
        r"|(sendredundant|resendrequest|closedresend|enablenextexpected|validatesequence|requiresorig).*",
    ),
    ("the window is the `schedule`", "(start|end)(time|day)|timezone|weekdays|nonstopsession|uselocaltime"),
    ("always reset, as the venue demands", "(reset|refresh)on.*|forceresync|enablelastmsgseqnumprocessed"),
    ("reconnecting with back-off is built in", "reconnect.*"),
    ("a Java key store cannot be read; export its CA as PEM for `ca_file`", "sockettruststore.*|truststoretype"),
    (
        "the venue asks for no certificate of ours; the API key says who we are",
        "(client|server)certificate.*|socketkeystore.*|keystoretype|socket(privatekey|certificate)file"
        "|sslcertificate(password)?|needclientauth|sslrequireclientcertificate",
    ),
    (
        "secrets stay out of this file; put it into the session's credential",
        ".*(pass|passphrase|password|user|username|secret|secret_?key|api_?key|access_?key|token)",
    ),
    ("`ca_file` is one PEM file; put the directory's certificates into one", "certificationauthoritiesdirectory"),
    (
        "the venue's certificate and host name are always verified",
        "certificat(e|ion)verif.*|sslvalidatecertificates.*|socketinsecureskipverify|endpointidentificationalgorithm",
    ),
    ("revocation lists are not read", "certificaterevocation.*|sslcheckcertificaterevocation"),
    (
        "TLS 1.2 or newer with SNI, always",
        "sslprotocols?|enabledprotocols|(ssl)?ciphersuites?|socketminimumtlsversion|usesni",
    ),
    ("milliseconds, as the venue has them", "millisecondsintimestamp|timestampprecision"),
    (
        "the daemon logs to stderr, which the service manager keeps; `primefixd decode` reads old logs",
        f"(file|screen|event|slf4j|debugfile|{_DATABASES})?log.*(?<!timeout)",
    ),
    (
        "the venue's messages are built in, and always checked",
        ".*datadictionary.*|validat.*|allowunknown.*|check(groups?.*|compid)|reject(invalid|message).*|preservemessage.*",
    ),
    ("clocks are compared always: at 4 s apart no new order leaves", "checklatency|maxlatency"),
    (
        "built in, with bounds",
        "log(on|out)timeout|heartbeattimeout.*|testrequest.*|disconnect.*|socket(connect|send|receive)?timeout",
    ),
    ("the daemon keeps to one address; a name may stand for several", "socketconnect(host|port)[0-9]+"),
    (
        "the daemon accepts no FIX connections",
        "socketaccept.*|acceptortemplate|.*dynamicsession.*|allowedremoteaddresses",
    ),
    ("the system chooses the local address", "socketlocal.*"),
    ("the daemon connects directly; a tunnel on this machine may stand between", "proxy.*"),
    ("the daemon's sockets need no tuning", "socket.*"),
    ("the venue takes no such field", "(sender|target)(subid|locationid)|deliverto.*|onbehalfof.*|defaultapplverid"),
)
_PATTERNS = tuple((re.compile(pattern, re.IGNORECASE), why) for why, pattern in _WHY)


def why_left_out(key: str) -> str:
    """Why the setting `key` is not carried over."""
    return next((why for pattern, why in _PATTERNS if pattern.fullmatch(key)), "the daemon has no such setting")
