"""测试共用的工具：像读者那样改超参数、把脚本跑起来、读它打印的东西。"""

import contextlib
import io
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = sorted((p.name for p in ROOT.glob("babygpt_v*.py")), key=lambda name: int(re.search(r"_v(\d+)", name)[1]))
V = {int(re.search(r"_v(\d+)", name)[1]): name for name in VERSIONS}
SAMPLER = "babygpt_sample_with_kvcache.py"
TWINS = {name: name.replace(".py", "_with_comments.py") for name in ("simplemodel.py", "simplebigrammodel.py")}
BASELINES = ["simplemodel.py", "simplebigrammodel.py", "simplebigrammodel_torch.py", *TWINS.values()]
SCRIPTS = [*BASELINES, "pytorch_5min.py", *VERSIONS, SAMPLER]

HOME = tempfile.TemporaryDirectory()

# 小模型：几秒跑完，又样样俱全
TINY = dict(batch_size=4, block_size=16, n_embed=16, n_head=2, n_layer=2, eval_iters=2, max_iters=0, max_new_tokens=5)
SETTINGS = re.compile(r"(# ---------- (?:超参数|设置).*\n)")
STEP = re.compile(
    r"^step +(\d+)/(\d+) \| train loss ([\d.naif]+) \| val loss ([\d.naif]+)(?: \| ([\d,]+) tokens/s)?", re.M
)


def edit(name, folder, corpus=None, **hyper):
    """把根目录的脚本 name 抄到 folder（Path），只改“超参数”那一段里 hyper 的赋值，旁边放好 ci.txt；返回新脚本的 Path。

    corpus 是字符串时写成 ci.txt，否则链到仓库里的那份。脚本里没有的超参数不管（v1 没有 n_head）。
    """
    folder.mkdir(parents=True, exist_ok=True)
    before, title, rest = re.split(SETTINGS, (ROOT / name).read_text(encoding="utf-8"), maxsplit=1)
    settings, after = rest.split("\n# ----------", 1)
    for key, value in hyper.items():
        settings = re.sub(rf"^( *){key} = [^#\n]*?(?=  #|$)", rf"\g<1>{key} = {value!r}", settings, flags=re.M)
    script = folder / name
    script.write_text(f"{before}{title}{settings}\n# ----------{after}", encoding="utf-8")
    target = folder / "ci.txt"
    if corpus is not None:
        target.write_text(corpus, encoding="utf-8")
    elif not target.exists():
        try:
            target.symlink_to(ROOT / "ci.txt")
        except OSError:  # Windows 上建链接要权限
            shutil.copy(ROOT / "ci.txt", target)
    return script


def environment(**extra):
    """子进程的环境变量：没有 wandb 的钥匙，家目录是空的（没有登录记录），单线程。"""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("WANDB", "XDG")) and k != "NETRC"}
    return {**kept, "HOME": HOME.name, "USERPROFILE": HOME.name, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8", **extra}


def run(script, cwd, input="", env=None, timeout=120):
    """在 cwd 里用子进程跑 script；返回 CompletedProcess（stdout、stderr 是 str）。"""
    return subprocess.run(
        [sys.executable, str(script)], cwd=cwd, input=input, capture_output=True, encoding="utf-8",
        env=env or environment(), timeout=timeout,
    )


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
    """读出训练时打印的每一行：[(step, max_iters, train_loss, val_loss, tokens_per_s 或 None), …]。"""
    return [
        (int(s), int(n), float(train), float(val), float(speed.replace(",", "")) if speed else None)
        for s, n, train, val, speed in STEP.findall(stdout)
    ]


def samples(stdout):
    """读出采样的几段文字：[str, …]，和 prompts 同序。"""
    return [part[:-1] for part in stdout.split("-" * 20 + "\n")[1:]]


def assert_trained(stdout, max_iters):
    """训练的输出：从第 0 步到最后一步，loss 都有限，而且降了。"""
    table = steps(stdout)
    assert table[0][0] == 0 and table[-1][0] == table[-1][1] == max_iters
    assert all(math.isfinite(row[2]) and math.isfinite(row[3]) for row in table)
    assert table[-1][2] < table[0][2] and table[-1][3] < table[0][3]


def assert_one_line(result, *words):
    """出错的样子：退出码 1，一句中文，没有 traceback，words 都在里面。"""
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    message = result.stderr.strip().splitlines()[-1]
    assert re.search("[\u4e00-\u9fff]", message)
    for word in words:
        assert word in message, message
