"""`rulec serve` over HTTP."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from asks import CATALOG, HERE, MODEL, gather_rules
from run import environment

from rulec.runtime import Externals, verify

KEY, OTHER = "of-the-auditor", "of-somebody"
LUCKY = Externals({"lucky": lambda total: total % 3 == 0})
FLAGS = (
    *("--enforce-eager", "--dtype", "float32", "--max-model-len", "512"),
    *("--max-num-seqs", "6", "--block-size", "32", "--enable-prefix-caching"),
)


class Server:
    """A server in a process of its own."""

    def __init__(self, folder: Path, policy: dict, *flags: str) -> None:
        self.rules = gather_rules(folder / "served")
        (folder / "policy.json").write_text(json.dumps(policy))
        (folder / "luck.py").write_text("def lucky(total):\n    return total % 3 == 0\n")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.command = [
            *(sys.executable, "-m", "rulec", "serve", str(MODEL)),
            *("--enforce-reasoning", str(self.rules)),
            *("--rules-policy", str(folder / "policy.json"), "--external", "luck:lucky"),
            *("--port", str(self.port), *FLAGS, *flags),
        ]
        self.folder = folder
        self.start()

    def start(self) -> None:
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(
            self.command,
            cwd=self.folder,
            env={**os.environ, **environment("plain")},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            timeout=120,
            headers={"Authorization": f"Bearer {KEY}"},
        )
        for _ in range(600):
            assert self.process.poll() is None, (self.folder / "log").read_text()[-4000:]
            try:
                if self.client.get("/health").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.5)
        raise AssertionError((self.folder / "log").read_text()[-4000:])

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def ask(self, asked: dict | None, **options) -> httpx.Response:
        body = {
            "model": str(MODEL),
            "prompt": "Bill:\n",
            "max_tokens": 60,
            "temperature": 1.0,
            "seed": 1,
            **options,
        }
        if asked is not None:
            body["vllm_xargs"] = asked
        return self.client.post("/v1/completions", json=body)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    policy = {"demote": [digest], "table_bytes": 4096, "retries": 40}
    found = Server(tmp_path_factory.mktemp("server"), policy)
    yield found
    found.stop()


def choices(answer: httpx.Response) -> list[dict]:
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"]


def judged(catalog, rules: str, choice: dict, inputs=None) -> str:
    """The verdict of the reference engine, which the server's own must equal."""
    machine = catalog.find(rules).pack.machine
    found = verify(machine, choice["text"].encode(), inputs, LUCKY)
    record = choice["rules"]["verdict"]
    assert choice["rules"]["ruleset"] == rules
    if record["verdict"] != "exhausted":
        assert record["verdict"] == found.verdict
        for own, other in zip(record["claims"], found.to_record()["claims"], strict=True):
            assert own | {"tokens": None} == other
            assert own["tokens"] is not None
    return record["verdict"]


def test_masks_keep_rules_and_verdicts_say_so(server, catalog):
    for seed in range(3):
        (choice,) = choices(
            server.ask({"rules": "bill", "rules_with": '{"most": 99}'}, seed=seed)
        )
        assert judged(catalog, "bill", choice, {"most": 99}) == "pass"


def test_the_same_as_one_json_text(server):
    flat = server.ask({"rules": "bill", "rules_with": '{"most": 99}'})
    whole = server.ask({"rules": json.dumps({"rules": "bill", "with": {"most": 99}})})
    assert choices(flat) == choices(whole)


def test_a_request_without_rules_has_no_verdict(server):
    (choice,) = choices(server.ask(None))
    assert "rules" not in choice


def test_several_prompts_and_outputs_have_a_verdict_each(server, catalog):
    answer = server.ask({"rules": "bill"}, n=2, prompt=["Bill:\n", "Another:\n"])
    assert [judged(catalog, "bill", choice) for choice in choices(answer)] == ["pass"] * 4


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", ["pairs", "words"])
def test_what_breaks_a_rule_is_taken_back(server, catalog, name, stream):
    back = 0
    for seed in range(4):
        if stream:
            choice = streamed(server, {"rules": name}, seed)
        else:
            (choice,) = choices(server.ask({"rules": name}, seed=seed))
        assert judged(catalog, name, choice) in ("pass", "exhausted")
        back += choice["rules"]["rollbacks"]
    assert back > 0


def streamed(server: Server, rules: dict, seed: int) -> dict:
    text, last = "", None
    answer = server.ask(rules, seed=seed, stream=True)
    for line in answer.text.splitlines():
        if line.startswith("data: {"):
            (last,) = json.loads(line[6:])["choices"]
            text += last["text"]
    return {**last, "text": text}


def test_a_sampled_sequence_that_goes_back_is_reproducible(server):
    one, other = (server.ask({"rules": "pairs"}, seed=5, n=2, logprobs=0) for _ in range(2))
    assert choices(one) == choices(other)
    for choice in choices(one):
        assert len(choice["logprobs"]["tokens"]) == len(choice["logprobs"]["token_logprobs"])


def test_others_never_notice_a_rollback(server):
    alone = choices(server.ask(None, seed=9, max_tokens=80))
    with ThreadPoolExecutor() as pool:
        others = [pool.submit(server.ask, {"rules": "pairs"}, seed=seed) for seed in range(4)]
        beside = pool.submit(server.ask, None, seed=9, max_tokens=80)
        assert choices(beside.result()) == alone
        for other in others:
            choices(other.result())


def test_reasoning_models_begin_behind_their_marker(server, catalog):
    answer = server.client.post(
        "/v1/chat/completions",
        json={
            "model": str(MODEL),
            "messages": [{"role": "user", "content": "a bill"}],
            "max_tokens": 90,
            "seed": 3,
            "skip_special_tokens": False,
            "vllm_xargs": {"rules": "bill", "rules_after": "</think>"},
        },
    )
    (choice,) = choices(answer)
    _, marker, text = choice["message"]["content"].partition("</think>")
    assert marker
    assert judged(catalog, "bill", {**choice, "text": text.strip()}) == "pass"


@pytest.mark.parametrize(
    ("asked", "options", "said"),
    [
        ({"rules": "bil"}, {}, "there are no rules `bil`"),
        ({"rules": ""}, {}, "must be the name"),
        ({"rules_with": "{}"}, {}, "`rules` is missing"),
        ({"rules": "bill", "rules_wth": "{}"}, {}, "did you mean `with`"),
        ({"rules": "bill", "rules_with": "[]"}, {}, "must be an object"),
        ({"rules": "bill", "rules_with": "{"}, {}, "no JSON"),
        ({"rules": "bill", "rules_with": '{"most": "x"}'}, {}, "can't be 'x'"),
        ({"rules": "bill", "rules_after": ""}, {}, "`after`"),
        ({"rules": "bill", "rules_enforce": "maybe"}, {}, "`enforce`"),
        ({"rules": "pairs", "rules_audit": "lucky,sum"}, {}, "no rule `sum`"),
        ({"rules": "bill", "rules_audit": "total"}, {}, "kept by masks"),
        ({"rules": "stock"}, {}, "must come with the request"),
        ({"rules": "stock", "rules_with": '{"catalog": {"sha256": "0"}}'}, {}, "upload it"),
        ({"rules": "bill"}, {"max_tokens": 4}, "no trace is sure to fit 4 tokens"),
        ({"rules": "bill"}, {"stop": ["x"]}, "`stop` can't stand"),
        ({"rules": "bill"}, {"min_tokens": 2}, "`min_tokens` can't stand"),
        ({"rules": "bill"}, {"ignore_eos": True}, "`ignore_eos` can't stand"),
        ({"rules": "bill"}, {"logit_bias": {"5": 1}}, "`logit_bias` can't stand"),
        ({"rules": "bill"}, {"allowed_token_ids": [5]}, "`allowed_token_ids` can't stand"),
        ({"rules": "bill"}, {"bad_words": ["x"]}, "`bad_words` can't stand"),
        (
            {"rules": "bill"},
            {"structured_outputs": {"regex": "a+"}},
            "`structured_outputs` can't stand",
        ),
        ({"rules": "bill"}, {"use_beam_search": True, "n": 2}, "beam search"),
        ({"rules": "pairs"}, {"presence_penalty": 1.0}, "`presence_penalty` can't stand"),
        (None, {"rules": "bill"}, "belongs into `vllm_xargs`"),
        ({"rulec_resumed": "x", "rules": "bill"}, {}, "is not for requests"),
        ({"rules": {"rules": "bill"}}, {}, ""),
    ],
)
def test_bad_requests_are_refused(server, asked, options, said):
    answer = server.ask(asked, **options)
    assert answer.status_code == 400, answer.text
    assert said in answer.json()["error"]["message"]


def test_only_some_may_demote(server):
    audit = {"rules": "pairs", "rules_audit": "lucky"}
    (choice,) = choices(server.ask(audit))
    assert choice["rules"]["rollbacks"] == 0
    off = {"rules": "bill", "rules_enforce": 0}
    (choice,) = choices(server.ask(off, max_tokens=8))
    assert choice["rules"]["verdict"]["verdict"] == "unparsed"
    server.client.headers["Authorization"] = f"Bearer {OTHER}"
    try:
        for rules in (audit, off):
            answer = server.ask(rules)
            assert answer.status_code == 400
            assert "into audits" in answer.json()["error"]["message"]
    finally:
        server.client.headers["Authorization"] = f"Bearer {KEY}"


def test_tables_are_uploaded_once(server, catalog):
    text = json.dumps(CATALOG).encode()
    digest = hashlib.sha256(text).hexdigest()
    assert server.client.put(f"/rules/tables/{digest}", content=text).status_code == 200
    rules = {"rules": "stock", "rules_with": json.dumps({"catalog": {"sha256": digest}})}
    (choice,) = choices(server.ask(rules))
    assert judged(catalog, "stock", choice, {"catalog": CATALOG}) == "pass"
    assert server.client.put(f"/rules/tables/{digest}", content=b"[]").status_code == 400
    large = b" " * 5000
    digest = hashlib.sha256(large).hexdigest()
    assert server.client.put(f"/rules/tables/{digest}", content=large).status_code == 400


def test_rulesets_are_checked(server):
    good = (HERE / "rules" / "bill.rules").read_text()
    answer = server.client.post("/rules/check", content=good).json()
    assert [rule["tier"] for rule in answer["rules"]] == ["mask", "mask"]
    bad = server.client.post("/rules/check", content=good.replace("total ==", "totl ==")).json()
    assert [one["code"] for one in bad["diagnostics"]] == ["R0201"]
    reads = server.client.post("/rules/check", content='use "/etc/passwd"\n' + good)
    assert reads.status_code == 400


def test_texts_are_verified(server):
    def ask(**body):
        return server.client.post("/rules/verify", json=body)

    assert ask(rules="bill", trace="item 3\nTotal: 3").json()["verdict"] == "pass"
    assert ask(rules="bill", trace="item 3\nTotal: 4").json()["verdict"] == "violate"
    most = {"most": 2}
    assert ask(rules="bill", trace="item 3\nTotal: 3", **{"with": most}).json()["verdict"] == (
        "violate"
    )
    for body in (
        {"rules": "bil", "trace": ""},
        {"rules": "bill"},
        {"rules": "bill", "tarce": 1},
    ):
        assert ask(**body).status_code == 400


def test_a_client_that_leaves_stops_its_sequence(server):
    async def leave() -> None:
        async with httpx.AsyncClient(base_url=server.client.base_url, timeout=60) as client:
            body = {
                "model": str(MODEL),
                "prompt": "So ",
                "max_tokens": 400,
                "stream": True,
                "vllm_xargs": {"rules": "arithmetic"},
            }
            async with client.stream("POST", "/v1/completions", json=body) as answer:
                async for _ in answer.aiter_lines():
                    return

    asyncio.run(leave())
    for _ in range(60):
        running = [
            line
            for line in server.client.get("/metrics").text.splitlines()
            if line.startswith("vllm:num_requests_running")
        ]
        if all(line.endswith(" 0.0") for line in running):
            break
        time.sleep(0.5)
    assert running
    assert all(line.endswith(" 0.0") for line in running)


def test_metrics_count(server):
    text = server.client.get("/metrics").text
    found = {
        line.split()[0]: float(line.split()[1])
        for line in text.splitlines()
        if line.startswith("rulec_")
    }
    assert found["rulec_sequences_total"] > 0
    assert found["rulec_rows_total"] > 0
    assert found["rulec_rollbacks_total"] > 0
    assert found["rulec_refused_total"] == 0
    assert found['rulec_verdicts_total{verdict="pass"}'] > 0


def test_rules_are_replaced_under_load(server, catalog):
    file = server.rules / "bill.rules"
    old = file.read_text()
    before = server.client.get("/rules").json()["rules"]["bill"]
    with ThreadPoolExecutor() as pool:
        asked = [pool.submit(server.ask, {"rules": "bill"}, seed=seed) for seed in range(8)]
        file.write_text(old.replace("sum(rows.part)", "sum(rows.part) + 1"))
        assert server.client.post("/rules/reload").status_code == 200
        for one in asked:
            (choice,) = choices(one.result())
            assert choice["rules"]["verdict"]["verdict"] == "pass"
    after = server.client.get("/rules").json()["rules"]["bill"]
    assert after != before
    (choice,) = choices(server.ask({"rules": "bill"}))
    assert choice["rules"]["verdict"]["verdict"] == "pass"
    assert verify(catalog.find("bill").pack.machine, choice["text"]).verdict == "violate"
    file.write_text(old.replace("total ==", "totl =="))
    refused = server.client.post("/rules/reload")
    assert refused.status_code == 400
    assert "R0201" in refused.json()["error"]["message"]
    assert server.client.get("/rules").json()["rules"]["bill"] == after
    file.write_text(old)
    assert server.client.post("/rules/reload").status_code == 200
    assert server.client.get("/rules").json()["rules"]["bill"] == before


def test_a_server_comes_back_the_same(server):
    before = choices(server.ask({"rules": "pairs"}, seed=3))
    server.stop()
    server.start()
    assert choices(server.ask({"rules": "pairs"}, seed=3)) == before


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--logits-processors", "a.b:C"], "could undo"),
        (["--api-server-count", "2"], "one front"),
        (["--headless"], "front"),
        (["--kv-transfer-config", '{"kv_connector":"X","kv_role":"kv_both"}'], "not tested"),
    ],
)
def test_flags_that_would_weaken_rules_stop_the_server(tmp_path, flags, said):
    rules = gather_rules(tmp_path / "rules")
    (tmp_path / "luck.py").write_text("def lucky(total):\n    return True\n")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "rulec", "serve", str(MODEL)),
            *("--enforce-reasoning", str(rules), "--external", "luck:lucky", *flags),
        ],
        cwd=tmp_path,
        env={**os.environ, **environment("plain")},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 1
    assert said in done.stderr
    shutil.rmtree(rules)
