"""工具合在一起：分层没有圈；课程的表是唯一的一张；改了一份，凡是从它来的都过时；文档里改错一个数，就说得出来。"""

import ast
import re
import runpy
import shutil
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import course
import helpers
import records
import render
import runner
from course import AFTER, BY_ID, COURSE, ROOT, V

TOOLS = ROOT / "tools"
# 一层只用前面几层的，同一层的互相不用
LAYERS = [
    {"course"},
    {"records"},
    {"prosody", "exam", "sampling", "captions"},
    {"form"},
    {"runner"},
    {"results"},
    {"variants"},
    {"ablate", "answers", "tried", "export_hf", "build_ci", "build_yun", "watch"},
    {"plot", "ship", "bench", "speedrun", "film"},
    {"look", "export_page", "measure"},
    {"render"},
    {"check"},
]


def imports(name):
    """tools/ 里的模块 name 用了哪些别的模块（{str}），藏在函数里的也算。"""
    found = set()
    for node in ast.walk(ast.parse((TOOLS / f"{name}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module)
    return found & {path.stem for path in TOOLS.glob("*.py")}


def test_layers_without_a_circle():
    modules = {path.stem for path in TOOLS.glob("*.py")}
    level = {name: k for k, layer in enumerate(LAYERS) for name in layer}
    assert set(level) == modules
    list(TopologicalSorter({name: imports(name) for name in modules}).static_order())  # 有圈就抛 CycleError
    for name in modules:
        assert all(level[other] < level[name] for other in imports(name)), (name, imports(name))
    assert imports("plot") == {"course"}, "画图只看给它的数"


@pytest.mark.parametrize(
    "name",
    sorted(path.stem for path in TOOLS.glob("*.py") if '__name__ == "__main__"' in path.read_text(encoding="utf-8")),
)
def test_every_tool_says_how_it_is_used(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--help"])
    with pytest.raises(SystemExit) as exit:
        runpy.run_path(str(TOOLS / f"{name}.py"), run_name="__main__")
    assert exit.value.code == 0 and "用法：" in capsys.readouterr().out


def test_no_other_list_of_versions():
    """tools/、page/src/ 里，一行提到三份以上脚本的，只有课程的表（和答案、拆概念的数据：一处一份）。"""
    for path in (*TOOLS.glob("*.py"), *(ROOT / "page" / "src").rglob("*.ts*")):
        code = [line.split("  #")[0].split("//")[0] for line in path.read_text(encoding="utf-8").splitlines()]
        for number, line in enumerate(code, 1):
            listed = set(re.findall(r"""["'](v\d+)["']|\bV\[(\d+)\]""", line))
            assert path.name == "course.py" or len(listed) < 3, f"{path.name}:{number}：{line.strip()}"


@pytest.fixture
def copy(tmp_path):
    """copy：仓库的一份抄件（Path），改了不要紧；没有 page/node_modules、checkpoints。"""
    folder = tmp_path / "copy"
    skip = shutil.ignore_patterns("node_modules", "checkpoints", ".git", "__pycache__", ".venv*", "dist", "tests")
    shutil.copytree(ROOT, folder, ignore=skip, symlinks=True)
    shutil.copytree(ROOT / "page" / "tests", folder / "page" / "tests")
    return folder


def tool(copy, name, *arguments):
    """在抄件里跑 tools/<name>.py；返回 (退出码, 打印的)。"""
    result = subprocess.run(
        [sys.executable, str(copy / "tools" / f"{name}.py"), *arguments],
        cwd=copy,
        capture_output=True,
        encoding="utf-8",
        env=helpers.environment(),
        timeout=3 * helpers.LIMIT,
    )
    assert "Traceback" not in result.stderr, result.stderr
    return result.returncode, result.stdout + result.stderr


def inside(copy, code):
    """在抄件的 tools/ 里跑一段代码；返回 (退出码, 打印的)。"""
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=copy / "tools",
        capture_output=True,
        encoding="utf-8",
        env=helpers.environment(),
        timeout=3 * helpers.LIMIT,
    )
    return result.returncode, result.stdout + result.stderr


def rewrite(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert text.count(old) >= 1, old
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.slow
def test_nothing_is_stale(copy):
    code, said = tool(copy, "check")
    assert code == 0 and said.endswith("都是新的。\n")


@pytest.mark.slow
def test_everything_learned_from_a_changed_base_is_stale(copy):
    """v25 的学习率改了：接着它学的各版，从它们改出来的变体，网页，随仓库发的权重，一样不漏；别的不动。"""
    rewrite(copy / V[25], "learning_rate = 5e-3", "learning_rate = 4e-3")
    code, said = tool(copy, "check")
    lines = said.splitlines()
    heirs, found = [], [BY_ID["v25"]]
    while found:
        heirs += found
        found = [row for one in found for row in course.heirs(one.file)]
    for row in heirs:
        stale = [line for line in lines if line.startswith(f"{row.file}：量过之后又改了") and "（约" in line]
        assert bool(stale) == row.measured, row.file
        assert not row.page or any(line.startswith(f"{row.file}：导出之后又改了") for line in lines)
        for label in {**records.read(records.ANSWERS)}.get(row.file, {}):
            assert any(line.startswith(f"{row.file}，{label}") for line in lines), label
    assert any(line.startswith("modern/write.pth") for line in lines)
    others = {row.file for row in COURSE} - {row.file for row in heirs}
    assert code == 1 and not [line for line in lines if line.split("：")[0].split("，")[0] in others]


@pytest.mark.slow
def test_weights_of_another_stamp_are_never_used(copy):
    """checkpoints/ 里躺着旧指纹的权重：不拿来用，从头训练接着学的那一份。"""
    tiny = {**helpers.TINY, "block_size": 160, "max_iters": 2, "eval_interval": 1, "max_new_tokens": 0}
    for name in (V[25], V[26]):
        path = copy / name
        text = helpers.set_hyperparameters(path.read_text(encoding="utf-8"), **tiny, prompts=["浣溪沙 苏轼\n"])
        path.write_text(text, encoding="utf-8")
    (copy / "ci.txt").write_text(helpers.poems(), encoding="utf-8")  # 小语料，学得快
    old = copy / "checkpoints" / f"v25-42-{runner.stamp(V[25])}.pth"
    old.parent.mkdir()
    old.write_bytes(b"old")
    wanted = f"import runner; print(runner.weights({V[26]!r}))"
    code, said = inside(copy, wanted)
    assert code == 0 and f"训练 {V[25]}" in said and f"训练 {V[26]}" in said
    kept = sorted(path.name for path in (copy / "checkpoints").glob("*.pth"))
    assert len(kept) == 3 and old.read_bytes() == b"old"
    assert "训练" not in inside(copy, wanted)[1], "有了就不再训练"


def test_what_it_starts_from_is_trained_on_as_many_threads(monkeypatch, tmp_path):
    """每核一条链地并排量，接着学的那份也只占一个核：都占两个，互相等，慢好几倍。"""
    monkeypatch.setattr(runner, "CHECKPOINTS", tmp_path)
    spawned = []

    def run(command, env, **_):
        spawned.append(("--keep" in command, env["OMP_NUM_THREADS"]))
        raise RuntimeError("够了")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(RuntimeError, match="够了"):
        runner.run(V[26], 43, threads=1)
    assert spawned == [(True, "1")]


@pytest.mark.slow
def test_unchanged_since_follows_the_chain(copy):
    """v25 改了打印：证明了一位不差，凡是接着它学的，各处的记录都换上新指纹；改了学法：一处也不换。"""
    tiny = {**helpers.TINY, "max_iters": 2, "eval_interval": 1}
    for row in COURSE:
        if row.file in (V[25], V[26]):
            path = copy / row.file
            text = helpers.set_hyperparameters(path.read_text(encoding="utf-8"), **tiny, prompts=["浣溪沙 苏轼\n"])
            path.write_text(text, encoding="utf-8")
    code = "import course, runner, json; print(json.dumps({f: runner.stamp(f) for f in course.V.values()}))"
    before = records.json.loads(inside(copy, code)[1])
    manifest, results_ = copy / "page" / "public" / "manifest.json", copy / "docs" / "results.json"
    (copy / "ci.txt").write_text(helpers.poems(), encoding="utf-8")  # 小语料，学得快
    for path in (manifest, results_):  # 记录里写上小尺寸的指纹
        text = path.read_text(encoding="utf-8")
        for file, stamp in before.items():
            text = text.replace(runner.stamp(file), stamp)
        path.write_text(text, encoding="utf-8")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "-A", "*.py"], ["commit", "-qm", "量过的"]):
        subprocess.run([*git, *command], cwd=copy, check=True)
    rewrite(copy / V[25], 'print("-" * 20)', 'print("-" * (10 + 10))')
    assert tool(copy, "measure", "--unchanged-since", "HEAD", "v25")[1] == f"{V[25]}：和 HEAD 里的一位不差\n"
    after = records.json.loads(inside(copy, code)[1])
    changed = {file for file in before if before[file] != after[file]}
    assert changed == set(course.files(AFTER))
    for path in (manifest, results_):
        text = path.read_text(encoding="utf-8")
        assert not [file for file in changed if before[file] in text] and all(
            after[file] in text for file in (V[25], V[26], V[31], V[32])
        )
    subprocess.run([*git, "commit", "-qam", "改了打印"], cwd=copy, check=True)
    rewrite(copy / V[25], "loss.backward()", "(-loss).backward()")
    recorded = results_.read_bytes()
    assert "学得不一样，要重量" in tool(copy, "measure", "--unchanged-since", "HEAD", "v25")[1]
    assert results_.read_bytes() == recorded


# ---------- 文档里的数 ----------
def falsified(text, match):
    """把 text 里 match 的那个数改错：头一个数字加一；没有数字的，“成”“倍”前的字换一个。"""
    old = match[0]
    digit = re.search(r"\d", old)
    new = (
        old.replace(digit[0], str((int(digit[0]) + 1) % 10), 1)
        if digit
        else ("九" if old[0] != "九" else "八") + old[1:]
    )
    return text[: match.start()] + new + text[match.end() :]


def test_every_figure_in_the_documents_is_held():
    """README、docs/*.md 里的数，都由模板从记录写出：改哪一个都和写出来的不一样。模板、文档字符串里的数，个个有出处。"""
    rendered = render.documents()
    written = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "README.md", ROOT / "modern" / "README.md", *(ROOT / "docs").glob("*.md"))
    }
    assert written - set(rendered) == {"docs/CONTRIBUTING.md"}
    for name, text in rendered.items():
        assert (ROOT / name).read_text(encoding="utf-8") == text, f"{name}：请运行 python tools/render.py"
    assert render.without_source() == []


def test_every_figure_in_a_docstring_is_held():
    """文档字符串里的数，一个一个改错：每一个都说得出来。"""
    known, claimed, count = render.literals(), render.claims(), 0
    for row in COURSE:
        text = render.joined(course.source(row.file))
        lists = known.get(row.file, []), claimed.get(row.file, [])
        assert render.faults_in(row.file, text, *lists) == []
        outside = [span.span() for span in render.OUTSIDE.finditer(text)]
        for match in render.FIGURE.finditer(text):
            if not any(a <= match.start() and match.end() <= b for a, b in outside):
                wrong = falsified(text, match)
                assert render.faults_in(row.file, wrong, *lists), f"{row.file}：改成“{wrong[match.start() - 9 :][:20]}”"
                count += 1
    assert count > 100


def test_every_expectation_is_the_recorded_one():
    """“预期”那一句的时间、loss，就是记录里的：改错一个，和写出来的就不一样。"""
    for file, right in render.docstrings().items():
        assert course.source(file) == right, f"{file}：请运行 python tools/render.py"


@pytest.mark.slow
def test_a_falsified_figure_is_named(copy):
    for name, old, new in (
        ("README.md", "91%", "81%"),
        ("README.md", "6.21", "7.77"),
        ("docs/tried.md", "3.97", "3.17"),
        ("docs/bench.md", "1.15", "2.15"),
    ):
        rewrite(copy / name, old, new)
    code, said = tool(copy, "render", "--check")
    assert code == 1 and [line.split("：")[0] for line in said.splitlines()] == [
        "README.md",
        "docs/bench.md",
        "docs/tried.md",
    ]


# ---------- 加一版 ----------
@pytest.mark.slow
def test_a_new_version_is_one_row_and_one_file(copy):
    """表里一行、脚本一份：量、画、登、查、导出，处处都有它。"""
    tiny = {
        **helpers.TINY,
        "n_embed": 32,
        "n_head": 4,
        "n_kv_head": 2,
        "block_size": 128,
        "max_iters": 4,
        "eval_interval": 2,
        "max_new_tokens": 5,
    }
    number, file = len(V) + 1, f"modern/babygpt_v{len(V) + 1}_made_up.py"
    source = helpers.set_hyperparameters(course.source(V[21]), **tiny)
    doc = f"v{number}：编出来的一版。\n\n预期：2 核 CPU 约 1 秒，种子 42 的验证 loss 约 1.00\n"
    source = source.replace(ast.get_docstring(ast.parse(source), clean=False), doc, 1)
    (copy / file).write_text(source, encoding="utf-8")
    row = (
        f'Script("{file}", MODERN, "编出来的概念", before="v24", bound=99, touches="training", page=True, '
        'label="编的", shown=(STAGES, SAMPLES)),'
    )
    rewrite(copy / "tools" / "form.py", "TUNES, SAMPLES = 20, 20", "TUNES, SAMPLES = 20, 1")  # 少写几首，少考几首
    rewrite(copy / "tools" / "exam.py", "POEMS, ROWS, ROW = 400, 160, 128", "POEMS, ROWS, ROW = 20, 10, 128")
    rewrite(copy / "tools" / "course.py", "\n]\n# fmt: on\n", f"\n    {row}\n]\n# fmt: on\n")

    code, said = tool(copy, "check")
    assert code == 1 and f"{file}：还没量过" in said and f"{file}：还没有导出" in said
    code, said = tool(copy, "measure", f"v{number}", "--seeds", "1")
    assert code == 0 and f"[1/1] {file} 种子 42" in said
    code, said = tool(copy, "export_page", "--only", f"v{number}")
    assert code == 0 and (copy / "page" / "public" / "models" / f"v{number}.onnx").exists()
    code, said = tool(copy, "render")
    assert code == 0 and {"modern/README.md", "docs/modern.svg", "docs/stages.svg", file} <= set(said.split())
    text = (copy / "modern" / "README.md").read_text(encoding="utf-8")
    assert f"| [`{Path(file).name}`]({Path(file).name}) | 编出来的概念 | v24 |" in text
    assert text.count(f"babygpt_v{number}_made_up.py") >= 4, "路线、结果、样文里都有"
    data = records.read(copy / "page" / "public" / "course.json")
    assert (
        data["versions"][-1]["id"] == f"v{number}"
        and data["versions"][-1]["model"]
        and data["versions"][-1]["val_loss"]
    )
    assert tool(copy, "check") == (0, "都是新的。\n")
