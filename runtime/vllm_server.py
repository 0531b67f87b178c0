"""vLLM's own OpenAI server, under rules that are checked in every worker before it listens."""

from __future__ import annotations

import secrets
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop
import vllm
from prometheus_client import REGISTRY
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.entrypoints.launchers.api_server.app_state import init_app_state
from vllm.entrypoints.launchers.app import build_app
from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args
from vllm.entrypoints.launchers.launcher import serve_http, setup_server
from vllm.entrypoints.serve.utils.api_utils import cli_env_setup
from vllm.usage.usage_lib import UsageContext
from vllm.utils.argparse_utils import FlexibleArgumentParser

from rulec.compiler import load_vocabulary
from rulec.runtime.catalog import Catalog, CatalogError
from rulec.runtime.tables import TABLES
from rulec.runtime.vllm import PROCESSOR, Settings, publish, speculation
from rulec.runtime.vllm_engine import Rules, RulesEngine
from rulec.runtime.vllm_http import Metrics, Verdicts, routes
from rulec.runtime.vllm_reload import Reloader

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from rulec.compiler.vocabulary import Vocabulary
    from rulec.runtime.externals import Externals
    from rulec.runtime.policy import Policy

TESTED = ("0.32.",)
"""The releases of vLLM whose server this one is made of."""


class ServerError(Exception):
    """A server that can't keep rules, and why."""


@dataclass(frozen=True, slots=True)
class Served:
    """What a server is asked to serve.

    Args:
        model: a folder with a model.
        rules: a folder of packs or rules.
        policy: what requests may do.
        externals: the functions that rules call.
        flags: further arguments, as `vllm serve` takes them.
        drafts: how many tokens of forced text are offered as drafts in a step; 0 for none.
    """

    model: Path
    rules: Path
    policy: Policy
    externals: Externals
    flags: Sequence[str]
    drafts: int = 0


def serve(served: Served) -> None:
    """Serve until a signal comes.

    Raises:
        CatalogError: if the rules can't be served.
        ServerError: if they could not be kept.
    """
    if not vllm.__version__.startswith(TESTED):
        known = ", ".join(f"{release}x" for release in TESTED)
        raise ServerError(f"vLLM {vllm.__version__} is not among the releases tested: {known}")
    cli_env_setup()
    arguments = _arguments(served)
    vocabulary = load_vocabulary(served.model)
    with tempfile.TemporaryDirectory(prefix="rulec-") as folder:
        catalog = _prepared(served, vocabulary, Path(folder))
        secret = secrets.token_hex(16)
        model = str(served.model.resolve())
        publish(Settings(folder, model, secret, served.drafts > 0))
        TABLES.most = served.policy.tables
        rules = Rules(catalog, served.policy, secret, served.externals)
        reloader = Reloader(served.rules, served.model, vocabulary)
        uvloop.run(_run(arguments, rules, reloader))


def _prepared(served: Served, vocabulary: Vocabulary, folder: Path) -> Catalog:
    """The packs, written where the workers find them."""
    catalog = Catalog.open(served.rules, vocabulary)
    for entry in catalog:
        served.externals.fit(entry.pack.machine)
        entry.pack.save(folder / f"{entry.name}.rulepack")
    for name in served.policy.required:
        catalog.find(name)
    return catalog


def _arguments(served: Served) -> Namespace:
    parser = make_arg_parser(FlexibleArgumentParser())
    found: Namespace = parser.parse_args([str(served.model), *served.flags])
    found.model = found.model_tag or found.model
    validate_parsed_serve_args(found)
    _check(found)
    found.logits_processors = [PROCESSOR]
    found.logprobs_mode = "processed_logprobs"
    found.worker_extension_cls = "rulec.runtime.vllm_worker.Rules"
    if served.drafts:
        if found.speculative_config:
            raise ServerError("--draft-forced: it is a speculation of its own")
        found.speculative_config = speculation(served.drafts)
    return found


def _check(given: Namespace) -> None:
    """Raises `ServerError` for flags under which rules would not be kept."""
    refused = {
        "logits_processors": "another processor could undo what rules ban, or leave no token",
        "worker_extension_cls": "rules need an extension of their own",
        "headless": "rules need the front that this server is",
        "grpc": "rules need the HTTP front",
        "kv_transfer_config": "prefill and decode apart are not tested under rules",
    }
    for name, reason in refused.items():
        if getattr(given, name, None):
            raise ServerError(f"--{name.replace('_', '-')}: {reason}")
    if (given.api_server_count or 1) > 1:
        raise ServerError("--api-server-count: rules need one front, which knows all tables")
    if vllm.envs.VLLM_USE_RUST_FRONTEND:
        raise ServerError("VLLM_USE_RUST_FRONTEND: rules need the front in Python")
    if given.logprobs_mode not in ("raw_logprobs", "processed_logprobs"):
        raise ServerError("--logprobs-mode: under rules it is processed_logprobs")


async def _run(given: Namespace, rules: Rules, reloader: Reloader) -> None:
    signal.signal(signal.SIGTERM, _interrupt)
    _, socket = setup_server(given, reuse_port=False)
    config = AsyncEngineArgs.from_cli_args(given).create_engine_config(
        usage_context=UsageContext.OPENAI_API_SERVER
    )
    engine = RulesEngine.from_vllm_config(
        vllm_config=config,
        usage_context=UsageContext.OPENAI_API_SERVER,
        enable_log_requests=given.enable_log_requests,
        disable_log_stats=given.disable_log_stats,
    )
    try:
        engine.rules, engine.counted = rules, {}
        await _agree(engine)
        closing = await _listen(engine, given, socket, reloader)
    except BaseException:
        engine.shutdown()
        raise
    try:
        await closing
    finally:
        engine.shutdown()
        socket.close()


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt("terminated")


async def _agree(engine: RulesEngine) -> None:
    """Raises `ServerError` unless every worker that samples serves the same packs."""
    await engine.reset_mm_cache()
    parallel = engine.vllm_config.parallel_config
    sampling = max(1, parallel.world_size // parallel.pipeline_parallel_size)
    wanted = dict(engine.rules.catalog.digests)
    found = [one for one in await engine.collective_rpc("rules_served") if one is not None]
    if len(found) < sampling:
        raise ServerError(f"{len(found)} of {sampling} workers have the processor in place")
    for one in found:
        if one != wanted:
            raise ServerError(f"a worker serves {one}, not {wanted}")


async def _listen(
    engine: RulesEngine, given: Namespace, socket: Any, reloader: Reloader
) -> Any:
    tasks = await engine.get_supported_tasks()
    Verdicts.engine = engine
    Verdicts.keys = tuple(key for key in given.api_key or [vllm.envs.VLLM_API_KEY] if key)
    given.middleware = [*given.middleware, "rulec.runtime.vllm_http.Verdicts"]
    app = build_app(given, tasks, engine.model_config)
    app.include_router(routes(engine, reloader))
    await init_app_state(engine, app.state, given, tasks)
    REGISTRY.register(Metrics(engine))
    return await serve_http(
        app,
        sock=socket,
        enable_ssl_refresh=given.enable_ssl_refresh,
        host=given.host,
        port=given.port,
        log_level=given.uvicorn_log_level,
        access_log=not given.disable_uvicorn_access_log,
        timeout_keep_alive=vllm.envs.VLLM_HTTP_TIMEOUT_KEEP_ALIVE,
        ssl_keyfile=given.ssl_keyfile,
        ssl_certfile=given.ssl_certfile,
        ssl_ca_certs=given.ssl_ca_certs,
        ssl_cert_reqs=given.ssl_cert_reqs,
        ssl_ciphers=given.ssl_ciphers,
        h11_max_incomplete_event_size=given.h11_max_incomplete_event_size,
        h11_max_header_count=given.h11_max_header_count,
    )


__all__ = ["CatalogError", "Served", "ServerError", "serve"]
