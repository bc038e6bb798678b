"""训练好的权重：一份脚本照样跑一遍（种子 42），权重留在 checkpoints/page/（不进 git），指纹没变就不再训练。

导出网页（export_page.py）和画注意力（look.py）都从这里取。这个模块不要 torch：只问过时没有，用不着它。
"""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import measure
import scripts
from scripts import AFTER, MODERN, ROOT, V

FOLDER = ROOT / "checkpoints" / "page"
SAME = {V[12]: V[11], **measure.SAME}  # 训练一模一样，用后者的：{脚本名: 脚本名}
READS = re.compile(r'torch\.load\(Path\(__file__\)\.with_name\("(\w+\.pth)"\)')
WRITES = re.compile(r'^\w+ = Path\(__file__\)\.with_name\("(\w+\.pth)"\)', re.M)
SIZES = ("block_size", "n_embed", "n_head", "n_kv_head", "n_layer")


def source(name):
    """脚本 name（相对仓库根目录）的源码（str）。"""
    return (ROOT / name).read_text(encoding="utf-8")


def identity(name):
    """脚本名 → 短名：babygpt_v3_self_attention.py → v3，数二元的是 bigram。"""
    return f"v{scripts.number(name)}" if "_v" in name else "bigram"


def needed(name):
    """脚本 name 接着谁的权重学：(文件名, 存下它的脚本)；从头学的是 None。"""
    found = READS.search(source(name))
    return found and (found[1], next(other for other in (*MODERN, *AFTER) if found[1] in WRITES.findall(source(other))))


def stamp(name, earlier=None):
    """脚本 name 的权重的指纹（str）：就是脚本的指纹；接着别的脚本学的，那一份改了也算改了。

    earlier：有的脚本不用现在的指纹，用这里的：{脚本名: 指纹}。
    """
    mine = (earlier or {}).get(name) or measure.fingerprint(name)
    base = needed(name)
    return mine if base is None else hashlib.sha256(f"{mine} {stamp(base[1], earlier)}".encode()).hexdigest()[:16]


def folder(short=None):
    """权重留在哪个文件夹（Path）。short：开发用，只训练这么多步；None 是照脚本的。"""
    return FOLDER if short is None else FOLDER.with_name(f"page-short-{short}")


def lay_out(name, text, place, short=None):
    """在 place（Path）里放好脚本 name，源码用 text，和它要读的；返回脚本的 Path。它接着学的那份权重要是没有，先训练出来。"""
    import torch

    script = place / name
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(scripts.set_hyperparameters(text, device="cpu"), encoding="utf-8")  # 有 GPU 也用 CPU 的那套数
    scripts.link_data(name, place)
    if base := needed(name):
        file, maker = base
        torch.save(torch.load(weights(maker, short), weights_only=True), script.with_name(file))
    return script


def weights(name, short=None):
    """脚本 name 训练好的权重在哪个文件（Path），里面是 {"config", "chars", "model"}；还没有，就照脚本训练一遍。

    short：只训练这么多步，不考试。脚本没跑完时抛 RuntimeError，里面是它的报错。
    """
    path = folder(short) / f"{identity(name)}-{stamp(name)}.pth"
    if path.exists():
        return path
    text = source(name)
    if short is not None:  # max_new_tokens 是 0，v25 起的考试就一个字也不写
        text = scripts.set_hyperparameters(text, max_iters=short, eval_interval=max(1, short), eval_iters=1, max_new_tokens=0, rhyme_iters=short)
    with tempfile.TemporaryDirectory() as place:
        script = lay_out(name, text, Path(place), short)
        print(f"训练 {name}……", flush=True)
        process = subprocess.run(
            [sys.executable, __file__, str(script), str(path)], cwd=place, capture_output=True, encoding="utf-8",
            env={"OMP_NUM_THREADS": str(measure.CORES), **os.environ, "PYTHONIOENCODING": "utf-8", "WANDB_MODE": "disabled"},
        )
    if process.returncode:
        raise RuntimeError(f"{name} 没跑完：\n{process.stdout}{process.stderr}")
    return path


def keep(namespace, path):
    """把跑完的脚本（它的全局变量）的权重、词表和大小写到 path（Path）：先写旁边再换名。"""
    import torch

    config = {key: namespace[key] for key in SIZES if key in namespace}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    torch.save({"config": config, "chars": namespace["tokenizer"].chars, "model": namespace["model"].state_dict()}, temporary)
    os.replace(temporary, path)


if __name__ == "__main__":  # weights 在子进程里跑这里：python kept.py 脚本 权重文件
    import runpy

    keep(runpy.run_path(sys.argv[1], run_name="__main__"), Path(sys.argv[2]))
