"""The readings of slots behind the tokens that are new."""

from __future__ import annotations

from rulec.kernels import encoding as e
from rulec.kernels.dialect import called, jit, tl
from rulec.kernels.walk import step


@called
def spell(S, T, D, P, pack, token, base, pool, live, room, scratch, spare):
    """The readings behind a token: which pool holds them, and how many they are.

    Args:
        S: the memory of slots.
        T: the memory of tables.
        D: the bytes of all tokens.
        P: where the bytes of each token begin, and where those of the last end.
        pack: where the pack's tables begin.
        token: the token.
        base: where the two pools stand, each of `room` words.
        pool: which of them holds the readings.
        live: how many there are.
        room: words of a pool.
        scratch: some words of `S` to work with.
        spare: room for one reading.
    """
    layout = tl.load(T + (pack + e.PACK_LAYOUT))
    at = tl.load(P + token)
    end = tl.load(P + (token + 1))
    while (at < end) & (live > 0):
        byte = tl.load(D + at) + live * 0
        old = base + pool * room
        new = base + (1 - pool) * room
        live = step(S, T, pack, old, live, new, byte, layout, scratch, spare)
        pool = 1 - pool
        at = at + 1
    return pool, live


@called
def scan(S, T, D, P, X, slot, until, room, scratch, spare):
    """Scan the tokens of a slot up to `until`; `X` is where its tokens stand."""
    pack = tl.load(S + (slot + e.SLOT_PACK))
    at = tl.load(S + (slot + e.SLOT_AT))
    pool = tl.load(S + (slot + e.SLOT_POOL))
    live = tl.load(S + (slot + e.SLOT_COUNT))
    ended = tl.load(S + (slot + e.SLOT_ENDED))
    while (at < until) & (pack > 0):
        token = tl.load(X + at) + at * 0
        ends = tl.load(T + (pack + e.PACK_ENDS))
        place = ends + 1
        last = place + tl.load(T + ends)
        while place < last:
            ended = ended | tl.where(tl.load(T + place) == token, 1, 0)
            place = place + 1
        if ended == 0:
            pool, live = spell(
                S, T, D, P, pack, token, slot + e.SLOT_HEAD, pool, live, room, scratch, spare
            )
        at = at + 1
    tl.store(S + (slot + e.SLOT_AT), at)
    tl.store(S + (slot + e.SLOT_POOL), pool)
    tl.store(S + (slot + e.SLOT_COUNT), live)
    tl.store(S + (slot + e.SLOT_ENDED), ended)


@jit
def advance_kernel(S, T, D, P, X, until, stride, tokens_stride, room):
    """One program a slot."""
    slot = tl.program_id(0).to(tl.int64)
    base = slot * stride
    end = tl.load(until + slot).to(tl.int64)
    scratch = base + e.SLOT_HEAD + 2 * room
    scan(S, T, D, P, X + slot * tokens_stride, base, end, room, scratch, scratch + e.SCRATCH)
