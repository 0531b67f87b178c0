"""Dates while they are written, against the calendar."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

import pytest
from hypothesis import given
from rulesets import SEEDS, built, seeded

from rulec.runtime import Verifier
from rulec.runtime.dates import Day, days, feasible
from rulec.runtime.numerals import Run

LAST = date.max.toordinal()


def digits(ordinal: int) -> str:
    return date.fromordinal(ordinal).isoformat().replace("-", "")


def brute(prefix: str, low: int, high: int) -> tuple[int, int] | None:
    """The first and last day of a span whose date begins so, day by day."""
    found = [day for day in range(low, high + 1) if digits(day).startswith(prefix)]
    return (found[0], found[-1]) if found else None


@pytest.mark.parametrize("year", [1, 4, 1900, 2000, 2023, 2024, 9999])
def test_every_prefix_of_a_year(year: int) -> None:
    low, high = date(year, 1, 1).toordinal(), date(year, 12, 31).toordinal()
    start = f"{year:04}"
    assert days(start) == (low, high)
    for rest in range(100):
        two = start + f"{rest:02}"
        assert days(two) == brute(two, low, high), two
        if days(two) is not None:
            for day in range(100):
                full = two + f"{day:02}"
                assert days(full) == brute(full, low, high), full
            for tens in "0123456789":
                assert days(two + tens) == brute(two + tens, low, high)
    for tens in "0123456789":
        assert days(start + tens) == brute(start + tens, low, high)


@pytest.mark.parametrize(
    ("prefix", "first", "last"),
    [
        ("", "0001-01-01", "9999-12-31"),
        ("0", "0001-01-01", "0999-12-31"),
        ("000", "0001-01-01", "0009-12-31"),
        ("9", "9000-01-01", "9999-12-31"),
        ("202", "2020-01-01", "2029-12-31"),
    ],
)
def test_prefixes_shorter_than_a_year(prefix: str, first: str, last: str) -> None:
    span = date.fromisoformat(first).toordinal(), date.fromisoformat(last).toordinal()
    assert days(prefix) == span


@pytest.mark.parametrize("prefix", ["0000", "202413", "20240230", "20230229", "00", "20240431"])
def test_what_is_no_date(prefix: str) -> None:
    assert (days(prefix) is None) == (prefix != "00")


@seeded(300, 20_000)
@given(SEEDS)
def test_feasible_prefixes_have_an_allowed_day(seed: int) -> None:
    r = Random(seed)
    middle = r.choice([r.randint(400, LAST - 400), date(2024, 2, 29).toordinal()])
    low, high = middle - r.randint(0, 60), middle + r.randint(0, 60)
    step = r.choice([1, 1, 7, 30])
    members = range(low, high + 1, step)
    runs = (Run(low, members[-1], step),)
    text = digits(r.choice([*members, r.randint(low, high)]))[: r.randint(0, 8)]
    if r.random() < 0.3 and text:
        at = r.randrange(len(text))
        text = text[:at] + r.choice("0123456789") + text[at + 1 :]
    want = any(digits(day).startswith(text) for day in members)
    assert feasible(Day(0, 0, runs, text)) == want


@seeded(100, 5_000)
@given(SEEDS)
def test_days_between_dates(seed: int) -> None:
    r = Random(seed)
    machine = built(
        'shape A { "a" x: date "b" y: date "c" n: int in -99 .. 99 ";"\n'
        "rule later: y == x + n\nrule weekday: (y - x) % 7 == n % 7 }\ntrace A"
    )
    assert machine is not None
    one = date.fromordinal(r.randint(200, LAST - 200))
    count = r.randint(-99, 99)
    shown = r.choice([count, count + r.choice([-7, 1, 7])])
    text = f"a{one}b{one + timedelta(days=count)}c{shown};"
    if -99 <= shown <= 99:
        verdict = Verifier(machine)(text.encode())
        broken = {claim.rule for claim in verdict.claims if claim.verdict == "violate"}
        want = set() if shown == count else {"later"}
        if (shown - count) % 7:
            want.add("weekday")
        assert broken == want


def test_a_weekday_is_told_in_days() -> None:
    machine = built(
        'shape A { d: date in "2024-01-01" .. "2024-12-31" rule monday: d % 7 == 1 }\ntrace A'
    )
    assert machine is not None
    (claim,) = Verifier(machine)(b"2024-01-09").claims
    assert claim.expected == "2024-01-01 to 2024-12-30 in steps of 7 days"
