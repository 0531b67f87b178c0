"""What a request says of rules: which, with what inputs, and from where on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeAlias

from rulec.runtime.bars import NO_BARS, Bar, Bars
from rulec.runtime.exact_json import RequestError, exact_inputs, parse_json

if TYPE_CHECKING:
    from collections.abc import Callable

Extra: TypeAlias = Mapping[str, object]

MEMBERS = ("rules", "with", "after", "enforce", "audit")
RESUMED = "rulec_resumed"
"""The member under which the front says where a sequence goes on; clients may not send it."""

LARGEST = 1 << 20
"""Bytes of a request's rules, inputs included."""


class BadRequest(ValueError):
    """A request whose rules can't be kept, and why."""


@dataclass(frozen=True, slots=True)
class Request:
    """The rules of one request.

    Args:
        rules: the name of a ruleset.
        inputs: its params and inputs, exact.
        after: the marker behind which the trace begins; empty where it begins at once.
        enforce: whether the rules steer; else there is only a verdict.
        audit: `commit` rules that don't steer.
        origin: the token at which the sequence began; negative at the end of the prompt.
        budget: tokens from the origin on; None leaves it to the request's own limit.
        bars: bytes that broke a rule before.
        digest: the pack that the front has chosen; empty where it has chosen none.
    """

    rules: str
    inputs: Mapping[str, object] = field(default_factory=dict)
    after: bytes = b""
    enforce: bool = True
    audit: tuple[str, ...] = ()
    origin: int = -1
    budget: int | None = None
    bars: Bars = NO_BARS
    digest: str = ""

    @property
    def steered(self) -> bool:
        """Whether a front follows the sequence, and takes back what breaks `commit` rules."""
        return self.budget is not None


def read(extra: Extra | None, secret: str = "") -> Request | None:
    """The rules that the extra arguments of a request ask for; None where there are none.

    They stand in the member `rules`: a name, a JSON text or an object. Beside a name stand the
    members `rules_with`, `rules_after`, `rules_enforce` and `rules_audit`.

    Args:
        extra: the extra arguments.
        secret: what proves that the front says where a sequence goes on.

    Raises:
        BadRequest: if they are malformed.
    """
    extra = extra or {}
    given = {name: value for name, value in extra.items() if name.startswith("rules")}
    resumed = extra.get(RESUMED)
    if resumed is not None and not (
        secret and isinstance(resumed, Mapping) and resumed.get("secret") == secret
    ):
        raise BadRequest(f"`{RESUMED}` is not for requests")
    if not given:
        return None
    members = _members(given)
    _known(members)
    return Request(
        rules=_name(members),
        inputs=_inputs(members.get("with")),
        after=_after(members.get("after")),
        enforce=_flag(members.get("enforce", True)),
        audit=_audit(members.get("audit")),
        **(_resumed(resumed) if isinstance(resumed, Mapping) else {}),
    )


def _members(given: Extra) -> Mapping[str, object]:
    """The members of a request's rules, however they were sent."""
    flat = {
        name.removeprefix("rules_"): value for name, value in given.items() if name != "rules"
    }
    if "rules" not in given:
        raise BadRequest("`rules` is missing: the name of a ruleset")
    whole = given["rules"]
    if isinstance(whole, str) and whole.lstrip().startswith("{"):
        whole = _json(whole, "rules")
    if not isinstance(whole, Mapping):
        return {**flat, "rules": whole}
    if flat:
        raise BadRequest("`rules` holds everything already; `rules_…` can't stand beside it")
    return whole


def _json(text: str, where: str) -> object:
    if len(text) > LARGEST:
        raise BadRequest(f"`{where}` is larger than {LARGEST:,} characters")
    try:
        return parse_json(text)
    except RequestError as error:
        raise BadRequest(f"`{where}`: {error}") from None


def _known(members: Extra) -> None:
    for name in members:
        if name not in MEMBERS:
            near = get_close_matches(name, MEMBERS, 1)
            hint = f"; did you mean `{near[0]}`?" if near else ""
            raise BadRequest(f"rules have no member `{name:.40}`{hint}")


def _name(members: Extra) -> str:
    name = members.get("rules")
    if not isinstance(name, str) or not name:
        raise BadRequest("`rules` must be the name of a ruleset")
    return name


def _inputs(given: object) -> Mapping[str, object]:
    if given is None:
        return {}
    if isinstance(given, str):
        given = _json(given, "with")
    if not isinstance(given, dict):
        raise BadRequest("`with` must be an object, or a text that holds one as JSON")
    try:
        return exact_inputs(given)
    except RequestError as error:
        raise BadRequest(f"`with`: {error}") from None


def _after(given: object) -> bytes:
    if given is None:
        return b""
    if not isinstance(given, str) or not given:
        raise BadRequest("`after` must be a text, such as `</think>`")
    return given.encode("utf-8", "surrogatepass")


def _flag(given: object) -> bool:
    """A truth value; HTTP turns it into a number."""
    if isinstance(given, bool):
        return given
    if given in (0, 1) or given in ("0", "1", "false", "true"):
        return given in (1, "1", "true")
    raise BadRequest("`enforce` must be true or false")


def _audit(given: object) -> tuple[str, ...]:
    if given is None:
        return ()
    names = given.split(",") if isinstance(given, str) else given
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise BadRequest("`audit` must be a list of rules")
    return tuple(name.strip() for name in names)


def resumed(request: Request, secret: str) -> dict[str, object]:
    """Where a sequence goes on, for `read`."""
    return {
        "secret": secret,
        "origin": request.origin,
        "budget": request.budget,
        "digest": request.digest,
        "bars": [[bar.start, bar.text.hex()] for bar in request.bars.held],
    }


def _resumed(given: Mapping[str, Any]) -> dict[str, Any]:
    bars = Bars(Bar(start, bytes.fromhex(text)) for start, text in given["bars"])
    return {name: given[name] for name in ("origin", "budget", "digest")} | {"bars": bars}


LIMITS: Mapping[str, Callable[[object], bool]] = {
    "allowed_token_ids": bool,
    "bad_words": bool,
    "ignore_eos": bool,
    "logit_bias": bool,
    "min_tokens": bool,
    "repetition_detection": lambda given: given is not None,
    "stop": bool,
    "structured_outputs": lambda given: given is not None,
    "thinking_token_budget": lambda given: given is not None,
    "trace_decode_token_ids": bool,
}
"""Sampling options that could empty a row of a mask, end a trace early or write past it."""


def fits(params: object, ends: tuple[int, ...]) -> None:
    """Raises `BadRequest` where a sampling option works against enforced rules.

    Args:
        params: vLLM's sampling parameters.
        ends: the tokens that may end a trace.
    """
    for name, given in LIMITS.items():
        if given(getattr(params, name, None)):
            raise BadRequest(
                f"`{name}` can't stand beside enforced rules: together they could leave no "
                "token, or cut a trace short"
            )
    for token in getattr(params, "stop_token_ids", None) or ():
        if token not in ends:
            raise BadRequest(f"`stop_token_ids`: {token} would cut a trace short")
