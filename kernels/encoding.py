"""The numbers of the device engine: where a record keeps what, and what programs are made of.

All of it is words of 64 bits. A *slot* has a head and two pools of *readings*; a reading has a
head, what belongs to the field under way, the numbers allowed there, and the registers.
"""

DIGITS = 10**15 - 1
"""The largest number that fifteen digits can show."""

LIMIT = 10**18
"""Numerator and denominator of every reduced intermediate stay within it."""

WIDE = 62
"""Bits of the lower half of a wide number."""

LOW = 2**62 - 1
LOW_HALF = 2**31 - 1

BLOCK = 128
"""Words that are copied at once."""

# --- a slot ---

SLOT_PACK = 0
"""Where its pack's tables begin; 0 where no rules are enforced."""
SLOT_COUNT = 1
"""Readings that are live."""
SLOT_POOL = 2
"""Which of the two pools holds them."""
SLOT_AT = 3
"""Tokens scanned so far."""
SLOT_ENDED = 4
"""Whether an end of sequence has been written."""
SLOT_HEAD = 8

# --- a pack ---

PACK_MOVES = 0
PACK_CLASSES = 1
PACK_CLASS_COUNT = 2
PACK_WIDTH = 3
PACK_WATCHES = 4
PACK_WATCH_COUNT = 5
PACK_FINALS = 6
PACK_ESCAPES = 7
PACK_POLICY = 8
PACK_REGISTERS = 9
PACK_LAYOUT = 10
PACK_ROWS = 11
"""Rows by the key of where a reading stands: how many places, less one, and the places."""
PACK_BITS = 12
"""The first row of the pack among all rows."""
PACK_OPEN = 13
"""The first of the pack's open tokens among all of them."""
PACK_ENDS = 14
"""How many tokens end a sequence, and those."""
PACK_SIZE = 15
"""Tokens of the vocabulary."""
PACK_HEAD = 16

ANY_WATCH = 1 << 28
"""Added to a node: its row whatever watches look on."""

ROW_KEY = 0
ROW_NODE = 1
ROW_BITS = 2
ROW_FIRST = 3
ROW_COUNT = 4
ROW_SIZE = 5

# --- a reading ---

NODE = 0
WATCH = 1
"""0 for the text's own reading, else one more than the watch that looks on."""
FIELD = 2
LEX = 3

# numbers, dates
MANTISSA = 3
FRACTION = 4
NEGATIVE = 5
ENFORCED = 6
RUNS = 7

# words
WORDS = 3

# texts
LENGTH = 3
TAKEN = 4
KEPT = 5
BYTES = 6
BYTES_PER_WORD = 7

# expressions, from LEX on
X_MANTISSA = 0
X_FRACTION = 1
X_HELD = 2
X_DEPTH = 5
X_REGION = 6
X_LEAST = 7
X_MOST = 10
X_LEVELS = 13
X_SIZE = 63

LEVEL_TOTAL = 0
LEVEL_ADD = 3
LEVEL_TERM = 4
LEVEL_TIMES = 7
LEVEL_NEGATIVE = 8
LEVEL_BINARY = 9
LEVEL_SIZE = 10

# --- values ---

VALUE = 0
UNDEFINED = 1
COMPLEX = 2
NONE = 3

# --- fields ---

FIELD_LEAST = 0
FIELD_MOST = 1
FIELD_FREE = 2
FIELD_VALUE = 3
FIELD_UNIT = 4
FIELD_PRESENT = 5

# --- operations: four words each ---

STOP = 0
SET = 1
COUNT = 2
ENOUGH = 3
GATHER = 4
GUARDED = 5
BEGIN_NUMBER = 6
BEGIN_WORD = 7
BEGIN_TEXT = 8
BEGIN_EXPRESSION = 9
STEP = 10
END_NUMBER = 11
END_OPERAND = 12
STEP_DATE = 13
END_DATE = 14
STEP_WORD = 15
END_WORD = 16
TAKE = 17
END_TEXT = 18
STEP_EXPRESSION = 19
END_EXPRESSION = 20
LETTER = 21
CUT = 22
DIE = 23
OPERATION = 4

# what moves a number
MOVE_DIGIT = 0
MOVE_MINUS = 1
MOVE_OTHER = 2

# how far a number has come
START = 0
SIGN = 1
ZERO = 2
INT = 3
GROUP = 4
POINT = 8
FRAC = 9

# how far an expression has come
OPERAND = 0
X_ZERO = 1
X_INT = 2
X_GROUP = 3
X_POINT = 7
X_FRAC = 8
X_CLOSED = 9
X_BLANK = 10
X_HALF = 11

# bytes of an expression; operators from PLUS on
PART_DIGIT = 0
PART_POINT = 1
PART_COMMA = 2
PART_MINUS = 3
PART_OPEN = 4
PART_CLOSE = 5
PART_BLANK = 6
PLUS = 7
MINUS = 8
TIMES = 9
OVER = 10
FLOOR = 11

# folds
FOLD_SUM = 0
FOLD_MIN = 1
FOLD_MAX = 2
FOLD_FIRST = 3
FOLD_LAST = 4
FOLD_TEXTS = 5

# --- guards ---

GE = 0
EQ = 1
NE = 2
DIV = 3

ATOM_SIGN = 0
ATOM_SLOPE = 1
ATOM_REST = 2
ATOM_DENSE = 3
ATOM_REGISTER = 4
ATOM_MODULUS = 5
ATOM_STEP = 6
ATOM_INVERSE = 7
ATOM_SHARED = 8
ATOM_JOIN = 9
ATOM_SIZE = 10

TERM_FACTORS = 3
TERM_SIZE = 4
MOST_EXCLUDED = 4

# --- what is found for a row of the logits ---

FOUND_COUNT = 0
FOUND_ENDS = 1
FOUND_TOTAL = 2
FOUND_HEAD = 3
FOUND_BITS = 0
FOUND_FIRST = 1
FOUND_OPEN = 2
FOUND_OWN = 3
FOUND_AFTER = 4
FOUND_SIZE = 5

SCRATCH = 64
"""Words that a program works with."""
