"""Numbers of twice 62 bits, and the fractions that are made of them.

A wide number is `high · 2^62 + low` with `0 ≤ low < 2^62`; `high` has its sign. What goes in
lies within 62 bits, so that nothing overflows on the way.
"""

from __future__ import annotations

from rulec.kernels import encoding as e
from rulec.kernels.dialect import called, jit, tl


@jit
def wide(value):
    """An integer as a wide number."""
    return value >> e.WIDE, value & e.LOW


@jit
def add_wide(high, low, other_high, other_low):
    """The sum of two wide numbers."""
    total = low + other_low
    return high + other_high + (total >> e.WIDE), total & e.LOW


@jit
def negate_wide(high, low):
    """The wide number with the other sign."""
    return -high - tl.where(low != 0, 1, 0), (-low) & e.LOW


@jit
def multiply_wide(one, other):
    """The product of two integers."""
    negative = (one < 0) != (other < 0)
    a = tl.where(one < 0, -one, one)
    b = tl.where(other < 0, -other, other)
    a_high = a >> 31
    a_low = a & e.LOW_HALF
    b_high = b >> 31
    b_low = b & e.LOW_HALF
    lowest = a_low * b_low
    middle = a_low * b_high + a_high * b_low + (lowest >> 31)
    low = (lowest & e.LOW_HALF) + ((middle & e.LOW_HALF) << 31)
    high = a_high * b_high + (middle >> 31)
    turned_high, turned_low = negate_wide(high, low)
    return tl.where(negative, turned_high, high), tl.where(negative, turned_low, low)


@jit
def sign_wide(high, low):
    """-1, 0 or 1."""
    return tl.where(high < 0, -1, tl.where((high == 0) & (low == 0), 0, 1))


@called
def divide_wide(high, low, by_high, by_low):
    """Quotient and remainder of wide numbers that aren't negative."""
    q_high = high * 0
    q_low = high * 0
    r_high = high * 0
    r_low = high * 0
    if (high == 0) & (by_high == 0):
        q_low = low // by_low
        r_low = low - q_low * by_low
    else:
        at = tl.where(high == 0, 61, 123) + high * 0
        while at >= 0:
            upper = at >= e.WIDE
            word = tl.where(upper, high, low)
            bit = (word >> tl.where(upper, at - e.WIDE, at)) & 1
            r_low = r_low * 2 + bit
            r_high = r_high * 2 + (r_low >> e.WIDE)
            r_low = r_low & e.LOW
            fits = (r_high > by_high) | ((r_high == by_high) & (r_low >= by_low))
            less = r_low - tl.where(fits, by_low, 0)
            r_high = r_high - tl.where(fits, by_high, 0) + (less >> e.WIDE)
            r_low = less & e.LOW
            q_low = q_low * 2 + tl.where(fits, 1, 0)
            q_high = q_high * 2 + (q_low >> e.WIDE)
            q_low = q_low & e.LOW
            at = at - 1
    return q_high, q_low, r_high, r_low


@jit
def floor_divide(high, low, by):
    """A wide number over a positive integer, rounded down; within 2^61 of zero."""
    negative = high < 0
    n_high, n_low = negate_wide(high, low)
    n_high = tl.where(negative, n_high, high)
    n_low = tl.where(negative, n_low, low)
    q_high, q_low, r_high, r_low = divide_wide(n_high, n_low, by * 0, by)
    up = negative & ((r_high != 0) | (r_low != 0))
    size = tl.where(q_high != 0, e.LOW >> 1, tl.minimum(q_low, (e.LOW >> 1) - 1))
    size = size + tl.where(up, 1, 0)
    return tl.where(negative, -size, size)


@jit
def floored(value, by):
    """An integer over a positive one, rounded down."""
    size = tl.where(value < 0, -value, value)
    quotient = size // by
    up = (value < 0) & (quotient * by != size)
    return tl.where(value < 0, -quotient - tl.where(up, 1, 0), quotient)


@jit
def modulo(value, by):
    """What is left of an integer over a positive one."""
    return value - floored(value, by) * by


@called
def common(one, other):
    """The greatest common divisor of integers that aren't negative."""
    a = one + 0
    b = other + 0
    while b > 1:
        rest = a % b
        a = b
        b = rest
    return tl.where(b == 1, 1, a)


# --- fractions ---


@jit
def _within(n_high, n_low, d_high, d_low):
    """Whether numerator and denominator keep the limit."""
    return (n_high == 0) & (n_low <= e.LIMIT) & (d_high == 0) & (d_low <= e.LIMIT)


@called
def sum_of(p, q, other_p, other_q):
    """`p/q + other`, reduced: sign, wide numerator, wide denominator."""
    n_high = p * 0
    n_low = p * 0
    d_high = p * 0
    d_low = q + 0
    sign = p * 0
    if (q == 1) & (other_q == 1):
        total = p + other_p
        sign = sign + tl.where(total < 0, -1, tl.where(total == 0, 0, 1))
        n_low = tl.where(total < 0, -total, total)
    else:
        shared = common(q, other_q)
        left_high, left_low = multiply_wide(p, other_q // shared)
        right_high, right_low = multiply_wide(other_p, q // shared)
        high, low = add_wide(left_high, left_low, right_high, right_low)
        sign = sign + sign_wide(high, low)
        n_high, n_low = negate_wide(high, low)
        n_high = tl.where(sign < 0, n_high, high)
        n_low = tl.where(sign < 0, n_low, low)
        over = shared + 0
        if shared > 1:
            _a, _b, _c, rest = divide_wide(n_high, n_low, p * 0, shared)
            over = common(shared, rest)
            n_high, n_low, _a, _b = divide_wide(n_high, n_low, p * 0, over)
        d_high, d_low = multiply_wide(q // shared, other_q // over)
    return sign, n_high, n_low, d_high, d_low


@jit
def _added(p, q, other_p, other_q):
    sign, n_high, n_low, d_high, d_low = sum_of(p, q, other_p, other_q)
    fits = _within(n_high, n_low, d_high, d_low)
    return tl.where(fits, e.VALUE, e.COMPLEX), sign * n_low, d_low


@jit
def _multiplied(p, q, other_p, other_q):
    size = tl.where(p < 0, -p, p)
    other_size = tl.where(other_p < 0, -other_p, other_p)
    d_high = p * 0
    d_low = q + 0
    if (q > 1) | (other_q > 1):
        one = common(size, other_q)
        other = common(other_size, q)
        size = size // one
        other_size = other_size // other
        d_high, d_low = multiply_wide(q // other, other_q // one)
    n_high, n_low = multiply_wide(size, other_size)
    fits = _within(n_high, n_low, d_high, d_low)
    negative = (p < 0) != (other_p < 0)
    return tl.where(fits, e.VALUE, e.COMPLEX), tl.where(negative, -n_low, n_low), d_low


@jit
def _floor_quotient(p, q, other_p, other_q):
    negative = (p < 0) != (other_p < 0)
    n_high, n_low = multiply_wide(tl.where(p < 0, -p, p), other_q)
    d_high, d_low = multiply_wide(q, tl.where(other_p < 0, -other_p, other_p))
    q_high, q_low, r_high, r_low = divide_wide(n_high, n_low, d_high, d_low)
    up = negative & ((r_high != 0) | (r_low != 0))
    fits = (q_high == 0) & (q_low <= e.LIMIT)
    size = q_low + tl.where(up, 1, 0)
    fits = fits & (size <= e.LIMIT)
    return tl.where(fits, e.VALUE, e.COMPLEX), tl.where(negative, -size, size)


@called
def operate(op, tag, p, q, other_tag, other_p, other_q):
    """`left op right`; a gap stays what it is."""
    out_tag = tag + 0
    out_p = p + 0
    out_q = q + 0
    if tag == e.VALUE:
        if other_tag != e.VALUE:
            out_tag = other_tag + 0
        elif op <= e.MINUS:
            turned = tl.where(op == e.MINUS, -other_p, other_p)
            made, out_p, out_q = _added(p, q, turned, other_q)
            out_tag = made + tag * 0
        elif op == e.TIMES:
            made, out_p, out_q = _multiplied(p, q, other_p, other_q)
            out_tag = made + tag * 0
        elif other_p == 0:
            out_tag = e.UNDEFINED + tag * 0
        elif op == e.OVER:
            top = tl.where(other_p < 0, -other_q, other_q)
            made, out_p, out_q = _multiplied(
                p, q, top, tl.where(other_p < 0, -other_p, other_p)
            )
            out_tag = made + tag * 0
        else:
            made, out_p = _floor_quotient(p, q, other_p, other_q)
            out_tag = made + tag * 0
            out_q = q * 0 + 1
    return out_tag, out_p, out_q


@jit
def less(p, q, other_p, other_q):
    """Whether a fraction is less than another."""
    left_high, left_low = multiply_wide(p, other_q)
    right_high, right_low = multiply_wide(other_p, q)
    return (left_high < right_high) | ((left_high == right_high) & (left_low < right_low))
