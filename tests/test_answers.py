"""“试试”和“自测”：每份脚本都有，都有答案，答案里的数都是量出来的，而且没有过时。"""

import ast
import re

import pytest

import answers
import course
import render
import results
import runner
import variants
from course import COURSE, ROOT, SAMPLER, TWIN, WRITER, V

ASKING = [row.file for row in COURSE if row.part != TWIN and row.file != WRITER]


def docstring(file):
    return ast.get_docstring(ast.parse(course.source(file)))


@pytest.fixture(scope="module")
def document():
    """docs/answers.md 该是什么样（str）。"""
    return render.environment().get_template("docs/answers.md").render()


@pytest.mark.parametrize("file", ASKING)
def test_every_script_asks_and_is_answered(file, document):
    text = docstring(file)
    assert "\n试试：" in text and "\n自测：" in text and "docs/answers.md" in text
    section = document.split(f"\n## `{file}`\n")[1].split("\n## ")[0]
    assert {"试试", "自测"} <= set(re.findall(r"<summary>(.+?)：", section))
    assert section.count("<details>") == section.count("</details>") == section.count("<summary>")


def test_nothing_else_is_answered():
    """一份脚本一个模板：改了名、删了的，不留。"""
    named = {path.stem for path in (render.TEMPLATES / "answers").glob("*.md")}
    assert named == {course.BY_FILE[file].id for file in ASKING}


def test_every_value_to_try_is_answered():
    """“试试”里说改成几，答案里就真的量了几。"""
    for file, text in ((file, docstring(file)) for file in answers.CHANGES if file not in (SAMPLER, V[12])):
        ask = re.search(r"\n试试：(.*?)\n自测：", text, re.S)[1]
        measured = " ".join(answers.CHANGES[file])
        for value in re.findall(r"[\d.e-]+", " ".join(re.findall(r"[a-z_] 改成 ([\d.e、或 -]+)", ask))):
            assert any(float(value) == float(one) for one in re.findall(r"= ([\d.e-]+)", measured)), (file, value)


def test_answers_are_current_and_in_the_document(document):
    assert variants.outdated(answers.EXPERIMENT.load(), answers.VARIANTS) == []
    assert (ROOT / "docs" / "answers.md").read_text(encoding="utf-8") == document


def test_nothing_is_stale():
    assert results.stale(results.load()) == []


def test_the_exact_answers_are_exact():
    """答案里说“一位不差”“一模一样”的，记录里真是那样。"""
    kept = render.Records()
    assert kept.loss("v6", "n_layer = 1", 4) == kept.loss("v5", "不改", 4)
    assert kept.loss("v10", "dropout = 0", 4) == kept.loss("v9", "不改", 4)
    texts = kept.sampled()["texts"]
    assert texts["use_kv_cache = False"] == texts["temperature = 1.0"] and len(texts["temperature = 1.0"]) == 202
    assert float(kept.notes("v2", "倒过来")) == 0 < float(kept.notes("v3", "倒过来"))
    assert (kept.notes("v6", "全是 0"), kept.notes("v7", "全是 0")) == ("False", "True")


def test_the_new_initial_values_are_the_ones_measured(document):
    """v6 的答案里叫读者加的几行，就是量的时候加的。"""
    _, added = answers.INIT.split("\n", 1)
    assert f"```python\n{added}```" in document


@pytest.fixture
def answered_with(monkeypatch):
    """answered_with(file, **hyper)：脚本 file 的超参数改成 hyper，它的答案（str）怎么写。"""
    read = course.source

    def get(file, **hyper):
        edited = runner.set_hyperparameters(read(file), **hyper)
        monkeypatch.setattr(course, "source", lambda name: edited if name == file else read(name))
        return render.environment().get_template(f"answers/{course.BY_FILE[file].id}.md").render()

    return get


def test_answers_follow_the_settings(answered_with):
    """改了脚本里的数，答案里的跟着变；和打印的参数对不上的算术、不再成立的说法，不给写。"""
    assert "每首 7 个字" in answered_with(V[19], max_new_tokens=7)
    with pytest.raises(ValueError, match="“111,168”不再成立"):  # 3 × (192 × 192 + 192)
        answered_with(V[8], n_embed=192)
    with pytest.raises(ValueError, match="“六个头”不再成立"):
        answered_with(V[4], n_head=8)


@pytest.mark.parametrize("step", [50, 2400])
def test_learning_rate_answer_is_the_scripts(step, loaded, document):
    """v11 真的走到那一步，学习率就是答案里的数。"""
    rate, steps = render.setting("v11", "learning_rate"), render.setting("v11", "max_iters")
    scope = dict(loaded(V[11], learning_rate=rate, max_iters=0), step=step, max_iters=steps)
    lines = [line.strip() for line in course.source(V[11]).split("\n") if re.match(r" +(warmup|decay) = ", line)]
    assert len(lines) == 2
    exec("\n".join(lines), scope)
    answer = document.split(f"第 {step} 步", 2)[2]
    assert re.search(r"= (\d\.\d+e-\d+)", answer)[1] == f"{rate * scope['warmup'] * scope['decay']:.3e}"
