"""Readings behind one byte more.

A pool holds readings of one width, each text's own followed by those of the watches that look
on. A byte leads from one pool to another.
"""

from __future__ import annotations

from rulec.kernels import encoding as e
from rulec.kernels.blocks import copy
from rulec.kernels.dialect import called, jit, tl
from rulec.kernels.programs import run


@called
def moved(S, T, pack, source, target, program, node, watch, byte, observer, layout, scratch):
    """Run a program on a copy of a reading; whether it lives (1) and passed a cut (2)."""
    size = tl.load(T + (pack + e.PACK_WIDTH))
    copy(S, source, target, size)
    found = run(S, T, pack, target, program, byte, observer, layout, scratch)
    tl.store(S + (target + e.NODE), node)
    tl.store(S + (target + e.WATCH), watch)
    return found


@jit
def edges_of(T, pack, node, byte):
    """Where the edges of a node for a byte stand; 0 for none."""
    classes = tl.load(T + (pack + e.PACK_CLASSES))
    class_ = tl.load(T + (classes + byte))
    moves = tl.load(T + (pack + e.PACK_MOVES))
    count = tl.load(T + (pack + e.PACK_CLASS_COUNT))
    return tl.load(T + (moves + node * count + class_))


@called
def followed(S, T, pack, source, ways, pool, count, watch, byte, observer, layout, scratch):
    """Run a program on a reading, and follow the exits from where it leads.

    At `T + ways` stand the program, the node where the reading may stay (-1: it may not), how
    many exits there are, and of each its program and its node. Returns how many readings the
    pool holds, and what happened: 1 for a cut, 2 for a reading behind it.
    """
    width = tl.load(T + (pack + e.PACK_WIDTH))
    node = tl.load(T + (ways + 1))
    program = tl.load(T + ways)
    base = pool + count * width
    found = moved(
        S, T, pack, source, base, program, node, watch, byte, observer, layout, scratch
    )
    first = count + 1
    after = count + (found & 1)
    seen = ways * 0
    left = tl.load(T + (ways + 2)) * (found & 1)
    at = ways + 3
    while left > 0:
        target = pool + after * width
        program = tl.load(T + at)
        behind = tl.load(T + (at + 1))
        found = moved(
            S, T, pack, base, target, program, behind, watch, byte, observer, layout, scratch
        )
        alive = found & 1
        passed = found >> 1
        after = after + alive
        seen = seen | passed | ((passed & alive) << 1)
        at = at + 2
        left = left - 1
    if (node < 0) & (after > count):  # it may not stay: the last takes its place
        after = after - 1
        if after >= first:
            copy(S, pool + after * width, base, width)
    return after, seen


@called
def observed(S, T, pack, source, pool, count, watch, byte, layout, scratch):
    """What one reading of a watch comes to, before its cut."""
    at = edges_of(T, pack, tl.load(S + (source + e.NODE)), byte)
    left = watch * 0
    if at > 0:
        left = tl.load(T + at)
    seen = watch * 0
    at = at + 1
    while left > 0:
        ways = tl.load(T + (tl.load(T + at) + 3))
        count, more = followed(
            S, T, pack, source, ways, pool, count, watch, byte, watch * 0 + 1, layout, scratch
        )
        seen = seen | more
        at = at + 1
        left = left - 1
    return count, seen


@called
def entered(S, T, pack, base, pool, count, watch, byte, layout, scratch, spare):
    """Begin a watch at this byte."""
    watches = tl.load(T + (pack + e.PACK_WATCHES))
    ways = tl.load(T + (watches + 2 * (watch - 1)))
    left = tl.load(T + ways)
    at = ways + 1
    seen = watch * 0
    while left > 0:
        program = tl.load(T + at)
        node = tl.load(T + (at + 1))
        found = moved(
            S, T, pack, base, spare, program, node, watch, byte, watch * 0 + 1, layout, scratch
        )
        if (found & 1) != 0:
            count, more = observed(S, T, pack, spare, pool, count, watch, byte, layout, scratch)
            seen = seen | more
        at = at + 2
        left = left - 1
    return count, seen


@jit
def _joined(S, T, pack, base, sub, watch, spare):
    """The trace's own reading, gone over to where a watch has come."""
    width = tl.load(T + (pack + e.PACK_WIDTH))
    first = tl.load(T + (pack + e.PACK_REGISTERS))
    copy(S, sub, spare, width)
    copy(S, base + first, sub + first, width - first)
    watches = tl.load(T + (pack + e.PACK_WATCHES))
    own = tl.load(T + (watches + 2 * (watch - 1) + 1))
    at = own + 1
    end = at + tl.load(T + own)
    while at < end:
        word = tl.load(T + at)
        tl.store(S + (sub + word), tl.load(S + (spare + word)))
        at = at + 1
    tl.store(S + (sub + e.WATCH), 0)


@called
def captured(S, T, pack, pool, base, first, count, watch, byte, spare):
    """The text has come to a watch's cut: its readings take the place of the text's own."""
    width = tl.load(T + (pack + e.PACK_WIDTH))
    own = pool + base * width
    at = first + 0
    while at < count:
        _joined(S, T, pack, own, pool + at * width, watch, spare)
        at = at + 1
    escapes = tl.load(T + (pack + e.PACK_ESCAPES))
    escape = tl.load(T + (escapes + tl.load(S + (own + e.NODE))))
    kept = base + 0
    if (byte == 61) & (escape >= 0):
        tl.store(S + (own + e.NODE), escape)
        kept = kept + 1
    at = first + 0
    while at < count:
        copy(S, pool + at * width, pool + kept * width, width)
        kept = kept + 1
        at = at + 1
    return kept


@called
def watched(S, T, pack, old, own, subs, pool, base, edge, byte, layout, scratch, spare):
    """The watches of a prose behind one byte; the first past its cut takes over.

    The pool at `old` holds their readings from `own + 1` to `subs`; `base` is the text's own
    reading in the new pool.
    """
    width = tl.load(T + (pack + e.PACK_WIDTH))
    starts = tl.load(T + (edge + 1))
    watch = base * 0 + 1
    watches = tl.load(T + (pack + e.PACK_WATCH_COUNT))
    count = base + 1
    while watch <= watches:
        first = count + 0
        seen = watch * 0
        sub = own + 1
        while sub < subs:
            source = old + sub * width
            if tl.load(S + (source + e.WATCH)) == watch:
                count, more = observed(
                    S, T, pack, source, pool, count, watch, byte, layout, scratch
                )
                seen = seen | more
            sub = sub + 1
        begins = (starts >> (watch - 1)) & 1
        if (count == first) & (seen == 0) & (begins != 0):
            count, seen = entered(
                S,
                T,
                pack,
                pool + base * width,
                pool,
                count,
                watch,
                byte,
                layout,
                scratch,
                spare,
            )
        if (seen & 1) != 0:
            if (seen & 2) != 0:
                count = captured(S, T, pack, pool, base, first, count, watch, byte, spare)
            else:
                count = base + 0
            watch = watches + 1
        else:
            watch = watch + 1
    return count


@called
def step(S, T, pack, old, live, pool, byte, layout, scratch, spare):
    """The readings behind one byte more; how many there are.

    Args:
        S: the memory of slots.
        T: the memory of tables.
        pack: where the pack's tables begin.
        old: where the pool of readings does.
        live: how many it holds.
        pool: where those behind the byte go.
        byte: the byte.
        layout: what `run` calls `width`.
        scratch: some words of `S` to work with.
        spare: room for one reading.
    """
    width = tl.load(T + (pack + e.PACK_WIDTH))
    count = live * 0
    own = live * 0
    while own < live:
        subs = own + 1
        inside = subs < live
        while inside:
            inside = tl.load(S + (old + subs * width + e.WATCH)) != 0
            subs = subs + tl.where(inside, 1, 0)
            inside = inside & (subs < live)
        source = old + own * width
        at = edges_of(T, pack, tl.load(S + (source + e.NODE)), byte)
        left = live * 0
        if at > 0:
            left = tl.load(T + at)
        at = at + 1
        while left > 0:
            edge = tl.load(T + at)
            before = count + 0
            count, _seen = followed(
                S, T, pack, source, tl.load(T + (edge + 2)), pool, count,
                live * 0, byte, live * 0, layout, scratch,
            )  # fmt: skip
            if (tl.load(T + edge) != 0) & (count > before):
                count = watched(
                    S, T, pack, old, own, subs, pool, before, edge, byte, layout, scratch, spare
                )
            at = at + 1
            left = left - 1
        own = subs + 0
    return count


@called
def ends(S, T, pack, pool, live, layout, scratch, spare):
    """Whether the trace may end here."""
    width = tl.load(T + (pack + e.PACK_WIDTH))
    finals = tl.load(T + (pack + e.PACK_FINALS))
    own = live * 0
    found = live * 0
    while (own < live) & (found == 0):
        source = pool + own * width
        at = tl.load(T + (finals + tl.load(S + (source + e.NODE))))
        left = tl.load(T + at)
        left = tl.where((at > 0) & (tl.load(S + (source + e.WATCH)) == 0), left, 0)
        while (left > 0) & (found == 0):
            at = at + 1
            program = tl.load(T + at)
            found = found + moved(
                S,
                T,
                pack,
                source,
                spare,
                program,
                own,
                own * 0,
                own * 0,
                own * 0,
                layout,
                scratch,
            )
            left = left - 1
        own = own + 1
    return found
