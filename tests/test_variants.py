"""改一处、量一次的机器：改得准，记得住，脚本或改动变了就知道要重量。"""

import json

import pytest

import course
import helpers
import variants
from course import V
from variants import Experiment, Variant, change


def test_a_script_that_changed_is_noticed():
    with pytest.raises(ValueError, match="出现了 0 次"):
        change(swapped=[("x = x + 2", "x")])("x = x + 1")
    with pytest.raises(ValueError, match="出现了 2 次"):
        change(swapped=[("x", "y")])("x = x")
    with pytest.raises(ValueError, match="出现了 0 次"):
        change(["self.proj = "])("x = 1\n")


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """另起一处根目录，里面只有小小的 v1；返回它的 Path。"""
    script = helpers.edit(V[1], tmp_path, **{**helpers.TINY, "max_iters": 4, "eval_interval": 2})
    monkeypatch.setattr(course, "ROOT", tmp_path)
    return script


VARIANTS = {V[1]: {"宽": Variant(change(n_embed=24)), "说一声": Variant(change(then="print(vocab_size)"))}}


def rewrite(script, old, new):
    text = script.read_text(encoding="utf-8")
    assert old in text
    script.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.slow
def test_runs_what_is_missing_and_keeps_it(repository, tmp_path):
    path = tmp_path / "record.json"
    record = variants.run(Experiment(path, VARIANTS, "try"), [V[1]])
    assert record == json.loads(path.read_text(encoding="utf-8"))
    wide, said = (record[V[1]][label]["runs"][0] for label in ("宽", "说一声"))
    assert wide["seed"] == 42 and "notes" not in wide and wide["curve"][-1]["step"] == 4
    assert wide["parameters"] == 24 * 5970 * 2 + 5970 and said["notes"] == "5970\n"
    assert [text[:2] for text in said["samples"]] == ["春江", "往事"] and "5970" not in said["samples"][1]

    assert variants.missing(record, VARIANTS) == []
    assert variants.missing(record, VARIANTS, seeds=2) == [(V[1], "宽", 43), (V[1], "说一声", 43)]


def test_notices_what_to_measure_again(repository, tmp_path):
    def fresh():
        return {
            V[1]: {
                label: {"stamp": variants.stamp(V[1], one), "runs": [{"seed": 42}]}
                for label, one in VARIANTS[V[1]].items()
            }
        }

    record = fresh()
    rewrite(repository, "# B：一步同时学几段文本", "# 改了注释")
    assert variants.outdated(record, VARIANTS) == []
    other = {V[1]: {**VARIANTS[V[1]], "宽": Variant(change(n_embed=32))}}
    assert variants.outdated(record, other) == [(V[1], "宽")]
    record[V[1]]["说一声"]["runs"] = []
    assert variants.outdated(record, VARIANTS) == [(V[1], "说一声")]
    rewrite(repository, "return logits, F.cross", "return logits, 1 * F.cross")
    assert variants.outdated(record, VARIANTS) == [(V[1], "宽"), (V[1], "说一声")]
    assert variants.missing(record, VARIANTS) == [(V[1], "宽", 42), (V[1], "说一声", 42)]
    assert record[V[1]]["宽"]["runs"] == []


@pytest.mark.slow
def test_what_was_measured_elsewhere_stays(repository, tmp_path):
    """只量一样，别的记录不动；单子上去掉了的变体不留。"""
    path = tmp_path / "record.json"
    path.write_text(
        json.dumps(
            {V[2]: {"别的": {"stamp": ["a", "b"], "runs": []}}, V[1]: {"去掉了": {"stamp": ["a", "b"], "runs": []}}}
        ),
        encoding="utf-8",
    )
    record = variants.run(Experiment(path, {V[1]: {"宽": VARIANTS[V[1]]["宽"]}}, "try"))
    assert record[V[2]] == {"别的": {"stamp": ["a", "b"], "runs": []}} and list(record[V[1]]) == ["宽"]


def test_names_on_the_command_line():
    find = variants.known([V[1], V[2]])
    assert find("v1") == find(V[1]) == V[1]
    with pytest.raises(Exception, match="没有“v3”，有 v1、v2"):
        find("v3")
