"""Rewards, as each trainer asks for them."""

from __future__ import annotations

from fractions import Fraction

import pytest

from rulec.compiler import Vocabulary, build
from rulec.dsl import load_text
from rulec.runtime import BadInput
from rulec.runtime.answers import final_answer, number, right_answer, same_answer
from rulec.runtime.rewards import Combined, Gate, RulesReward, Shaped, exactly, text_of

RULES = """
param most: int in 0..999 = 999
shape Calc {
    "<<" lhs: expr "=" result: number ">>"
    rule holds: result ~= lhs
    rule cap: result <= most
}
shape Solution { ( prose | calcs: Calc )* "\\n#### " answer: number }
trace Solution
"""
MACHINE = build(load_text(RULES).ruleset).machine
RIGHT = "So <<1+1=2>> and <<2*2=4>>.\n#### 4"
SPURIOUS = "So <<1+1=2>> and <<2*2=5>>.\n#### 4"
WRONG = "So <<1+1=3>> and <<2*2=4>>.\n#### 5"
SILENT = "It is four.\n#### 4"
BROKEN = "So <<1+1=2>> and"
ALL = [RIGHT, SPURIOUS, WRONG, SILENT, BROKEN]


def rewards(policy, texts=ALL, answer="4", **options):
    reward = RulesReward(MACHINE, policy, reference="answer", **options)
    return reward(["?"] * len(texts), texts, answer=[answer] * len(texts))


def test_gate():
    assert rewards(Gate()) == [1.0, 0.0, 0.0, 1.0, 0.0]
    assert rewards(Gate(least_claims=1, invalid=-1.0)) == [1.0, -1.0, -1.0, -1.0, -1.0]
    alone = RulesReward(MACHINE)
    assert alone(["?"] * 5, ALL) == [1.0, 0.0, 0.0, None, 0.0]


def test_shaped():
    # Each annotation is two claims: `holds` and `cap`.
    assert rewards(Shaped()) == [1.0, 2 / 4, 0.0, None, 2 / 3]
    assert rewards(Shaped(least_claims=8)) == [4 / 8, 2 / 8, 0.0, 0.0, 2 / 8]


def test_combined():
    found = rewards(Combined(answer=1.0, rules=0.5, spurious=0.75))
    assert found == [1.5, 1.0 - 0.75 + 0.25, 0.0, 1.0, 0.5 * 2 / 3]
    reward = RulesReward(MACHINE, Combined())
    assert reward(["?"], [SILENT]) == [None]


def test_spurious_correct_is_a_metric():
    metrics, columns = {}, {}
    reward = RulesReward(MACHINE, reference="answer")
    reward(
        ["?"] * 5,
        ALL,
        None,
        answer=["Eight halves.\n#### 4"] * 5,
        trainer_state=object(),
        log_metric=metrics.__setitem__,
        log_extra=columns.__setitem__,
    )
    name = reward.__name__
    assert metrics[f"{name}/spurious_correct"] == pytest.approx(1 / 5)
    assert metrics[f"{name}/valid"] == pytest.approx(2 / 5)
    assert metrics[f"{name}/right"] == pytest.approx(3 / 5)
    assert metrics[f"{name}/claims"] == pytest.approx((4 + 4 + 4 + 0 + 2) / 5)
    assert 0 < metrics[f"{name}/coverage"] < 1
    assert columns[f"{name}/verdict"][3:] == ["pass", "unparsed"]
    assert [one.spurious for one in reward.last] == [False, True, False, False, False]


def test_none_where_the_rules_do_not_apply():
    reward = RulesReward(MACHINE, where={"task": "maths"})
    assert reward(["?"] * 2, [WRONG, WRONG], task=["maths", "prose"]) == [0.0, None]
    assert reward.compute_score("x", WRONG, "4", {"task": "prose"}) == {"score": 0.0}


def test_inputs_come_in_columns():
    reward = RulesReward(MACHINE, columns={"most": "cap"})
    assert reward(["?"] * 2, [RIGHT, RIGHT], cap=[4, 3]) == [1.0, 0.0]
    assert reward(["?"], [RIGHT], cap=[4.0]) == [1.0]
    with pytest.raises(BadInput):
        reward(["?"], [RIGHT], cap=[0.1])
    with pytest.raises(KeyError):
        reward(["?"], [RIGHT])
    assert exactly({"a": [0.1]})["a"][0] * 10 == 1


def test_completions_are_texts_messages_or_tokens():
    said = [{"role": "assistant", "content": RIGHT}]
    parts = [{"role": "assistant", "content": [{"type": "text", "text": RIGHT}]}]
    assert text_of(said) == text_of(parts) == text_of(RIGHT) == RIGHT
    vocabulary = Vocabulary((*(bytes((byte,)) for byte in range(256)), None), (256,), 257)
    reward = RulesReward(MACHINE, vocabulary=vocabulary)
    ids = [*RIGHT.encode(), 256, 256]
    assert reward(["?"], ["something else"], [ids]) == [1.0]
    (scored,) = reward.last
    claim = scored.verdict.to_record()["claims"][0]
    assert claim["tokens"] == claim["bytes"]


def test_a_trace_may_begin_behind_a_mark():
    reward = RulesReward(MACHINE, after="</think>")
    thought = f"<<1+1=3>> </think>\n\n{RIGHT}"
    assert reward(["?"] * 2, [thought, RIGHT]) == [1.0, 0.0]
    assert reward.last[1].verdict.verdict == "unparsed"
    assert reward.last[1].verdict.to_record()["stopped"]["reason"] == "`</think>` does not come"


def test_verl():
    reward = RulesReward(MACHINE)
    score = reward.compute_score(
        data_source="gsm8k", solution_str=SPURIOUS, ground_truth="4", extra_info={"index": 0}
    )
    assert (score["score"], score["spurious_correct"], score["claims"]) == (0.0, 1.0, 4.0)
    assert reward.compute_score("gsm8k", RIGHT, "4")["score"] == 1.0


def test_verifiers():
    reward = RulesReward(MACHINE, columns={"most": "cap"})
    said = [{"role": "assistant", "content": RIGHT}]
    assert reward.rubric(completion=said, answer="4", info={"cap": 9}, state={}) == 1.0
    assert reward.rubric(completion=said, answer="4", info={"cap": 3}) == 0.0


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("a 3\n#### 1,234", "1,234"),
        ("#### 1\n#### 2", "2"),
        (r"so \boxed{7/2}.", "7/2"),
        ("It costs $3.50.", "$3.50"),
        ("3 and -4", "-4"),
        ("no number", None),
        ("", None),
    ],
)
def test_final_answers(text, answer):
    assert final_answer(text) == answer


def test_answers_are_compared_exactly():
    assert number("$1,234.50") == Fraction(2469, 2)
    assert number("7/2") == Fraction(7, 2)
    for none in ("", "x", "1/0", "1e9", "\uff11", "1" * 99):
        assert number(none) is None
    assert same_answer("0.50", ".5")
    assert not same_answer("0.333", "1/3")
    assert same_answer("yes", "yes ")
    assert not same_answer("2", "two")
    assert right_answer("It is 5.", "four\n#### 5.0")
    assert not right_answer("none", "4")
