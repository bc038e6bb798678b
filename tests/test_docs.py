"""README 和文档字符串里说的，要和 docs/results.json、和文件本身对得上。"""

import ast
import re

import pytest
import torch

import helpers  # 先于 measure：它把 tools/ 放进了 sys.path
import form
import measure
from helpers import AFTER, MODERN, ROOT, V, VERSIONS

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def results():
    return measure.load()


def test_documents_show_what_is_recorded(results):
    for path, mark, content in measure.documents(results):
        assert f"<!-- {mark} -->\n{content}<!-- /{mark} -->" in path.read_text(encoding="utf-8"), mark


def test_insert(tmp_path):
    path = tmp_path / "a.md"
    path.write_text("前<!-- x -->\n旧\n<!-- /x -->后", encoding="utf-8")
    assert measure.insert(path, "x", "新\n") == "旧\n"
    assert path.read_text(encoding="utf-8") == "前<!-- x -->\n新\n<!-- /x -->后"
    with pytest.raises(ValueError, match="y 标记"):
        measure.insert(path, "y", "")


def test_first_screen_shows_a_poem_the_best_model_wrote(results):
    best = min(measure.FIRST_ARC, key=lambda name: measure.summary(results, name)["val_loss"])
    assert best == V[11] and measure.poem(results).replace("> ", "").replace("<br>", "").rstrip("\n") in measure.first(results, best)["samples"][0]
    assert README.index("<!-- poem -->") < README.index("python simplemodel.py\n```") < README.index("pip install -r requirements.txt")


@pytest.mark.parametrize("name", [*measure.SCRIPTS, *measure.SAME])
def test_docstring_expects_what_was_measured(results, name):
    docstring = ast.get_docstring(ast.parse((ROOT / name).read_text(encoding="utf-8")))
    assert f"预期：{measure.expectation(results, measure.SAME.get(name, name))}" in docstring


@pytest.mark.parametrize("name", measure.SCRIPTS)
def test_recorded_curves_are_whole(results, name):
    for run in results["scripts"][name]["runs"]:
        assert run["curve"][0]["step"] == 0 and run["curve"][-1]["val_loss"] == run["val_loss"]
        if name in V.values() and helpers.number(name) in (27, 28, 29):  # 不照真词学，只看分数：真词的 loss 难免涨一点
            assert run["curve"][0]["val_loss"] < run["val_loss"] < run["curve"][0]["val_loss"] + 0.2
            continue
        assert run["val_loss"] < run["curve"][0]["val_loss"]
        assert len(run["samples"]) == 2


def test_baselines_take_the_same_exam_as_the_models(results, tmp_path, monkeypatch):
    """数字频的那条线，拿脚本自己的考题重算一遍：考题换了，基线没跟着换，这里就红。"""
    namespace = helpers.load(helpers.edit(V[1], tmp_path, device="cpu", max_iters=0, max_new_tokens=1))
    answers, get_batch = {}, namespace["get_batch"]

    def noted(data, starts):
        x, y = get_batch(data, starts)
        answers.setdefault(len(data), []).append(y.flatten())
        return x, y

    monkeypatch.setitem(namespace, "get_batch", noted)
    namespace["estimate_loss"]()
    train, val = namespace["train_data"], namespace["val_data"]
    count = torch.bincount(train, minlength=namespace["vocab_size"]) + 1
    loss = -(count / count.sum()).log()[torch.cat(answers[len(val)])].mean().item()
    assert loss == pytest.approx(results["baselines"]["unigram"], abs=1e-4)


def test_readme_names_only_files_that_exist():
    documents = [ROOT / "README.md", ROOT / "modern" / "README.md", *(ROOT / "docs").glob("*.md")]
    for document in documents:
        linked = re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8"))
        assert all((document.parent / link).exists() for link in linked), (document.name, linked)
    named = set(re.findall(r"[\w./]+\.(?:py|txt|json|svg|md)\b", README)) - {"requirements.txt"}
    assert named and all((ROOT / name).exists() for name in named), named
    assert set(helpers.SCRIPTS) - set(helpers.TWINS.values()) <= named


def test_readme_shows_every_diff():
    order = ["simplebigrammodel_torch.py", *VERSIONS, helpers.SAMPLER]
    for before, after in zip(order, order[1:]):
        assert f"`git diff --no-index {before} {after}`" in README


def test_modern_readme_shows_every_diff():
    text = (ROOT / "modern" / "README.md").read_text(encoding="utf-8")
    order = [V[11], *MODERN]
    for before, after in [*zip(order, order[1:]), (V[24], V[25]), *((V[25], name) for name in AFTER[1:-1]), (V[28], V[29])]:
        assert f"`git diff --no-index {before} {after}`" in text


def test_readme_describes_the_corpus():
    text = (ROOT / "ci.txt").read_text(encoding="utf-8")
    poems = text.count("\n\n")
    assert f"{poems:,} 首" in README and f"{len(text) // 10000} 万字" in README and f"{len(set(text)):,} 种字" in README


def test_check_names_what_changed_since_it_was_measured(results, tmp_path, monkeypatch):
    for name in measure.SCRIPTS:
        helpers.edit(name, tmp_path)
    monkeypatch.setattr(measure, "ROOT", tmp_path)
    recorded = {"scripts": {name: {"fingerprint": measure.fingerprint(name), "runs": [{"seed": 42, "form": dict.fromkeys([*measure.RULER, *measure.AFTER_FORM])}]} for name in measure.SCRIPTS}}
    assert measure.changed(recorded) == []

    script = tmp_path / V[3]
    source = script.read_text(encoding="utf-8")
    script.write_text(source.replace('"""v3', '"""改了说明：v3').replace("# 我在找什么", "# 改了注释"), encoding="utf-8")
    assert measure.changed(recorded) == []
    script.write_text(source.replace("T = x.shape[1]", "T = x.size(1)"), encoding="utf-8")
    assert [name for name, _ in measure.changed(recorded)] == [V[3]]
    del recorded["scripts"][V[1]]
    assert [name for name, _ in measure.changed(recorded)] == [V[1], V[3]]
    for name in (V[2], V[11], V[16]):  # v2 不在两段路的那张表里，少一项不要紧
        del recorded["scripts"][name]["runs"][0]["form"]["rhyme"]
    assert [name for name, _ in measure.changed(recorded)] == [V[1], V[3], V[11], V[16]]


def test_runs_without_the_whole_ruler_are_measured_again(monkeypatch):
    """尺上添了新的项目：缺的那几次重跑，全的留着。"""
    names = V[2], V[11], V[16]
    runs = lambda: [{"seed": 42, "form": {}}, {"seed": 43, "form": {}}, {"seed": 44, "form": dict.fromkeys(measure.RULER)}]  # noqa: E731
    recorded = {"scripts": {name: {"fingerprint": measure.fingerprint(name), "runs": runs()} for name in names}}
    again = []
    fake = {"wall_s": 0, "stdout": "", "notes": None}
    monkeypatch.setattr(measure, "run", lambda name, seed, threads, keep: again.append((name, seed)) or {**fake, "seed": seed})
    monkeypatch.setattr(measure, "save", lambda results: None)
    monkeypatch.setattr(measure, "baselines", dict)
    measure.measure(recorded, names, 3)
    assert sorted(again) == [(V[11], 42), (V[11], 43), (V[16], 42), (V[16], 43)] and all(len(recorded["scripts"][name]["runs"]) == 3 for name in names)


def test_only_the_seed_is_changed(tmp_path, monkeypatch):
    """量的就是读者跑的那份脚本：除了种子，一字不动；打印的数一个不漏地读回来。"""
    monkeypatch.setattr(measure, "ROOT", tmp_path)
    script = helpers.edit(V[2], tmp_path, **{**helpers.TINY, "max_iters": 12, "eval_interval": 5})
    ours = bytearray(b"x") * 2**30  # 量的人自己用了 1 GiB，不该算到脚本头上
    first, again, other = (measure.run(V[2], seed, 1, poems=1) for seed in (42, 42, 43))
    assert [point["step"] for point in first["curve"]] == [0, 5, 10, 12]
    assert [p["val_loss"] for p in first["curve"]] == [p["val_loss"] for p in again["curve"]]
    assert first["val_loss"] != other["val_loss"] and (first["seed"], other["seed"]) == (42, 43)
    assert first["samples"] == again["samples"] and [text[:2] for text in first["samples"]] == ["春江", "往事"]
    assert first["form"] == again["form"] and first["form"]["poems"] == form.TUNES
    assert first["val_loss"] == first["curve"][-1]["val_loss"] and first["wall_s"] > 0
    assert 50 < first["peak_memory_mb"] < len(ours) / 2**20
    script.write_text("raise SystemExit('坏了')  # torch.manual_seed(42)\ntorch.manual_seed(42)\n", encoding="utf-8")
    with pytest.raises(RuntimeError, match="坏了"):
        measure.run(V[2], 42, 1, poems=1)
