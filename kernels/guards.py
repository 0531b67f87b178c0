"""Guards: what of a field leaves all that follows possible.

A guard is a choice of *cases*, each a conjunction of atoms over `slope · x + rest`; `x` is the
field. Slope and rest are polynomials over registers; an expression's fraction may stand in the
rest, times a polynomial of its own.
"""

from __future__ import annotations

from rulec.kernels import encoding as e
from rulec.kernels.dialect import called, jit, tl
from rulec.kernels.expressions import keep_fraction, open_level
from rulec.kernels.numerals import hits
from rulec.kernels.wide import (
    add_wide,
    common,
    floor_divide,
    floored,
    less,
    modulo,
    multiply_wide,
    negate_wide,
    sign_wide,
    wide,
)


@called
def polynomial(S, T, r, at):
    """The value of the polynomial at `T + at`: how many terms, and each with its factors."""
    term = at + 1
    end = term + tl.load(T + at) * e.TERM_SIZE
    total = at * 0
    while term < end:
        made = tl.load(T + term)
        factor = term + 1
        while factor < term + e.TERM_SIZE:
            register = tl.load(T + factor)
            if register > 0:
                made = made * tl.load(S + (r + register))
            factor = factor + 1
        total = total + made
        term = term + e.TERM_SIZE
    return total


@called
def quotients(S, T, r, at):
    """Compute the quotients that a guard names; where what follows them stands."""
    left = tl.load(T + at)
    here = at + 1
    while left > 0:
        top = polynomial(S, T, r, tl.load(T + (here + 1)))
        bottom = polynomial(S, T, r, tl.load(T + (here + 2)))
        positive = bottom > 0
        made = floored(top, tl.where(positive, bottom, 1))
        tl.store(S + (r + tl.load(T + here)), tl.where(positive, made, 0))
        here = here + 3
        left = left - 1
    return here


@jit
def _dense(S, T, r, atom, rest):
    """The rest with an expression's fraction in it: wide numerator, denominator."""
    register = tl.load(T + (atom + e.ATOM_REGISTER))
    high, low = wide(rest)
    q = rest * 0 + 1
    if register > 0:
        tag = tl.load(S + (r + register))
        p = tl.where(tag == e.VALUE, tl.load(S + (r + register + 1)), 0)
        q = tl.where(tag == e.VALUE, tl.load(S + (r + register + 2)), 1)
        high, low = multiply_wide(rest, q)
        factor = polynomial(S, T, r, tl.load(T + (atom + e.ATOM_DENSE)))
        more_high, more_low = multiply_wide(factor, p)
        high, low = add_wide(high, low, more_high, more_low)
    return high, low, q


@called
def tested(S, T, r, atom, x):
    """Whether an atom holds."""
    slope = polynomial(S, T, r, tl.load(T + (atom + e.ATOM_SLOPE)))
    rest = polynomial(S, T, r, tl.load(T + (atom + e.ATOM_REST))) + slope * x
    kind = tl.load(T + (atom + e.ATOM_SIGN))
    high, low, _q = _dense(S, T, r, atom, rest)
    sign = sign_wide(high, low)
    divided = modulo(rest, tl.maximum(tl.load(T + (atom + e.ATOM_MODULUS)), 1)) == 0
    holds = ((kind == e.GE) & (sign >= 0)) | ((kind == e.EQ) & (sign == 0))
    return holds | ((kind == e.NE) & (sign != 0)) | ((kind == e.DIV) & divided)


@called
def holds(S, T, r, at, x):
    """Whether a guard holds with a value of its field."""
    here = quotients(S, T, r, at)
    cases = tl.load(T + here)
    here = here + 1
    found = cases < 0
    while (cases > 0) & (found == 0):
        atoms = tl.load(T + here)
        atom = here + 1
        here = atom + atoms * e.ATOM_SIZE
        every = atoms >= 0
        while (atom < here) & every:
            every = tested(S, T, r, atom, x)
            atom = atom + e.ATOM_SIZE
        found = every
        cases = cases - 1
    return found


@jit
def _strided(T, atom, slope, rest, step, offset):
    """The members of a stride with which an atom's polynomial is divisible; 0 where none is."""
    modulus = tl.load(T + (atom + e.ATOM_MODULUS))
    own = tl.load(T + (atom + e.ATOM_STEP))
    shared = tl.load(T + (atom + e.ATOM_SHARED))
    divisor = modulus // own
    fits = modulo(rest, divisor) == 0
    wanted = modulo(
        -modulo(floored(rest, divisor), own) * tl.load(T + (atom + e.ATOM_INVERSE)), own
    )
    apart = wanted - offset
    fits = fits & (modulo(apart, shared) == 0)
    every = own // shared
    rounds = modulo(floored(apart, shared), every) * tl.load(T + (atom + e.ATOM_JOIN))
    start = offset + step * modulo(rounds, every)
    whole = step * every
    return tl.where(fits, whole, 0), modulo(start, whole)


@called
def _case(S, T, r, atom, end, scratch):
    """What a case leaves of a number: least, greatest, stride, offset, and how many excluded.

    The stride is 0 where nothing is left. Excluded values stand from `scratch` on.
    """
    low = atom * 0 - e.DIGITS
    high = atom * 0 + e.DIGITS
    step = atom * 0 + 1
    offset = atom * 0
    excluded = atom * 0
    while (atom < end) & (step > 0):
        kind = tl.load(T + (atom + e.ATOM_SIGN))
        slope = polynomial(S, T, r, tl.load(T + (atom + e.ATOM_SLOPE)))
        rest = polynomial(S, T, r, tl.load(T + (atom + e.ATOM_REST)))
        if slope == 0:
            alive = tested(S, T, r, atom, slope)
            step = tl.where(alive, step, 0)
        elif kind == e.DIV:
            step, offset = _strided(T, atom, slope, rest, step, offset)
        else:
            n_high, n_low, q = _dense(S, T, r, atom, rest)
            size = tl.where(slope < 0, -slope, slope) * q
            turned_high, turned_low = negate_wide(n_high, n_low)
            up = slope > 0  # x ≥ -rest / slope, else x ≤ rest / -slope
            below = floor_divide(
                tl.where(up, turned_high, n_high), tl.where(up, turned_low, n_low), size
            )
            above = -floor_divide(
                tl.where(up, n_high, turned_high), tl.where(up, n_low, turned_low), size
            )
            whole = below == above
            if kind == e.NE:
                if whole:
                    tl.store(S + (scratch + excluded), below)
                    excluded = excluded + 1
            else:
                equal = kind == e.EQ
                low = tl.where(equal | up, tl.maximum(low, above), low)
                high = tl.where(equal | (up == 0), tl.minimum(high, below), high)
                step = tl.where((low <= high) & (whole | (equal == 0)), step, 0)
        atom = atom + e.ATOM_SIZE
    return low, high, step, offset, excluded


@jit
def _put(S, runs, low, high, step):
    """One run more; how many there are stands in front of them."""
    count = tl.load(S + runs)
    place = runs + 1 + 3 * count
    if low <= high:
        tl.store(S + place, low)
        tl.store(S + (place + 1), high)
        tl.store(S + (place + 2), step)
        tl.store(S + runs, count + 1)


@called
def _without(S, runs, first, value):
    """Take a value out of the runs from the one at `first` on."""
    count = tl.load(S + runs)
    at = first + 0
    while at < count:
        place = runs + 1 + 3 * at
        low = tl.load(S + place)
        high = tl.load(S + (place + 1))
        step = tl.load(S + (place + 2))
        if (low <= value) & (value <= high) & (modulo(value - low, step) == 0):
            tl.store(S + (place + 1), value - step)
            _put(S, runs, value + step, high, step)
        at = at + 1


@called
def _runs(S, T, r, at, runs, scratch):
    """Write what a guard leaves of a number that shows one count of digits."""
    tl.store(S + runs, 0)
    pieces = quotients(S, T, r, at)
    here = pieces + 1 + 2 * tl.load(T + pieces)
    cases = tl.load(T + here)
    here = here + 1
    while cases > 0:
        atom = here + 1
        here = atom + tl.load(T + (atom - 1)) * e.ATOM_SIZE
        low, high, step, offset, excluded = _case(S, T, r, atom, here, scratch)
        piece = pieces + 1
        left = tl.load(T + pieces)
        first = tl.load(S + runs)
        while (left > 0) & (step > 0):
            least = tl.maximum(low, tl.load(T + piece))
            most = tl.minimum(high, tl.load(T + (piece + 1)))
            least = least + modulo(offset - least, step)
            most = most - modulo(most - offset, step)
            _put(S, runs, least, most, step)
            piece = piece + 2
            left = left - 1
        while excluded > 0:
            excluded = excluded - 1
            _without(S, runs, first, tl.load(S + (scratch + excluded)))
        cases = cases - 1


@jit
def _any(S, runs):
    """Whether there is a number in some runs."""
    count = tl.load(S + runs)
    return (count > 0) & hits(S, runs, count * 0 - e.DIGITS, count * 0 + e.DIGITS)


@called
def begin_number(S, T, r, field, guard, width, scratch):
    """Write the numbers that a field may hold; whether there are some.

    Args:
        S: the memory of slots.
        T: the memory of tables.
        r: where the reading begins.
        field: where the field stands in `T`.
        guard: where its guard does, 0 for none.
        width: words for the runs of one count of digits.
        scratch: some words of `S` to work with.
    """
    least = tl.load(T + (field + e.FIELD_LEAST))
    most = tl.load(T + (field + e.FIELD_MOST))
    free = tl.load(T + (field + e.FIELD_FREE))
    shown = least + 0
    some = shown < 0
    while shown <= most:
        place = (shown - least) * width
        runs = r + e.RUNS + place
        if guard > 0:
            _runs(S, T, r, tl.load(T + (guard + shown - least)), runs, scratch)
        else:
            at = place * 0
            while at < width:
                tl.store(S + (runs + at), tl.load(T + (free + place + at)))
                at = at + 1
        some = some | _any(S, runs)
        shown = shown + 1
    return some


@called
def begin_word(S, T, r, guard, count):
    """The words that a guard leaves, as bits."""
    word = count * 0
    bits = count * 0
    while word < count:
        bits = bits | (tl.where(holds(S, T, r, guard, word), 1, 0) + bits * 0 << word)
        word = word + 1
    return bits


# --- expressions ---


@jit
def clear_stack(S, x):
    """Nothing of an expression has come."""
    tl.store(S + (x + e.X_MANTISSA), -1)
    tl.store(S + (x + e.X_FRACTION), 0)
    keep_fraction(S, x + e.X_HELD, x * 0 + e.NONE, x * 0, x * 0 + 1)
    tl.store(S + (x + e.X_DEPTH), 0)
    open_level(S, x)
    tl.store(S + (x + e.X_REGION), 0)
    keep_fraction(S, x + e.X_LEAST, x * 0, x * 0, x * 0 + 1)
    keep_fraction(S, x + e.X_MOST, x * 0, x * 0, x * 0 + 1)


@jit
def _bound(S, T, r, atom, slope, rest):
    """`-rest / slope` as a fraction; the rest is an integer, or a multiple of an expression."""
    register = tl.load(T + (atom + e.ATOM_REGISTER))
    size = tl.where(slope < 0, -slope, slope)
    p = tl.where(slope < 0, rest, -rest)
    q = size + 0
    if register > 0:
        tag = tl.load(S + (r + register))
        p = tl.where(tag == e.VALUE, tl.load(S + (r + register + 1)), 0)
        q = tl.where(tag == e.VALUE, tl.load(S + (r + register + 2)), 1)
        factor = polynomial(S, T, r, tl.load(T + (atom + e.ATOM_DENSE)))
        p = tl.where((factor < 0) == (slope < 0), -p, p)
    shared = common(tl.where(p < 0, -p, p), q)
    return p // shared, q // shared


@jit
def _raise(S, place, upper, p, q):
    """Narrow one end of where a value must lie."""
    known = tl.load(S + place)
    old_p = tl.load(S + (place + 1))
    old_q = tl.load(S + (place + 2))
    below = less(p, q, old_p, old_q)
    above = less(old_p, old_q, p, q)
    narrower = tl.where(upper != 0, below, above)
    if (known == 0) | narrower:
        keep_fraction(S, place, known * 0 + 1, p, q)


@called
def begin_region(S, T, r, x, guard):
    """Write where the value of an expression must lie; whether anything is left."""
    tl.store(S + (x + e.X_REGION), 1)
    here = quotients(S, T, r, guard)
    atom = here + 2
    end = atom + tl.load(T + (here + 1)) * e.ATOM_SIZE
    alive = atom > 0
    while (atom < end) & alive:
        kind = tl.load(T + (atom + e.ATOM_SIGN))
        slope = polynomial(S, T, r, tl.load(T + (atom + e.ATOM_SLOPE)))
        rest = polynomial(S, T, r, tl.load(T + (atom + e.ATOM_REST)))
        if slope == 0:
            alive = tested(S, T, r, atom, slope)
        elif kind != e.NE:
            p, q = _bound(S, T, r, atom, slope, rest)
            if (kind == e.EQ) | (slope > 0):
                _raise(S, x + e.X_LEAST, 0, p, q)
            if (kind == e.EQ) | (slope < 0):
                _raise(S, x + e.X_MOST, 1, p, q)
        atom = atom + e.ATOM_SIZE
    least = tl.load(S + (x + e.X_LEAST))
    most = tl.load(S + (x + e.X_MOST))
    empty = less(
        tl.load(S + (x + e.X_MOST + 1)),
        tl.load(S + (x + e.X_MOST + 2)),
        tl.load(S + (x + e.X_LEAST + 1)),
        tl.load(S + (x + e.X_LEAST + 2)),
    )
    return alive & ((least == 0) | (most == 0) | (empty == 0))
