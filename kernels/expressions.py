"""Expressions while they are written: one evaluation stack, and whether it can be ended.

`x` is where the stack begins in the memory `S`.
"""

from __future__ import annotations

from rulec.kernels import encoding as e
from rulec.kernels.blocks import copy
from rulec.kernels.dialect import called, jit, tl
from rulec.kernels.numerals import power
from rulec.kernels.wide import common, less, operate, sum_of


@jit
def fraction_at(S, place):
    """Tag, numerator and denominator that stand somewhere."""
    return tl.load(S + place), tl.load(S + (place + 1)), tl.load(S + (place + 2))


@jit
def keep_fraction(S, place, tag, p, q):
    """Write tag, numerator and denominator."""
    tl.store(S + place, tag)
    tl.store(S + (place + 1), p)
    tl.store(S + (place + 2), q)


@jit
def level_of(S, x):
    """Where the innermost level stands."""
    return x + e.X_LEVELS + tl.load(S + (x + e.X_DEPTH)) * e.LEVEL_SIZE


@jit
def open_level(S, x):
    """Clear the innermost level."""
    level = level_of(S, x)
    keep_fraction(S, level + e.LEVEL_TOTAL, level * 0 + e.NONE, level * 0, level * 0 + 1)
    keep_fraction(S, level + e.LEVEL_TERM, level * 0 + e.NONE, level * 0, level * 0 + 1)
    tl.store(S + (level + e.LEVEL_ADD), e.PLUS)
    tl.store(S + (level + e.LEVEL_TIMES), 0)
    tl.store(S + (level + e.LEVEL_NEGATIVE), 0)
    tl.store(S + (level + e.LEVEL_BINARY), 0)


@jit
def _nothing_held(S, x):
    """No number is under way, nor parentheses that have just been closed."""
    tl.store(S + (x + e.X_MANTISSA), -1)
    tl.store(S + (x + e.X_HELD), e.NONE)


@called
def term_of(S, x):
    """The value of the term that ends here."""
    level = level_of(S, x)
    mantissa = tl.load(S + (x + e.X_MANTISSA))
    tag, p, q = fraction_at(S, x + e.X_HELD)
    tag = tl.where(tag == e.NONE, e.UNDEFINED, tag)
    if mantissa >= 0:
        tag = tag * 0
        p = mantissa + 0
        q = mantissa * 0 + 1
        fraction = tl.load(S + (x + e.X_FRACTION))
        if fraction > 0:
            unit = power(fraction)
            shared = common(mantissa, unit)
            p = mantissa // shared
            q = unit // shared
    p = tl.where((tl.load(S + (level + e.LEVEL_NEGATIVE)) != 0) & (tag == e.VALUE), -p, p)
    held, term_p, term_q = fraction_at(S, level + e.LEVEL_TERM)
    if held != e.NONE:
        tag, p, q = operate(
            tl.load(S + (level + e.LEVEL_TIMES)), held, term_p, term_q, tag, p, q
        )
    return tag, p, q


@called
def total_of(S, x):
    """The value of the level that ends here."""
    level = level_of(S, x)
    tag, p, q = term_of(S, x)
    held, total_p, total_q = fraction_at(S, level + e.LEVEL_TOTAL)
    if held != e.NONE:
        tag, p, q = operate(
            tl.load(S + (level + e.LEVEL_ADD)), held, total_p, total_q, tag, p, q
        )
    return tag, p, q


@jit
def _close(S, x):
    tag, p, q = total_of(S, x)
    inner = level_of(S, x)
    outer = inner - e.LEVEL_SIZE
    binary = tl.load(S + (outer + e.LEVEL_BINARY)) | tl.load(S + (inner + e.LEVEL_BINARY))
    tl.store(S + (outer + e.LEVEL_BINARY), binary)
    tl.store(S + (x + e.X_DEPTH), tl.load(S + (x + e.X_DEPTH)) - 1)
    tl.store(S + (x + e.X_MANTISSA), -1)
    tl.store(S + (x + e.X_FRACTION), 0)
    keep_fraction(S, x + e.X_HELD, tag, p, q)


@jit
def _operator(S, x, part):
    level = level_of(S, x)
    if part == e.FLOOR:  # the second stroke: the first was taken as `/`
        tl.store(S + (level + e.LEVEL_TIMES), part)
    else:
        if part >= e.TIMES:
            tag, p, q = term_of(S, x)
            keep_fraction(S, level + e.LEVEL_TERM, tag, p, q)
            tl.store(S + (level + e.LEVEL_TIMES), part)
        else:
            tag, p, q = total_of(S, x)
            keep_fraction(S, level + e.LEVEL_TOTAL, tag, p, q)
            tl.store(S + (level + e.LEVEL_ADD), part)
            tl.store(S + (level + e.LEVEL_TERM), e.NONE)
            tl.store(S + (level + e.LEVEL_TIMES), 0)
        tl.store(S + (level + e.LEVEL_NEGATIVE), 0)
        tl.store(S + (level + e.LEVEL_BINARY), 1)
    tl.store(S + (x + e.X_FRACTION), 0)
    _nothing_held(S, x)


@called
def take_part(S, x, part, phase, byte):
    """One byte more of an expression; whether the spelling allows it."""
    mantissa = tl.load(S + (x + e.X_MANTISSA))
    fits = mantissa > -2
    if part == e.PART_DIGIT:
        fraction = tl.where(phase == e.X_FRAC, tl.load(S + (x + e.X_FRACTION)) + 1, 0)
        mantissa = tl.maximum(mantissa, 0) * 10 + byte - 48
        fits = (mantissa <= e.DIGITS) & (fraction <= 6)
        tl.store(S + (x + e.X_MANTISSA), mantissa)
        tl.store(S + (x + e.X_FRACTION), fraction)
        tl.store(S + (x + e.X_HELD), e.NONE)
    elif part == e.PART_POINT:
        if mantissa < 0:
            tl.store(S + (x + e.X_MANTISSA), 0)
            tl.store(S + (x + e.X_FRACTION), 0)
    elif part == e.PART_MINUS:
        tl.store(S + (level_of(S, x) + e.LEVEL_NEGATIVE), 1)
    elif part == e.PART_OPEN:
        tl.store(S + (x + e.X_DEPTH), tl.load(S + (x + e.X_DEPTH)) + 1)
        open_level(S, x)
        _nothing_held(S, x)
    elif part == e.PART_CLOSE:
        _close(S, x)
    elif part >= e.PLUS:
        _operator(S, x, part)
    return fits


# --- the value wanted ---


@jit
def inside(S, x, p, q):
    """Whether a value lies where it must."""
    least, least_p, least_q = fraction_at(S, x + e.X_LEAST)
    most, most_p, most_q = fraction_at(S, x + e.X_MOST)
    below = (least != 0) & less(p, q, least_p, least_q)
    above = (most != 0) & less(most_p, most_q, p, q)
    return (below == 0) & (above == 0)


@jit
def _missing(S, x, p, q):
    """What must be added to come to where the value must lie."""
    _least, to_p, to_q = fraction_at(S, x + e.X_LEAST)
    most, most_p, most_q = fraction_at(S, x + e.X_MOST)
    above = (most != 0) & less(most_p, most_q, p, q)
    to_p = tl.where(above, most_p, to_p)
    to_q = tl.where(above, most_q, to_q)
    return sum_of(to_p, to_q, -p, q)


@jit
def _ends(S, x):
    """Whether the value is right, or what is missing can be written behind it."""
    tag, p, q = total_of(S, x)
    ends = tag == e.VALUE
    if ends & (tl.load(S + (x + e.X_REGION)) != 0):
        ends = inside(S, x, p, q)
        if ends == 0:
            _sign, n_high, n_low, d_high, d_low = _missing(S, x, p, q)
            ends = (n_high == 0) & (n_low <= e.DIGITS) & (d_high == 0) & (d_low <= e.DIGITS)
    return ends


@jit
def _policy(S, T, x, scratch, text):
    """Whether a text of the policy, and the parentheses behind it, end the expression."""
    copy(S, x, scratch, x * 0 + e.X_SIZE)
    at = text + 1
    end = at + 3 * tl.load(T + text)
    closing = tl.load(S + (x + e.X_DEPTH))
    fits = at > 0
    while ((at < end) | (closing > 0)) & fits:
        written = at < end
        part = tl.where(written, tl.load(T + at), e.PART_CLOSE)
        phase = tl.load(T + (at + 1))
        byte = tl.load(T + (at + 2))
        fits = take_part(S, scratch, part, phase, byte)
        closing = closing - tl.where(written, 0, 1)
        at = at + tl.where(written, 3, 0)
    if fits:
        fits = _ends(S, scratch)
    return fits


@jit
def _solved(S, x, phase):
    """Whether the operand under way can become the one that is missing."""
    level = level_of(S, x)
    mantissa = tl.load(S + (x + e.X_MANTISSA))
    started = (phase == e.X_INT) & (tl.load(S + (x + e.X_FRACTION)) == 0)
    total, p, q = fraction_at(S, level + e.LEVEL_TOTAL)
    term, term_p, term_q = fraction_at(S, level + e.LEVEL_TERM)
    times = tl.load(S + (level + e.LEVEL_TIMES))
    fits = (started | (phase == e.OPERAND)) & (tl.load(S + (x + e.X_DEPTH)) == 0)
    fits = fits & (tl.load(S + (level + e.LEVEL_NEGATIVE)) == 0)
    fits = fits & ((total == e.NONE) | (total == e.VALUE))
    fits = fits & ((term == e.NONE) | (term == e.VALUE))
    fits = fits & ((times == 0) | ((times == e.OVER) & (term == e.VALUE)))
    if fits:
        p = tl.where(total == e.NONE, 0, p)
        q = tl.where(total == e.NONE, 1, q)
        sign, n_high, n_low, d_high, d_low = _missing(S, x, p, q)
        sign = tl.where(inside(S, x, p, q), 0, sign)
        sign = tl.where(tl.load(S + (level + e.LEVEL_ADD)) == e.PLUS, sign, -sign)
        fits = (sign > 0) & (n_high == 0)
        if fits & (times != 0):  # the term over what is needed, where that is whole
            size = tl.where(term_p < 0, -term_p, term_p)
            one = common(n_low, size)
            rest = d_low % term_q
            if d_high != 0:
                rest = _rest_of(d_high, d_low, term_q)
            other = common(term_q, rest)
            fits = (term_p > 0) & (n_low == one) & (term_q == other)
            n_low = _product(size // one, d_high, d_low, other)
            d_low = d_low * 0 + 1
            d_high = d_high * 0
        fits = fits & (n_low <= e.DIGITS) & (n_low > 0) & (d_high == 0) & (d_low <= e.DIGITS)
        if fits & started:
            head = n_low + 0
            while head > mantissa:
                head = head // 10
            fits = (head == mantissa) & ((n_low != mantissa) | (d_low != 1))
    return fits


@jit
def _rest_of(high, low, by):
    """What is left of a wide number over a positive integer."""
    rest = high % by
    at = high * 0 + 61
    while at >= 0:
        rest = (rest * 2 + ((low >> at) & 1)) % by
        at = at - 1
    return rest


@jit
def _product(factor, high, low, by):
    """`factor` times a wide number over its divisor `by`; beyond fifteen digits, any such."""
    left = high * 0
    rest = high % by
    quotient = high // by
    at = high * 0 + 61
    over = quotient != 0
    while at >= 0:
        rest = rest * 2 + ((low >> at) & 1)
        bit = rest >= by
        rest = rest - tl.where(bit, by, 0)
        left = left * 2 + tl.where(bit, 1, 0)
        at = at - 1
    over = over | (left > e.DIGITS) | (factor > e.DIGITS)
    over = over | ((left > 0) & (factor > e.DIGITS // tl.maximum(left, 1)))
    return tl.where(over, e.DIGITS + 1, tl.where(over, 0, factor) * tl.where(over, 0, left))


@called
def completable(S, T, x, scratch, phase, policy):
    """Whether the policy can still end the expression with a value that it may have."""
    text = tl.load(T + (policy + phase))
    count = tl.load(T + text)
    text = text + 1
    found = count < 0
    while (count > 0) & (found == 0):
        found = _policy(S, T, x, scratch, text)
        text = text + 1 + 3 * tl.load(T + text)
        count = count - 1
    if found == 0:
        found = _solved(S, x, phase)
    return found
