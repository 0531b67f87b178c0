"""One vLLM engine in one way of scheduling, over all requests; prints a JSON line of outputs.

python tests/in_vllm/run.py MODE RULES [free]
"""

from __future__ import annotations

import json
import os
import sys

from asks import MODEL, asks

MODES = {
    "plain": {},
    "spec": {
        "speculative_config": {
            "method": "ngram",
            "num_speculative_tokens": 3,
            "prompt_lookup_max": 2,
            "prompt_lookup_min": 1,
        }
    },
    "async": {"async_scheduling": True},
    "preempt": {
        "num_gpu_blocks_override": 14,
        "enable_prefix_caching": False,
        "max_num_batched_tokens": 32,
        "max_model_len": 416,
        "disable_log_stats": False,
    },
    "drafts": {"disable_log_stats": False},
    "prefix": {"enable_prefix_caching": True, "max_num_batched_tokens": 48},
}


def environment(mode: str) -> dict[str, str]:
    """What vLLM needs on a machine without a GPU."""
    return {
        "TRITON_INTERPRET": "1",
        "VLLM_USE_V2_MODEL_RUNNER": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_LOGGING_LEVEL": "WARNING",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "2",
        "RULEC_TEST_ASYNC": "1" if mode == "async" else "0",
    }


def main(mode: str, rules: str, free: bool) -> None:
    from vllm import LLM, SamplingParams

    from rulec.runtime.vllm import enforce

    options = {"max_model_len": 512, "max_num_seqs": 6, "block_size": 32, **MODES[mode]}
    if not free:
        options |= enforce(rules, MODEL, drafts=4 if mode == "drafts" else 0)
    llm = LLM(model=str(MODEL), enforce_eager=True, dtype="float32", **options)

    def decode() -> list[list[dict]]:
        chosen = [ask for ask in asks() if not free or ask.rules is None]
        params = [
            SamplingParams(
                max_tokens=ask.limit,
                extra_args=None if ask.rules is None else {"rules": ask.rules},
                **ask.sampling,
            )
            for ask in chosen
        ]
        outputs = llm.generate([ask.prompt for ask in chosen], params, use_tqdm=False)
        return [
            [
                {"tokens": list(one.token_ids), "finish": one.finish_reason}
                for one in output.outputs
            ]
            for output in outputs
        ]

    found = {"outputs": decode()}
    if mode == "plain" and not free:
        found["served"] = llm.collective_rpc("rules_served")
        found["refused"] = refusals(llm)
        for level in (1, 2):
            llm.sleep(level)
            llm.wake_up()
            found[f"slept {level}"] = decode()
    if mode == "prefix":
        found["again"] = decode()
    if not free:
        found["counted"] = llm.collective_rpc("rules_counted")
    if not options.get("disable_log_stats", True):
        found["metrics"] = {
            metric.name: metric.value
            for metric in llm.get_metrics()
            if hasattr(metric, "value")
        }
    print("RESULT", json.dumps(found), flush=True)


def refusals(llm) -> dict[str, str]:
    """What is said of requests that can't be kept."""
    from vllm import SamplingParams
    from vllm.exceptions import VLLMValidationError

    bill = {"rules": "bill"}
    wrong = {
        "unknown": {"extra_args": {"rules": "bil"}},
        "member": {"extra_args": {"rules": {**bill, "wiht": {}}}},
        "flat": {"extra_args": {"rules": "bill", "rules_wiht": "{}"}},
        "value": {"extra_args": {"rules": {**bill, "with": {"most": "x"}}}},
        "range": {"extra_args": {"rules": "bill", "rules_with": '{"most": 1e400}'}},
        "json": {"extra_args": {"rules": "bill", "rules_with": "{"}},
        "budget": {"extra_args": {"rules": bill}, "max_tokens": 5},
        "commit": {"extra_args": {"rules": "pairs"}},
        "audit": {"extra_args": {"rules": {**bill, "audit": ["total"]}}},
        "table": {"extra_args": {"rules": "stock"}},
        "resumed": {"extra_args": {"rules": bill, "rulec_resumed": {"origin": 0}}},
        "stop": {"extra_args": {"rules": bill}, "stop": ["x"]},
        "ignore_eos": {"extra_args": {"rules": bill}, "ignore_eos": True},
        "min_tokens": {"extra_args": {"rules": bill}, "min_tokens": 3},
        "bad_words": {"extra_args": {"rules": bill}, "bad_words": ["Total"]},
        "logit_bias": {"extra_args": {"rules": bill}, "logit_bias": {5: 1.0}},
        "allowed_token_ids": {"extra_args": {"rules": bill}, "allowed_token_ids": [5]},
    }
    found = {}
    for name, options in wrong.items():
        try:
            llm.generate(["x"], SamplingParams(**{"max_tokens": 60, **options}), use_tqdm=False)
            found[name] = ""
        except VLLMValidationError as error:
            found[name] = str(error)
    return found


if __name__ == "__main__":
    os.environ.update(environment(sys.argv[1]))
    main(sys.argv[1], sys.argv[2], "free" in sys.argv)
