"""A tiny Llama with random weights and a byte-level BPE.

python tests/vllm_cpu/tiny_model.py FOLDER
"""

import json
import sys
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

SIZE = 1_536
SPECIALS = ("<|bos|>", "<|eos|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>")
TEXT = (
    *("INVOICE\n- ABC-1234 x4 @ $2.50 = $10.00\nSubtotal: $10.00\nTax (8%): $0.80\n",),
    *(
        f"So {a} + {b} = {a + b}, and {a} * {b} = {a * b}.\n"
        for a in range(40)
        for b in (3, 17)
    ),
    *(f"item {a}\nTotal: {a * 7}\nwords: ab ba a b\n" for a in range(200)),
)
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{m.role}}\n{{m.content}}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n"
)


def write(folder: Path) -> None:
    """Write configuration, tokenizer and reproducible random weights."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE,
        show_progress=False,
        special_tokens=[AddedToken(name, special=True) for name in SPECIALS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator([*TEXT, *(json.__doc__ or "").splitlines()], trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    size = tokenizer.get_vocab_size()
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "hidden_act": "silu",
        "max_position_embeddings": 1024,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10_000.0,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "vocab_size": size,
        "bos_token_id": 0,
        "eos_token_id": 1,
    }
    named = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|bos|>",
        "eos_token": "<|eos|>",
        "model_max_length": 1024,
        "chat_template": TEMPLATE,
    }
    for name, content in (
        ("config.json", config),
        ("tokenizer_config.json", named),
        ("generation_config.json", {"bos_token_id": 0, "eos_token_id": 1}),
    ):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    weigh(folder, config)


def weigh(folder: Path, config: dict) -> None:
    """Random weights, large enough that the likeliest token is likely."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(7)
    model = LlamaForCausalLM(LlamaConfig(**config)).float()
    with torch.no_grad():
        for weights in model.parameters():
            if weights.dim() == 2:
                weights.normal_(0.0, 0.2)
    model.save_pretrained(folder)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python tests/vllm_cpu/tiny_model.py FOLDER")
    write(Path(sys.argv[1]))
