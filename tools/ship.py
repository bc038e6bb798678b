"""随仓库发的权重 modern/write.pth：最后一版（种子 42）学好的，压成 16 位，刚克隆下来就能写词。

用法：
    python tools/ship.py            # 没有权重，先照脚本训练一遍
    python tools/ship.py --poem     # 权重不动，只重写 README 头一屏的那首词（种子 42，写一次，不挑）

docs/results.json 的 shipped 里记着它由哪份脚本、哪个指纹的权重压成，和文件的 sha256，几种温度各写得怎样；那首词在 poem
里。过时没有，check.py 说。
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

import form
import records
import results
import runner
from course import LAST as SCRIPT
from course import ROOT, WRITER

FILE = ROOT / "modern" / "write.pth"
REQUEST = "浣溪沙 藏头 春江花月 韵 江"  # README 头一屏要它写的
TEMPERATURES, EACH = (0.7, 0.8, 0.9, 1.0), 8  # 量哪几种温度，一个词牌写几首
SCORES = "attested tone rhyme repeated rare pairs distinct".split()  # 见 form.py


def record(digest):
    """docs/results.json 里记的（dict）；digest 是文件的 sha256。"""
    return {"script": SCRIPT, "seed": runner.FIRST_SEED, "stamp": runner.stamp(SCRIPT), "sha256": digest}


def sealed():
    """那首词由什么写成（[str, str]）：写词的脚本的指纹，权重的 sha256。"""
    return [runner.fingerprint(WRITER), hashlib.sha256(FILE.read_bytes()).hexdigest()]


def poem():
    """让写词的脚本用随仓库发的权重写 REQUEST，种子 42 → 记录（dict）；text 是它打印的词。"""
    with tempfile.TemporaryDirectory() as folder:
        script = runner.edit(WRITER, Path(folder))
        runner.link("modern/write.pth", Path(folder))
        seeded = f"import runpy, torch; torch.manual_seed({runner.FIRST_SEED}); runpy.run_path({str(script)!r})"
        command = [sys.executable, "-c", seeded]
        out = subprocess.run(command, input=REQUEST, capture_output=True, encoding="utf-8", check=True).stdout
    return {"request": REQUEST, "seed": runner.FIRST_SEED, "stamp": sealed(), "text": out.split("\n", 1)[1].strip()}


def temperatures(path):
    """path（Path）里的权重，几种温度，各个词牌写 EACH 首 → [{"temperature", SCORES 的各样}, …]。"""
    import torch

    import watch

    namespace = watch.untrained(SCRIPT)
    model = namespace["model"].eval()
    model.load_state_dict(torch.load(path, weights_only=True)["model"])
    forms, found = form.corpus_forms(), []
    for temperature in TEMPERATURES:
        hook = model.lm_head.register_forward_hook(lambda _, inputs, logits: logits / temperature)  # noqa: B023
        scores = form.score_model(forms, model, namespace["tokenizer"], count=EACH, think=namespace["think"])
        hook.remove()
        found.append({"temperature": temperature, **{key: scores[key] for key in SCORES}})
    return found


def halved(saved):
    """{"config", "chars", "model"} → 同样的一份，权重是 16 位浮点；共用的张量还是只有一份。"""
    import torch

    halves = {}  # 同一块内存，只压一次
    for value in saved["model"].values():
        halves.setdefault(value.data_ptr(), value.to(torch.float16))
    return {**saved, "model": {key: halves[value.data_ptr()] for key, value in saved["model"].items()}}


def stale(measured):
    """measured（docs/results.json 的内容）里的记录、文件和现在的脚本对不上的：[Stale, …]。"""
    shipped, found = measured.get("shipped", {}), []
    if shipped.get("stamp") != runner.stamp(SCRIPT):
        reason = f"{SCRIPT} 或它接着学的那几份改了"
    elif not FILE.exists() or hashlib.sha256(FILE.read_bytes()).hexdigest() != shipped["sha256"]:
        reason = "和记录的不一样"
    else:
        reason = ""
    if reason:
        seconds = results.training_seconds(SCRIPT)
        found.append(records.Stale("modern/write.pth", reason, "python tools/ship.py", seconds))
    elif measured.get("poem", {}).get("stamp") != sealed():
        reason = "写词的脚本或权重改了"
        found.append(records.Stale("docs/results.json，poem", reason, "python tools/ship.py --poem", 3))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--poem", action="store_true", help="权重不动，只重写那首词")
    arguments = parser.parse_args()
    records.need("torch")
    measured = results.load()
    if not arguments.poem:
        import torch

        path = runner.finish(runner.weights, SCRIPT)
        torch.save(halved(torch.load(path, weights_only=True)), FILE)
        measured["shipped"] = record(sealed()[1]) | {"poems": form.TUNES * EACH, "temperatures": temperatures(path)}
        print(f"{FILE.relative_to(ROOT)}：{FILE.stat().st_size / 1e6:.1f} MB")
    measured["poem"] = poem()
    results.save(measured)
    print(measured["poem"]["text"])


if __name__ == "__main__":
    main()
