"""随仓库发的权重 modern/write.pth：最后一版（种子 42）学好的，压成 16 位，刚克隆下来就能写词。

用法：
    python tools/ship.py            # 没有权重，先照脚本训练一遍（kept.py）
    python tools/ship.py --check    # 过时了吗？过时就说一句，退出码 1

docs/results.json 的 shipped 里记着它由哪份脚本、哪个指纹的权重压成，和文件的 sha256；measure.py --check 也查它。
"""

import argparse
import hashlib

import kept
import measure
from scripts import AFTER, ROOT

FILE = ROOT / "modern" / "write.pth"
SCRIPT = AFTER[-1]


def record(digest):
    """docs/results.json 里记的（dict）；digest 是文件的 sha256。"""
    return {"script": SCRIPT, "seed": measure.FIRST_SEED, "stamp": kept.stamp(SCRIPT), "sha256": digest}


def halved(saved):
    """{"config", "chars", "model"} → 同样的一份，权重是 16 位浮点；共用的张量还是只有一份。"""
    import torch

    halves = {}  # 同一块内存，只压一次
    for value in saved["model"].values():
        halves.setdefault(value.data_ptr(), value.to(torch.float16))
    return {**saved, "model": {key: halves[value.data_ptr()] for key, value in saved["model"].items()}}


def stale(results):
    """results（docs/results.json 的内容）里的记录、文件和现在的脚本对不上的，一句一条：[str, …]。"""
    if results.get("shipped", {}).get("stamp") != kept.stamp(SCRIPT):
        return [f"modern/write.pth：{SCRIPT} 或它接着学的那几份改了，请运行 python tools/ship.py"]
    if not FILE.exists() or hashlib.sha256(FILE.read_bytes()).hexdigest() != results["shipped"]["sha256"]:
        return ["modern/write.pth：和记录的不一样，请运行 python tools/ship.py"]
    return []


def confirm(results, earlier):
    """earlier（{脚本名: 改之前的指纹}）里的脚本改了，训练一位不差：results 里的记录换上新的指纹，文件不动。"""
    if results.get("shipped", {}).get("stamp") == kept.stamp(SCRIPT, earlier):
        results["shipped"]["stamp"] = kept.stamp(SCRIPT)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    if parser.parse_args().check:
        found = stale(measure.load())
        print(*found, sep="\n", end="\n" if found else "")
        raise SystemExit(1 if found else 0)
    import torch

    torch.save(halved(torch.load(kept.weights(SCRIPT), weights_only=True)), FILE)
    results = measure.load()
    results["shipped"] = record(hashlib.sha256(FILE.read_bytes()).hexdigest())
    measure.save(results)
    print(f"{FILE.relative_to(ROOT)}：{FILE.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
