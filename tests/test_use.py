"""Files that use each other."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rulec.dsl import Loaded, load, load_text

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.rules").write_text(text, "utf-8")
    return folder / "main.rules"


def codes(loaded: Loaded) -> list[str]:
    return [found.code for found in loaded.diagnostics]


def test_items_come_in_once(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        main='use "a.rules"\nuse "b.rules"\nshape S {\n    m: Money " " n: Qty\n}\ntrace S',
        a='use "money.rules"\ntype Qty = int in 0 .. most\ntrace prose\naccept "x"',
        b='use "money.rules"\nconst most = 9',
        money='ruleset money "2"\ntype Money = decimal(2)',
    )
    loaded = load(path)
    assert codes(loaded) == []
    assert loaded.ruleset is not None
    assert loaded.ruleset.name == "main"
    assert loaded.ruleset.samples == ()


def test_clash_names_both_places(tmp_path: Path) -> None:
    path = write(tmp_path, main='use "a.rules"\ntype T = int\ntrace prose', a="type T = bool\n")
    (found,) = load(path).diagnostics
    assert found.code == "R0202"
    assert found.primary.span.source.name == str(path)
    assert found.related[0].span.source.name == str(tmp_path / "a.rules")


def test_cycle(tmp_path: Path) -> None:
    path = write(tmp_path, main='use "a.rules"\ntrace prose', a='use "main.rules"\n')
    (found,) = load(path).diagnostics
    assert found.code == "R0207"
    assert found.primary.text == "main.rules -> a.rules -> main.rules"


def test_errors_of_used_files_are_reported(tmp_path: Path) -> None:
    path = write(tmp_path, main='use "a.rules"\nparam p: T\ntrace prose', a="type T = in\n")
    assert codes(load(path)) == ["R0201"]
    write(tmp_path, a="type T = = int\n")
    assert codes(load(path)) == ["R0101"]


def test_a_missing_file_is_the_only_error(tmp_path: Path) -> None:
    path = write(tmp_path, main='use "a.rules"\nparam p: T\ntrace prose')
    assert codes(load(path)) == ["R0206"]
    assert codes(load(tmp_path / "none.rules")) == ["R0206"]
    assert codes(load(tmp_path)) == ["R0206"]
    assert codes(load_text('use "\\u{0}"\ntrace prose')) == ["R0206"]


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    path = write(tmp_path, main='use "pipe"\ntrace prose')
    os.mkfifo(tmp_path / "pipe")
    assert codes(load(path)) == ["R0206"]
