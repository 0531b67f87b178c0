"""A model on disk, ready to write."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError

from rulec.compiler.vocabulary import load_vocabulary
from rulec.runtime.generate import Guide, OnToken, Output, generate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class ModelError(Exception):
    """A folder whose model or tokenizer can't be used, and why."""


class Writer:
    """A causal model of transformers from a local folder, with its tokenizer.

    `vocabulary` has the width of the model's logits and the ends that its configuration names.
    """

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        """Load the folder.

        Raises:
            ModelError: if it holds no model, or one that can't be read.
            VocabularyError: if its tokenizer can't be read, or does not fit the model.
        """
        vocabulary = load_vocabulary(folder)
        try:
            self._load(folder, device)
        except (
            *(AttributeError, ImportError, KeyError, OSError),
            *(RuntimeError, SafetensorError, TypeError, ValueError),
        ) as error:
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            raise ModelError(f"{folder} can't be loaded: {reason}") from error
        self.vocabulary = vocabulary.with_size(self._width()).with_ends(
            {*vocabulary.ends, *self._ends()}
        )

    def _load(self, folder: Path, device: str) -> None:
        # Nothing is fetched: what is not in the folder is missing.
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        from transformers import (  # noqa: PLC0415
            AutoModelForCausalLM,
            AutoTokenizer,
            logging,
        )

        logging.disable_progress_bar()
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        network: Any = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
        self.network: Any = network.to(torch.device(device)).eval()

    def prompt(self, text: str, *, raw: bool = False) -> list[int]:
        """The ids of a prompt: as one message of a chat where the model knows chats."""
        if raw or not self._tokenizer.chat_template:
            return list(self._tokenizer(text)["input_ids"])
        chat = self._tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], add_generation_prompt=True, tokenize=False
        )
        return list(self._tokenizer(chat, add_special_tokens=False)["input_ids"])

    def write(  # noqa: PLR0913
        self,
        prompts: Sequence[Sequence[int]],
        sessions: Sequence[Guide | None],
        *,
        max_new_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        on_token: OnToken | None = None,
        traced: bool = False,
    ) -> list[Output]:
        """Let the model write; see `rulec.runtime.generate.generate`."""
        return generate(
            self.network,
            prompts,
            sessions,
            vocabulary=self.vocabulary,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            seed=seed,
            on_token=on_token,
            traced=traced,
        )

    def _width(self) -> int:
        width: int = self.network.get_output_embeddings().weight.shape[0]
        return width

    def _ends(self) -> list[int]:
        named = self.network.generation_config.eos_token_id
        if named is None:
            return []
        return [named] if isinstance(named, int) else list(named)
