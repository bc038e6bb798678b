"""源码本身就是产品：相邻两版只差一个概念，其余一字不动；每份脚本自成一体。"""

import ast
import difflib
import io
import re
import sys
import tokenize
import unicodedata

import pytest

import course
import helpers
import runner
from course import AFTER, BY_ID, COURSE, FIRST, MODERN, SAMPLER, TWIN, USE, WRITER, V, files, source
from helpers import TWINS

COMPARED = [row for row in COURSE if row.bound]  # 和另一份比的：表里写着上限
EVERY = [row.file for row in COURSE]
SCHEDULE = {"warmup", "decay", "optimizer", "elapsed", "left", "f"}  # v11 的学习率三行，还有报还需几秒的几行


def code_lines(text):
    """去掉文档字符串、注释、空行之后，读者眼里的代码行。"""
    lines = text.split("\n")
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            first = node.body[0]
            lines[first.lineno - 1 : first.end_lineno] = [""] * (first.end_lineno - first.lineno + 1)
    return [line.rstrip() for line in lines if line.strip()]


def changed_lines(before, after):
    """两份脚本（文件名）改了几行代码：[str, …]。"""
    return [line for line in difflib.ndiff(code_lines(source(before)), code_lines(source(after))) if line[0] in "+-"]


@pytest.mark.parametrize("row", COMPARED, ids=lambda row: row.id)
def test_diff_to_the_version_before(row):
    """改动的行数只许少：表里的上限就是现在的行数，多一行就红。"""
    changed = changed_lines(BY_ID[row.before].file, row.file)
    assert len(changed) <= row.bound, "\n".join(changed)


@pytest.mark.parametrize("row", [row for row in COMPARED if row.touches], ids=lambda row: row.id)
def test_what_a_version_does_not_teach_is_untouched(row):
    before, after = pieces(BY_ID[row.before].file), pieces(row.file)
    assert {piece for piece in before.keys() | after.keys() if before.get(piece) != after.get(piece)} <= set(
        row.touches.split()
    )


def test_every_numbered_version_is_compared_and_bounded():
    for row in COURSE:
        assert not row.number or row.before and row.bound and row.touches and row.concept, row.file


def pieces(name):
    """各份脚本里该一字不动的几块：名字 → 源码（注释也算在内）。"""
    text = source(name)
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            found[node.name] = ast.get_source_segment(text, node)
            if node.name == "BabyGPT":
                generate = next(n for n in node.body if getattr(n, "name", "") == "generate")
                found["generate"] = ast.get_source_segment(text, generate)
    body = re.split("# ---------- (?:训练|挑) ----------\n", text)[1]
    found["training"], found["sampling"] = body.split("# ---------- 采样 ----------\n")
    return found


@pytest.mark.parametrize(
    "row", [row for row in COMPARED if row.part == FIRST and not row.side][1:], ids=lambda row: row.id
)
def test_the_frame_of_the_first_arc_stays(row):
    first, this = pieces(V[1]), pieces(row.file)
    for piece in ("Tokenizer", "get_batch", "estimate_loss", "sampling"):
        assert this[piece] == first[piece], piece
    changed = [
        line for line in difflib.ndiff(first["generate"].split("\n"), this["generate"].split("\n")) if line[0] in "+-"
    ]
    assert len(changed) == 2 and "idx[:, -block_size:]" in changed[1], "generate 只该多一处裁剪"
    added = [
        line for line in difflib.ndiff(first["training"].split("\n"), this["training"].split("\n")) if line[0] in "+-"
    ]
    if "training" in row.touches.split():
        changes = {re.match(r"[+-] +(\w+)", line)[1] for line in added}
        assert len(added) <= 8 and changes == SCHEDULE
    else:
        assert not added


def test_the_frame_stands_before_v1():
    """张量版的二元模型换上了 v1 的架子：v1 只换模型和学法。"""
    before, after = pieces(BY_ID["bigram"].file), pieces(V[1])
    assert before["Tokenizer"] == after["Tokenizer"] and before["get_batch"] == after["get_batch"]
    for piece in ("estimate_loss", "training", "sampling"):
        gone = [line for line in difflib.ndiff(before[piece].split("\n"), after[piece].split("\n")) if line[0] == "-"]
        assert len(gone) <= 3, (piece, gone)


def assigned(name, pattern=r"\w+ = "):
    """脚本“超参数”那一段里的赋值（不算注释）：{一行, …}。"""
    text = source(name).split("# ---------- 超参数")[1].split("# ---------- 数据")[0]
    return {line.split("  #")[0] for line in text.split("\n") if re.match(pattern, line)}


@pytest.mark.parametrize("name", files(MODERN, measured=True)[1:-1], ids=lambda name: course.BY_FILE[name].id)
def test_hyperparameters_are_the_same_up_to_the_base(name):
    first = files(MODERN)[0]
    more = {line.split(" = ")[0] for line in assigned(name) - assigned(first)}
    assert assigned(first) <= assigned(name) and more <= {"rope_theta", "n_kv_head", "head_size", "muon_learning_rate"}


def guards(name):
    """脚本最外层的 assert：{源码, …}。"""
    text = source(name)
    return {ast.get_source_segment(text, node) for node in ast.parse(text).body if isinstance(node, ast.Assert)}


def test_checks_are_the_same_everywhere():
    """检查是同样的几行，不多：后面的版本只在用得着的时候添一两行。"""
    baseline, first = guards(BY_ID["bigram"].file), guards(V[1])
    assert guards("simplebigrammodel.py") == baseline and guards("simplemodel.py") < baseline < first
    for name in files(FIRST, MODERN):
        assert first <= guards(name) and len(guards(name)) <= 7, name
    for name in files(AFTER):
        assert first & guards(name) and len(guards(name)) <= 7, name


@pytest.mark.parametrize("name", [row.file for row in COURSE if row.part not in (TWIN, USE)])
def test_output_is_set_up_the_same_everywhere(name):
    lines = 'if hasattr(sys.stdout, "reconfigure"):\n    sys.stdout.reconfigure(errors="replace")'
    assert source(name).count(lines) == 1 and "SIGPIPE" not in source(name)


LENGTHS = {"simplemodel": 48, "v1": 130, "v3": 162, "v10": 203, "v12": 265, "v24": 275}
LENGTHS |= {f"v{number}": 300 for number in range(25, 33)}
LENGTHS |= {f"v{number}": 225 for number in range(13, 19)} | {f"v{number}": 250 for number in range(19, 23)}


@pytest.mark.parametrize("name, most", LENGTHS.items())
def test_scripts_stay_short(name, most):
    assert source(BY_ID[name].file).count("\n") <= most


def test_the_model_of_v1_stands_near_the_top():
    assert source(V[1]).split("\nclass BabyGPT")[0].count("\n") + 2 <= 68


@pytest.mark.parametrize("name", course.shown(course.CURVES)[2:], ids=lambda name: course.BY_FILE[name].id)
def test_hyperparameters_are_the_same_in_the_first_arc(name):
    """画在一张图里比的几版，用的是同一套数。"""
    assert assigned(V[1]) <= assigned(name) <= assigned(course.shown(course.CURVES)[-1])


@pytest.mark.parametrize("number", [10, 11])
def test_model_is_the_same_from_v10_to_v12(number):
    for piece in (
        "Head",
        "MultiHeadAttention",
        "FeedForward",
        "Block",
        "BabyGPT",
        "Tokenizer",
        "get_batch",
        "estimate_loss",
    ):
        assert pieces(V[number])[piece] == pieces(V[12])[piece], piece


@pytest.mark.parametrize("piece", ["Tokenizer", "MultiHeadAttention", "FeedForward", "Block"])
def test_sampler_keeps_v12s_parts(piece):
    assert ast.dump(ast.parse(part(SAMPLER, piece))) == ast.dump(ast.parse(part(V[12], piece)))


@pytest.mark.parametrize("piece", ["rotate", "MultiHeadAttention", "FeedForward", "Block"])
def test_writer_keeps_v25s_parts(piece):
    assert pieces_of(source(WRITER))[piece] == pieces_of(source(V[25]))[piece]
    assert len(source(WRITER).split("\n")) <= 300


def pieces_of(text):
    """脚本源码（str）里各个类、函数的源码：{名字: str}。"""
    return {
        node.name: ast.get_source_segment(text, node)
        for node in ast.parse(text).body
        if isinstance(node, (ast.ClassDef, ast.FunctionDef))
    }


def part(name, class_name):
    text = source(name)
    node = next(n for n in ast.parse(text).body if getattr(n, "name", "") == class_name)
    return ast.get_source_segment(text, node)


@pytest.mark.parametrize("name, twin", TWINS.items())
def test_commented_twin_is_the_same_code(name, twin):
    assert ast.dump(runner.without_docstrings(source(name))) == ast.dump(runner.without_docstrings(source(twin)))
    comments = [t for t in tokenize.generate_tokens(io.StringIO(source(twin)).readline) if t.type == tokenize.COMMENT]
    assert len(comments) > 0.5 * len(code_lines(source(twin))), "逐行注释版，注释太少了"


@pytest.mark.parametrize("name", EVERY)
def test_lines_as_the_reader_sees_them(name):
    text = source(name)
    for number, line in enumerate(text.split("\n"), 1):
        width = sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line)
        assert width <= 110, f"{name}:{number} 有 {width} 列"
        assert line == line.rstrip(), f"{name}:{number} 行尾有空格"
    assert not any(t.string == ";" for t in tokenize.generate_tokens(io.StringIO(text).readline)), "一行一句"
    assert re.match('r?"""[^\n]+[。？！]\n\n', text), "开头要有文档字符串，第一行说概念"


@pytest.mark.parametrize("name", EVERY)
def test_self_contained(name):
    allowed = set(sys.stdlib_module_names) | {"torch"}
    if name == V[12]:
        allowed.add("wandb")
    for node in ast.walk(ast.parse(source(name))):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module] if isinstance(node, ast.ImportFrom) else []
        assert {module.split(".")[0] for module in modules} <= allowed
        assert not (isinstance(node, ast.FunctionDef) and node.name == "main")


def test_every_script_is_in_the_table():
    """根目录、modern/ 里的脚本，表里都有，一份一行；短名不重；号码从 1 起，一个不缺；接着的、比的都排在前面。"""
    found = {
        path.relative_to(course.ROOT).as_posix()
        for folder in ("", "modern")
        for path in (course.ROOT / folder).glob("*.py")
    }
    assert found == set(EVERY) and len(course.BY_ID) == len(COURSE)
    assert sorted(V) == list(range(1, len(V) + 1))
    for k, row in enumerate(COURSE):
        for name in filter(None, (row.before, row.base, row.same_as)):
            assert COURSE.index(BY_ID[name]) < k, (row.file, name)


@pytest.mark.parametrize(
    "name", [file for file in files(FIRST) if not course.BY_FILE[file].blind], ids=lambda name: course.BY_FILE[name].id
)
def test_attention_keeps_its_name(name):
    assert "self.attention = " in source(name)


def test_helper_edits_what_it_says(tmp_path):
    script = helpers.edit(V[11], tmp_path, corpus="x", max_iters=7, prompts=["水"], device="cpu")
    text = script.read_text(encoding="utf-8")
    assert "\nmax_iters = 7" in text and "prompts = ['水']" in text and "\ndevice = 'cpu'" in text
    assert (tmp_path / "ci.txt").read_text() == "x" and not (tmp_path / "ci.txt").is_symlink()


def test_writing_a_corpus_never_follows_the_link(tmp_path):
    """先链着仓库里的语料，再换成别的：仓库里的那份不动。"""
    before = (course.ROOT / "ci.txt").read_bytes()
    helpers.edit(V[1], tmp_path)
    assert (tmp_path / "ci.txt").read_bytes() == before
    helpers.edit(V[1], tmp_path, corpus="x")
    assert (tmp_path / "ci.txt").read_text() == "x" and (course.ROOT / "ci.txt").read_bytes() == before
