"""Rewards from verdicts, for trainers: TRL's GRPO, verl and verifiers."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from rulec.runtime.answers import right_answer
from rulec.runtime.verdicts import HELD, Verdict
from rulec.runtime.verify import Verifier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rulec.compiler.machine import Machine
    from rulec.runtime.externals import Externals


@dataclass(frozen=True, slots=True)
class Scored:
    """A trace as it was judged, before it has a reward.

    `right` tells whether its answer is the reference's; None where there is no reference.
    """

    verdict: Verdict
    right: bool | None = None

    @property
    def spurious(self) -> bool:
        """A right answer from steps that don't hold."""
        return self.right is True and not self.verdict.holds

    @property
    def steps(self) -> tuple[int, int]:
        """Tested claims of steering rules before the first invalid one, and all of them."""
        claims = [
            claim
            for claim in self.verdict.claims
            if claim.tier != "audit" and claim.verdict != "vacuous"
        ]
        held = 0
        for claim in sorted(claims, key=lambda one: (one.start, one.end)):
            if claim.verdict not in HELD:
                break
            held += 1
        stopped = self.verdict.verdict in ("unparsed", "exhausted")
        return held, len(claims) + (stopped and held == len(claims))

    def metrics(self) -> dict[str, float]:
        """What is worth a curve: one number each."""
        found = {
            "valid": float(self.verdict.holds),
            "claims": float(self.verdict.claim_count),
            "coverage": self.verdict.coverage,
        }
        if self.right is not None:
            found["right"] = float(self.right)
            found["spurious_correct"] = float(self.spurious)
        return found


class Policy(Protocol):
    """Makes a reward of what was judged; None where there is nothing to reward."""

    def __call__(self, scored: Scored) -> float | None:
        """The reward."""


@dataclass(frozen=True, slots=True)
class Gate:
    """The answer's reward, for valid traces only; without a reference 1 for a valid one.

    A trace with fewer than `least_claims` tested claims is not valid: else a model learns to
    claim nothing. Where nothing was claimed, nothing has to be and there is no reference, there
    is no reward.
    """

    least_claims: int = 0
    invalid: float = 0.0

    def __call__(self, scored: Scored) -> float | None:
        """The reward."""
        verdict = scored.verdict
        if (
            scored.right is None
            and verdict.holds
            and not verdict.claim_count + self.least_claims
        ):
            return None
        if not verdict.holds or verdict.claim_count < self.least_claims:
            return self.invalid
        return 1.0 if scored.right is None else float(scored.right)


@dataclass(frozen=True, slots=True)
class Shaped:
    """The share of steps that hold before the first that doesn't.

    Of fewer than `least_claims` steps the others count as missing. Without any step, and where
    none has to be, there is no reward.
    """

    least_claims: int = 0

    def __call__(self, scored: Scored) -> float | None:
        """The reward."""
        held, steps = scored.steps
        steps = max(steps, self.least_claims)
        return held / steps if steps else None


@dataclass(frozen=True, slots=True)
class Combined:
    """`answer` for a right answer, `rules` times the share of valid steps, less `spurious`.

    What does not apply (no reference, no steps) counts as 0; where neither does, there is no
    reward. `spurious` is taken off a right answer whose steps don't hold.
    """

    answer: float = 1.0
    rules: float = 0.5
    spurious: float = 1.0
    least_claims: int = 0

    def __call__(self, scored: Scored) -> float | None:
        """The reward."""
        shaped = Shaped(self.least_claims)(scored)
        if shaped is None and scored.right is None:
            return None
        answer = self.answer * bool(scored.right) - self.spurious * scored.spurious
        return answer + self.rules * (shaped or 0.0)


class Vocabulary(Protocol):
    """What is asked of a vocabulary."""

    @property
    def tokens(self) -> Sequence[bytes | None]:
        """The bytes of each token; None for special ones."""

    @property
    def ends(self) -> Sequence[int]:
        """The tokens that end a sequence."""


@dataclass(eq=False)
class RulesReward:
    """A reward function over one ruleset.

    An instance is what TRL calls; `compute_score` is for verl, `rubric` for verifiers. The
    verdicts of its last call stay in `last`.

    Args:
        machine: the rules.
        policy: makes rewards of verdicts.
        inputs: values that come with every trace.
        columns: for inputs that differ, the column of the data that has each.
        reference: the column with the reference: an answer, or a text that ends with one.
        where: columns and their values for which alone the rules apply; None elsewhere.
        after: the trace begins behind the first of these marks, and the white space there.
        vocabulary: of the model; with it traces are the bytes of their tokens, where those are
            given, and verdicts have token spans.
        externals: the functions that the rules call.

    Raises:
        BadExternal: if a function is missing.
    """

    machine: Machine
    policy: Policy = field(default_factory=Gate)
    inputs: Mapping[str, object] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    reference: str | None = None
    where: Mapping[str, object] = field(default_factory=dict)
    after: str = ""
    vocabulary: Vocabulary | None = None
    externals: Externals | None = None
    last: list[Scored | None] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        self.__name__ = f"rules_{self.machine.name}"
        self._verify = Verifier(self.machine, self.externals)

    def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]] | None = None,
        *,
        log_metric: Callable[[str, float], None] | None = None,
        log_extra: Callable[[str, list[Any]], None] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """A reward for each completion, as TRL asks for them.

        Raises:
            BadInput: if the inputs of a row don't fit the rules.
            KeyError: if a column is missing that was named.
        """
        del prompts
        self.last = [
            self._row(
                completion, None if completion_ids is None else completion_ids[n], n, columns
            )
            for n, completion in enumerate(completions)
        ]
        if log_metric is not None:
            for name, value in averages(self.last).items():
                log_metric(f"{self.__name__}/{name}", value)
        if log_extra is not None:
            log_extra(
                f"{self.__name__}/verdict",
                [None if one is None else one.verdict.verdict for one in self.last],
            )
        return [None if one is None else self.policy(one) for one in self.last]

    def compute_score(
        self,
        data_source: str,
        solution_str: str,
        ground_truth: Any,
        extra_info: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> dict[str, float]:
        """The score of one text, as verl asks for it; no reward is a score of 0."""
        row = {"data_source": data_source} | dict(extra_info or {})
        if not self._applies(row):
            return {"score": 0.0}
        scored = self.score(solution_str, ground_truth, self._given(row))
        return {"score": self.policy(scored) or 0.0} | scored.metrics()

    def rubric(
        self,
        completion: Any,
        answer: Any = None,
        info: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> float:
        """The reward of one rollout, as rubrics of verifiers ask for it."""
        row = dict(info or {})
        if not self._applies(row):
            return 0.0
        return self.policy(self.score(text_of(completion), answer, self._given(row))) or 0.0

    def score(
        self,
        trace: str | bytes,
        reference: object = None,
        inputs: Mapping[str, object] | None = None,
        ends: tuple[int, ...] | None = None,
    ) -> Scored:
        """Judge one trace. `ends` are the bytes behind its tokens, where they are known."""
        text = trace.encode("utf-8", "surrogatepass") if isinstance(trace, str) else trace
        start = begin(text, self.after)
        given = {**self.inputs, **(inputs or {})}
        verdict = self._verify(b"" if start is None else text[start:], given)
        if start is None:
            verdict = Verdict(
                "unparsed",
                at=0,
                reason=f"`{self.after}` does not come",
                rules=verdict.rules,
                asked=verdict.asked,
            )
        elif ends is not None:
            verdict = verdict.placed(tuple(max(end - start, 0) for end in ends))
        right = None
        if reference is not None:
            right = right_answer(text.decode("utf-8", "replace"), str(reference))
        return Scored(verdict, right)

    def _row(
        self,
        completion: Any,
        ids: Sequence[int] | None,
        number: int,
        columns: Mapping[str, Any],
    ) -> Scored | None:
        row = {name: held[number] for name, held in columns.items() if _listed(held)}
        if not self._applies(row):
            return None
        reference = None if self.reference is None else row[self.reference]
        if ids is None or self.vocabulary is None:
            return self.score(text_of(completion), reference, self._given(row))
        text, ends = written(self.vocabulary, ids)
        return self.score(text, reference, self._given(row), ends)

    def _applies(self, row: Mapping[str, Any]) -> bool:
        return all(row.get(name) == value for name, value in self.where.items())

    def _given(self, row: Mapping[str, Any]) -> dict[str, object]:
        return {name: exactly(row[column]) for name, column in self.columns.items()}


def _listed(held: object) -> bool:
    """Whether a keyword of a trainer is a column; other ones are its own affairs."""
    return isinstance(held, list | tuple)


def averages(scored: Sequence[Scored | None]) -> dict[str, float]:
    """The means of what was judged; each over the traces that have it."""
    sums: dict[str, list[float]] = {}
    for one in scored:
        for name, value in one.metrics().items() if one is not None else ():
            sums.setdefault(name, []).append(value)
    return {name: sum(values) / len(values) for name, values in sums.items()}


def begin(text: bytes, after: str) -> int | None:
    """Where a trace begins in a text; None where its mark does not come."""
    if not after:
        return 0
    mark = after.encode()
    at = text.find(mark)
    if at < 0:
        return None
    rest = text[at + len(mark) :]
    return len(text) - len(rest.lstrip(b" \t\r\n"))


def written(vocabulary: Vocabulary, ids: Sequence[int]) -> tuple[bytes, tuple[int, ...]]:
    """The bytes that tokens write up to their end, and the byte behind each of them."""
    text, ends = bytearray(), []
    for token in ids:
        if token in vocabulary.ends:
            break
        text += vocabulary.tokens[token] or b""
        ends.append(len(text))
    return bytes(text), tuple(ends)


def text_of(completion: Any) -> str:
    """The text of a completion: itself, or what the assistant says in its messages."""
    if isinstance(completion, str):
        return completion
    said = [_said(one) for one in completion if one.get("role", "assistant") == "assistant"]
    return "".join(said[-1:])


def _said(message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def exactly(value: Any) -> Any:
    """A value of a data set as rules take it: numbers are exact, a float as it is shown."""
    match value:
        case float():
            return Decimal(repr(value))
        case dict():
            return {name: exactly(held) for name, held in value.items()}
        case list() | tuple():
            return [exactly(held) for held in value]
        case _:
            return value
