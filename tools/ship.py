"""随仓库发的权重 modern/write.pth：最后一版（种子 42）学好的，压成 16 位，刚克隆下来就能写词。

用法：
    python tools/ship.py            # 没有权重，先照脚本训练一遍

docs/results.json 的 shipped 里记着它由哪份脚本、哪个指纹的权重压成，和文件的 sha256；过时没有，check.py 说。
"""

import argparse
import hashlib

import records
import results
import runner
from course import LAST as SCRIPT
from course import ROOT

FILE = ROOT / "modern" / "write.pth"


def record(digest):
    """docs/results.json 里记的（dict）；digest 是文件的 sha256。"""
    return {"script": SCRIPT, "seed": runner.FIRST_SEED, "stamp": runner.stamp(SCRIPT), "sha256": digest}


def halved(saved):
    """{"config", "chars", "model"} → 同样的一份，权重是 16 位浮点；共用的张量还是只有一份。"""
    import torch

    halves = {}  # 同一块内存，只压一次
    for value in saved["model"].values():
        halves.setdefault(value.data_ptr(), value.to(torch.float16))
    return {**saved, "model": {key: halves[value.data_ptr()] for key, value in saved["model"].items()}}


def stale(measured):
    """measured（docs/results.json 的内容）里的记录、文件和现在的脚本对不上的：[Stale, …]。"""
    shipped = measured.get("shipped", {})
    if shipped.get("stamp") != runner.stamp(SCRIPT):
        reason = f"{SCRIPT} 或它接着学的那几份改了"
    elif not FILE.exists() or hashlib.sha256(FILE.read_bytes()).hexdigest() != shipped["sha256"]:
        reason = "和记录的不一样"
    else:
        return []
    return [records.Stale("modern/write.pth", reason, "python tools/ship.py", results.training_seconds(SCRIPT))]


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    records.need("torch")
    import torch

    torch.save(halved(torch.load(runner.finish(runner.weights, SCRIPT), weights_only=True)), FILE)
    measured = results.load()
    measured["shipped"] = record(hashlib.sha256(FILE.read_bytes()).hexdigest())
    results.save(measured)
    print(f"{FILE.relative_to(ROOT)}：{FILE.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
