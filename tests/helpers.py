"""测试共用的工具：像读者那样改超参数、把脚本跑起来、读它打印的东西。"""

import ast
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile

import course
import runner
from course import BY_ID, TWIN, V
from runner import edit, load, samples, set_hyperparameters, steps  # noqa: F401

TWINS = {BY_ID[row.before].file: row.file for row in course.COURSE if row.part == TWIN}  # 脚本 → 它的逐行注释版
LIMIT = float(os.environ.get("TEST_LIMIT", 120))  # 一个子进程最多跑几秒；机器忙，就放宽
HOME = tempfile.TemporaryDirectory()

# 小模型：几秒跑完，又样样俱全
TINY = dict(
    batch_size=4,
    block_size=16,
    n_embed=16,
    n_head=2,
    n_kv_head=1,
    head_size=8,
    n_layer=2,
    eval_iters=2,
    max_iters=0,
    max_new_tokens=5,
)
# 底座之后的
SMALL = {**TINY, **dict(block_size=60, max_new_tokens=20, prompts=["浣溪沙 苏轼\n"], eval_interval=10, group_size=4)}
CORPUS = course.corpus()[:20000]  # 一小段语料（2 万字），够小模型用


def tiny(file, folder, corpus=CORPUS, **hyper):
    """同 runner.edit，从 TINY 改起，语料只要一小段：要试的检查失灵了，也是几秒就跑完，不会真训练起来。"""
    return edit(file, folder, corpus, **{**TINY, **hyper})


def changed(script, *pairs):
    """把 script（Path）里的各对 (旧, 新) 换掉，返回 script；旧的要恰好出现一次。"""
    text = script.read_text(encoding="utf-8")
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    script.write_text(text, encoding="utf-8")
    return script


# ---------- 底座之后的：接着小的 base.pth、sft.pth 学 ----------
def poems(count=300):
    """几个词牌轮着来的小语料（str），count 首：够 20 个词牌的名目，也有 10% 来考。"""
    chars = "春江花月夜风雨山水云天人心愁梦酒香红绿青藏头"
    lines = []
    for k in range(count):
        take = lambda n: "".join(chars[(k * 7 + j * 3 + n) % len(chars)] for j in range(n))  # noqa: E731
        tune = ["浣溪沙", "鹧鸪天", "西江月"][k % 3]
        author = ["苏轼", "柳永"][k // 3 % 2]
        lengths = {"浣溪沙": [(7,), (7,), (7, 7)], "鹧鸪天": [(7, 7), (3, 3), (7,)], "西江月": [(6, 6), (7, 6)]}[tune]
        lines.append(f"{tune} {author}\n" + "\n".join("，".join(map(take, line)) + "。" for line in lengths))
    return "\n\n".join(lines) + "\n\n"


def prepared(file, folder, checkpoints=None, corpus=None, **hyper):
    """底座或它之后的一份，小模型，放在 folder；旁边放好它要的权重，从 checkpoints（Path）里拿。返回脚本的 Path。"""
    base = course.base_of(file)
    few = {"batch_size": 2} if "practised" in course.source(file) else {}  # 小语料只练两个词牌
    script = edit(file, folder, corpus=poems() if corpus is None else corpus, **{**SMALL, **few, **hyper})
    if file == V[27]:  # 换成小语料里的字
        script.with_name("huajian.txt").unlink()
        script.with_name("huajian.txt").write_text(poems(40), encoding="utf-8")
    if base:
        shutil.copy(checkpoints / base.saves, script.with_name(base.saves))
    return script


# ---------- 一字不差的只验一份 ----------
def section(file, title):
    """脚本 file 里题作 title 的一段源码（str）；没有就是空的。"""
    found = re.search(rf"^# ---------- {title}.*\n((?s:.*?))^# ----------", course.source(file), re.M)
    return found[1] if found else ""


def code(source):
    """源码（str）→ 语法树写成的 str：注释、文档字符串、import 不算。"""
    body = runner.without_docstrings(source).body
    return "\n".join(ast.dump(node) for node in body if not isinstance(node, (ast.Import, ast.ImportFrom)))


def setup(file):
    """脚本 file 的“超参数”之前：随机种子，输出怎么设。同 code。"""
    return code(course.source(file).split("# ---------- 超参数")[0])


def checks(file):
    """脚本 file 的“数据”一段：读语料，查有没有错。同 code。"""
    return code(section(file, "数据"))


def training(file):
    """脚本 file 的“训练”一段。同 code。"""
    return code(section(file, "训练"))


def one_each(names, *pieces):
    """names（文件名）里，pieces（文件名 → 源码的一块）都一字不差的只留头一份：[文件名, …]。

    验了留下的，就验了全部：哪一份的这一块变了，它就自成一类，也留下。
    """
    first = {}
    for name in names:
        first.setdefault(tuple(piece(name) for piece in pieces), name)
    return list(first.values())


# ---------- 跑 ----------
def environment(**extra):
    """子进程的环境变量：没有 wandb 的钥匙，家目录是空的（没有登录记录），单线程。"""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("WANDB", "XDG")) and k != "NETRC"}
    home = {"HOME": HOME.name, "USERPROFILE": HOME.name}
    return {**kept, **home, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8", **extra}


def call(*command, timeout=LIMIT, **settings):
    """跑 command，返回 CompletedProcess（str）；过了 timeout 秒抛 TimeoutExpired。settings 同 subprocess.run。"""
    settings = {"capture_output": True, "encoding": "utf-8", "env": environment(), **settings}
    return subprocess.run(list(map(str, command)), timeout=timeout, **settings)


def run(script, cwd=None, input="", env=None, timeout=LIMIT, **settings):
    """在 cwd 里用子进程跑 script；别的同 call。"""
    return call(sys.executable, script, cwd=cwd, input=input, env=env or environment(), timeout=timeout, **settings)


# ---------- 看它说了什么 ----------
def assert_trained(stdout, max_iters):
    """训练的输出：从第 0 步到最后一步，loss 都有限，而且降了。"""
    table = steps(stdout)
    assert table[0][0] == 0 and table[-1][0] == table[-1][1] == max_iters
    assert all(math.isfinite(row[2]) and math.isfinite(row[3]) for row in table)
    assert table[-1][2] < table[0][2] and table[-1][3] < table[0][3]


def losses(namespace):
    """跑完的脚本打印的各行，不算速度：[(step, max_iters, train_loss, val_loss), …]。"""
    return [row[:4] for row in steps(namespace["stdout"])]


def assert_one_line(result, *words):
    """出错的样子：退出码 1，一句中文，没有 traceback，words 都在里面。"""
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    message = result.stderr.strip().splitlines()[-1]
    assert re.search("[\u4e00-\u9fff]", message)
    for word in words:
        assert word in message, message


def complaint(script):
    """在本进程里跑 script，它该停在一句中文上；返回这句话（str）。"""
    try:
        load(script)
    except SystemExit as stop:
        message = stop.code
    except AssertionError as error:  # 改错了超参数：一行 assert
        message = str(error)
    else:
        raise AssertionError("该停下，却跑完了")
    assert isinstance(message, str) and "\n" not in message and re.search("[\u4e00-\u9fff]", message), message
    return message
