"""Rules inside vLLM's sampling: a logits processor for Model Runner V2.

`LLM(model, **enforce("rules/", model))` puts it in place; see docs/vllm.md.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from vllm.v1.worker.gpu.sample.logits_processor import LogitsProcessor

from rulec.compiler import load_vocabulary
from rulec.runtime.catalog import Catalog
from rulec.runtime.inputs import BadInput
from rulec.runtime.requests import BadRequest, fits, read
from rulec.runtime.slots import HostSlots, Order, Rows

if TYPE_CHECKING:
    from torch import Tensor

    from rulec.compiler.vocabulary import Vocabulary
    from rulec.runtime.catalog import Entry
    from rulec.runtime.requests import Request

SETTINGS = "RULEC_VLLM"
"""The environment variable through which front and workers learn what is served."""

PROCESSOR = "rulec.runtime.vllm:RulesProcessor"


@dataclass(frozen=True, slots=True)
class Settings:
    """What front and workers must agree on.

    Args:
        rules: a folder of packs or rules.
        tokenizer: the model's folder.
        secret: proves that the front says where a sequence goes on; empty where none may.
        drafts: whether workers offer forced text as drafts.
    """

    rules: str
    tokenizer: str
    secret: str = ""
    drafts: bool = False


def enforce(rules: Path | str, tokenizer: Path | str, drafts: int = 0) -> dict[str, Any]:
    """Arguments for `vllm.LLM` under which it keeps the rules that requests ask for.

    A request names them in `SamplingParams(extra_args={"rules": …})`.

    Args:
        rules: a folder of packs (`.rulepack`) or of rules (`.rules`), which are compiled.
        tokenizer: the model's folder.
        drafts: how many tokens of forced text are offered as drafts in one step, beside those
            of ngram speculation; 0 patches nothing and speculates nothing.
    """
    served, model = (str(Path(folder).resolve()) for folder in (rules, tokenizer))
    publish(Settings(served, model, drafts=drafts > 0))
    return {
        **({"speculative_config": speculation(drafts)} if drafts else {}),
        "logits_processors": [PROCESSOR],
        "logprobs_mode": "processed_logprobs",
        "worker_extension_cls": "rulec.runtime.vllm_worker.Rules",
    }


def speculation(tokens: int) -> dict[str, Any]:
    """The speculation through which forced text is offered."""
    lookup = {"prompt_lookup_min": 2, "prompt_lookup_max": 4}
    return {"method": "ngram", "num_speculative_tokens": tokens, **lookup}


def publish(settings: Settings) -> None:
    """Let this process and those that it starts serve some rules."""
    os.environ[SETTINGS] = json.dumps(asdict(settings))
    # Model Runner V1 would leave speculated tokens unmasked.
    os.environ["VLLM_USE_V2_MODEL_RUNNER"] = "1"


@cache
def _opened(settings: str) -> tuple[Settings, Vocabulary, Catalog]:
    found = Settings(**json.loads(settings))
    vocabulary = load_vocabulary(Path(found.tokenizer))
    return found, vocabulary, Catalog.open(Path(found.rules), vocabulary)


def opened() -> tuple[Settings, Vocabulary, Catalog]:
    """What this process serves, loaded once."""
    settings = os.environ.get(SETTINGS)
    if not settings:
        raise RuntimeError(
            f"no rules are named: use `rulec.runtime.vllm.enforce`, or set {SETTINGS}"
        )
    return _opened(settings)


LIVE: WeakSet[RulesProcessor] = WeakSet()
"""The processors of this process."""


class RulesProcessor(LogitsProcessor):  # type: ignore[misc]
    """Masks each sequence of a batch by the rules that its request asks for."""

    @classmethod
    def validate_params(cls, sampling_params: Any) -> None:
        """Raises `ValueError`, which becomes HTTP 400, for a request that can't be kept."""
        settings, _, catalog = opened()
        request = read(sampling_params.extra_args, settings.secret)
        if request is None or request.steered:
            return  # the front has admitted it
        try:
            _admitted(catalog, request, sampling_params)
        except BadInput as error:
            raise BadRequest(f"`{request.rules}`: {error}") from None

    catalog: Catalog
    """The packs for new requests."""

    def __init__(self, vllm_config: Any, req_states: Any) -> None:
        self._settings, vocabulary, catalog = opened()
        self._entries: dict[str, Entry] = {}
        self.serve(catalog)
        if vocabulary.size != req_states.vocab_size:
            raise ValueError(
                f"the tokenizer makes packs for {vocabulary.size} logits, "
                f"but the model has {req_states.vocab_size}"
            )
        others = [
            other
            for other in vllm_config.model_config.logits_processors or ()
            if other not in (PROCESSOR, type(self))
        ]
        if others:
            raise ValueError(f"{others[0]} could undo what rules ban, or leave no token")
        self._states = req_states
        self._longest = vllm_config.model_config.max_model_len
        self._slots = HostSlots(self, req_states.vocab_size, vocabulary.ends)
        self.counts = self._slots.counts
        LIVE.add(self)
        self._vocabulary = vocabulary
        if self._settings.drafts:
            from rulec.runtime.vllm_drafts import offer  # noqa: PLC0415 - only where asked for

            offer(self)

    def forced(self, slot: int, most: int) -> list[int]:
        """Tokens that write what a slot must write next, at most some of them."""
        return self._vocabulary.encode_greedy(self._slots.forced(slot))[:most]

    @property
    def tokens(self) -> Tensor:
        """See `History`."""
        tokens: Tensor = self._states.all_token_ids.gpu
        return tokens

    @property
    def lengths(self) -> Tensor:
        """See `History`."""
        lengths: Tensor = self._states.total_len.gpu
        return lengths

    def add_request(self, req_idx: int, sampling_params: Any) -> bool:
        """Keep a request's rules in a slot; whether there are any."""
        self._slots.release(req_idx)
        try:
            request = read(sampling_params.extra_args, self._settings.secret)
            if request is None or not request.enforce:
                return False
            self._slots.admit(req_idx, self._order(req_idx, request, sampling_params))
        except (BadRequest, BadInput):
            # The front has let through what can't be kept here: nothing may be written.
            self._slots.refuse(req_idx)
        return True

    def _order(self, slot: int, request: Request, params: Any) -> Order:
        entry = self._entry(request)
        prompt = int(self._states.prompt_len.np[slot])
        origin = prompt if request.origin < 0 else request.origin
        budget = request.budget
        if budget is None:
            budget = min(params.max_tokens, self._longest - prompt)
        return Order(entry, request, origin, budget)

    def _entry(self, request: Request) -> Entry:
        if not request.digest:
            return self.catalog.find(request.rules)
        if request.digest not in self._entries:
            raise BadRequest(f"this worker has no pack {request.digest}")
        return self._entries[request.digest]

    def serve(self, catalog: Catalog) -> None:
        """Serve other packs from now on; those of requests under way stay."""
        self.catalog = catalog
        self._entries |= {entry.digest: entry for entry in catalog}

    def apply_staged_writes(self) -> None:
        """Called once before each forward pass."""
        self._slots.flush()

    def apply(self, logits: Tensor, ctx: Any) -> Tensor:
        """Mask the rows of requests with rules."""
        rows = Rows(
            present=ctx.idx_mapping_np.tolist(),
            slots=ctx.expanded_idx_mapping,
            places=ctx.expanded_local_pos,
            fed=ctx.input_ids,
        )
        return self._slots.apply(logits, rows)


def _admitted(catalog: Catalog, request: Request, params: Any) -> None:
    """Raises `BadRequest` or `BadInput` where a request can't be kept."""
    entry = catalog.find(request.rules)
    loose = entry.loose(request)
    if request.enforce:
        fits(params, entry.pack.ends)
        if loose:
            raise BadRequest(
                f"`{request.rules}` keeps {', '.join(f'`{name}`' for name in loose)} by taking "
                "back what breaks them, which masks alone can't: use `rulec serve`, or name "
                "them in `audit`"
            )
    entry.begin(request, params.max_tokens if request.enforce else None)
