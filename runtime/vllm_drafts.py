"""Forced text as draft tokens: an opt-in patch, since vLLM has no registry of drafters.

Drafts are proposed and never imposed: vLLM keeps each while it is what it would have sampled
under the masks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import vllm
from vllm.v1.worker.gpu.spec_decode.ngram.speculator import NgramGPUSpeculator

if TYPE_CHECKING:
    from rulec.runtime.vllm import RulesProcessor

TESTED = ("0.32.",)
"""The releases of vLLM whose speculator this fits."""


def offer(processor: RulesProcessor) -> None:
    """Let ngram speculation in this process offer what a processor's rules force.

    Raises:
        RuntimeError: if the release of vLLM is another.
    """
    if not vllm.__version__.startswith(TESTED):
        raise RuntimeError(f"forced text can't be offered as drafts in vLLM {vllm.__version__}")
    plain = NgramGPUSpeculator.propose

    def propose(self: Any, input_batch: Any, *given: Any, **named: Any) -> Any:
        drafts = plain(self, input_batch, *given, **named)
        for line, slot in enumerate(input_batch.idx_mapping_np.tolist()):
            forced = processor.forced(slot, drafts.shape[1])
            if forced:
                drafts[line, : len(forced)] = drafts.new_tensor(forced)
        return drafts

    NgramGPUSpeculator.propose = propose
