"""“试试”和“自测”：每份脚本都有，都有答案，答案里的数都是量出来的，而且没有过时。"""

import ast
import re

import pytest

import helpers  # 先于 answers：它把 tools/ 放进了 sys.path
import answers
import measure
import variants
from helpers import AFTER, MODERN, ROOT, SAMPLER, SCRIPTS, TWINS


def docstring(name):
    return ast.get_docstring(ast.parse((ROOT / name).read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", [*(name for name in SCRIPTS if name not in TWINS.values()), *MODERN, *AFTER])
def test_every_script_asks_and_is_answered(name):
    text = docstring(name)
    assert "\n试试：" in text and "\n自测：" in text and "docs/answers.md" in text
    asked = [question.split("：")[0] for question, _ in answers.SECTIONS[name]]
    assert {"试试", "自测"} <= set(asked)


def test_every_value_to_try_is_answered():
    """“试试”里说改成几，答案里就真的量了几。"""
    for name, text in ((name, docstring(name)) for name in answers.CHANGES if name not in (SAMPLER, helpers.V[12])):
        ask = re.search(r"\n试试：(.*?)\n自测：", text, re.S)[1]
        measured = " ".join(answers.CHANGES[name])
        for value in re.findall(r"[\d.e-]+", " ".join(re.findall(r"[a-z_] 改成 ([\d.e、或 -]+)", ask))):
            assert any(float(value) == float(one) for one in re.findall(r"= ([\d.e-]+)", measured)), (name, value)


def test_answers_are_current_and_in_the_document():
    assert variants.stale(variants.load(answers.OUTPUT), answers.VARIANTS) == []
    assert (ROOT / "docs" / "answers.md").read_text(encoding="utf-8") == answers.render(answers.reader())


def test_nothing_is_stale():
    assert measure.stale_records(measure.load()) == []


def test_the_exact_answers_are_exact():
    """答案里说“一位不差”“一模一样”的，记录里真是那样。"""
    r = answers.reader()
    assert r.loss(helpers.V[6], "n_layer = 1", 4) == r.loss(helpers.V[5], "不改", 4)
    assert r.loss(helpers.V[10], "dropout = 0", 4) == r.loss(helpers.V[9], "不改", 4)
    texts = r.sampled()["texts"]
    assert texts["use_kv_cache = False"] == texts["temperature = 1.0"] and len(texts["temperature = 1.0"]) == 202
    assert float(r.notes(helpers.V[2], "倒过来")) == 0 < float(r.notes(helpers.V[3], "倒过来"))
    assert (r.notes(helpers.V[6], "全是 0"), r.notes(helpers.V[7], "全是 0")) == ("False", "True")


def test_learning_rate_answer_is_the_scripts(loaded):
    """v11 真的走到那一步，学习率就是答案里的数。"""
    for step in (50, 2400):
        namespace = loaded(helpers.V[11], learning_rate=5e-3, max_iters=0)
        line = [text for text in (ROOT / helpers.V[11]).read_text(encoding="utf-8").split("\n") if re.match(r" +(warmup|decay) = ", text)]
        scope = dict(namespace, step=step, max_iters=4800)
        for text in line:
            exec(text.strip(), scope)
        assert answers.learning_rate(step) == pytest.approx(5e-3 * scope["warmup"] * scope["decay"])
