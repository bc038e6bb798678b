"""试过的：新的试法量得了、记得住，脚本后来改了不算过时；存档不变，数过的再数一遍。"""

import json

import pytest

import course
import helpers
import records
import render
import runner
import tried
import variants
from course import V
from variants import Experiment, Variant, change


@pytest.fixture
def trial(tmp_path, monkeypatch):
    """trial(**{变体名: change(…)})：另起一处根目录，小小的 v1，记录里已有存档；返回 Experiment。"""
    helpers.edit(V[1], tmp_path, **{**helpers.TINY, "max_iters": 2, "eval_interval": 2})
    monkeypatch.setattr(course, "ROOT", tmp_path)
    path = tmp_path / "tried.json"
    records.write(path, {"runs": [1], "after": [2], "noted": [3], "trials": {}})
    real = tried.EXPERIMENT

    def declare(**changes):
        found = {V[1]: {label: Variant(apply) for label, apply in changes.items()}}
        return Experiment(path, found, real.tool, real.key, real.dated)

    return declare


@pytest.mark.slow
def test_a_trial_is_measured_and_kept(trial, monkeypatch, capsys):
    wide = trial(宽=change(n_embed=24))
    assert [one.command for one in variants.stale(wide)] == [f"python tools/tried.py {V[1]}"]
    monkeypatch.setattr("sys.argv", ["tried.py", "v1"])
    variants.main("", wide)
    assert "[1/1]" in capsys.readouterr().out
    content = json.loads(wide.path.read_text(encoding="utf-8"))
    assert [content[key] for key in ("runs", "after", "noted")] == [[1], [2], [3]], "存档不动"
    entry = content["trials"][V[1]]["宽"]
    [run] = entry["runs"]
    assert entry["stamp"][0] == runner.stamp(V[1]) and run["seed"] == 42 and run["parameters"] == 24 * 5970 * 2 + 5970
    assert run["machine"] and run["date"] == records.today()

    script = course.ROOT / V[1]
    script.write_text(script.read_text(encoding="utf-8").replace("n_embed = 16", "n_embed = 12"), encoding="utf-8")
    assert variants.stale(wide) == [], "记的是当天的脚本"
    assert variants.missing(wide.load(), wide.variants, seeds=2, dated=True) == [], "别的种子不能用后来的脚本"
    wider = trial(宽=change(n_embed=32))
    assert [one.what for one in variants.stale(wider)] == [f"{V[1]}，宽"], "改动自己改了"

    monkeypatch.setattr(runner, "run", lambda file, seed, **rest: {**run, "seed": seed, "wall_s": 60.0})
    other = trial(窄=change(n_embed=8))
    assert list(variants.run(other)[V[1]]) == ["窄", "宽"], "单子上去掉了，记录还在"


def test_every_trial_is_listed():
    recorded = records.read(records.TRIED)
    template = render.environment().get_template("docs/tried.md")
    without = template.render(tried=recorded)
    scores = {"row_loss": 4.0, "ended": 0.5, "attested": 0.25, "prefix": 0.75}
    runs = [{"form": {**scores, "row_loss": loss}, "wall_s": 90.0} for loss in (4.0, 4.1)]
    trials = {V[21]: {"宽": {"stamp": ["a", "b"], "runs": runs}, "没量完": {"stamp": ["a", "b"], "runs": []}}}
    page = template.render(tried={**recorded, "trials": {**recorded["trials"], **trials}})
    assert page == without + "| v21 | 宽 | 2 | 4.05 | 50% | 25% | 75% | 1.5 |\n"


def test_the_archive_is_as_it_was():
    """还没有 tried.py 的时候量的，草稿没有留下，重量不了：一个字也不许改。"""
    recorded = records.read(records.TRIED)
    archive = [recorded[key] for key in ("note", "runs", "after")]
    assert runner.digest(json.dumps(archive, ensure_ascii=False, sort_keys=True)) == "b3212fe1f2d33820"
    assert all(one.keys() == {"what", "values"} for one in recorded["noted"])
