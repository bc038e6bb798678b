"""tools/ 和 tests/ 共用：根目录和 modern/ 有哪些脚本，怎样像读者那样改超参数，怎样读它们打印的东西。"""

import ast
import contextlib
import io
import re
import shutil
import signal
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def number(name):
    """脚本名（str）→ 第几版（int）：modern/babygpt_v16_rope.py → 16。"""
    return int(re.search(r"_v(\d+)", name)[1])


def versions(folder):
    """folder（"" 或 "modern/"）里的各版，相对仓库根目录的名字：[str, …]，从小到大。"""
    return sorted((f"{folder}{p.name}" for p in (ROOT / folder).glob("babygpt_v*.py")), key=number)


VERSIONS = versions("")  # 第一段路
MODERN = [name for name in versions("modern/") if number(name) <= 24]  # 第二段路，到底座为止：从头学
WRITER = "modern/babygpt_write.py"  # 拿存下的权重写词
AFTER = [name for name in versions("modern/") if number(name) > 24]  # 往后：接着存下的权重学
V = {number(name): name for name in [*VERSIONS, *MODERN, *AFTER]}

SETTINGS = re.compile(r"(# ---------- (?:超参数|设置).*\n)")
STEP = re.compile(
    r"^step +(\d+)/(\d+) \| train loss ([\d.naif]+) \| val loss ([\d.naif]+)(?: \| ([\d,]+) tokens/s)?", re.M
)


def without_docstrings(source):
    """脚本源码（str）→ 去掉所有文档字符串的语法树（ast.Module）；注释本来就不在里面。"""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree


def link(name, folder):
    """在 folder（Path）里放一份仓库里的 name（相对仓库根目录）：链过去；不让建链接的系统上就抄一份。"""
    target = folder / name
    if not target.exists():
        try:
            target.symlink_to(ROOT / name)
        except OSError:  # Windows 上建链接要权限
            shutil.copy(ROOT / name, target)


def link_data(name, folder, corpus=True):
    """在 folder（Path）里放好脚本 name 要读的：ci.txt（corpus 为真时），v25 起还有韵书。"""
    if corpus:
        link("ci.txt", folder)
    if name in (*AFTER, WRITER):
        link("modern/yun.txt", folder)


def set_hyperparameters(source, **hyper):
    """脚本源码（str）→ 只改“超参数”那一段里 hyper 的赋值之后的源码。脚本里没有的超参数不管（v1 没有 n_head）。"""
    before, title, rest = re.split(SETTINGS, source, maxsplit=1)
    settings, after = rest.split("\n# ----------", 1)
    for key, value in hyper.items():
        settings = re.sub(rf"^( *){key} = [^#\n]*?(?=  #|$)", rf"\g<1>{key} = {value!r}", settings, flags=re.M)
    return f"{before}{title}{settings}\n# ----------{after}"


def edit(name, folder, corpus=None, **hyper):
    """把脚本 name 抄到 folder（Path），只改“超参数”那一段里 hyper 的赋值，放好 ci.txt；返回新脚本的 Path。

    modern/ 里的抄到 folder/modern/，ci.txt 和仓库里一样在上一层。corpus 是字符串时写成 ci.txt，否则链到仓库里的那份。脚本里没有的超参数不管（v1 没有 n_head）。
    """
    script = folder / name
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(set_hyperparameters((ROOT / name).read_text(encoding="utf-8"), **hyper), encoding="utf-8")
    if corpus is not None:
        (folder / "ci.txt").write_text(corpus, encoding="utf-8")
    link_data(name, folder, corpus is None)
    return script


def load(script):
    """在本进程里把 script 从头跑到尾，返回它的全局变量（dict）；打印的东西在 ["stdout"]。"""
    namespace = {"__name__": "__main__", "__file__": str(script)}
    handler = signal.getsignal(signal.SIGINT)
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output):
            exec(compile(script.read_text(encoding="utf-8"), str(script), "exec"), namespace)
    finally:
        signal.signal(signal.SIGINT, handler)
    namespace["stdout"] = output.getvalue()
    return namespace


def steps(stdout):
    """读出训练时打印的每一行：[(step, max_iters, train_loss, val_loss, tokens_per_s 或 None), …]；loss 单位 nat/字。"""
    return [
        (int(s), int(n), float(train), float(val), float(speed.replace(",", "")) if speed else None)
        for s, n, train, val, speed in STEP.findall(stdout)
    ]


def samples(stdout):
    """读出采样的几段文字：[str, …]，和 prompts 同序。"""
    return [part.removesuffix("\n") for part in stdout.split("-" * 20 + "\n")[1:]]
