"""比快慢的工具跑得起来，比的确实是同一个模型、同样多步；采样器的缓存开关真的传到了。量一件存一件，脚本改了就过时。"""

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch

import bench
import course
import helpers
import records
import render
from bench import Part
from course import V


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(bench, "REPEATS", 1)
    monkeypatch.setattr(bench, "TRAIN_STEPS", 4)


def test_median():
    monkey = iter([(1, 10), (3, 30), (2, 20)])
    bench.REPEATS = 3
    assert bench.median(lambda: next(monkey)) == (2, 20)
    numbers = iter([5, 1, 3])
    assert bench.median(lambda: next(numbers)) == 3


def test_usual_way_trains_the_same_model(tmp_path, monkeypatch):
    steps = []
    step = torch.optim.AdamW.step
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda self: steps.append(self) or step(self))
    speeds = bench.usual(tmp_path), bench.ours(tmp_path)
    assert all(speed > 0 and wall > 0 for speed, wall in speeds)
    usual, ours = steps[:4], steps[4:]
    assert len(ours) == 2 * 4, "量快慢一遍，量连评估的秒数一遍"
    assert {one.defaults["fused"] for one in usual} == {None} and {one.defaults["fused"] for one in ours} == {True}
    shapes = [[tuple(p.shape) for p in o.param_groups[0]["params"]] for o in (usual[0], ours[0])]
    assert shapes[0] == shapes[1]


def test_operations_per_character(loaded):
    """手算一遍：V=词表、C=128、T=64、4 层。"""
    hyper = dict(n_embed=128, block_size=64, n_layer=4, n_head=4)
    namespace = loaded(V[11], **hyper)
    matrices = 4 * (3 * 128 * 128 + 128 * 128 + 2 * 4 * 128 * 128) + namespace["vocab_size"] * 128
    assert bench.operations(namespace) == 6 * matrices + 12 * 4 * 64 * 128


def test_sampler_with_random_weights(tmp_path):
    namespace = bench.random_sampler(tmp_path, 16, n_embed=16, n_head=2, n_layer=1)
    lengths = []
    namespace["model"].token_embedding.register_forward_hook(lambda m, args, out: lengths.append(args[0].shape[1]))
    times = bench.stamps(namespace, 15, True)
    assert lengths == [1] * 15 and len(times) == 15 and times == sorted(times)
    lengths.clear()
    bench.stamps(namespace, 15, False)
    assert lengths == list(range(1, 16))


def test_operations_count_a_tied_head(loaded):
    """词表共用一个矩阵，最后打分那一遍照样要算。"""
    hyper = dict(n_embed=32, n_head=4, n_kv_head=2, block_size=16, n_layer=2)
    tied, untied = (bench.operations(loaded(V[number], **hyper)) for number in (21, 20))
    assert tied == untied


@pytest.fixture
def small(monkeypatch):
    """各件事里的脚本都换成小模型、小语料，只学两步。"""

    def edit(file, folder, **hyper):
        return helpers.tiny(file, folder, **{**hyper, "max_iters": min(2, hyper.get("max_iters", 0))})

    monkeypatch.setattr(bench.runner, "edit", edit)


@pytest.mark.slow
def test_muon_and_ddp(tmp_path, small, monkeypatch):
    def run(command, real=subprocess.run, **settings):
        if command[1] == "-c":  # 另开的进程里，也换成小模型
            settings["env"]["PYTHONPATH"] += os.pathsep + str(Path(__file__).parent)
            command = [*command[:2], f"import bench, helpers; bench.runner.edit = helpers.tiny; {command[2]}"]
        return real(command, **settings)

    monkeypatch.setattr(subprocess, "run", run)
    rows = bench.muon(tmp_path)["rows"]
    assert [row["limits"] for row in rows] == ["不限", "只有 AVX2"]
    assert all(row["torch"] > 0 and row["ours"] > 0 for row in rows)
    assert all(speed > 0 for speed in bench.ddp(tmp_path).values())


@pytest.mark.slow
def test_every_part_gives_what_the_record_has(tmp_path, small, monkeypatch):
    """记录里有哪些数，量出来的就有哪些。muon、ddp 在上面试过，writer 用的是真的权重。"""

    def keys(value):
        if isinstance(value, dict):
            return {key: keys(one) for key, one in value.items()}
        return keys(value[0]) if isinstance(value, list) else None

    monkeypatch.setattr(bench, "PRESETS", {"小": {"n_embed": 16, "n_head": 2, "n_layer": 1}})
    monkeypatch.setattr(bench, "WINDOWS", (16,))
    monkeypatch.setattr(bench, "MATRIX", 64)
    recorded = records.read(records.BENCH)
    assert recorded.keys() == bench.PARTS.keys()
    for name in ("train", "ceiling", "sampler", "sdpa", "cache"):
        assert keys(bench.PARTS[name].measure(tmp_path)) == keys(recorded[name]["values"]), name


@pytest.fixture
def record(tmp_path, monkeypatch):
    """另起一处：两件假的事，用到 v1、v2；返回 (记录的 Path, 量过的 [哪一件, …])。"""
    done = []

    def part(name, *scripts, needs=()):
        return Part(lambda folder: done.append(name) or {"n": len(done)}, scripts, needs)

    for number in (1, 2):
        helpers.tiny(V[number], tmp_path)
    monkeypatch.setattr(course, "ROOT", tmp_path)
    monkeypatch.setattr(records, "BENCH", tmp_path / "bench.json")
    monkeypatch.setattr(bench, "PARTS", {"first": part("first", V[1]), "second": part("second", V[1], V[2])})
    monkeypatch.setattr("sys.argv", ["bench.py"])
    return tmp_path / "bench.json", done


def test_an_interrupted_run_goes_on(record, monkeypatch, capsys):
    path, done = record

    def interrupted(folder):
        raise KeyboardInterrupt

    second = bench.PARTS["second"]
    monkeypatch.setitem(bench.PARTS, "second", Part(interrupted, second.scripts))
    with pytest.raises(KeyboardInterrupt):
        bench.main()
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert list(kept) == ["first"] and kept["first"]["values"] == {"n": 1} and kept["first"]["seconds"] >= 0
    assert kept["first"]["machine"] == records.machine() and kept["first"]["date"] == records.today()
    monkeypatch.setitem(bench.PARTS, "second", second)
    bench.main()
    assert done == ["first", "second"] and "[1/1] second" in capsys.readouterr().out
    bench.main()
    assert done == ["first", "second"] and bench.stale() == []


def test_a_changed_script_makes_its_parts_stale(record):
    path, done = record
    bench.measure(["first", "second"])
    script = course.ROOT / V[2]
    script.write_text(script.read_text(encoding="utf-8") + "# 多一句注释\n", encoding="utf-8")
    assert bench.outdated() == []
    script.write_text(script.read_text(encoding="utf-8") + "print(1)\n", encoding="utf-8")
    assert [one.what for one in bench.stale()] == ["docs/bench.json，second"]
    assert bench.stale()[0].command == "python tools/bench.py second" and bench.stale()[0].seconds is not None
    bench.main()
    assert done == ["first", "second", "second"]


def test_a_missing_package_is_said_first(record, monkeypatch):
    path, done = record
    monkeypatch.setitem(bench.PARTS, "second", Part(bench.PARTS["second"].measure, (V[2],), ("no_such_package",)))
    with pytest.raises(SystemExit, match="no_such_package"):
        bench.main()
    assert done == [] and not path.exists()


def test_the_record_is_current():
    assert bench.stale() == []


def test_where_it_was_measured_is_said_once_unless_it_differs():
    template = render.environment().get_template("docs/bench.md")
    recorded = records.read(records.BENCH)
    for entry in recorded.values():
        entry["date"] = "2026-01-01"
    together = template.render(bench=recorded)
    assert together.count("2026-01-01") == together.count(" 核 CPU") == 1
    recorded["sdpa"]["date"] = "2026-01-02"
    apart = template.render(bench=recorded)
    assert apart.count("2026-01-01") == len(recorded) - 1 and apart.count("2026-01-02") == 1
    recorded["sdpa"]["date"], recorded["sdpa"]["machine"]["cores"] = "2026-01-01", 97
    assert template.render(bench=recorded).count("97 核 CPU") == 1
