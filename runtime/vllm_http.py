"""What the server adds to vLLM's HTTP: routes of its own, and verdicts in answers."""

from __future__ import annotations

import asyncio
import json
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client.core import CounterMetricFamily

from rulec import dsl
from rulec.compiler import build
from rulec.dsl.items import Use
from rulec.dsl.parse import parse
from rulec.dsl.source import Source
from rulec.runtime.catalog import CatalogError
from rulec.runtime.exact_json import RequestError, exact_inputs, parse_json
from rulec.runtime.inputs import BadInput
from rulec.runtime.requests import BadRequest
from rulec.runtime.tables import TABLES
from rulec.runtime.verify import Verifier
from rulec.runtime.vllm_engine import CALL, Call

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from rulec.runtime.vllm_engine import Rules, RulesEngine
    from rulec.runtime.vllm_reload import Reloader

    Send = Callable[[Any], Awaitable[None]]

LONGEST = 16 << 20
"""Bytes of a body that are read at most."""


def routes(engine: RulesEngine, reloader: Reloader) -> APIRouter:
    """The routes below `/rules`."""

    async def served() -> Any:
        return {"rules": dict(engine.rules.catalog.digests)}

    async def check(request: Request) -> Any:
        text = await _body(request)
        return await asyncio.to_thread(_checked, text.decode("utf-8", "replace"))

    async def verify(request: Request) -> Any:
        given = parse_json((await _body(request)).decode("utf-8", "replace"))
        return await asyncio.to_thread(_verified, engine.rules, given)

    async def table(digest: str, request: Request) -> Any:
        text = await _body(request, engine.rules.policy.table_bytes)
        TABLES.put(digest, text)
        await engine.collective_rpc("rules_table", args=(digest, text))
        return {"sha256": digest}

    async def reload() -> Any:
        return {"rules": await reloader.reload(engine)}

    router = APIRouter(prefix="/rules")
    for method, path, answer in (
        ("GET", "", served),
        ("POST", "/check", check),
        ("POST", "/verify", verify),
        ("PUT", "/tables/{digest}", table),
        ("POST", "/reload", reload),
    ):
        router.add_api_route(path, _answering(answer), methods=[method])
    return router


def _answering(answer: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """The same, with HTTP 400 for what is the request's fault."""

    @wraps(answer)
    async def answered(*given: Any, **named: Any) -> Any:
        try:
            return await answer(*given, **named)
        except (BadRequest, BadInput, RequestError, CatalogError) as error:
            return _fault(400, str(error))

    return answered


async def _body(request: Request, most: int = LONGEST) -> bytes:
    found, size = bytearray(), 0
    async for part in request.stream():
        size += len(part)
        if size > LONGEST:
            break
        if size <= most:
            found += part
    if size > most:
        raise BadRequest(f"the body is larger than {most:,} bytes")
    return bytes(found)


def _checked(text: str) -> dict[str, object]:
    """What is found in a ruleset that stands alone: it may not read files of the server."""
    parsed = parse(Source("request.rules", text))
    if any(isinstance(item, Use) for item in parsed.file.items):
        raise BadRequest("`use` reads files, which is not for requests")
    loaded = dsl.load_text(text, "request.rules")
    built = build(loaded.ruleset) if loaded.ruleset is not None else None
    found = (*loaded.diagnostics, *(built.diagnostics if built is not None else ()))
    rules = built.rules if built is not None else ()
    return {
        "rules": [
            {"name": rule.name, "shape": rule.shape, "tier": rule.tier} for rule in rules
        ],
        "diagnostics": [dsl.to_record(one) for one in found],
    }


def _verified(rules: Rules, given: object) -> dict[str, object]:
    if not isinstance(given, dict) or not isinstance(given.get("trace"), str):
        raise BadRequest('send `{"rules": NAME, "trace": TEXT, "with": {…}}`')
    for name in given:
        if name not in ("rules", "trace", "with"):
            raise BadRequest(f"there is no member `{name:.40}`")
    entry = rules.catalog.find(str(given.get("rules")))
    inputs = TABLES.filled(exact_inputs(given.get("with", {})))
    verifier = Verifier(entry.pack.machine, rules.externals)
    return verifier(given["trace"].encode(), inputs).to_record()


def _fault(code: int, message: str) -> Response:
    """What is wrong with a request, in vLLM's form."""
    kind = "BadRequestError" if code == 400 else "Unauthorized"
    content = {"error": {"message": message, "type": kind, "code": code}}
    return JSONResponse(content, status_code=code)


class Verdicts:
    """ASGI middleware: who calls, verdicts in the answers, refusals that vLLM can't see.

    vLLM makes it, so what it works with is set on the class before.
    """

    engine: ClassVar[RulesEngine]
    keys: ClassVar[tuple[str, ...]] = ()
    """The API keys; empty where none is needed."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        key = _key(scope)
        if path.startswith("/rules") and self.keys and key not in self.keys:
            await _fault(401, "Unauthorized")(scope, receive, send)
            return
        if path == "/metrics":
            await self.engine.count()
        if not (scope["method"] == "POST" and path.startswith("/v1/")):
            await self._app(scope, receive, send)
            return
        body, receive = await _peeked(receive)
        refused = _refused(body)
        if refused:
            await _fault(400, refused)(scope, receive, send)
            return
        call = Call(key)
        token = CALL.set(call)
        try:
            await self._app(scope, receive, _Answer(send, call))
        finally:
            CALL.reset(token)


def _key(scope: Any) -> str:
    for name, value in scope["headers"]:
        if name == b"authorization":
            return str(value.decode("latin-1")).removeprefix("Bearer ").strip()
    return ""


async def _peeked(receive: Any) -> tuple[bytes, Any]:
    """The body of a request, and a way to read it again."""
    messages = []
    while True:
        message = await receive()
        messages.append(message)
        if message["type"] != "http.request" or not message.get("more_body"):
            break
    body = b"".join(message.get("body", b"") for message in messages)
    left = iter(messages)

    async def again() -> Any:
        for message in left:
            return message
        return await receive()

    return body, again


def _refused(body: bytes) -> str:
    """Why a request is refused that the engine would not see as one with rules."""
    try:
        given = json.loads(body)
    except ValueError:
        return ""  # vLLM says what is wrong with it
    if not isinstance(given, dict):
        return ""
    extra = given.get("vllm_xargs")
    ruled = isinstance(extra, dict) and any(name.startswith("rules") for name in extra)
    if ruled and given.get("use_beam_search"):
        return "beam search can't keep rules: vLLM drops them there"
    if any(name in given for name in ("rules", "rules_with", "rules_after", "extra_args")):
        return "`rules` belongs into `vllm_xargs`"
    return ""


class _Answer:
    """Puts verdicts into an answer on its way to the client."""

    def __init__(self, send: Send, call: Call) -> None:
        self._send, self._call = send, call
        self._start: Any = None
        self._kind = ""
        self._held = bytearray()

    async def __call__(self, message: Any) -> None:
        """Send a message on."""
        if message["type"] == "http.response.start":
            self._start = message
            headers = dict(message["headers"])
            self._kind = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0]
            if self._kind != "application/json":
                await self._send(message)
        elif message["type"] != "http.response.body":
            await self._send(message)
        elif self._kind == "text/event-stream":
            await self._stream(message)
        elif self._kind == "application/json":
            await self._whole(message)
        else:
            await self._send(message)

    async def _whole(self, message: Any) -> None:
        self._held += message.get("body", b"")
        if message.get("more_body"):
            return
        body = self._judged(bytes(self._held))
        headers = [pair for pair in self._start["headers"] if pair[0] != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        await self._send({**self._start, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    async def _stream(self, message: Any) -> None:
        self._held += message.get("body", b"")
        whole, separator, rest = bytes(self._held).rpartition(b"\n\n")
        self._held = bytearray(rest)
        if not message.get("more_body"):
            whole, self._held = whole + separator + rest, bytearray()
            separator = b""
        events = [
            b"data: " + self._judged(event[6:]) if event.startswith(b"data: {") else event
            for event in whole.split(b"\n\n")
        ]
        body = b"\n\n".join(events) + separator
        await self._send({**message, "body": body})

    def _judged(self, content: bytes) -> bytes:
        """A JSON object with the verdicts in its choices."""
        if not self._call.verdicts:
            return content
        try:
            given = json.loads(content)
        except ValueError:
            return content
        choices = given.get("choices") if isinstance(given, dict) else None
        if not choices:
            return content
        ordered = [self._call.verdicts[key] for key in sorted(self._call.verdicts)]
        each = 1 + max(index for _, index in self._call.verdicts)
        for choice in choices:
            if choice.get("finish_reason") is not None:
                place = divmod(choice["index"], each)
                record = self._call.verdicts.get(place)
                if record is None and len(ordered) == 1:
                    record = ordered[0]
                choice["rules"] = record
        return json.dumps(given, ensure_ascii=False).encode()


class Metrics:
    """What rules have done, for vLLM's Prometheus endpoint."""

    def __init__(self, engine: RulesEngine) -> None:
        self._engine = engine

    def describe(self) -> list[Any]:
        """Nothing is known ahead."""
        return []

    def collect(self) -> Iterator[Any]:
        """The counters."""
        counted, rules = self._engine.counted, self._engine.rules
        for name, text in (
            ("sequences", "Sequences under rules"),
            ("refused", "Sequences that a worker could not guide"),
            ("rows", "Rows of logits that were masked"),
            ("banned", "Tokens that were masked, over all rows"),
            ("exhausted", "Sequences for which masks found no way on"),
            ("seconds", "Seconds that masks took"),
        ):
            yield CounterMetricFamily(f"rulec_{name}", text, value=counted.get(name, 0))
        yield CounterMetricFamily(
            "rulec_rollbacks", "Times that a sequence was sent back", value=rules.rollbacks
        )
        verdicts = CounterMetricFamily("rulec_verdicts", "Verdicts", labels=["verdict"])
        for verdict, count in rules.verified.items():
            verdicts.add_metric([verdict], count)
        yield verdicts
