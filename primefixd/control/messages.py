"""What clients may ask: JSON-RPC 2.0 text into typed calls, or into the failure to answer with.

Strict by contract.md section 3: unknown and repeated names, NaN, numbers where decimal texts belong are refused with
the path of the field and the id of the request, and nothing of such a request is executed. What is sent back is made
in `render`; who may do what, and the doing, is the server's.
"""

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from primefixd.control.parameters import METHODS, OrderReplace, OrderSubmit, Params
from primefixd.strict import (
    Invalid,
    NotJson,
    Problem,
    parse_json,
    repetitions,
    shown,
    structure,
    unknown_names,
)

BATCH_MAX = 100  # requests in one frame; a longer batch is refused whole
ID_MAX_CHARS = 128  # of a request's id, since it is repeated in the reply
PROBLEMS_TOLD_MAX = 20  # in `data.problems`

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR = -32700, -32600, -32601, -32602, -32603

Id = str | int


@frozen
class Call:
    """One request that reads well; `params` is of the class that `parameters.METHODS` names."""

    id: Id
    method: str
    params: Params


@frozen
class Failure:
    """What a request is answered with instead of a result. `id` is None where the request's cannot be told."""

    id: Id | None
    code: int
    message: str
    details: Mapping[str, object] = field(factory=dict)


@frozen
class Frame:
    """What one WebSocket message held. A batch is answered by one array, anything else by one object."""

    requests: tuple[Call | Failure, ...]
    batch: bool = False


_ENVELOPE = ("jsonrpc", "id", "method", "params")


# Text to calls


def parse(text: str) -> Frame:
    """What one text frame asks. Never raises for anything a peer can write."""
    try:
        value = parse_json(text)
    except NotJson as error:
        return Frame((Failure(None, PARSE_ERROR, f"this is not JSON: {error}"),))
    if not isinstance(value, list):
        return Frame((_request(value),))
    if 0 < len(value) <= BATCH_MAX:
        return Frame(tuple(_request(item) for item in value), batch=True)
    size = "an empty batch asks nothing" if not value else f"a batch may hold at most {BATCH_MAX} requests"
    return Frame((Failure(None, INVALID_REQUEST, f"{size}; nothing of it was executed"),))


def _request(value: object) -> Call | Failure:
    if not isinstance(value, dict):
        return Failure(None, INVALID_REQUEST, "a request must be a JSON object")
    id_, method = value.get("id"), value.get("method")
    if not _is_id(id_):
        what = f"must be a whole number or a text of at most {ID_MAX_CHARS} characters; nothing was executed"
        return _envelope_failure(None, method, "id", what, INVALID_REQUEST)
    if problems := repetitions(value) + unknown_names(value.keys() - set(_ENVELOPE), _ENVELOPE):
        known = None if any(problem.path == ("id",) for problem in problems) else id_
        return invalid(known, problems, method)
    if value.get("jsonrpc") != "2.0":
        return _envelope_failure(id_, method, "jsonrpc", 'must be "2.0"', INVALID_REQUEST)
    if not isinstance(method, str):
        return _envelope_failure(id_, method, "method", "must be the name of a method", INVALID_REQUEST)
    if method not in METHODS:
        what = f"'{shown(method)}' is not one that this version has: {', '.join(METHODS)}"
        return _envelope_failure(id_, method, "method", what, METHOD_NOT_FOUND)
    return _call(id_, method, value.get("params", {}))


def _is_id(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= ID_MAX_CHARS and not any("\ud800" <= char <= "\udfff" for char in value)
    return type(value) is int


def _call(id_: Any, method: str, params: object) -> Call | Failure:
    try:
        made = structure(params, METHODS[method])
    except Invalid as error:
        return invalid(id_, [problem.under("params") for problem in error.problems], method)
    return Call(id_, method, made.finished() if isinstance(made, OrderSubmit | OrderReplace) else made)


# Failures


def invalid(id_: Any, problems: list[Problem], method: object) -> Failure:
    """−32602: names the first field, and all of them where there are several."""
    told = [{"field": problem.field, "what": problem.what} for problem in problems[:PROBLEMS_TOLD_MAX]]
    details: dict[str, object] = {**told[0], "problems": told} if len(told) > 1 else {**told[0]}
    return Failure(id_, INVALID_PARAMS, f"{told[0]['field']} {told[0]['what']}", details | unsent(method))


def _envelope_failure(id_: Any, method: object, name: str, what: str, code: int) -> Failure:
    return Failure(id_, code, f"{name} {what}", {"field": name} | unsent(method))


def unsent(method: object) -> dict[str, object]:
    """What every error of an order method adds: that nothing left (contract.md section 3, errors)."""
    return {"sent": "no"} if isinstance(method, str) and method.startswith("order.") else {}
