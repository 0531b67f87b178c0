"""vLLM writes free and under rules, each answer judged by the reference engine.

python examples/vllm_demo.py --model FOLDER
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

from orders import WRITTEN
from vllm import LLM, SamplingParams

from rulec.compiler import build
from rulec.dsl import load
from rulec.runtime import Verdict, verify
from rulec.runtime.vllm import enforce

HERE = Path(__file__).parent
RULES = ("arithmetic", "invoice")
QUESTIONS = (
    "What is 8 * 37? Explain step by step.",
    "Tom earns $15 an hour and works 38 hours. How much does he earn?",
)
ORDER = f"{WRITTEN}Order: 3 of LMP-1001 at $12.50, 12 of CBL-2040 at $4.25\n"


def judge(name: str, text: str) -> Verdict:
    """What the reference engine says of a text."""
    ruleset = load(HERE / f"{name}.rules").ruleset
    machine = build(ruleset).machine if ruleset is not None else None
    if machine is None:
        raise SystemExit(f"{name}.rules can't be built")
    return verify(machine, text)


def told(verdict: Verdict) -> str:
    """A verdict in one line."""
    wrong = [claim for claim in verdict.claims if claim.verdict == "violate"]
    shown = ", ".join(f"{claim.found} for {claim.expected}" for claim in wrong)
    return f"{verdict.verdict}, {len(verdict.claims)} claims" + (f": {shown}" if shown else "")


def write(model: Path, folder: Path, tokens: int) -> list[Any]:
    """The answers, free and under rules by turns."""
    llm = LLM(str(model), enforce_eager=True, max_model_len=1024, **enforce(folder, model))
    template = llm.get_tokenizer().apply_chat_template
    asked = [("arithmetic", tokens, question) for question in QUESTIONS]
    prompts, params = [], []
    for name, limit, question in (*asked, ("invoice", 2 * tokens, ORDER)):
        chat = [{"role": "user", "content": question}]
        prompt = template(chat, add_generation_prompt=True, tokenize=False)
        for extra in (None, {"rules": name}):
            prompts.append(ORDER if name == "invoice" else prompt)
            sampling = SamplingParams(max_tokens=limit, temperature=0.0, extra_args=extra)
            params.append(sampling)
    return list(llm.generate(prompts, params, use_tqdm=False))


def main() -> None:
    """Run the demo."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--model", type=Path, required=True)
    options.add_argument("--tokens", type=int, default=96, help="the limit of an answer")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in RULES:
            shutil.copy(HERE / f"{name}.rules", folder)
        answers = write(chosen.model, Path(folder), chosen.tokens)
    for number, answer in enumerate(answers):
        name = "invoice" if number >= 2 * len(QUESTIONS) else "arithmetic"
        text = answer.outputs[0].text
        if name == "invoice" and number % 2 == 0:
            text = text.partition("\n\n")[0]
        how = f"under {name}.rules" if number % 2 else "free"
        print(f"--- {how}: {told(judge(name, text))}\n{text.strip()}\n")


if __name__ == "__main__":
    main()
