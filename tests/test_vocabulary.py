from __future__ import annotations

import base64
import copy
import hashlib
import json
import os
import random
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rulec.compiler.pieces import BYTE_LETTERS
from rulec.compiler.vocabulary import Vocabulary, VocabularyError, load_vocabulary

MODEST = settings(
    deadline=None,
    max_examples=2000 if os.environ.get("RULEC_FUZZ") else 60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
LETTER_OF = {byte: letter for letter, byte in BYTE_LETTERS.items()}
TEXTS = [*(bytes([n]) for n in range(256)), b" the", b"=.", b"12", "é".encode(), b"\n\n", b"  "]
END = len(TEXTS)


def byte_letters(text):
    return "".join(LETTER_OF[byte] for byte in text)


def packed(text):
    return base64.b64encode(text).decode()


# --- the same vocabulary in every format ---


def byte_level_json():
    added = [{"id": END, "content": "<end>", "special": True}]
    vocab = {byte_letters(text): n for n, text in enumerate(TEXTS)}
    decoder = {"type": "ByteLevel"}
    return {"added_tokens": added, "decoder": decoder, "model": {"type": "BPE", "vocab": vocab}}


def tiktoken_text():
    return "".join(f"{packed(text)} {rank}\n" for rank, text in enumerate(TEXTS)).encode()


def js_tiktoken_text():
    ranks = "! 0 " + " ".join(packed(text) for text in TEXTS[:9])
    ranks += "\n! 9 " + " ".join(packed(text) for text in TEXTS[9:])
    content = {"pat_str": ".", "special_tokens": {"<|endoftext|>": END}, "bpe_ranks": ranks}
    return f"export default {json.dumps(content)};".encode()


def gpt_tokenizer_text():
    def entry(text):
        try:
            spelled = json.dumps(text.decode(), ensure_ascii=False)
        except UnicodeDecodeError:
            return str(list(text))
        return spelled.replace("\\u0000", "\\0").replace("\\u007f", "\\x7f")

    one, two = (",\n\t".join(map(entry, half)) for half in (TEXTS[:200], TEXTS[200:]))
    head = "//#region ranks\n"
    tail = "/** @type {(string | number[])[]} */\nconst bpe = c0.concat(c1);\n"
    return f"{head}const c0 = [\n\t{one}\n];\nconst c1 = [\n\t{two}\n];\n{tail}".encode()


def tekken_json(first=3):
    vocab = [{"rank": n, "token_bytes": packed(text)} for n, text in enumerate(TEXTS)]
    vocab.append({"rank": len(TEXTS), "token_bytes": packed(b"beyond the size")})
    config = {"default_vocab_size": first + len(TEXTS), "default_num_special_tokens": first}
    return {"config": config, "vocab": vocab}


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def chunk(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def sentencepiece_model(end=2):
    pieces = [("<unk>", 2), ("<s>", 3), ("</s>", 3)]
    pieces += [(f"<0x{n:02X}>", 6) for n in range(256)]
    pieces += [(text.decode().replace(" ", "▁"), 1) for text in TEXTS[256:]]
    pieces += [("<unused>", 5), ("▁▁▁", 4)]
    out = b""
    for text, kind in pieces:
        score = varint(2 << 3 | 5) + struct.pack("<f", -1.0)
        out += chunk(1, chunk(1, text.encode()) + score + varint(3 << 3) + varint(kind))
    return out + chunk(2, varint(42 << 3) + varint(end)) + chunk(3, b"")


def gguf_string(text):
    return struct.pack("<Q", len(text.encode())) + text.encode()


def gguf_list(kind, layout, values):
    body = b"".join(
        gguf_string(v) if layout is None else struct.pack(layout, v) for v in values
    )
    return struct.pack("<IIQ", 9, kind, len(values)) + body


def gguf_file(pieces, kinds, model="gpt2", **more):
    pairs = {
        "general.architecture": struct.pack("<I", 8) + gguf_string("toy"),
        "tokenizer.ggml.model": struct.pack("<I", 8) + gguf_string(model),
        "tokenizer.ggml.merges": gguf_list(8, None, ["a b", "c d"]),
        "tokenizer.ggml.scores": gguf_list(6, "<f", [0.5] * 4),
        "tokenizer.ggml.tokens": gguf_list(8, None, pieces),
        "tokenizer.ggml.token_type": gguf_list(5, "<i", kinds),
    }
    pairs |= {name.replace("__", "."): struct.pack("<II", 4, n) for name, n in more.items()}
    body = b"".join(gguf_string(name) + value for name, value in pairs.items())
    return struct.pack("<4sIQQ", b"GGUF", 3, 7, len(pairs)) + body


def byte_level_gguf():
    pieces = [*map(byte_letters, TEXTS), "<end>"]
    kinds = [1] * len(TEXTS) + [3]
    return gguf_file(pieces, kinds, tokenizer__ggml__eos_token_id=END, toy__vocab_size=END + 9)


def spaced_gguf():
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{n:02X}>" for n in range(256))]
    pieces += [text.decode().replace(" ", "▁") for text in TEXTS[256:]] + ["<unused>", "   "]
    kinds = [2, 3, 3, *[6] * 256, *[1] * len(TEXTS[256:]), 5, 4]
    return gguf_file(pieces, kinds, "llama", tokenizer__ggml__eos_token_id=2)


def as_bytes(content):
    return content if isinstance(content, bytes) else json.dumps(content).encode()


FORMATS = {
    "byte-level json": byte_level_json,
    "tiktoken": tiktoken_text,
    "js-tiktoken": js_tiktoken_text,
    "gpt-tokenizer": gpt_tokenizer_text,
    "tekken": tekken_json,
    "sentencepiece": sentencepiece_model,
    "byte-level gguf": byte_level_gguf,
    "spaced gguf": spaced_gguf,
}


def load(folder, content, name="file"):
    path = folder / name
    path.write_bytes(as_bytes(content))
    return load_vocabulary(path)


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_gives_the_bytes(form, tmp_path):
    vocabulary = load(tmp_path, FORMATS[form]())
    written = [text for text in vocabulary.tokens if text is not None]
    assert written == TEXTS + [b"   "] * (form in {"sentencepiece", "spaced gguf"})
    assert vocabulary.missing_bytes() == ()
    assert len(vocabulary.tokens) == vocabulary.size


@pytest.mark.parametrize(
    "form", ["byte-level json", "tiktoken", "gpt-tokenizer", "js-tiktoken"]
)
def test_digest_is_that_of_the_tokens_not_of_the_file(form, tmp_path):
    vocabulary = load(tmp_path, FORMATS[form]()).with_size(END + 30).with_ends([END])
    assert vocabulary.digest == load(tmp_path, byte_level_gguf()).digest
    assert vocabulary.digest != vocabulary.with_ends([END + 1]).digest
    assert vocabulary.digest != vocabulary.with_ends([]).digest


def test_digest_is_stable():
    vocabulary = Vocabulary((b"a", None, b"bc"), (1,), 3)
    parts = [(1, b"a"), (-1, b""), (2, b"bc")]
    content = b"".join(struct.pack("<i", length) + text for length, text in parts)
    content = b"rulec vocabulary 1\n" + content + b"ends" + struct.pack("<I", 1)
    assert vocabulary.digest == hashlib.sha256(content).hexdigest()
    assert vocabulary.digest == vocabulary.with_size(9).digest


def test_ends_and_sizes(tmp_path):
    assert load(tmp_path, byte_level_gguf()).ends == (END,)
    assert load(tmp_path, byte_level_gguf()).size == END + 9
    assert load(tmp_path, sentencepiece_model()).ends == (2,)
    assert load(tmp_path, sentencepiece_model(end=2**64 - 1)).ends == ()
    assert load(tmp_path, tekken_json()).ends == (2,)
    assert load(tmp_path, js_tiktoken_text()).ends == (END,)
    assert load(tmp_path, byte_level_json()).ends == ()
    assert load(tmp_path, byte_level_json()).specials == {"<end>": END}


# --- what a folder says ---


def test_folder_gives_ends_and_width(tmp_path):
    content = byte_level_json()
    content["added_tokens"] += [
        {"id": END + 1, "content": "<turn>", "special": True},
        {"id": END + 2, "content": "<think>", "special": False},
        {"id": END + 3, "content": "<late>", "special": False},
    ]
    late = {"added_tokens_decoder": {str(END + 3): {"content": "<late>", "special": True}}}
    files = {
        "tokenizer.json": content,
        "tokenizer_config.json": {"eos_token": {"content": "<turn>"}} | late,
        "generation_config.json": {"eos_token_id": [END, END + 5]},
        "config.json": {"eos_token_id": 7, "text_config": {"vocab_size": 300}},
    }
    for name, value in files.items():
        (tmp_path / name).write_bytes(as_bytes(value))
    vocabulary = load_vocabulary(tmp_path)
    assert vocabulary.ends == (END, END + 1, END + 5)
    assert vocabulary.size == 300
    assert vocabulary.tokens[END + 2] == b"<think>"
    assert vocabulary.tokens[END + 3] is None
    (tmp_path / "generation_config.json").unlink()
    assert load_vocabulary(tmp_path).ends == (7, END + 1)
    assert load_vocabulary(tmp_path).tokens[7] is None


def test_folder_without_a_tokenizer(tmp_path):
    with pytest.raises(VocabularyError, match="no tokenizer file"):
        load_vocabulary(tmp_path)
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).write_bytes(byte_level_gguf())
    with pytest.raises(VocabularyError, match="several tokenizers"):
        load_vocabulary(tmp_path)


# --- decoders ---

SPACED = [
    {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
    {"type": "ByteFallback"},
    {"type": "Fuse"},
    {"type": "Strip", "content": " ", "start": 1, "stop": 0},
]


def spaced_json(decoder, pieces):
    vocab = {piece: n for n, piece in enumerate(pieces)}
    return {"decoder": decoder, "model": {"type": "BPE", "vocab": vocab}}


def test_spaced_tokens(tmp_path):
    pieces = ["▁a", "<0x0A>", "<0xZZ>", "\n", "▁▁", "é", ""]
    content = spaced_json({"type": "Sequence", "decoders": SPACED}, pieces)
    content["added_tokens"] = [{"id": 7, "content": "x▁y", "special": False}]
    got = load(tmp_path, content).tokens
    assert got == (b" a", b"\n", b"<0xZZ>", b"\n", b"  ", "é".encode(), None, b"x y")


def test_unigram(tmp_path):
    model = {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["▁a", -1.5]]}
    content = {"decoder": {"type": "Metaspace", "replacement": "▁"}, "model": model}
    assert load(tmp_path, content).tokens == (None, b" a")


def test_byte_level_without_a_decoder(tmp_path):
    content = spaced_json(None, ["Ġa", "a b"])
    content["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"}]}
    assert load(tmp_path, content).tokens == (b" a", b"a b")


REFUSED = [
    (spaced_json(None, ["a"]), "no decoder"),
    (spaced_json({"type": "WordPiece", "prefix": "##"}, ["a"]), "WordPiece"),
    (spaced_json({"type": "BPEDecoder", "suffix": "</w>"}, ["a"]), "BPEDecoder"),
    ({"decoder": SPACED[0], "model": {"type": "WordPiece", "vocab": {"a": 0}}}, "WordPiece"),
    ({"decoder": SPACED[0], "model": {"type": "BPE", "vocab": {"a": -1}}}, "outside"),
    ({"decoder": SPACED[0], "model": {"type": "BPE", "vocab": {"a": 10**400}}}, "outside"),
    ({"decoder": SPACED[0], "model": {"type": "BPE", "vocab": {"a": 0.5}}}, "whole number"),
    ({"decoder": SPACED[0], "model": {"type": "BPE", "vocab": {"\ud800": 0}}}, "surrogate"),
    ({"decoder": SPACED[0], "model": {"type": "BPE", "vocab": {}}}, "no token"),
    ({"decoder": 5, "model": {}}, "not an object"),
    ({"version": "1.0"}, "no tokenizer that is known"),
    (b"[]", "no tokenizer file"),
    (b"", "no tokenizer file"),
    (b'{"model": ' + b"[" * 100_000, "not valid JSON"),
    (b'{"model": ' + b"9" * 100_000 + b"}", "not valid JSON"),
    (b"YQ== 0\nYg= 1\n", "base64"),
    (b"YQ== 0\nYg==\n", "line 2 has no rank"),
    (b"YQ== 0\nYg== 99999999\n", "outside"),
    (b"export default 5;", "no token"),
    (b"const c0 = [\n'a'\n];\n", "this is no token"),
    (b"const c0 = [\n[256]\n];\n", "not a byte"),
    (b"\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "endless number"),
    (b"\n\x7f", "cut off"),
    (struct.pack("<4sIQQ", b"GGUF", 3, 0, 2**60), "declares"),
    (struct.pack("<4sIQQ", b"GGUF", 9, 0, 1), "version 9"),
    (struct.pack("<4sIQQQ", b"GGUF", 3, 0, 1, 2**63), "a string of"),
    (gguf_file(["a"], [1], "bert"), "bert"),
    (gguf_file(["a"], [1, 1]), "differ in length"),
    (gguf_file(["a"], [6]), "is no byte"),
]


@pytest.mark.parametrize(("content", "message"), REFUSED)
def test_refusals(content, message, tmp_path):
    with pytest.raises(VocabularyError, match=message):
        load(tmp_path, content)


def test_missing_file(tmp_path):
    with pytest.raises(VocabularyError, match="can't read `nothing`"):
        load_vocabulary(tmp_path / "nothing")


def test_huge_list_in_a_gguf_header(tmp_path):
    head = struct.pack("<4sIQQ", b"GGUF", 3, 0, 1) + gguf_string("tokenizer.ggml.tokens")
    with pytest.raises(VocabularyError, match="a list of"):
        load(tmp_path, head + struct.pack("<IIQ", 9, 8, 2**62))


# --- nothing but a vocabulary or an error ---


def loads_or_refuses(path):
    try:
        vocabulary = load_vocabulary(path)
    except VocabularyError as error:
        return str(error) != ""
    return vocabulary.size >= len(vocabulary.tokens) > 0


@pytest.mark.parametrize("form", FORMATS)
@MODEST
@given(seed=st.integers(0, 2**32))
def test_damaged_files(form, tmp_path, seed):
    draw = random.Random(seed)
    content = bytearray(as_bytes(FORMATS[form]()))
    for _ in range(draw.randrange(4)):
        content[draw.randrange(min(len(content), draw.choice([40, 10**6])))] = draw.randrange(
            256
        )
    path = tmp_path / "file"
    path.write_bytes(content[: draw.choice([len(content), draw.randrange(len(content))])])
    assert loads_or_refuses(path)


JUNK = [
    None,
    True,
    0,
    -1,
    3.5,
    10**30,
    "x",
    "",
    "\ud800",
    [],
    {},
    [None],
    [[1]],
    {"type": "Fuse"},
]


@pytest.mark.parametrize("form", ["byte-level json", "tekken"])
@MODEST
@given(seed=st.integers(0, 2**32))
def test_json_of_the_wrong_shape(form, tmp_path, seed):
    draw = random.Random(seed)
    content = copy.deepcopy(FORMATS[form]())
    content["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"}]}
    content["special_tokens"] = [{"rank": 1, "token_str": "<s>"}]
    if draw.random() < 0.5:
        content["decoder"] = {"type": "Sequence", "decoders": copy.deepcopy(SPACED)}
    spoil(content, draw)
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content))
    for name in ("tokenizer_config.json", "generation_config.json", "config.json"):
        beside = {"eos_token": "<end>", "eos_token_id": [1], "vocab_size": 900}
        beside["added_tokens_decoder"] = {"3": {"content": "x", "special": True}}
        spoil(beside, draw)
        (tmp_path / name).write_text(json.dumps(beside))
    assert loads_or_refuses(path)


def spoil(value, draw):
    """Put something else in one place of a JSON value."""
    while True:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        key = draw.choice(list(keys))
        inner = value[key]
        if not isinstance(inner, dict | list) or not inner or draw.random() < 0.3:
            value[key] = draw.choice(JUNK)
            return
        value = inner


# --- the vocabulary itself ---

TINY = Vocabulary((b"a", b"ab", None, b"ab", b"c"), (2,), 5)


def test_duplicates_keep_the_lowest_id():
    assert TINY.ids == {b"a": 0, b"ab": 1, b"c": 4}
    assert TINY.encode_greedy(b"abca") == [1, 4, 0]
    with pytest.raises(VocabularyError, match="no token begins with byte 0x62"):
        TINY.encode_greedy(b"ba")


def test_width_has_room_for_every_token():
    assert TINY.with_size(40).size == 40
    assert TINY.with_size(40).with_size(5) == TINY
    with pytest.raises(VocabularyError, match="4 logits for 5 tokens"):
        TINY.with_size(4)
    with pytest.raises(VocabularyError, match="outside"):
        TINY.with_ends([5])
    assert TINY.with_size(40).with_ends([1, 30]).tokens[1] is None


@MODEST
@given(st.binary(max_size=12))
def test_greedy_tokens_write_the_text(text):
    vocabulary = Vocabulary(tuple(TEXTS), (), len(TEXTS))
    assert b"".join(vocabulary.tokens[n] for n in vocabulary.encode_greedy(text)) == text


# --- against the real libraries ---

PROSE = "Héllo  wörld 漢字 😀🏽 ١٢٣\n\n\tx = 12.5, <tool> 'it's' =. =$"


def test_agrees_with_tokenizers_on_a_trained_byte_level_model(tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    model = tokenizers.Tokenizer(tokenizers.models.BPE())
    model.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=alphabet, special_tokens=["<end>"], show_progress=False
    )
    model.train_from_iterator([PROSE, "the cat 12.50 = 3 + 4\n"] * 20, trainer)
    model.add_tokens(["<tool>", "two words"])
    model.save(str(tmp_path / "tokenizer.json"))
    assert_same(load_vocabulary(tmp_path), model)


def assert_same(vocabulary, model):
    for token in range(model.get_vocab_size()):
        text = (vocabulary.tokens[token] or b"").decode(errors="replace")
        assert text == model.decode([token], skip_special_tokens=True)
    tokens = model.encode(PROSE, add_special_tokens=False).ids
    assert b"".join(vocabulary.tokens[token] or b"" for token in tokens).decode() == PROSE


REAL = Path(os.environ.get("RULEC_TOKENIZERS", "no-tokenizers"))
"""A folder of model folders, each with a `tokenizer.json`."""


@pytest.mark.parametrize("path", sorted(REAL.glob("**/tokenizer.json")), ids=str)
def test_agrees_with_tokenizers_on_real_models(path):
    tokenizers = pytest.importorskip("tokenizers")
    model = tokenizers.Tokenizer.from_file(str(path))
    assert_same(load_vocabulary(path), model)


def test_agrees_with_mistral_common():
    common = pytest.importorskip("mistral_common")
    from mistral_common.tokens.tokenizers.tekken import Tekkenizer  # noqa: PLC0415

    path = Path(common.__file__).parent / "data" / "tekken_240911.json"
    if not path.is_file():
        pytest.skip("this release carries no tekken file")
    peer, vocabulary = Tekkenizer.from_file(str(path)), load_vocabulary(path)
    assert (vocabulary.size, vocabulary.ends) == (peer.n_words, (peer.eos_id,))
    for token in range(peer.num_special_tokens, peer.n_words):
        assert vocabulary.tokens[token] == peer.id_to_byte_piece(token)
