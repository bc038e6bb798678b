"""跑一份脚本：像读者那样改超参数，换种子，读它打印的东西，留下它的权重。

权重留在 checkpoints/（不进 git），文件名里有指纹：v24-42-<指纹>.pth。指纹是脚本的代码，连同它接着学的那一份的指纹；
代码改了，指纹就变，旧的权重不会再被拿来用。
"""

import ast
import contextlib
import functools
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import course
import form
import records

SETTINGS = re.compile(r"(# ---------- (?:超参数|设置).*\n)")
STEP = re.compile(
    r"^step +(\d+)/(\d+) \| train loss ([\d.naif]+) \| val loss ([\d.naif]+)(?: \| ([\d,]+) tokens/s)?", re.M
)
SEED = re.compile(r"^((?:torch\.manual_seed|random\.seed)\()42\)", re.M)
FIRST_SEED = 42
NOTES = "=" * 20  # 变体（variants.py）跑完之后接着打印的，在这一行后面
CHECKPOINTS = course.ROOT / "checkpoints"


# ---------- 源码 ----------
def without_docstrings(source):
    """脚本源码（str）→ 去掉所有文档字符串的语法树（ast.Module）；注释本来就不在里面。"""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree


@functools.cache
def code_lines(source):
    """脚本源码（str）→ 去掉文档字符串和注释、写法统一的代码：(行, …)。"""
    return tuple(ast.unparse(without_docstrings(source)).split("\n"))


def digest(text):
    """text（str）→ 16 个十六进制的字（str）。"""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@functools.cache
def fingerprint_of(source):
    """脚本源码（str）的指纹（str）：文档字符串和注释怎么改都不变，代码改一个字就变。"""
    return digest(ast.dump(without_docstrings(source)))


def fingerprint(file):
    """脚本 file（相对仓库根目录）现在的指纹（str），不管它接着谁学。"""
    return fingerprint_of(course.source(file))


def stamp(file, earlier=None):
    """脚本 file 学出来的东西的指纹（str）：从头学的，就是它的代码的；接着别的脚本学的，那一份改了也算改了。

    earlier：有的脚本不用现在的代码，用这里的指纹：{文件名: 指纹}。
    """
    mine = (earlier or {}).get(file) or fingerprint(file)
    base = course.base_of(file)
    if base is None:
        return mine
    return digest(f"{mine} {stamp(base.file, earlier)}")


def set_hyperparameters(source, **hyper):
    """脚本源码（str）→ 只改“超参数”那一段里 hyper 的赋值之后的源码。脚本里没有的超参数不管（v1 没有 n_head）。"""
    before, title, rest = re.split(SETTINGS, source, maxsplit=1)
    settings, after = rest.split("\n# ----------", 1)
    for key, value in hyper.items():
        assigned = f"{key} = {value!r}"
        settings = re.sub(rf"^( *){key} = [^#\n]*?(?=  #|$)", lambda at: at[1] + assigned, settings, flags=re.M)  # noqa: B023
    return f"{before}{title}{settings}\n# ----------{after}"


# ---------- 摆好，跑 ----------
def link(name, folder):
    """在 folder（Path）里放一份仓库里的 name（相对仓库根目录）：链过去；不让建链接的系统上就抄一份。"""
    target = folder / name
    if not target.exists():
        try:
            target.symlink_to(course.ROOT / name)
        except OSError:  # Windows 上建链接要权限
            shutil.copy(course.ROOT / name, target)


def write_script(file, source, folder, corpus=None):
    """在 folder（Path）里写好脚本 file，源码是 source，再放好它要读的语料、韵书；返回新脚本的 Path。

    modern/ 里的写到 folder/modern/，ci.txt 和仓库里一样在上一层。corpus 是字符串时写成 ci.txt，否则链到仓库里的那份。
    """
    script = folder / file
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(source, encoding="utf-8")
    if corpus is None:
        link("ci.txt", folder)
    else:
        (folder / "ci.txt").unlink(missing_ok=True)  # 也许是链到仓库里那份的：顺着写下去，就把它改了
        (folder / "ci.txt").write_text(corpus, encoding="utf-8")
    if course.BY_FILE[file].part == course.AFTER or file == course.WRITER:
        link("modern/yun.txt", folder)
        link("modern/huajian.txt", folder)
    return script


def edit(file, folder, corpus=None, **hyper):
    """同 write_script，源码是仓库里的，只改“超参数”那一段里 hyper 的赋值。"""
    return write_script(file, set_hyperparameters(course.source(file), **hyper), folder, corpus)


def lay_out(file, source, folder, seed=FIRST_SEED, short=None, threads=records.CORES):
    """同 write_script，再在旁边放好它接着学的那份权重（种子 seed 的）；还没有，就先训练出来，用 threads 个线程。"""
    script = write_script(file, source, folder)
    if base := course.base_of(file):
        shutil.copy(weights(base.file, seed, short, threads), script.with_name(base.saves))
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


def run(
    file, seed=FIRST_SEED, threads=records.CORES, change=None, poems=form.SAMPLES, source=None, keep=None, short=None
):
    """跑一次 file（种子换成 seed，用 threads 个线程，接着学的那份也是），再给它的模型打格律分，返回这一次的 dict。

    change：改源码的函数（str → str），variants.py 用它；poems：打分时每个词牌写几首，0 就不打；
    source：不用仓库里的，用这份源码；keep：学好的权重存到哪个文件（Path）；short：它接着学的权重也只训练这么多步。
    wall_s 是秒，peak_memory_mb 是 MiB，都不含打分。脚本没跑完时抛 RuntimeError，里面是它的报错。
    """
    with tempfile.TemporaryDirectory() as folder:
        source, count = SEED.subn(rf"\g<1>{seed})", source or course.source(file))
        assert count == 1, f"{file} 里该有且只有一处种子"
        script = lay_out(file, change(source) if change else source, Path(folder), seed, short, threads)
        report = Path(folder, "report.json")
        command = [sys.executable, form.__file__, "--json", str(report), "--count", str(poems), str(script)]
        started = time.time()
        process = subprocess.run(
            [*command, "--keep", str(keep)] if keep else command,
            capture_output=True,
            encoding="utf-8",
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONIOENCODING": "utf-8", "WANDB_MODE": "disabled"},
        )
        if process.returncode:
            raise RuntimeError(f"{file} 没跑完：\n{process.stdout}{process.stderr}")
        scored = json.loads(report.read_text(encoding="utf-8"))
    return {
        "seed": seed,
        "alone": threads == records.CORES,
        "date": records.today(),
        "machine": scored["machine"],
        **parse(process.stdout),
        "wall_s": round(scored["finished"] - started, 1),
        "peak_memory_mb": scored["peak_memory_mb"],
        "form": scored["form"],
        "stdout": process.stdout,
    }


# ---------- 读它打印的 ----------
def steps(stdout):
    """读出训练时打印的每一行：[(step, max_iters, train_loss, val_loss, tokens_per_s 或 None), …]；loss 单位 nat/字。"""
    return [
        (int(s), int(n), float(train), float(val), float(speed.replace(",", "")) if speed else None)
        for s, n, train, val, speed in STEP.findall(stdout)
    ]


def samples(stdout):
    """读出采样的几段文字：[str, …]，和 prompts 同序。"""
    return [part.removesuffix("\n") for part in stdout.split("-" * 20 + "\n")[1:]]


def parse(stdout):
    """脚本打印的东西 → dict：curve 是 [{step, train_loss, val_loss, tokens_per_s}]，loss 单位 nat/字；
    samples 是 [str]。

    不训练的脚本没有 curve 和 loss；notes（str）是变体接着打印的，没有就是 None。
    """
    stdout, _, notes = stdout.partition(f"{NOTES}\n")
    curve = [
        {"step": step, "train_loss": train, "val_loss": val} | ({"tokens_per_s": int(speed)} if step and speed else {})
        for step, _, train, val, speed in steps(stdout)
    ]
    parameters = re.search(r"参数 ([\d,]+) 个", stdout)
    losses = {**curve[-1], "best_val_loss": min(point["val_loss"] for point in curve)} if curve else {}
    return {
        **{key: value for key, value in losses.items() if key != "step"},
        "parameters": int(parameters[1].replace(",", "")) if parameters else None,
        "curve": curve,
        "samples": samples(stdout),
        "notes": notes or None,
    }


# ---------- 权重 ----------
def checkpoint(file, seed=FIRST_SEED, short=None, earlier=None):
    """脚本 file 的权重在哪个文件（Path），里面是 {"config", "chars", "model"}。short：只训练了这么多步的，开发用。"""
    folder = CHECKPOINTS if short is None else CHECKPOINTS / f"short-{short}"
    return folder / f"{course.BY_FILE[file].id}-{seed}-{stamp(file, earlier)}.pth"


def weights(file, seed=FIRST_SEED, short=None, threads=records.CORES):
    """脚本 file 学好的权重（Path，见 checkpoint）；没有就照脚本训练一遍。没跑完时抛 RuntimeError，里面是它的报错。"""
    path = checkpoint(file, seed, short)
    if not path.exists():
        print(f"训练 {file}（种子 {seed}）……", flush=True)
        settings = {"device": "cpu"}  # 有 GPU 也用 CPU 的那套数
        if short is not None:  # max_new_tokens 是 0，v29 起的考试就一个字也不写
            settings |= dict(max_iters=short, eval_interval=max(1, short), eval_iters=1, max_new_tokens=0)
        settled = lambda source: set_hyperparameters(source, **settings)  # noqa: E731
        run(file, seed, threads, change=settled, poems=0, keep=path, short=short)
    return path


def finish(work, *arguments):
    """work(*arguments) 的结果；抛了 RuntimeError（有脚本没跑完），就换成 SystemExit，里面是那句话。"""
    try:
        return work(*arguments)
    except RuntimeError as error:
        raise SystemExit(str(error)) from None


class Progress:
    """量完一次打印一行：第几次、结果、还需多久。lock 护着结果和打印。"""

    def __init__(self, total):
        self.total, self.done, self.started, self.lock = total, 0, time.perf_counter(), threading.Lock()

    def print(self, what):
        self.done += 1
        left = (time.perf_counter() - self.started) / self.done * (self.total - self.done)
        print(f"[{self.done}/{self.total}] {what}；还需约 {left / 60:.0f} 分钟", flush=True)


def outcome(result):
    """一次运行（dict）说成半句话（str）。"""
    if "val_loss" in result:
        score = f"验证 loss {result['val_loss']:.4f}，"
    else:
        score = f"合律 {result['form']['attested']:.0%}，" if result.get("form") else ""
    return f"{score}{result['wall_s']:.0f} 秒"
