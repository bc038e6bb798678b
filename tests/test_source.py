"""源码本身就是产品：相邻两版只差一个概念，其余一字不动；每份脚本自成一体。"""

import ast
import difflib
import io
import re
import sys
import tokenize
import unicodedata

import pytest

import helpers
from helpers import AFTER, MODERN, ROOT, SAMPLER, SCRIPTS, TWINS, V, VERSIONS, WRITER
from scripts import number

ROAD = ["simplebigrammodel.py", "simplebigrammodel_torch.py", *VERSIONS]
SECOND = [V[11], *MODERN]  # 第二段路从 v11 接着走
BOUNDS = dict(zip([*ROAD[1:], *MODERN], (
    65, 60, 8, 20, 11, 12, 16, 4, 4, 8, 8, 34, 77,
    45, 42, 16, 20, 14, 6, 10, 6, 21, 34, 34, 40,
)))  # 和前一份比，最多改几行代码
BRANCHES = {25: (24, 140), 26: (25, 45), 27: (25, 72), 28: (25, 80), 29: (28, 73)}  # 底座之后：和哪一版比，最多改几行代码
TAKEN_BACK = [(V[20], V[21]), (V[22], V[23])]  # v25 拿掉了 v21 的 Muon、v23 的多进程：拿掉的那些行不算
SCHEDULE = {"warmup", "decay", "optimizer"}  # v11 的学习率三行，各自赋值给谁


def source(name):
    return (ROOT / name).read_text(encoding="utf-8")


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
            lines[first.lineno - 1:first.end_lineno] = [""] * (first.end_lineno - first.lineno + 1)
    return [line.rstrip() for line in lines if line.strip()]


def without_docstrings(text):
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)


@pytest.mark.parametrize("before, after", [*zip(ROAD, ROAD[1:]), *zip(SECOND, SECOND[1:])])
def test_diff_to_the_version_before(before, after):
    changed = [line for line in difflib.ndiff(code_lines(source(before)), code_lines(source(after))) if line[0] in "+-"]
    assert len(changed) <= BOUNDS[after], "\n".join(changed)


@pytest.mark.parametrize("number", BRANCHES)
def test_diff_after_the_base(number):
    before, bound = BRANCHES[number]
    diff = lambda a, b: [line for line in difflib.ndiff(code_lines(source(a)), code_lines(source(b))) if line[0] in "+-"]  # noqa: E731
    added = {line[2:] for pair in TAKEN_BACK for line in diff(*pair) if line[0] == "+"}
    changed = [line for line in diff(V[before], V[number]) if number != 25 or not (line[0] == "-" and line[2:] in added)]
    assert len(changed) <= bound, "\n".join(changed)


@pytest.mark.parametrize("number", BRANCHES)
def test_what_a_version_after_the_base_does_not_teach_is_untouched(number):
    before, after = pieces(V[BRANCHES[number][0]]), pieces(V[number])
    touched = {
        25: {"orthogonalize", "get_batch", "training", "sampling", "read", "heads", "rhyme", "shape", "make_pairs", "write", "judge", "examine"},
        26: {"LoRA", "training", "sampling"},
        27: {"answer_only", "log_prob", "make_preferences", "training"},
        28: {"reward", "answer_only", "training"},
        29: {"mark", "make_pairs", "best_probs", "training"},
    }[number]
    assert {piece for piece in before.keys() | after.keys() if before.get(piece) != after.get(piece)} == touched
    assert number != 28 or after["answer_only"] == pieces(V[27])["answer_only"]


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
    body = text.split("# ---------- 训练 ----------\n")[1]
    found["training"], found["sampling"] = body.split("# ---------- 采样 ----------\n")
    return found


@pytest.mark.parametrize("number", range(2, 12))
def test_the_rest_is_untouched(number):
    first, this = pieces(V[1]), pieces(V[number])
    for piece in ("Tokenizer", "get_batch", "estimate_loss", "sampling"):
        assert this[piece] == first[piece], piece

    changed = [line for line in difflib.ndiff(first["generate"].split("\n"), this["generate"].split("\n")) if line[0] in "+-"]
    assert len(changed) == 2 and "idx[:, -block_size:]" in changed[1], "generate 只该多一处裁剪"

    added = [line for line in difflib.ndiff(first["training"].split("\n"), this["training"].split("\n")) if line[0] in "+-"]
    if number < 11:
        assert not added
    else:
        assert len(added) <= 4 and {re.match(r"\+ +(\w+)", line)[1] for line in added} == SCHEDULE


def test_the_frame_stands_before_v1():
    """张量版的二元模型换上了 v1 的架子：v1 只换模型和学法。"""
    before, after = pieces("simplebigrammodel_torch.py"), pieces(V[1])
    assert before["Tokenizer"] == after["Tokenizer"] and before["get_batch"] == after["get_batch"]
    for piece in ("estimate_loss", "training", "sampling"):
        gone = [line for line in difflib.ndiff(before[piece].split("\n"), after[piece].split("\n")) if line[0] == "-"]
        assert len(gone) <= 3, (piece, gone)


@pytest.mark.parametrize("before, after", list(zip(SECOND[1:], SECOND[2:])))
def test_what_a_modern_version_does_not_teach_is_untouched(before, after):
    a, b = pieces(before), pieces(after)
    touched = {
        14: {"Head", "MultiHeadAttention"}, 15: {"MultiHeadAttention", "FeedForward", "Block", "BabyGPT"},
        16: {"rotate", "MultiHeadAttention", "BabyGPT"}, 17: {"FeedForward"}, 18: {"MultiHeadAttention"}, 19: {"MultiHeadAttention"},
        20: {"BabyGPT"}, 21: {"orthogonalize", "training"}, 22: {"rotate", "MultiHeadAttention", "Block", "BabyGPT", "generate"},
        23: {"training", "sampling"}, 24: {"training"},
    }[number(after)]
    assert {piece for piece in a.keys() | b.keys() if a.get(piece) != b.get(piece)} == touched


@pytest.mark.parametrize("name", MODERN[1:9])
def test_hyperparameters_are_the_same_in_v13_to_v21(name):
    def assigned(name):
        text = source(name).split("# ---------- 超参数")[1].split("# ---------- 数据")[0]
        return {line.split("  #")[0] for line in text.split("\n") if re.match(r"\w+ = ", line)}

    more = {line.split(" = ")[0] for line in assigned(name) - assigned(MODERN[0])}
    assert assigned(MODERN[0]) <= assigned(name) and more <= {"n_kv_head", "muon_learning_rate"}


def guards(name):
    """开头的几种检查：动了输出的那几行、整数、比例、prompts、生字，名字 → 源码。"""
    text = source(name)
    found = {}
    for key, start in {
        "stdout": "if hasattr(sys.stdout", "counts": "counts = ", "ratio": "if type(train_data_ratio)", "prompts": "if type(prompts)",
        "unknown": "unknown = sorted",
    }.items():
        if start in text:
            found[key] = text[text.index(start):].split("\n\n")[0] if key == "stdout" else "\n".join(
                text[text.index(start):].split("\n")[:{"counts": 5, "unknown": 3}.get(key, 2)]
            )
    return found


@pytest.mark.parametrize("name", ["simplebigrammodel.py", "simplebigrammodel_torch.py", *VERSIONS[1:], *MODERN, *AFTER])
def test_checks_are_the_same_everywhere(name):
    assert guards(name).keys() == guards(V[1]).keys()
    same = guards(V[1]).keys() - ({"stdout"} if name == V[12] else set())  # v12 断了管道也要接着训练
    assert {key: guards(name)[key] for key in same} == {key: guards(V[1])[key] for key in same}


@pytest.mark.parametrize("name", ["simplemodel.py", "pytorch_5min.py", SAMPLER, WRITER])
def test_output_is_set_up_the_same_everywhere(name):
    assert guards(name)["stdout"] == guards(V[1])["stdout"]


@pytest.mark.parametrize("number", range(3, 11))
def test_hyperparameters_are_the_same_in_v1_to_v10(number):
    def assigned(name):
        text = source(name).split("# ---------- 超参数")[1].split("# ---------- 数据")[0]
        return {line for line in text.split("\n") if re.match(r"\w+ = ", line)}

    assert assigned(V[1]) <= assigned(V[number]) <= assigned(V[10])


@pytest.mark.parametrize("number", [10, 11])
def test_model_is_the_same_from_v10_to_v12(number):
    for piece in ("Head", "MultiHeadAttention", "FeedForward", "Block", "BabyGPT", "Tokenizer", "get_batch", "estimate_loss"):
        assert pieces(V[number])[piece] == pieces(V[12])[piece], piece


@pytest.mark.parametrize("piece", ["Tokenizer", "MultiHeadAttention", "FeedForward", "Block"])
def test_sampler_keeps_v12s_parts(piece):
    assert ast.dump(ast.parse(part(SAMPLER, piece))) == ast.dump(ast.parse(part(V[12], piece)))


@pytest.mark.parametrize("piece", ["Tokenizer", "rotate", "MultiHeadAttention", "FeedForward", "Block", "shape"])
def test_writer_keeps_v25s_parts(piece):
    assert pieces_of(source(WRITER))[piece] == pieces_of(source(V[25]))[piece]
    assert len(source(WRITER).split("\n")) <= 260


def pieces_of(text):
    """脚本源码（str）里各个类、函数的源码：{名字: str}。"""
    return {node.name: ast.get_source_segment(text, node) for node in ast.parse(text).body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}


def part(name, class_name):
    text = source(name)
    node = next(n for n in ast.parse(text).body if getattr(n, "name", "") == class_name)
    return ast.get_source_segment(text, node)


@pytest.mark.parametrize("name, twin", TWINS.items())
def test_commented_twin_is_the_same_code(name, twin):
    assert without_docstrings(source(name)) == without_docstrings(source(twin))
    comments = [t for t in tokenize.generate_tokens(io.StringIO(source(twin)).readline) if t.type == tokenize.COMMENT]
    assert len(comments) > 0.5 * len(code_lines(source(twin))), "逐行注释版，注释太少了"


@pytest.mark.parametrize("name", [*SCRIPTS, *MODERN, *AFTER, WRITER])
def test_lines_as_the_reader_sees_them(name):
    text = source(name)
    for number, line in enumerate(text.split("\n"), 1):
        width = sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line)
        assert width <= 110, f"{name}:{number} 有 {width} 列"
        assert line == line.rstrip(), f"{name}:{number} 行尾有空格"
    assert not any(t.string == ";" for t in tokenize.generate_tokens(io.StringIO(text).readline)), "一行一句"
    assert re.match('r?"""[^\n]+[。？！]\n\n', text), "开头要有文档字符串，第一行说概念"


@pytest.mark.parametrize("name", [*SCRIPTS, *MODERN, *AFTER, WRITER])
def test_self_contained(name):
    allowed = set(sys.stdlib_module_names) | {"torch"}
    if name == V[12]:
        allowed.add("wandb")
    for node in ast.walk(ast.parse(source(name))):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module] if isinstance(node, ast.ImportFrom) else []
        assert {module.split(".")[0] for module in modules} <= allowed
        assert not (isinstance(node, ast.FunctionDef) and node.name == "main")


def test_every_version_is_there():
    assert sorted(V) == list(range(1, 30)) and len(VERSIONS) == 12 and len(MODERN) == 12
    assert all((ROOT / name).exists() for name in SCRIPTS)


@pytest.mark.parametrize("number", range(3, 13))
def test_attention_keeps_its_name(number):
    assert "self.attention = " in source(V[number])


def test_helper_edits_what_it_says(tmp_path):
    script = helpers.edit(V[11], tmp_path, corpus="x", max_iters=7, prompts=["水"], device="cpu")
    text = script.read_text(encoding="utf-8")
    assert text.count("    max_iters = 7") == 2 and 'prompts = [\'水\']' in text and "\ndevice = 'cpu'" in text
    assert (tmp_path / "ci.txt").read_text() == "x" and not (tmp_path / "ci.txt").is_symlink()
