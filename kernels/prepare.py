"""What may come next in each row of the logits, as bits over the vocabulary."""

from __future__ import annotations

from rulec.kernels import encoding as e
from rulec.kernels.advance import spell
from rulec.kernels.blocks import copy_over
from rulec.kernels.dialect import called, jit, tl
from rulec.kernels.rows import key_of, mixed, row_of
from rulec.kernels.walk import ends


@called
def look_up(S, T, F, slot, found, most, room, scratch):
    """Find the rows of a slot's readings.

    `F + found` takes how many there are (-1: nothing is enforced), whether the trace may end,
    how many tokens are open in all, and of each reading its row among all rows (-1: none), its
    first open token and how many they are, where the reading stands in its pool, and where the
    next.
    """
    pack = tl.load(S + (slot + e.SLOT_PACK))
    live = tl.load(S + (slot + e.SLOT_COUNT))
    ended = tl.load(S + (slot + e.SLOT_ENDED))
    count = pack * 0 - 1
    may_end = pack * 0
    total = pack * 0
    if pack > 0:
        count = pack * 0
        live = tl.where(ended != 0, 0, live)
        width = tl.load(T + (pack + e.PACK_WIDTH))
        layout = tl.load(T + (pack + e.PACK_LAYOUT))
        which = tl.load(S + (slot + e.SLOT_POOL))
        pool = slot + e.SLOT_HEAD + which * room
        other = slot + e.SLOT_HEAD + (1 - which) * room
        may_end = ends(S, T, pack, pool, live, layout, scratch, other)
        may_end = tl.where(live == 0, 1, may_end)
        rows = tl.load(T + (pack + e.PACK_ROWS))
        own = pack * 0
        while (own < live) & (count < most):
            key, after = key_of(S, pool, width, own, live)
            node = tl.load(S + (pool + own * width + e.NODE))
            entry = row_of(T, rows, key, node)
            if entry == 0:
                entry = row_of(T, rows, mixed(node + e.ANY_WATCH), node)
            at = found + e.FOUND_HEAD + count * e.FOUND_SIZE
            bits = pack * 0 - 1
            first = pack * 0 - 1
            open_ = tl.load(T + (pack + e.PACK_SIZE))
            if entry > 0:
                bits = tl.load(T + (pack + e.PACK_BITS)) + tl.load(T + (entry + e.ROW_BITS))
                first = tl.load(T + (pack + e.PACK_OPEN)) + tl.load(T + (entry + e.ROW_FIRST))
                open_ = tl.load(T + (entry + e.ROW_COUNT))
            tl.store(F + (at + e.FOUND_BITS), bits)
            tl.store(F + (at + e.FOUND_FIRST), first)
            tl.store(F + (at + e.FOUND_OPEN), open_)
            tl.store(F + (at + e.FOUND_OWN), own)
            tl.store(F + (at + e.FOUND_AFTER), after)
            total = total + open_
            count = count + 1
            own = after + 0
    tl.store(F + (found + e.FOUND_COUNT), count)
    tl.store(F + (found + e.FOUND_ENDS), may_end)
    tl.store(F + (found + e.FOUND_TOTAL), total)


@called
def lives(S, T, D, P, slot, own, after, token, C, walker, room, scratch, spare):
    """Whether a token leads a reading of a slot on; `C + walker` is room to walk in."""
    pack = tl.load(S + (slot + e.SLOT_PACK))
    width = tl.load(T + (pack + e.PACK_WIDTH))
    which = tl.load(S + (slot + e.SLOT_POOL))
    source = slot + e.SLOT_HEAD + which * room + own * width
    copy_over(S, source, C, walker, (after - own) * width)
    zero = own * 0
    _pool, live = spell(
        C, T, D, P, pack, token, walker, zero, after - own, room, scratch, spare
    )
    return (live > 0) & (tl.load(P + token) < tl.load(P + (token + 1)))


@jit
def look_up_kernel(S, T, F, slots, stride, found_stride, most, room):
    """One program a row."""
    row = tl.program_id(0).to(tl.int64)
    slot = tl.load(slots + row).to(tl.int64)
    found = row * found_stride
    if slot >= 0:
        base = slot * stride
        look_up(S, T, F, base, found, most, room, base + e.SLOT_HEAD + 2 * room)
    else:
        tl.store(F + (found + e.FOUND_COUNT), -1)
        tl.store(F + (found + e.FOUND_ENDS), 0)
        tl.store(F + (found + e.FOUND_TOTAL), 0)


@jit
def number_kernel(F, Q, rows, found_stride, ROWS: tl.constexpr):
    """One program: where the open tokens of each row begin among those of all."""
    row = tl.arange(0, ROWS)
    inside = row < rows
    place = row.to(tl.int64) * found_stride + e.FOUND_TOTAL
    total = tl.load(F + place, mask=inside, other=0).to(tl.int32)
    tl.store(Q + row + 1, tl.cumsum(total, 0), mask=inside)


@jit
def combine_kernel(F, R, B, words, found_stride, BLOCK: tl.constexpr):
    """One program a row and a block of words: what is allowed whatever the registers hold.

    Where nothing is enforced everything is.
    """
    row = tl.program_id(0).to(tl.int64)
    word = tl.program_id(1).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = word < words
    found = row * found_stride
    count = tl.load(F + (found + e.FOUND_COUNT))
    bits = tl.zeros([BLOCK], tl.int32) - tl.where(count < 0, 1, 0)
    at = found + e.FOUND_HEAD
    while count > 0:
        held = tl.load(F + (at + e.FOUND_BITS))
        if held >= 0:
            bits = bits | tl.load(R + (held * words + word), mask=inside, other=0)
        at = at + e.FOUND_SIZE
        count = count - 1
    tl.store(B + (row * words + word), bits, mask=inside)


@jit
def _set_bit(B, row, words, token):
    bit = (token * 0 + 1) << (token & 31)
    tl.atomic_or(B + (row * words + (token >> 5)), bit.to(tl.int32), sem="relaxed")


@jit
def _row_with(Q, item, rows):
    """The row to which an open token belongs, by its number among those of all."""
    low = item * 0
    high = item * 0 + rows
    while high - low > 1:
        middle = (low + high) // 2
        before = tl.load(Q + middle).to(tl.int64) <= item
        low = tl.where(before, middle, low)
        high = tl.where(before, high, middle)
    return low


@jit
def test_kernel(
    S, T, D, P, F, N, B, C, Q, slots, rows, words, stride, found_stride, room, walker
):
    """Programs that go through the open tokens of all rows, each walked."""
    me = tl.program_id(0).to(tl.int64)
    base = me * walker
    scratch = base + 2 * room
    row = me
    while row < rows:
        if tl.load(F + (row * found_stride + e.FOUND_ENDS)) != 0:
            slot = tl.load(slots + row).to(tl.int64) * stride
            place = tl.load(T + (tl.load(S + (slot + e.SLOT_PACK)) + e.PACK_ENDS))
            last = place + tl.load(T + place)
            while place < last:
                place = place + 1
                _set_bit(B, row, words, tl.load(T + place))
        row = row + tl.num_programs(0)
    item = me
    total = tl.load(Q + rows).to(tl.int64)
    while item < total:
        row = _row_with(Q, item, rows)
        slot = tl.load(slots + row).to(tl.int64) * stride
        at = row * found_stride + e.FOUND_HEAD
        place = item - tl.load(Q + row).to(tl.int64)
        open_ = tl.load(F + (at + e.FOUND_OPEN))
        while place >= open_:
            place = place - open_
            at = at + e.FOUND_SIZE
            open_ = tl.load(F + (at + e.FOUND_OPEN))
        first = tl.load(F + (at + e.FOUND_FIRST))
        own = tl.load(F + (at + e.FOUND_OWN))
        after = tl.load(F + (at + e.FOUND_AFTER))
        token = place + 0
        if first >= 0:
            token = tl.load(N + (first + place)).to(tl.int64)
        spare = scratch + e.SCRATCH
        if lives(S, T, D, P, slot, own, after, token, C, base, room, scratch, spare):
            _set_bit(B, row, words, token)
        item = item + tl.num_programs(0)
