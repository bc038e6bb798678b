"""改一处、量一次的机器：改得准，记得住，脚本或改动变了就知道要重量。"""

import json

import pytest

import helpers  # 先于 variants：它把 tools/ 放进了 sys.path
import export_page
import measure
import ship
import variants
from helpers import V
from variants import Variant, change


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
    for module in (measure, variants):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    return helpers.edit(V[1], tmp_path, **{**helpers.TINY, "max_iters": 4, "eval_interval": 2})


VARIANTS = {V[1]: {"宽": Variant(change(n_embed=24)), "说一声": Variant(change(then="print(vocab_size)"))}}


def rewrite(script, old, new):
    text = script.read_text(encoding="utf-8")
    assert old in text
    script.write_text(text.replace(old, new), encoding="utf-8")


def test_runs_what_is_missing_and_keeps_it(repository, tmp_path):
    path = tmp_path / "record.json"
    record = variants.run(path, VARIANTS, [V[1]])
    assert record == json.loads(path.read_text(encoding="utf-8"))
    wide, said = (record[V[1]][label]["runs"][0] for label in ("宽", "说一声"))
    assert wide["seed"] == 42 and "notes" not in wide and wide["curve"][-1]["step"] == 4
    assert wide["parameters"] == 24 * 5970 * 2 + 5970 and said["notes"] == "5970\n"
    assert [text[:2] for text in said["samples"]] == ["春江", "往事"] and "5970" not in said["samples"][1]

    assert variants.missing(record, VARIANTS) == []
    assert variants.missing(record, VARIANTS, seeds=2) == [(V[1], "宽", 43), (V[1], "说一声", 43)]


def test_notices_what_to_measure_again(repository, tmp_path):
    def fresh():
        return {V[1]: {label: {"stamp": variants.stamp(V[1], one), "runs": [{"seed": 42}]} for label, one in VARIANTS[V[1]].items()}}

    record = fresh()
    rewrite(repository, "# B：一步同时学几段文本", "# 改了注释")
    assert variants.stale(record, VARIANTS) == []
    other = {V[1]: {**VARIANTS[V[1]], "宽": Variant(change(n_embed=32))}}
    assert variants.stale(record, other) == [(V[1], "宽")]
    record[V[1]]["说一声"]["runs"] = []
    assert variants.stale(record, VARIANTS) == [(V[1], "说一声")]
    rewrite(repository, "return logits, loss", "return logits, loss * 1")
    assert variants.stale(record, VARIANTS) == [(V[1], "宽"), (V[1], "说一声")]
    assert variants.missing(record, VARIANTS) == [(V[1], "宽", 42), (V[1], "说一声", 42)]
    assert record[V[1]]["宽"]["runs"] == []


def test_harmless_changes_keep_the_record(repository, tmp_path, monkeypatch):
    """改了打印：训练一位不差，记录换上新指纹；改了学法：不换。"""
    path = tmp_path / "record.json"
    monkeypatch.setattr(variants, "RECORDS", [path])
    monkeypatch.setattr(measure.subprocess, "run", real_git_or(measure.subprocess.run, repository.read_text(encoding="utf-8")))
    stamps = {label: variants.stamp(V[1], one) for label, one in VARIANTS[V[1]].items()}
    measure.write_json(path, {V[1]: {label: {"stamp": stamp, "runs": [{"seed": 42}]} for label, stamp in stamps.items()}})
    results = {"scripts": {V[1]: {"fingerprint": measure.fingerprint(V[1]), "runs": [{"seed": 42}]}}}
    monkeypatch.setattr(measure, "RESULTS", tmp_path / "results.json")
    told = []  # 随仓库发的、网页上的，也要告诉
    monkeypatch.setattr(ship, "confirm", lambda results, earlier: told.append(earlier))
    monkeypatch.setattr(export_page, "confirm", told.append)
    assert measure.unchanged_since("HEAD", results, [V[1]]) == [], "没改，不用比"
    before = measure.fingerprint(V[1])

    rewrite(repository, 'print("-" * 20)', 'print("-" * (10 + 10))')
    assert measure.unchanged_since("HEAD", results, [V[1]]) == [V[1]]
    assert told == [{V[1]: before}] * 2
    assert measure.load()["scripts"][V[1]]["fingerprint"] == measure.fingerprint(V[1])
    assert variants.stale(variants.load(path), VARIANTS) == []

    rewrite(repository, "loss.backward()", "(1.01 * loss).backward()")
    rewrite(repository, "torch.optim.AdamW(model.parameters(), lr=learning_rate, fused=True)", "torch.optim.SGD(model.parameters(), lr=learning_rate)")
    assert measure.unchanged_since("HEAD", results, [V[1]]) == []
    assert len(variants.stale(variants.load(path), VARIANTS)) == 2


def real_git_or(real, source):
    """subprocess.run，只是 git show 给出 source。"""
    class Shown:
        stdout = source

    return lambda command, **settings: Shown if command[:2] == ["git", "show"] else real(command, **settings)
