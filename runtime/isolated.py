"""Functions of the embedding program in processes of their own, which can be killed."""

from __future__ import annotations

import sys
from importlib import import_module
from multiprocessing import get_context
from queue import Empty, LifoQueue
from threading import Lock
from typing import TYPE_CHECKING, Any

from rulec.runtime.externals import SECONDS, Externals, NoResult, told

if TYPE_CHECKING:
    from collections.abc import Mapping
    from multiprocessing.connection import Connection

WORKERS = 4
STARTING = 20.0
"""Seconds that a process may take to import the functions."""


class Isolated(Externals):
    """A registry whose calls run in a few processes; one that takes too long is killed.

    Args:
        named: functions as `MODULE:FUNCTION`, by the names that rulesets call them; they are
            imported here as well, to see whether they fit.
        seconds: how long each call may take.
        folder: where modules are looked for first.
    """

    def __init__(
        self, named: Mapping[str, str], seconds: float = SECONDS, folder: str = ""
    ) -> None:
        super().__init__(_imported(named, folder), seconds=seconds)
        workers = _Workers(dict(named), folder)
        object.__setattr__(self, "workers", workers)

    workers: _Workers

    def _called(self, name: str, arguments: list[object]) -> object:
        return self.workers.call(name, arguments, self.seconds)

    def close(self) -> None:
        """End the processes."""
        self.workers.close()


def _imported(named: Mapping[str, str], folder: str) -> dict[str, Any]:
    sys.path.insert(0, folder)
    try:
        found = {}
        for name, path in named.items():
            module, _, function = path.partition(":")
            found[name] = getattr(import_module(module), function)
        return found
    finally:
        del sys.path[0]


class _Workers:
    """Processes that call functions, one call each at a time."""

    def __init__(self, named: dict[str, str], folder: str) -> None:
        self._named, self._folder = named, folder
        self._idle: LifoQueue[_Worker] = LifoQueue()
        self._started = 0
        self._lock = Lock()

    def call(self, name: str, arguments: list[object], seconds: float) -> object:
        """What a function gives. Raises `NoResult`."""
        worker = self._worker(name, seconds)
        try:
            found = worker.call(name, arguments, seconds)
        except NoResult:
            worker.kill()
            with self._lock:
                self._started -= 1
            raise
        self._idle.put(worker)
        error, result = found
        if error:
            raise NoResult(f"`{name}` raised {error}")
        return result

    def _worker(self, name: str, seconds: float) -> _Worker:
        try:
            return self._idle.get_nowait()
        except Empty:
            pass
        with self._lock:
            fresh = self._started < WORKERS
            self._started += fresh
        if fresh:
            return _Worker(self._named, self._folder)
        try:
            return self._idle.get(timeout=seconds)
        except Empty:
            raise NoResult(f"too many calls of `{name}` are under way") from None

    def close(self) -> None:
        """End those that are idle."""
        while not self._idle.empty():
            self._idle.get().kill()


class _Worker:
    """One process."""

    def __init__(self, named: dict[str, str], folder: str) -> None:
        context = get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, named, folder), daemon=True)
        self._process.start()
        there.close()
        self._ready = False

    def call(self, name: str, arguments: list[object], seconds: float) -> tuple[str, object]:
        """The error that a function raised, and what it gave. Raises `NoResult`."""
        try:
            if not self._ready:
                self._ready = self._here.poll(STARTING) and self._here.recv()
            self._here.send((name, arguments))
            if not self._here.poll(seconds):
                raise NoResult(f"`{name}` gave no answer within {seconds:g} s")
            found: tuple[str, object] = self._here.recv()
        except (EOFError, OSError):
            raise NoResult(f"the process that called `{name}` ended") from None
        return found

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.join()
        self._here.close()


def _serve(there: Connection, named: Mapping[str, str], folder: str) -> None:
    """Answer calls until the other end closes."""
    functions = _imported(named, folder)
    there.send(True)
    while True:
        try:
            name, arguments = there.recv()
        except EOFError:
            return
        try:
            found = "", functions[name](*arguments)
        except BaseException as error:  # noqa: BLE001 - whatever it raises is a verdict
            found = told(error), None
        there.send(found)
