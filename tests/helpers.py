"""测试共用的工具：像读者那样改超参数、把脚本跑起来、读它打印的东西。"""

import math
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))
from scripts import AFTER, MODERN, ROOT, V, VERSIONS, WRITER, edit, load, number, samples, steps  # noqa: E402, F401

SAMPLER = "babygpt_sample_with_kvcache.py"
TWINS = {name: name.replace(".py", "_with_comments.py") for name in ("simplemodel.py", "simplebigrammodel.py")}
BASELINES = ["simplemodel.py", "simplebigrammodel.py", "simplebigrammodel_torch.py", *TWINS.values()]
SCRIPTS = [*BASELINES, "pytorch_5min.py", *VERSIONS, SAMPLER]

HOME = tempfile.TemporaryDirectory()

# 小模型：几秒跑完，又样样俱全
TINY = dict(batch_size=4, block_size=16, n_embed=16, n_head=2, n_kv_head=1, n_layer=2, eval_iters=2, max_iters=0, max_new_tokens=5)


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
