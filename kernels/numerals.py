"""Numbers, dates and texts while they are written: does what is allowed begin so?

`S` is the memory of slots, `T` that of tables, `r` where a reading begins. The numbers allowed
stand behind its head: for each count of fraction digits `1 + 3 · most` words, how many runs
there are and of each the least, the greatest and the stride.
"""

from __future__ import annotations

from rulec.kernels import encoding as e
from rulec.kernels.dialect import called, jit, tl
from rulec.kernels.wide import modulo


@jit
def power(exponent):
    """Ten to the power of 0 to 18."""
    made = tl.where((exponent & 1) != 0, 10, 1) + exponent * 0
    made = made * tl.where((exponent & 2) != 0, 100, 1)
    made = made * tl.where((exponent & 4) != 0, 10**4, 1)
    made = made * tl.where((exponent & 8) != 0, 10**8, 1)
    return made * tl.where((exponent & 16) != 0, 10**16, 1)


@called
def hits(M, runs, low, high):
    """Whether a member of the runs at `M + runs` lies between `low` and `high`."""
    count = tl.load(M + runs)
    found = count < 0
    at = runs + 1
    last = runs + 1 + 3 * count
    while (at < last) & (found == 0):
        least = tl.load(M + at)
        most = tl.load(M + (at + 1))
        stride = tl.load(M + (at + 2))
        first = tl.maximum(least, low)
        if (stride > 1) & (low > least):
            first = low + modulo(least - low, stride)
        found = first <= tl.minimum(high, most)
        at = at + 3
    return found


@jit
def _fits(mantissa, digits):
    """Whether a number of fifteen digits can show a mantissa and so many digits more."""
    return (digits <= 15) & (mantissa < power(15 - tl.minimum(digits, 15)))


@jit
def _begins(S, run, mantissa, negative, digits, end, stride):
    """Whether a member of the run at `S + run` shows the mantissa and then some digits.

    There may be `digits` more of them, and from there every `stride`-th number below `end`.
    """
    least = tl.load(S + run)
    most = tl.load(S + (run + 1))
    step = tl.load(S + (run + 2))
    floor = tl.where(negative, 1, 0)
    bound = tl.where(negative, -least, most)
    longest = digits + (end - 1 - digits) // stride * stride
    digits = tl.where(mantissa == 0, tl.minimum(longest, 15), digits)
    unit = power(tl.minimum(digits, 15))
    more = power(stride)
    found = most < -e.LIMIT
    going = (least <= most) & _fits(mantissa, digits)
    while going & (found == 0):
        low = mantissa * unit
        high = tl.minimum(low + unit - 1, e.DIGITS)
        low = tl.maximum(low, floor)
        first = tl.where(negative, -high, low)
        last = tl.minimum(tl.where(negative, -low, high), most)
        start = tl.maximum(first, least)
        if (step > 1) & (first > least):
            start = first + modulo(least - first, step)
        found = (start <= last) & (low <= high)
        digits = digits + stride
        unit = unit * more
        going = (digits < end) & (low <= bound) & _fits(mantissa, digits)
    return found


@called
def feasible(S, T, r, phase, width):
    """Whether an allowed number begins with what has come; `width` words hold some runs."""
    field = tl.load(S + (r + e.FIELD))
    least = tl.load(T + (field + e.FIELD_LEAST))
    most = tl.load(T + (field + e.FIELD_MOST))
    mantissa = tl.load(S + (r + e.MANTISSA))
    fraction = tl.load(S + (r + e.FRACTION))
    negative = tl.load(S + (r + e.NEGATIVE)) != 0
    fits = (fraction <= most) & (mantissa <= e.DIGITS)
    found = fits & (tl.load(S + (r + e.ENFORCED)) == 0)
    if fits & (found == 0):
        decimals = phase >= e.POINT
        grouped = (phase >= e.GROUP) & (decimals == 0)
        shown = tl.where(decimals, tl.maximum(tl.maximum(least, fraction), 1), least)
        whole = tl.where(grouped, 3 - (phase - e.GROUP), 0) + least * 0
        stride = tl.where(grouped, 3, 1) + least * 0
        wholes = tl.where(decimals | (phase == e.ZERO), 1, 16)
        while (shown <= most) & (found == 0):
            runs = r + e.RUNS + (shown - least) * width
            run = runs + 1
            last = run + 3 * tl.load(S + runs)
            digits = whole + shown - tl.where(decimals, fraction, 0)
            end = digits - whole + wholes
            while (run < last) & (found == 0):
                if phase == e.SIGN:
                    found = _negative(S, run)
                else:
                    found = _begins(S, run, mantissa, negative, digits, end, stride)
                run = run + 3
            shown = shown + 1
    return found


@jit
def _negative(S, run):
    """Whether a run has a member below zero."""
    least = tl.load(S + run)
    return (least <= tl.load(S + (run + 1))) & (least < 0)


@called
def end_number(S, T, r, field, width):
    """End a number: its value goes to its registers; whether it is allowed."""
    least = tl.load(T + (field + e.FIELD_LEAST))
    mantissa = tl.load(S + (r + e.MANTISSA))
    fraction = tl.load(S + (r + e.FRACTION))
    negative = tl.load(S + (r + e.NEGATIVE)) != 0
    value = tl.where(negative, -mantissa, mantissa)
    ends = (fraction >= least) & ((negative == 0) | (mantissa != 0))
    place = tl.maximum(fraction - least, 0) * width
    free = tl.load(T + (field + e.FIELD_FREE))
    if ends:
        if tl.load(S + (r + e.ENFORCED)) != 0:
            ends = hits(S, r + e.RUNS + place, value, value)
        elif free > 0:
            ends = hits(T, free + place, value, value)
    if ends:
        unit = power(tl.load(T + (field + e.FIELD_MOST)) - fraction)
        _write(S, T, r, field, value, unit)
    return ends


@jit
def _write(S, T, r, field, value, unit):
    """Write a value that shows `unit` to the registers of its field that are kept."""
    to = tl.load(T + (field + e.FIELD_VALUE))
    if to > 0:
        tl.store(S + (r + to), value * unit)
    shown = tl.load(T + (field + e.FIELD_UNIT))
    if shown > 0:
        tl.store(S + (r + shown), unit)
    there = tl.load(T + (field + e.FIELD_PRESENT))
    if there > 0:
        tl.store(S + (r + there), value * 0 + 1)


# --- dates ---


@jit
def _leap(year):
    return ((year % 4 == 0) & (year % 100 != 0)) | (year % 400 == 0)


@jit
def _length(year, month):
    """Days of a month."""
    short = tl.where(_leap(year), 29, 28)
    odd = (month == 4) | (month == 6) | (month == 9) | (month == 11)
    return tl.where(month == 2, short, tl.where(odd, 30, 31))


@jit
def ordinal(year, month, day):
    """The number of a day, 1 for the first of the year 1."""
    before = year - 1
    days = 365 * before + before // 4 - before // 100 + before // 400
    shift = tl.where(month > 2, tl.where(_leap(year), 1, 2), 0)
    return days + (367 * month - 362) // 12 - shift + day


@called
def span_of(digits, count):
    """The first and the last day that begin so; the last lies before the first if none does."""
    low = digits * 0 + 1
    high = digits * 0
    if count <= 4:
        unit = power(4 - count)
        first = tl.maximum(digits * unit, 1)
        last = digits * unit + unit - 1
        if last >= first:
            low = ordinal(first, first * 0 + 1, first * 0 + 1)
            high = ordinal(last, last * 0 + 12, last * 0 + 31)
    else:
        year = digits // power(count - 4)
        rest = digits - year * power(count - 4)
        month = rest + 0
        last_month = rest + 0
        if count == 5:
            month = tl.where(rest == 0, 1, rest * 10)
            last_month = tl.minimum(rest * 10 + 9, 12)
        elif count > 6:
            month = rest // power(count - 6)
            last_month = month + 0
        within = (year >= 1) & (month >= 1) & (month <= last_month) & (last_month <= 12)
        if within:
            longest = _length(year, last_month)
            day = digits * 0 + 1
            last_day = longest + day * 0
            if count == 7:
                tens = rest - month * 10
                day = tl.where(tens == 0, 1, tens * 10)
                last_day = tl.minimum(tens * 10 + 9, longest)
            elif count == 8:
                day = rest - month * 100
                last_day = tl.where(day <= longest, day, day * 0)
            if (day >= 1) & (day <= last_day):
                low = ordinal(year, month, day)
                high = ordinal(year, last_month, last_day)
    return low, high


@jit
def step_date(S, r, byte):
    """One digit more of a date; whether an allowed day begins so."""
    digits = tl.load(S + (r + e.MANTISSA)) * 10 + byte - 48
    count = tl.load(S + (r + e.FRACTION)) + 1
    tl.store(S + (r + e.MANTISSA), digits)
    tl.store(S + (r + e.FRACTION), count)
    low, high = span_of(digits, count)
    alive = low <= high
    if alive & (tl.load(S + (r + e.ENFORCED)) != 0):
        alive = hits(S, r + e.RUNS, low, high)
    return alive


@jit
def end_date(S, T, r, field):
    """End a date; whether it is allowed."""
    day, high = span_of(tl.load(S + (r + e.MANTISSA)), tl.load(S + (r + e.FRACTION)))
    ends = day <= high
    free = tl.load(T + (field + e.FIELD_FREE))
    if ends & (free > 0):
        ends = hits(T, free, day, day)
    if ends:
        _write(S, T, r, field, day, day * 0 + 1)
    return ends


# --- texts ---


@jit
def _alike(S, r, item, length):
    """Whether a text kept at `item` begins with the `length` bytes under way."""
    same = tl.load(S + item) >= length
    at = length * 0
    whole = length // e.BYTES_PER_WORD
    while (at <= whole) & same:
        left = tl.minimum(length - at * e.BYTES_PER_WORD, e.BYTES_PER_WORD)
        mask = (left * 0 + 1 << (8 * left)) - 1
        mine = tl.load(S + (r + e.BYTES + at)) & mask
        same = (left == 0) | (mine == (tl.load(S + (item + 1 + at)) & mask))
        at = at + 1
    return same


@called
def alike(S, r, size, whole):
    """How many of the texts that it must differ from begin as the text under way.

    `size` words hold a text; with `whole` only those count that it equals.
    """
    held = tl.load(S + (r + e.TAKEN))
    found = size * 0
    if held > 0:
        length = tl.load(S + (r + e.LENGTH))
        item = r + held + 1
        end = item + tl.load(S + (r + held)) * size
        while item < end:
            counts = _alike(S, r, item, length)
            counts = counts & ((whole == 0) | (tl.load(S + item) == length))
            found = found + tl.where(counts, 1, 0)
            item = item + size
    return found


@jit
def take(S, r, byte):
    """One byte more of a text that is kept."""
    if tl.load(S + (r + e.KEPT)) != 0:
        length = tl.load(S + (r + e.LENGTH))
        word = r + e.BYTES + length // e.BYTES_PER_WORD
        shift = 8 * (length % e.BYTES_PER_WORD)
        tl.store(S + word, tl.load(S + word) | (byte << shift))
        tl.store(S + (r + e.LENGTH), length + 1)


@jit
def copy_text(S, source, target, size):
    """Copy a text of `size` words."""
    at = size * 0
    while at < size:
        tl.store(S + (target + at), tl.load(S + (source + at)))
        at = at + 1
