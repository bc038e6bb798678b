"""文档、文档字符串里说的，要和记录、和文件本身对得上；记录本身是完整的。"""

import re

import pytest
import torch

import course
import form
import helpers
import measure
import records
import results
import runner
from course import COURSE, ROOT, TWIN, V

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def measured():
    return results.load()


def test_first_screen_shows_what_the_shipped_weights_wrote(measured):
    """头一屏：一首词，写它的那条命令，网页，只会数数的模型，依次在前；跑测试的命令在“维护”里。"""
    poem, screen = measured["poem"], README.split("## 开始")[0]
    assert f"```\n{poem['text']}\n```" in screen and f"echo {poem['request']} | python {course.WRITER}" in screen
    heads = [line[0] for line in poem["text"].split("\n")[1:]]
    assert heads[:4] == list("春江花月"), "藏头"
    places = ["\n```\n浣溪沙", "| python modern/babygpt_write.py", "(page/README.md)", "python simplemodel.py\n```"]
    places += ["python babygpt_v10_dropout.py\n```", "## 维护", "python -m pytest\n```"]
    assert [README.index(place) for place in places] == sorted(README.index(place) for place in places)


@pytest.mark.parametrize("folder", ["", "tests", "tools"])
def test_requirements_are_ascii(folder):
    """中文 Windows 上旧的 pip（23.2–24.3）按 GBK 读它：有一个汉字，README 的头一条命令就报错。"""
    assert (ROOT / folder / "requirements.txt").read_bytes().isascii()


@pytest.mark.parametrize("file", course.MEASURED, ids=lambda file: course.BY_FILE[file].id)
def test_recorded_curves_are_whole(measured, file):
    for run in results.runs(measured, file):
        assert len(run["samples"]) == 2
        if "val_loss" in run:  # 学自己写的几版，不算真词的 loss
            assert run["curve"][0]["step"] == 0 and run["curve"][-1]["val_loss"] == run["val_loss"]
            assert run["val_loss"] < run["curve"][0]["val_loss"]


def test_every_run_says_where_and_when(measured):
    """每一次运行都记着机器、库的版本和日期：换了 torch，老的数不会冒充新的。"""
    for record in (measured["scripts"], *(records.read(path) for path in (records.ABLATION, records.ANSWERS))):
        entries = [entry for one in record.values() for entry in ([one] if "runs" in one else one.values())]
        runs = [run for entry in entries for run in entry["runs"]]
        assert runs and all(
            run["machine"].keys() >= {"cores", "torch", "python", "device"} and run["date"] for run in runs
        )


def test_baselines_take_the_same_exam_as_the_models(measured, tmp_path, monkeypatch):
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
    assert loss == pytest.approx(measured["baselines"]["unigram"], abs=1e-4)


def test_a_torn_record_is_not_an_empty_one(tmp_path):
    """记录坏了，只说一句、停下：当成空的，一写就全没了。没有才算空的。"""
    torn = tmp_path / "results.json"
    assert records.read(torn) == {} and records.read(torn, {"scripts": {}}) == {"scripts": {}}
    torn.write_text('{"scripts": {', encoding="utf-8")
    with pytest.raises(SystemExit, match="results.json 坏了"):
        records.read(torn)
    assert records.read(torn, strict=False) == {}
    assert (
        records.write_bytes(torn, b"{}") and not records.write_bytes(torn, b"{}") and list(tmp_path.iterdir()) == [torn]
    )


def test_readme_names_only_files_that_exist():
    documents = [ROOT / "README.md", ROOT / "modern" / "README.md", *(ROOT / "docs").glob("*.md")]
    for document in documents:
        linked = re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8"))
        assert all((document.parent / link).exists() for link in linked), (document.name, linked)
    named = set(re.findall(r"[\w./]+\.(?:py|txt|json|svg|md)\b", README)) - {"requirements.txt"}
    assert named and all((ROOT / name).exists() for name in named), named
    assert {row.file for row in COURSE if row.part != TWIN and not row.file.startswith("modern/")} <= named


def test_readmes_say_what_to_compare_with():
    """路线表里一行一份，连着脚本，写着和哪一份比。"""
    texts = {True: (ROOT / "modern" / "README.md").read_text(encoding="utf-8"), False: README}
    for row in COURSE:
        if row.number or row.file == course.SAMPLER:
            name = row.file.removeprefix("modern/")
            [line] = [
                line for line in texts[name != row.file].split("\n") if line.startswith(f"| [`{name}`]({name}) |")
            ]
            before = course.BY_ID[row.before]
            compared = before.id if before.number else before.path.stem
            assert line.endswith(f"| {compared} |") and row.concept in line, row.file


def test_readme_describes_the_corpus():
    text = (ROOT / "ci.txt").read_text(encoding="utf-8")
    poems = text.count("\n\n")
    assert f"{poems:,} 首" in README and f"{len(text) // 10000} 万字" in README and f"{len(set(text)):,} 种字" in README


def test_runs_without_the_whole_ruler_are_measured_again(monkeypatch):
    """尺上添了新的项目：缺的那几次重跑，全的留着；不在两段路那张表里的（v2），少一项不要紧。"""
    files = V[2], V[11], V[16]
    forms = {42: {}, 43: {}, 44: dict.fromkeys(results.WHOLE)}
    recorded = {
        file: {"stamp": runner.stamp(file), "runs": [{"seed": seed, "form": one} for seed, one in forms.items()]}
        for file in files
    }
    recorded = {"scripts": recorded}
    assert sorted(measure.missing(recorded, files, 3)) == [(V[11], 42), (V[11], 43), (V[16], 42), (V[16], 43)]
    assert [len(recorded["scripts"][file]["runs"]) for file in files] == [3, 1, 1]


def test_what_changed_is_measured_again_and_the_words_are_not(measured, tmp_path, monkeypatch):
    """改了说明、注释，记录留着；改了代码，那一份过时；没量过的也说。"""
    for row in COURSE:
        helpers.edit(row.file, tmp_path)
    recorded = {
        "scripts": {
            file: {"stamp": runner.stamp(file), "runs": results.runs(measured, file)} for file in course.MEASURED
        }
    }
    stale = lambda: [one.what for one in results.stale(recorded)]  # noqa: E731
    monkeypatch.setattr(course, "ROOT", tmp_path)
    assert stale() == []
    script, source = tmp_path / V[3], course.source(V[3])
    script.write_text(
        source.replace('"""v3', '"""改了说明：v3').replace("# 我在找什么", "# 改了注释"), encoding="utf-8"
    )
    assert stale() == []
    script.write_text(source.replace("T = x.shape[1]", "T = x.size(1)"), encoding="utf-8")
    assert stale() == [V[3]]
    del recorded["scripts"][V[1]]
    assert stale() == [V[1], V[3]]


@pytest.mark.slow
def test_only_the_seed_is_changed(tmp_path, monkeypatch):
    """量的就是读者跑的那份脚本：除了种子，一字不动；打印的数一个不漏地读回来。"""
    script = helpers.edit(V[2], tmp_path, **{**helpers.TINY, "max_iters": 12, "eval_interval": 5})
    monkeypatch.setattr(course, "ROOT", tmp_path)
    ours = bytearray(b"x") * 2**30  # 量的人自己用了 1 GiB，不该算到脚本头上
    first, again, other = (runner.run(V[2], seed, 1, poems=poems) for seed, poems in ((42, 1), (42, 1), (43, 0)))
    assert [point["step"] for point in first["curve"]] == [0, 5, 10, 12]
    assert [p["val_loss"] for p in first["curve"]] == [p["val_loss"] for p in again["curve"]]
    assert first["val_loss"] != other["val_loss"] and (first["seed"], other["seed"]) == (42, 43)
    assert first["samples"] == again["samples"] and [text[:2] for text in first["samples"]] == ["春江", "往事"]
    assert first["form"] == again["form"] and first["form"]["poems"] == form.TUNES
    assert first["val_loss"] == first["curve"][-1]["val_loss"] and first["wall_s"] > 0
    assert 50 < first["peak_memory_mb"] < len(ours) / 2**20
    script.write_text("raise SystemExit('坏了')  # torch.manual_seed(42)\ntorch.manual_seed(42)\n", encoding="utf-8")
    with pytest.raises(RuntimeError, match="坏了"):
        runner.run(V[2], 42, 1, poems=1)


def test_percent_rounds_as_the_page_does():
    """逢半进一，和网页的 toFixed 一样：同一个数，README 和网页不写成两样。"""
    shown = [course.percent(value) for value in (0.645, 0.125, 0.135, 0, 1, None)]
    assert shown == ["65%", "13%", "14%", "0%", "100%", "—"] and course.percent(0.6449, 1) == "64.5%"
