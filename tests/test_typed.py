"""Expressions over names: their types, and that masks leave open just what can have one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from random import Random

import numpy as np
import pytest
from brute import Brute, sure
from hypothesis import given
from rulesets import SEEDS, built, letters_of, random_walk, seeded, vocabulary, ways
from test_budgets import check_bytes, check_tokens, end_by
from test_engines import compare_walk
from typed import Signatures, declaring, expression, lets, named, signatures, type_of

from rulec.compiler import Machine, build, fit
from rulec.compiler.codec import Malformed
from rulec.compiler.wellformed import examine
from rulec.dsl import load_text
from rulec.runtime import Verifier, verify
from rulec.runtime.budget import Budget
from rulec.runtime.host import Host
from rulec.runtime.reasons import explain_refusal
from rulec.runtime.reference import Config, Reference
from rulec.runtime.typed import Typed, rest


@cache
def made_of(text: str) -> Machine:
    machine = built(text)
    assert machine is not None, (text, [d.message for d in load_text(text).diagnostics])
    return machine


@dataclass
class Begun:
    """An expression that begins behind some text, over names, of a wanted type or of any."""

    own: Signatures
    names: dict[str, str]
    wanted: str
    engine: Reference
    before: bytes
    config: Config

    @classmethod
    def of(cls, r: Random) -> Begun:
        own = signatures(r)
        names, wanted = named(r, own), r.choice(("", *own.types))
        engine = Reference(made_of(declaring(own, wanted)))
        before = "".join(f"{name}:{kind};" for name, kind in names.items()) + "{"
        config = engine.walk(engine.start({}), before.encode(), 0)
        return cls(own, names, wanted, engine, before.encode(), config)

    def right(self, text: str) -> bool:
        type_ = type_of(self.own, self.names, text)
        return bool(type_) and self.wanted in ("", type_)

    def behind(self, text: bytes) -> Config:
        return self.engine.walk(self.config, text, len(self.before))

    def completed(self, text: bytes) -> bytes:
        """The text, and the shortest way on to the end of the expression."""
        here, found = self.behind(text), bytearray(text)
        while len(found) < 300:
            options = []
            for byte, after in ways(self.engine, here, len(self.before) + len(found)):
                lexes = [t.lex for t in after.threads if isinstance(t.lex, Typed)]
                costs = [rest(lex) + (lex.phase == "string") for lex in lexes]
                options.append((min(costs, default=-(byte == 0x7D)), byte, after))
            cost, byte, here = min(options, key=lambda option: option[:2])
            if cost < 0:
                return bytes(found)
            found.append(byte)
        raise AssertionError(bytes(found))


def check_typed(seed: int) -> None:
    """Masks let through all that has a type, and whatever they let through can get one."""
    r = Random(seed)
    begun = Begun.of(r)
    for _ in range(12):
        text = expression(r, begun.own, begun.names)
        taken = bool(begun.behind(text.encode() + b"}").threads)
        assert taken is begun.right(text), (seed, begun, text)
        for end in range(len(text.encode())):
            if not begun.behind(text.encode()[:end]).threads:
                break
            whole = begun.completed(text.encode()[:end])
            assert begun.right(whole.decode("utf-8", "replace")), (seed, begun, text, whole)


@seeded(24, 10_000)
@given(SEEDS)
def test_types_are_those_of_the_signatures(seed: int) -> None:
    check_typed(seed)


def check_every(seed: int) -> None:
    """Of all short texts those with a type are let through, and of their beginnings all."""
    r = Random(seed)
    begun = Begun.of(r)
    signs = sorted({op for _, op, _ in begun.own.infix if not op.isalpha()})[:2]
    alphabet = "".join(dict.fromkeys("".join(["a1()", *signs, "-" * (r.random() < 0.5)])))
    every = ("".join(text) for n in range(1, 6) for text in product(alphabet, repeat=n))
    right = {text for text in every if begun.right(text)}
    open_: dict[str, bool] = {}
    queue = [("", begun.config)] if begun.config.threads else []
    for text, config in queue:  # grows while it is gone through
        after = begun.engine.step(config, 0x7D, len(begun.before) + len(text))
        open_[text] = bool(after.threads)
        for char in alphabet if len(text) < 5 else "":
            after = begun.engine.step(config, ord(char), len(begun.before) + len(text))
            if after.threads:
                queue.append((text + char, after))
    assert {text for text, ends in open_.items() if ends} == right, (seed, begun)
    for text in r.sample(sorted(open_), min(len(open_), 40)):
        assert begun.right(begun.completed(text.encode()).decode()), (seed, begun, text)


@seeded(8, 2_000)
@given(SEEDS)
def test_masks_leave_open_what_can_be_completed(seed: int) -> None:
    check_every(seed)


def check_engines(seed: int) -> None:
    """The host engine's masks are those of the reference."""
    r = Random(seed)
    own = signatures(r)
    machine = made_of(r.choice((declaring(own, r.choice(("", *own.types))), lets(own))))
    letters = letters_of(machine) + b'abcnotx1 "(){:;-<='
    pack = fit(machine, vocabulary(r, bytes(sorted(set(letters)))))
    host = Host(pack)
    host.several = r.choice((1, host.several))
    compare_walk(pack, host, Brute(pack), r, 16)


@seeded(6, 2_000)
@given(SEEDS)
def test_engines_agree(seed: int) -> None:
    check_engines(seed)


def check_walks(seed: int) -> None:
    """Whatever is begun comes to an end, in as many bytes as were said, and passes."""
    r = Random(seed)
    own = signatures(r)
    machine = made_of(r.choice((declaring(own, r.choice(("", *own.types))), lets(own))))
    engine, budget, verifier = Reference(machine), Budget(machine), Verifier(machine)
    start = engine.start({})
    if start.threads:
        walk = random_walk(engine, budget, start, r, r.choice([3, 10, 40, 90]))
        if walk.end == "dear" and not sure(machine):
            return  # masks keep a list without an end from ending while names are missing
        assert walk.end == "done", (seed, own, walk)
        assert verifier(walk.text).verdict == "pass", (seed, own, walk)


@seeded(14, 5_000)
@given(SEEDS)
def test_whatever_is_begun_can_be_ended(seed: int) -> None:
    check_walks(seed)


def check_lets(seed: int) -> None:
    """A kind is left open where something of it can be written, and all else is refused."""
    r = Random(seed)
    own = signatures(r)
    machine = made_of(lets(own))
    assert [rule.tier for rule in machine.rules] == ["mask"], own
    guarded, verifier = Reference(machine), Verifier(machine)
    for _ in range(10):
        names = dict(list(named(r, own).items())[:2])
        text = "[" + "".join(f"{name}:{kind};" for name, kind in names.items()) + "|"
        right = True
        for name in r.sample(("p", "q", "r2"), r.randint(1, 3)):
            value, kind = expression(r, own, names, 2), r.choice(own.types)
            type_ = type_of(own, names, value)
            kind = type_ if type_ and r.random() < 0.8 else kind
            right = right and kind == type_
            text += f"{name}:{kind}={value};"
            names[name] = kind
        data = f"{text}]".encode()
        after = guarded.walk(guarded.start({}), data, 0)
        ends = bool(after.threads) and guarded.ending(after, len(data)) is not None
        assert ends is right, (seed, own, text)
        assert (verifier(data).verdict == "pass") is right, (seed, own, text)


@seeded(14, 5_000)
@given(SEEDS)
def test_bindings_hold_what_they_declare(seed: int) -> None:
    check_lets(seed)


def check_budgets(seed: int) -> None:
    """What is left to write is told to the byte, and masks within a budget keep it."""
    r = Random(seed)
    own = signatures(r)
    machine = made_of(r.choice((declaring(own, r.choice(("", *own.types))), lets(own))))
    if not sure(machine):
        return
    check_bytes(machine, r, 40)
    letters = letters_of(machine) + b'abcnotx1 "(){:;-<='
    pack = fit(machine, vocabulary(r, bytes(sorted(set(letters)))))
    host, brute = Host(pack), Brute(pack)
    check_tokens(pack, brute, r, 12)
    config, at = brute.engine.start({}), 0
    out = np.zeros((pack.size + 31) // 32, np.uint32)
    for _ in range(8):
        limit = host.budget.cost(config) + r.randint(-1, 3)
        found = brute.allowed(config, at, limit)
        ends = brute.engine.ending(config, at) is not None
        want = brute.mask({*found, *(pack.ends if ends else ())})
        host.fill_within(config, at, limit, out)
        assert np.array_equal(out, want), (seed, own, at)
        if not found:
            break
        token = r.choice(sorted(found))
        config, at = found[token], at + len(pack.table.text(token))
    end_by(pack, host, r)


@seeded(5, 1_000)
@given(SEEDS)
def test_budgets_are_kept(seed: int) -> None:
    check_budgets(seed)


# --- what is written by hand ---

LETS = """
type Kind = one of ("int" "str" "bool" "list")
names vars { kind: Kind }
operators { int + int -> int  str + str -> str  int < int -> bool  bool and bool -> bool
            list + list -> list  not bool -> bool  - int -> int }
shape Given { "given " name: def(vars, kind: kind) ":" kind: Kind ";" }
shape Let {
    "let " name: def(vars, kind: kind) ":" kind: Kind "=" value: expr(vars) ";"
    rule typed: typeof(value) == kind
}
shape All { ( given: Given )* ( let: Let )+ }
trace All
"""


def after(machine: Machine, text: str) -> str:
    """The bytes that may follow a text."""
    engine = Reference(machine)
    config = engine.walk(engine.start({}), text.encode(), 0)
    return "".join(chr(byte) for byte, _ in ways(engine, config, len(text)))


@pytest.mark.parametrize(
    ("text", "may", "may_not"),
    [
        ("let a:", "isb", "l"),
        ("given z:list;let a:", "isbl", ""),
        ("let a:int=", "0123456789(-", '"tfa.'),
        ("let a:int=1", "0123456789+; ", "<"),
        ("let a:str=", '"(', "123tfn-"),
        ('let a:str="', "abc'é"[:4], "\n"),
        ("let a:bool=", 'tfn1("-'.replace('"', ""), '"'),
        ("let a:bool=1", "0+< ", ";"),
        ("let a:bool=1<2", "0+ ;", "<"),
        ("let a:bool=1 ", "+<", "a;"),
        ("let a:bool=true ", "a", "+<"),
        ("let a:bool=not ", "tf1(", "n"[:0]),
        ("let ab:int=1;let b:str=", '"(', "a1"),
        ("let ab:int=1;let b:int=", "a1(-", '"t'),
        ("let ab:int=1;let b:int=a", "b", "c;+ "),
        ("let a:int=1;let b:int=a", "+; ", "bt"),
        ("let a:int=((((1", "+)0", "(;"),
        ("let a:int=((((", "-1", "("),
        ("let a:int=(1", "+)", "<"),
        ("let a:bool=(1", "+<)"[:2], "\n;"),
        ("let t:bool=t", "r", ";"),
        ("let t:bool=true;let u:bool=t", "r; ", "x"),
    ],
)
def test_only_what_can_have_the_type_may_follow(text: str, may: str, may_not: str) -> None:
    found = after(made_of(LETS), text)
    assert set(may) <= set(found), found
    assert not set(may_not) & set(found), found


@pytest.mark.parametrize(
    ("value", "verdict", "expected"),
    [
        ("a", "pass", ""),
        ("a+1", "pass", ""),
        ("1 + (2+a)", "pass", ""),
        ("b+1", "violate", "a name that `vars` has"),
        ('a+"x"', "violate", "operands that agree"),
        ("(true)", "violate", ""),
        ("1.5", "unparsed", ""),
        ("1 <2<3", "unparsed", ""),
        ("(((((1)))))", "unparsed", ""),
        ("1+", "unparsed", ""),
        ("-not a", "unparsed", ""),
    ],
)
def test_verdicts(value: str, verdict: str, expected: str) -> None:
    found = verify(made_of(LETS), f"let a:int=2;let c:int={value};")
    assert found.verdict == verdict
    broken = [claim for claim in found.claims if claim.verdict == "violate"]
    if verdict == "violate":
        assert broken[0].expected == expected


def test_a_number_has_room_for_what_it_needs() -> None:
    machine = made_of(LETS.replace('"list")', '"list" "number")'))
    assert "." in after(machine, "let a:number=" + "1" * 14)
    assert after(machine, "let a:number=" + "1" * 15) == ""
    assert after(machine, "let a:int=" + "1" * 15) == " +;"
    assert after(machine, "let a:number=1.123456") == ";"


@pytest.mark.parametrize("word", ["and", "or", "not", "implies", "true", "false"])
def test_no_name_is_a_word_of_expressions(word: str) -> None:
    machine = made_of(LETS)
    assert verify(machine, f"let {word}:int=2;").verdict == "unparsed"
    assert verify(machine, f"let {word}1:int=2;let b:int={word}1+{word}1;").verdict == "pass"


def test_words_may_be_literals_of_their_own() -> None:
    text = LETS.replace("- int -> int", "True -> bool  nil -> list")
    machine = made_of(text)
    assert verify(machine, "let a:bool=True and not True;").verdict == "pass"
    assert verify(machine, "let a:list=nil+nil;let b:list=a;").verdict == "pass"
    assert verify(machine, "let a:bool=true;").verdict == "violate"


def test_types_of_names_are_asked_for() -> None:
    text = LETS.replace(
        "shape All {",
        'shape Set { "set " name: ref(vars) "=" value: expr(vars) ";"\n'
        "mask rule same: typeof(value) == typeof(name) }\nshape All {",
    ).replace("( let: Let )+", "( let: Let | set: Set )+")
    machine = made_of(text)
    assert verify(machine, 'let a:str="x";set a=a + a;').verdict == "pass"
    assert verify(machine, 'let a:str="x";set a=1;').verdict == "violate"
    assert '"' in after(machine, 'let a:str="x";set a=')
    assert "1" not in after(machine, 'let a:str="x";set a=')


def test_why_something_is_refused() -> None:
    machine = made_of(LETS)
    engine = Reference(machine)
    config = engine.walk(engine.start({}), b"let a:int=", 0)
    told = explain_refusal(engine, config, b'"x"', 10)
    assert told is not None
    assert told.message == (
        "`\"` can't stand here: `Let.value` must be an expression of type int by Let.typed"
    )


@pytest.mark.parametrize(
    ("changed", "into", "message"),
    [
        ("kind: kind)", "/[a-z-]+/, kind: kind)", "what is written over names that are no"),
        ("True -> bool", "été -> bool", "a literal that is no identifier"),
    ],
)
def test_what_has_no_form_is_refused(changed: str, into: str, message: str) -> None:
    text = LETS.replace("- int -> int", "True -> bool").replace(changed, into)
    problems = build_of(text)
    assert any(message in one for one in problems), problems


def test_names_without_a_type_make_no_expressions() -> None:
    found = load_text('names vars\nshape S { e: expr(vars) "." }\ntrace S')
    assert [one.code for one in found.diagnostics] == ["R0315"]


def test_a_pack_whose_grammar_points_outside_is_refused() -> None:
    machine = made_of(LETS)
    (grammar,) = machine.grammars
    (one, *_) = grammar.signatures
    for changed in (
        replace(grammar, table=1),
        replace(grammar, column=1),
        replace(grammar, whole=4),
        replace(grammar, words=(("true", 9),)),
        replace(grammar, signatures=(replace(one, op="**"),)),
        replace(grammar, signatures=(replace(one, result=4),)),
        replace(grammar, types=("int",)),
    ):
        with pytest.raises(Malformed):
            examine(replace(machine, grammars=(changed,)))
    with pytest.raises(Malformed):
        examine(replace(machine, grammars=()))
    examine(machine)


def test_types_are_asked_for_in_lists_and_of_what_stands_before() -> None:
    text = LETS.replace("shape All {", "shape Row {").replace(
        "trace All",
        'shape All { rows: Row{1..3 sep "|"} "#" ( v: expr(vars) ){1..3 sep ","}\n'
        'rule all: all(x in v: typeof(x) != "bool")\n'
        'rule last: typeof(last(rows.let).value) == "int" }\ntrace All',
    )
    machine = made_of(text)
    assert {rule.tier for rule in machine.rules if rule.name == "all"} == {"mask"}
    assert verify(machine, 'let a:str="x";let b:int=1;#a,b+1').verdict == "pass"
    assert verify(machine, 'let a:str="x";let b:int=1;#a,b<1').verdict == "violate"
    assert verify(machine, 'let b:int=1;let a:str="x";#a').verdict == "violate"


def test_the_type_of_a_new_name_is_that_of_its_field() -> None:
    text = LETS.replace("typeof(value) == kind", "typeof(value) == typeof(name)")
    machine = made_of(text)
    assert [rule.tier for rule in machine.rules] == ["mask"]
    assert verify(machine, 'let a:str="x";').verdict == "pass"
    assert verify(machine, "let a:str=1;").verdict == "violate"


def test_in_json_an_expression_is_a_string() -> None:
    text = (
        'type Kind = one of ("int" "bool")\nnames vars { kind: Kind }\n'
        "operators { int + int -> int  int < int -> bool }\n"
        "json compact Let { name: def(vars, /[a-z]/, kind: kind) kind: Kind value: expr(vars)\n"
        "rule typed: typeof(value) == kind }\njson compact All { lets: [Let]{1..3} }\ntrace All"
    )
    machine = made_of(text)
    first = (
        '{"lets":[{"name":"a","kind":"int","value":"1+2"},{"name":"b","kind":"bool","value":'
    )
    assert verify(machine, first + '"a <3"}]}').verdict == "pass"
    assert verify(machine, first + '"a"}]}').verdict == "violate"
    problems = build_of(text.replace('"int" "bool"', '"int" "bool" "str"'))
    assert ["an expression with strings in JSON" in one for one in problems] == [True]


def build_of(text: str) -> list[str]:
    loaded = load_text(text)
    assert loaded.ruleset is not None, loaded.diagnostics
    return [one.message for one in build(loaded.ruleset).diagnostics]


def test_an_expression_is_no_value() -> None:
    text = LETS.replace("typeof(value) == kind", "value == value")
    assert build_of(text) == ["`value` as a value can't be enforced by this version"]


@pytest.mark.parametrize("type_", ["expr(vars)", "formula(vars)"])
def test_no_function_takes_what_is_written_over_names(type_: str) -> None:
    text = LETS.replace("expr(vars)", type_).replace("typeof(value) == kind", "sound(value)")
    problems = build_of(f"external sound({type_}) -> bool\n{text}")
    assert problems, "it is said that this can't be enforced"
