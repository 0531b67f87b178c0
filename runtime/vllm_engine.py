"""vLLM's engine with a verifier beside it: what breaks a `commit` rule is taken back.

A sequence goes back by being aborted and submitted anew with the tokens that it keeps; prefix
caching finds most of them, and other requests never notice.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from vllm.exceptions import VLLMValidationError
from vllm.outputs import CompletionOutput, RequestOutput
from vllm.sampling_params import RequestOutputKind
from vllm.v1.engine.async_llm import AsyncLLM

from rulec.runtime.course import Course
from rulec.runtime.inputs import BadInput
from rulec.runtime.requests import RESUMED, BadRequest, fits, read, resumed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from rulec.runtime.catalog import Catalog, Entry
    from rulec.runtime.externals import Externals
    from rulec.runtime.policy import Policy
    from rulec.runtime.requests import Request


@dataclass(slots=True)
class Call:
    """One HTTP request: who sent it, and the verdicts on what was written for it.

    `verdicts` are by the number of the prompt and that of its output.
    """

    key: str = ""
    verdicts: dict[tuple[int, int], dict[str, object]] = field(default_factory=dict)


CALL: ContextVar[Call | None] = ContextVar("rulec_call", default=None)


@dataclass(slots=True)
class Rules:
    """What the front serves; `catalog` is replaced as a whole when packs are."""

    catalog: Catalog
    policy: Policy
    secret: str
    externals: Externals
    rollbacks: int = 0
    exhausted: int = 0
    verified: dict[str, int] = field(default_factory=dict)

    def admit(self, params: Any, prompt: int, longest: int, key: str) -> Plan | None:
        """What a request asks for; None where it asks for no rules.

        Args:
            params: its sampling parameters.
            prompt: the tokens of its prompt.
            longest: the tokens that a sequence may have in all.
            key: the API key that it came with.

        Raises:
            BadRequest: if it can't be kept.
            BadInput: if its inputs don't fit, or no trace fits its limit.
        """
        request = read(params.extra_args)
        self.policy.check(request, key)
        if request is None:
            return None
        entry = self.catalog.find(request.rules)
        loose = entry.loose(request) if request.enforce else ()
        limit = longest - prompt
        budget = limit if params.max_tokens is None else min(params.max_tokens, limit)
        request = replace(request, budget=budget, digest=entry.digest)
        if request.enforce:
            fits(params, entry.pack.ends)
        if loose:
            _steerable(params)
        plan = Plan(entry, request, loose, self)
        plan.course(streamed=False)
        return plan


def _steerable(params: Any) -> None:
    """Raises `BadRequest` for what would be otherwise after a sequence has gone back."""
    for name, neutral in (
        ("presence_penalty", 0.0),
        ("frequency_penalty", 0.0),
        ("repetition_penalty", 1.0),
    ):
        if getattr(params, name) != neutral:
            raise BadRequest(
                f"`{name}` can't stand beside rules that take text back: what is kept would "
                "count as prompt"
            )


@dataclass(frozen=True, slots=True)
class Plan:
    """A request that was admitted; `loose` are the rules kept by taking back."""

    entry: Entry
    request: Request
    loose: tuple[str, ...]
    rules: Rules

    def course(self, *, streamed: bool) -> Course:
        """A course for one of its sequences."""
        budget = self.request.budget if self.request.enforce else None
        guide = self.entry.begin(self.request, budget, self.rules.externals)
        return Course(guide, self.rules.policy.retries, streamed, self.entry.lock)

    def params(self, params: Any, course: Course | None, prompt: int) -> Any:
        """Sampling parameters for the engine, from what a course keeps on."""
        request = replace(self.request, origin=prompt)
        found = params.clone()
        if course is not None:
            request = replace(request, bars=course.bars)
            found.max_tokens = (request.budget or 0) - len(course.kept)
        found.extra_args = {
            **(params.extra_args or {}),
            RESUMED: resumed(request, self.rules.secret),
        }
        return found


class RulesEngine(AsyncLLM):  # type: ignore[misc]
    """`AsyncLLM` under rules; `rules` is set before it serves."""

    rules: Rules
    counted: dict[str, float]
    """What the workers have counted, as of the last `count`."""

    async def count(self) -> None:
        """Ask the workers what they have counted."""
        found = await self.collective_rpc("rules_counted")
        names = {name for one in found for name in one}
        self.counted = {name: max(one.get(name, 0) for one in found) for name in names}

    async def generate(
        self, prompt: Any, sampling_params: Any, request_id: str, **options: Any
    ) -> AsyncGenerator[Any, None]:
        """See `AsyncLLM.generate`."""
        call = CALL.get() or Call()
        ids = _prompt_ids(prompt)
        try:
            plan = self.rules.admit(
                sampling_params, len(ids or ()), self.model_config.max_model_len, call.key
            )
            if plan is not None and ids is None:
                raise BadRequest("rules need a prompt of plain tokens")
        except BadInput as error:
            raise VLLMValidationError(f"the rules' inputs: {error}") from error
        except BadRequest as error:
            raise VLLMValidationError(str(error)) from error
        if plan is None:
            outputs = super().generate(prompt, sampling_params, request_id, **options)
        else:
            writer = _Writer(self, plan, prompt, ids or [], request_id, options)
            outputs = writer.write(sampling_params, call)
        async with aclosing(outputs):
            async for output in outputs:
                yield output

    def plainly(
        self, prompt: Any, params: Any, request_id: str, options: dict[str, Any]
    ) -> AsyncGenerator[Any, None]:
        """What `AsyncLLM` writes."""
        outputs: AsyncGenerator[Any, None] = super().generate(
            prompt, params, request_id, **options
        )
        return outputs


def _prompt_ids(prompt: Any) -> list[int] | None:
    if isinstance(prompt, dict) and prompt.get("type") == "token":
        return list(prompt["prompt_token_ids"])
    return None


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes the sequences of one request."""

    engine: RulesEngine
    plan: Plan
    prompt: Any
    ids: list[int]
    request_id: str
    options: dict[str, Any]

    async def write(self, params: Any, call: Call) -> AsyncGenerator[Any, None]:
        """The outputs, of which the last of each sequence comes with a verdict in `call`."""
        number = _number(self.request_id)
        if not self.plan.loose:
            async for output in self._masked(params, call, number):
                yield output
            return
        async for output in self._steered(params, call, number):
            yield output

    async def _masked(self, params: Any, call: Call, number: int) -> AsyncGenerator[Any, None]:
        """Sequences that masks alone keep, followed for their verdicts."""
        asked = self.plan.params(params, None, len(self.ids))
        written: dict[int, list[int]] = {}
        outputs = self.engine.plainly(self.prompt, asked, self.request_id, self.options)
        async with aclosing(outputs):
            async for output in outputs:
                for one in output.outputs:
                    tokens = written.setdefault(one.index, [])
                    if params.output_kind == RequestOutputKind.CUMULATIVE:
                        tokens[:] = one.token_ids
                    else:
                        tokens.extend(one.token_ids)
                    if one.finish_reason is not None:
                        record = await asyncio.to_thread(self._judged, tokens)
                        call.verdicts[number, one.index] = record
                yield output

    def _judged(self, tokens: list[int]) -> dict[str, object]:
        if not self.plan.request.enforce:
            return self._verified(tokens)
        course = self.plan.course(streamed=False)
        for token in tokens:
            course.take(token)
        return self._counted(course)

    def _verified(self, tokens: list[int]) -> dict[str, object]:
        """The verdict on a text that no rule has steered."""
        record = self.plan.entry.judge(self.plan.request, tokens, self.plan.rules.externals)
        return self._recorded(record)

    def _counted(self, course: Course) -> dict[str, object]:
        verdict = course.verdict()
        self.plan.rules.exhausted += verdict.verdict == "exhausted"
        return self._recorded(verdict.to_record(), course.rollbacks)

    def _recorded(self, record: dict[str, object], rollbacks: int = 0) -> dict[str, object]:
        verified = self.plan.rules.verified
        outcome = str(record["verdict"])
        verified[outcome] = verified.get(outcome, 0) + 1
        name = self.plan.entry.name
        return {"ruleset": name, "rollbacks": rollbacks, "verdict": record}

    # --- sequences that may go back ---

    async def _steered(self, params: Any, call: Call, number: int) -> AsyncGenerator[Any, None]:
        queue: asyncio.Queue[tuple[int, Any]] = asyncio.Queue()
        tasks = [
            asyncio.create_task(self._feed(queue, params, index)) for index in range(params.n)
        ]
        done: dict[int, Any] = {}
        try:
            while len(done) < params.n:
                index, found = await queue.get()
                if isinstance(found, BaseException):
                    raise found
                output, record = found
                if record is not None:
                    call.verdicts[number, index] = record
                    done[index] = output
                output.finished = len(done) == params.n
                if params.output_kind != RequestOutputKind.FINAL_ONLY:
                    yield output
            if params.output_kind == RequestOutputKind.FINAL_ONLY:
                whole = done[0]
                whole.outputs = [done[index].outputs[0] for index in range(params.n)]
                whole.finished = True
                yield whole
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _feed(self, queue: asyncio.Queue[Any], params: Any, index: int) -> None:
        try:
            async for found in self._sequence(params, index):
                await queue.put((index, found))
        except Exception as error:  # noqa: BLE001 - raised anew where the queue is read
            await queue.put((index, error))

    async def _sequence(
        self, params: Any, index: int
    ) -> AsyncGenerator[tuple[Any, dict[str, object] | None], None]:
        """The outputs of one sequence, the last with its verdict."""
        streamed = params.output_kind != RequestOutputKind.FINAL_ONLY
        course = self.plan.course(streamed=streamed)
        shown = _Shown(self.engine.get_tokenizer(), self.ids, params, index)
        attempt = 0
        while not course.over:
            asked = self._asked(params, course, index)
            prompt = {**self.prompt, "prompt_token_ids": [*self.ids, *course.kept]}
            prompt.pop("prompt", None) if course.kept else None
            name = f"{self.request_id}-{index}-{attempt}"
            outputs = self.engine.plainly(prompt, asked, name, self.options)
            async with aclosing(outputs):
                async for output in outputs:
                    one = output.outputs[0]
                    went_back = await self._take(course, one, shown)
                    shown.note(output)
                    if course.over or went_back:
                        break
                    if one.finish_reason is not None:
                        course.over = True
                        shown.reason = one.finish_reason, one.stop_reason
                        course.shown = len(course.kept)
                        break
                    if streamed and shown.more(course):
                        yield shown.output(course, self.request_id, None), None
            attempt += 1
        record = await asyncio.to_thread(self._counted, course)
        self.plan.rules.rollbacks += course.rollbacks
        yield shown.output(course, self.request_id, course.over), record

    def _asked(self, params: Any, course: Course, index: int) -> Any:
        asked = self.plan.params(params, course, len(self.ids))
        asked.n = 1
        asked.output_kind = RequestOutputKind.DELTA
        if asked.seed is not None:
            asked.seed += index
        if course.kept:
            asked.prompt_logprobs = None
        return asked

    async def _take(self, course: Course, one: Any, shown: _Shown) -> bool:
        """Take the tokens of an output; whether the sequence must be submitted anew."""
        for place, token in enumerate(one.token_ids):
            dropped = await asyncio.to_thread(course.take, token)
            shown.took(one, place, len(course.kept))
            if dropped or course.over:
                return dropped > 0
        return False


@dataclass(slots=True)
class _Shown:
    """What a client has been shown of a sequence, and what vLLM told of its tokens."""

    tokenizer: Any
    prompt: list[int]
    params: Any
    index: int
    tokens: int = 0
    text: str = ""
    logprobs: list[Any] = field(default_factory=list)
    reason: tuple[str | None, Any] = ("stop", None)
    first: Any = None
    last: Any = None

    def note(self, output: Any) -> None:
        """Keep what an output tells besides tokens."""
        self.first = self.first or output
        self.last = output

    def took(self, one: Any, place: int, kept: int) -> None:
        """Keep the log probabilities of a token that was taken."""
        if one.logprobs is not None:
            self.logprobs.append(one.logprobs[place])
            del self.logprobs[kept:]

    def more(self, course: Course) -> bool:
        """Whether there is something that was not shown yet."""
        return course.shown > self.tokens

    def output(self, course: Course, request_id: str, over: bool | None) -> Any:
        """A part, or all, of what may be shown."""
        count = len(course.kept) if over else course.shown
        text = self._decoded(course.kept[:count], course, whole=bool(over))
        whole = self.params.output_kind != RequestOutputKind.DELTA
        since = 0 if whole else self.tokens
        logprobs = self.logprobs[since:count] if self.params.logprobs is not None else None
        finish, stop = self.reason if over else (None, None)
        one = CompletionOutput(
            index=self.index,
            text=text if whole else text[len(self.text) :],
            token_ids=course.kept[since:count],
            cumulative_logprob=self._total(course.kept[:count]),
            logprobs=logprobs,
            finish_reason=finish,
            stop_reason="rules: no way was left" if over and course.guide.exhausted else stop,
        )
        self.tokens, self.text = count, text
        return RequestOutput(
            request_id=request_id,
            prompt=self.first.prompt,
            prompt_token_ids=self.prompt,
            prompt_logprobs=self.first.prompt_logprobs,
            outputs=[one],
            finished=False,
            metrics=self.last.metrics,
            lora_request=self.last.lora_request,
            num_cached_tokens=self.first.num_cached_tokens,
        )

    def _total(self, tokens: list[int]) -> float | None:
        if not self.logprobs or self.params.logprobs is None:
            return None
        pairs = zip(tokens, self.logprobs, strict=False)
        return float(sum(held[token].logprob for token, held in pairs))

    def _decoded(self, tokens: list[int], course: Course, *, whole: bool) -> str:
        ends = course.guide.pack.ends
        head = self.prompt[-5:]
        skip = self.params.skip_special_tokens
        before = self.tokenizer.decode(head, skip_special_tokens=skip)
        written = [token for token in tokens if token not in ends]
        text: str = self.tokenizer.decode([*head, *written], skip_special_tokens=skip)
        text = text[len(before) :]
        # Half a character waits for the rest of it.
        return text if whole else text.rstrip("\ufffd")


def _number(request_id: str) -> int:
    """The number of the prompt among those of one HTTP request."""
    tail = request_id.replace("_", "-").rpartition("-")[2]
    return int(tail) if request_id.startswith("cmpl-") and tail.isdecimal() else 0
