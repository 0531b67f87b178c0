"""Programs over a reading: what an edge or an exit of the byte machine does.

One loop serves every pack: a program is data, four words an operation, and it ends with `STOP`.
"""

from __future__ import annotations

from rulec.kernels import encoding as e
from rulec.kernels.dialect import called, jit, tl
from rulec.kernels.expressions import completable, inside, keep_fraction, take_part, total_of
from rulec.kernels.guards import (
    begin_number,
    begin_region,
    begin_word,
    clear_stack,
    holds,
    polynomial,
)
from rulec.kernels.numerals import (
    alike,
    copy_text,
    end_date,
    end_number,
    feasible,
    step_date,
    take,
)


@jit
def _set(S, T, r, list_):
    """Set registers to what a list says."""
    at = list_ + 1
    end = at + 2 * tl.load(T + list_)
    while at < end:
        tl.store(S + (r + tl.load(T + at)), tl.load(T + (at + 1)))
        at = at + 2


@jit
def _gather(S, T, r, fold, size):
    """Take an item into a fold of its list."""
    kind = tl.load(T + fold)
    target = r + tl.load(T + (fold + 1))
    there = tl.load(T + (fold + 2))
    source = tl.load(T + (fold + 3))
    condition = tl.load(T + (fold + 4))
    known = fold > 0
    if condition > 0:
        known = tl.load(S + (r + condition)) != 0
    if known:
        if kind == e.FOLD_TEXTS:
            count = tl.load(S + target)
            copy_text(S, r + source, target + 1 + count * size, size)
            tl.store(S + target, count + 1)
        else:
            held = tl.load(S + target)
            value = polynomial(S, T, r, source)
            if kind == e.FOLD_SUM:
                value = held + value
            elif kind != e.FOLD_LAST:
                first = tl.load(S + (r + there)) == 0
                lesser = tl.where(kind == e.FOLD_MIN, tl.minimum(held, value), held)
                chosen = tl.where(kind == e.FOLD_MAX, tl.maximum(held, value), lesser)
                value = tl.where(first, value, chosen)
            tl.store(S + target, value)
        if there > 0:
            tl.store(S + (r + there), 1)


@jit
def _clear_field(S, r, field):
    tl.store(S + (r + e.FIELD), field)
    tl.store(S + (r + e.MANTISSA), 0)
    tl.store(S + (r + e.FRACTION), 0)
    tl.store(S + (r + e.NEGATIVE), 0)
    tl.store(S + (r + e.ENFORCED), 0)


@called
def _begin_number(S, T, r, a, b, c, width, scratch, observer):
    """`a` is the field, `b` its guard; `c` tells that nothing is enforced."""
    _clear_field(S, r, a)
    alive = a > 0
    if (c == 0) & (observer == 0):
        tl.store(S + (r + e.ENFORCED), 1)
        alive = begin_number(S, T, r, a, b, width, scratch)
    return alive


@jit
def _begin_text(S, r, a, b, size, observer):
    """`a` tells that the text is kept, `b` is the list that it must differ from."""
    tl.store(S + (r + e.LENGTH), 0)
    tl.store(S + (r + e.TAKEN), tl.where(observer != 0, 0, b))
    tl.store(S + (r + e.KEPT), a)
    at = a * 0
    while (at < size - 1) & (a != 0):
        tl.store(S + (r + e.BYTES + at), 0)
        at = at + 1


@called
def _begin_expression(S, T, r, a, b, c, policy, scratch, observer):
    """`a` tells that rules ask, `b` is the guard, `c` tells that masks keep a rule."""
    x = r + e.LEX
    clear_stack(S, x)
    alive = r > 0
    if (a != 0) & (observer == 0):
        tl.store(S + (x + e.X_REGION), 1)
        if b > 0:
            alive = begin_region(S, T, r, x, b)
        if alive:
            alive = completable(S, T, x, scratch, a * 0 + e.OPERAND, policy)
        if (alive == 0) & (c == 0):
            tl.store(S + (x + e.X_REGION), 0)
            alive = r > 0
    return alive


@called
def _step_expression(S, T, r, a, b, byte, policy, scratch):
    x = r + e.LEX
    alive = take_part(S, x, a, b, byte)
    if alive & (tl.load(S + (x + e.X_REGION)) != 0):
        alive = completable(S, T, x, scratch, b, policy)
    return alive


@called
def _end_expression(S, r, a, b):
    """`a` is the register that takes the value, `b` tells that parentheses end it."""
    x = r + e.LEX
    level = x + e.X_LEVELS + tl.load(S + (x + e.X_DEPTH)) * e.LEVEL_SIZE
    alive = (b == 0) | (tl.load(S + (level + e.LEVEL_BINARY)) != 0)
    tag, p, q = total_of(S, x)
    if alive & (tl.load(S + (x + e.X_REGION)) != 0):
        alive = (tag == e.VALUE) & inside(S, x, p, q)
    if alive & (a > 0):
        there = tag == e.VALUE
        keep_fraction(S, r + a, tag, tl.where(there, p, 0), tl.where(there, q, 1))
    return alive


@jit
def _end_text(S, r, a, b, c, size):
    """`a` keeps the text, `b` tells that it must differ, `c` keeps that it is there."""
    alive = r > 0
    if b != 0:
        alive = alike(S, r, size, b) == 0
    if a > 0:
        tl.store(S + (r + a), tl.load(S + (r + e.LENGTH)))
        copy_text(S, r + e.BYTES, r + a + 1, size - 1)
    if c > 0:
        tl.store(S + (r + c), 1)
    return alive


@jit
def _end_word(S, r, a, b, c):
    """`a` is the word, `b` the register that takes it, `c` its presence."""
    alive = (tl.load(S + (r + e.WORDS)) >> a) & 1
    if b > 0:
        tl.store(S + (r + b), a)
    if c > 0:
        tl.store(S + (r + c), 1)
    return alive != 0


@jit
def _count(S, r, a, b, by):
    """One more in a register; whether that is at most `b`, if there is a most."""
    found = tl.load(S + (r + a)) + by
    tl.store(S + (r + a), found)
    return (b < 0) | (found <= b)


@called
def run(S, T, pack, r, program, byte, observer, width, scratch):
    """Run a program; whether the reading lives (1), whether it passed a cut (2).

    Args:
        S: the memory of slots.
        T: the memory of tables.
        pack: where the pack's tables begin.
        r: where the reading begins.
        program: where its operations do.
        byte: the byte that was consumed.
        observer: 1 before the cut of a watch: nothing is enforced there.
        width: words of a text, and of the runs of one count of digits, as `text << 32 | runs`.
        scratch: some words of `S` to work with.
    """
    policy = tl.load(T + (pack + e.PACK_POLICY))
    size = width >> 32
    runs = width & e.LOW_HALF
    at = program + 0
    code = tl.load(T + at)
    alive = program > 0
    cut = program < 0
    while (code != e.STOP) & alive:
        a = tl.load(T + (at + 1))
        b = tl.load(T + (at + 2))
        c = tl.load(T + (at + 3))
        if code < e.BEGIN_NUMBER:
            if code == e.SET:
                _set(S, T, r, a)
            elif code == e.COUNT:
                alive = _count(S, r, a, b, a * 0 + 1)
            elif code == e.ENOUGH:
                alive = tl.load(S + (r + a)) - c >= b
            elif code == e.GATHER:
                _gather(S, T, r, a, size)
            elif observer == 0:
                alive = holds(S, T, r, a, a * 0)
        elif code < e.STEP:
            if code == e.BEGIN_NUMBER:
                alive = _begin_number(S, T, r, a, b, c, runs, scratch, observer)
            elif code == e.BEGIN_TEXT:
                _begin_text(S, r, a, b, size, observer)
            elif code == e.BEGIN_EXPRESSION:
                alive = _begin_expression(S, T, r, a, b, c, policy, scratch, observer)
            else:
                words = (a * 0 + 1 << b) - 1
                if (a > 0) & (observer == 0):
                    words = begin_word(S, T, r, a, b)
                tl.store(S + (r + e.WORDS), words)
                alive = words != 0
        elif code < e.TAKE:
            if code == e.STEP:
                mantissa = tl.load(S + (r + e.MANTISSA))
                if a == e.MOVE_DIGIT:
                    more = tl.load(S + (r + e.FRACTION)) + tl.where(b == e.FRAC, 1, 0)
                    tl.store(S + (r + e.MANTISSA), mantissa * 10 + byte - 48)
                    tl.store(S + (r + e.FRACTION), more)
                elif a == e.MOVE_MINUS:
                    tl.store(S + (r + e.NEGATIVE), 1)
                alive = feasible(S, T, r, b, runs)
            elif code == e.END_NUMBER:
                alive = end_number(S, T, r, a, runs)
            elif code == e.END_OPERAND:
                below = tl.load(S + (r + e.NEGATIVE)) != 0
                alive = (below == 0) | (tl.load(S + (r + e.MANTISSA)) != 0)
                _clear_field(S, r, tl.load(S + (r + e.FIELD)))
            elif code == e.STEP_DATE:
                alive = step_date(S, r, byte)
            elif code == e.END_DATE:
                alive = end_date(S, T, r, a)
            elif code == e.STEP_WORD:
                alive = (tl.load(S + (r + e.WORDS)) & a) != 0
            else:
                alive = _end_word(S, r, a, b, c)
        elif code == e.TAKE:
            take(S, r, byte)
            if a > 0:
                alive = alike(S, r, size, a * 0) < a
        elif code == e.END_TEXT:
            alive = _end_text(S, r, a, b, c, size)
        elif code == e.STEP_EXPRESSION:
            alive = _step_expression(S, T, r, a, b, byte, policy, scratch)
        elif code == e.END_EXPRESSION:
            alive = _end_expression(S, r, a, b)
        elif code == e.LETTER:
            alive = _count(S, r, a, b, c)
        elif code == e.CUT:
            cut = program > 0
            observer = observer * 0
        else:
            alive = code != e.DIE
        at = at + e.OPERATION
        code = tl.load(T + at)
    return tl.where(alive, 1, 0) + tl.where(cut, 2, 0)
