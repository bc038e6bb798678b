"""把根目录的脚本真跑一遍，记下它们打印的 loss、速度和样文，写进 docs/results.json 和 README 的表。

用法：
    python tools/measure.py                     # 所有脚本，每份 3 个种子；中断了再跑，接着来
    python tools/measure.py --seeds 1 babygpt_v9_layer_norm.py
    python tools/measure.py --check             # 哪些脚本量过之后又改了？有就逐个列出，退出码 1
    python tools/measure.py --table             # 不跑，只重写 README 的表

只改种子，别的一字不动。种子 42 独占所有核跑，用时和速度以它为准；其余种子每核一个并排跑，只取 loss。
改了代码（注释和文档字符串不算）的脚本，旧的结果作废，重新量。
"""

import argparse
import ast
import concurrent.futures
import datetime
import hashlib
import json
import math
import os
import platform
import re
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results.json"
README = ROOT / "README.md"
VERSIONS = sorted((p.name for p in ROOT.glob("babygpt_v*.py")), key=lambda name: int(re.search(r"_v(\d+)", name)[1]))
SCRIPTS = ["simplebigrammodel.py", "simplebigrammodel_torch.py", *VERSIONS[:11]]  # v12 的训练和 v11 一模一样
FIRST_SEED = 42
CORES = os.cpu_count()
SEED = re.compile(r"^((?:torch\.manual_seed|random\.seed)\()42\)", re.M)
STEP = re.compile(r"^step +(\d+)/\d+ \| train loss ([\d.]+) \| val loss ([\d.]+)(?: \| ([\d,]+) tokens/s)?", re.M)
TABLE = re.compile(r"(<!-- results -->\n).*?(<!-- /results -->)", re.S)


def fingerprint(name):
    """代码的指纹（str）：文档字符串和注释怎么改都不变，代码改一个字就变。"""
    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16]


def machine():
    """量这些数的机器和库（dict）。"""
    import torch

    return {
        "cores": CORES, "system": f"{platform.system()} {platform.machine()}", "device": "cpu",
        "python": platform.python_version(), "torch": torch.__version__,
    }


def parse(stdout):
    """脚本打印的东西 → dict：curve 是 [{step, train_loss, val_loss, tokens_per_s}]，loss 单位 nat/字；samples 是 [str]。"""
    curve = [
        {"step": int(step), "train_loss": float(train), "val_loss": float(val)}
        | ({"tokens_per_s": int(speed.replace(",", ""))} if speed else {})
        for step, train, val, speed in STEP.findall(stdout)
    ]
    parameters = re.search(r"参数 ([\d,]+) 个", stdout)
    return {
        **{key: value for key, value in curve[-1].items() if key != "step"},
        "best_val_loss": min(point["val_loss"] for point in curve),
        "parameters": int(parameters[1].replace(",", "")) if parameters else None,
        "curve": curve,
        "samples": [part.removesuffix("\n") for part in stdout.split("-" * 20 + "\n")[1:]],
    }


def run(name, seed, threads):
    """跑一次 name（种子换成 seed，用 threads 个线程），返回这一次的 dict；wall_s 是秒，peak_memory_mb 是 MiB。

    脚本没跑完时抛 RuntimeError，里面是它的报错。
    """
    with tempfile.TemporaryDirectory() as folder:
        source, count = SEED.subn(rf"\g<1>{seed})", (ROOT / name).read_text(encoding="utf-8"))
        assert count == 1, f"{name} 里该有且只有一处种子"
        script = Path(folder, name)
        script.write_text(source, encoding="utf-8")
        Path(folder, "ci.txt").symlink_to(ROOT / "ci.txt")
        output = Path(folder, "output")
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONIOENCODING": "utf-8"}
        started = time.perf_counter()
        with open(output, "wb") as file:
            pid = os.posix_spawn(
                sys.executable, [sys.executable, str(script)], environment,
                file_actions=[(os.POSIX_SPAWN_DUP2, file.fileno(), 1), (os.POSIX_SPAWN_DUP2, file.fileno(), 2)],
            )
            _, status, usage = os.wait4(pid, 0)
        wall = time.perf_counter() - started
        stdout = output.read_text(encoding="utf-8")
    if status:
        raise RuntimeError(f"{name} 没跑完：\n{stdout}")
    return {
        "seed": seed, "alone": threads == CORES, "date": datetime.date.today().isoformat(), **parse(stdout),
        "wall_s": round(wall, 1), "peak_memory_mb": usage.ru_maxrss // 1024,
    }


def baselines():
    """不学任何参数的几条线（dict，nat/字，在 block_size 32 的同一份考题上）：瞎猜、字频、二元计数（整个训练集）。"""
    import torch

    text = (ROOT / "ci.txt").read_text(encoding="utf-8")
    stoi = {ch: i for i, ch in enumerate(sorted(set(text)))}
    data = torch.tensor([stoi[ch] for ch in text])
    train, val = data[:int(len(data) * 0.9)], data[int(len(data) * 0.9):]
    V, k, T = len(stoi), 200, 32  # k：往二元计数里掺多少字频，在验证集上挑的，对基线有利
    n = 20 * (1000 // T)
    index = (torch.arange(n) * (len(val) - T) // n)[:, None] + torch.arange(T)
    i, j = val[index], val[index + 1]
    count = torch.bincount(train, minlength=V)
    frequency = (count + 1) / (len(train) + V)
    pairs = torch.bincount(train[:-1] * V + train[1:], minlength=V * V)
    bigram = (pairs[i * V + j] + k * frequency[j]) / (count[i] + k)
    return {
        "uniform": round(math.log(V), 4),
        "unigram": round(-frequency[j].log().mean().item(), 4),
        "bigram": round(-bigram.log().mean().item(), 4),
    }


def load():
    """docs/results.json 的内容；还没有就是空的。"""
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {"scripts": {}}


def save(results):
    """写 docs/results.json（先写旁边再换名）。"""
    results["scripts"] = {name: results["scripts"][name] for name in SCRIPTS if name in results["scripts"]}
    for entry in results["scripts"].values():
        entry["runs"].sort(key=lambda run: run["seed"])
    temporary = RESULTS.with_suffix(".tmp")
    temporary.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    temporary.replace(RESULTS)


def changed(results):
    """量过之后又改了的，和还没量过的：[(脚本名, 原因), …]。"""
    return [
        (name, "还没量过" if name not in results["scripts"] else "量过之后又改了")
        for name in SCRIPTS
        if results["scripts"].get(name, {}).get("fingerprint") != fingerprint(name)
    ]


def summary(results, name):
    """一份脚本的汇总（dict）：各种子的平均 loss、最大最小之差、独占时的用时（秒，中位数）和速度。"""
    runs = results["scripts"][name]["runs"]
    losses = [run["val_loss"] for run in runs]
    alone = [run for run in runs if run["alone"]]
    return {
        "train_loss": statistics.mean(run["train_loss"] for run in runs),
        "val_loss": statistics.mean(losses),
        "spread": max(losses) - min(losses),
        "seeds": len(runs),
        "wall_s": statistics.median(run["wall_s"] for run in alone),
        "tokens_per_s": statistics.median(run.get("tokens_per_s", 0) for run in alone),
        "parameters": runs[0]["parameters"],
    }


def expectation(results, name):
    """文档字符串里“预期”的那句话。"""
    numbers = summary(results, name)
    seconds = numbers["wall_s"]
    duration = f"{seconds / 60:.0f} 分钟" if seconds > 240 else f"{max(5, 5 * round(seconds / 5))} 秒"
    return f"{results['machine']['cores']} 核 CPU 约 {duration}，验证 loss 约 {numbers['val_loss']:.2f}"


def table(results):
    """README 里的结果表（Markdown）。"""
    rows = [
        "| 脚本 | 参数 | 训练 loss | 验证 loss | 用时 |", "| --- | ---: | ---: | ---: | ---: |",
        f"| 瞎猜（ln V） | 0 | | {results['baselines']['uniform']:.2f} | |",
        f"| 只数字频 | | | {results['baselines']['unigram']:.2f} | |",
        f"| 数二元（整个训练集） | | | {results['baselines']['bigram']:.2f} | |",
    ]
    for name in results["scripts"]:
        numbers = summary(results, name)
        parameters = f"{numbers['parameters'] / 1e4:.0f} 万" if numbers["parameters"] else ""
        rows.append(
            f"| `{name}` | {parameters} | {numbers['train_loss']:.2f} | {numbers['val_loss']:.2f} | {numbers['wall_s']:.0f} 秒 |"
        )
    seeds = {summary(results, name)["seeds"] for name in results["scripts"]}
    counted = f"{min(seeds)}" if len(seeds) == 1 else f"{min(seeds)}–{max(seeds)}"
    rows.append("")
    rows.append(
        f"loss 是 {counted} 个种子的平均，单位 nat/字；用时是 {results['machine']['cores']} 核 CPU 上"
        "独占运行、从启动到采样完的秒数。数据见 [docs/results.json](docs/results.json)，由 `tools/measure.py` 生成。"
    )
    return "\n".join(rows) + "\n"


def write_table(results):
    """把表写进 README 的两个标记之间。"""
    text = README.read_text(encoding="utf-8")
    README.write_text(TABLE.sub(lambda match: match[1] + table(results) + match[2], text), encoding="utf-8")


def measure(results, names, seeds):
    """量还缺的：names 里每份脚本 seeds 个种子；每量完一次就存盘。"""
    todo = []
    for name in names:
        entry = results["scripts"].get(name, {})
        if entry.get("fingerprint") != fingerprint(name):
            results["scripts"][name] = {"fingerprint": fingerprint(name), "runs": []}
        done = {run["seed"] for run in results["scripts"][name]["runs"]}
        todo += [(name, seed) for seed in range(FIRST_SEED, FIRST_SEED + seeds) if seed not in done]
    results["machine"] = machine()
    results["baselines"] = baselines()
    lock, started, finished = threading.Lock(), time.perf_counter(), []

    def one(job, threads):
        name, seed = job
        result = run(name, seed, threads)
        with lock:
            results["scripts"][name]["runs"].append(result)
            save(results)
            finished.append(job)
            elapsed = time.perf_counter() - started
            left = elapsed / len(finished) * (len(todo) - len(finished))
            print(
                f"[{len(finished)}/{len(todo)}] {name} 种子 {seed}：验证 loss {result['val_loss']:.4f}，"
                f"{result['wall_s']:.0f} 秒；还需约 {left / 60:.0f} 分钟", flush=True,
            )

    for job in todo:
        if job[1] == FIRST_SEED:
            one(job, CORES)
    with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
        list(pool.map(lambda job: one(job, 1), [job for job in todo if job[1] != FIRST_SEED]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scripts", nargs="*", choices=[[], *SCRIPTS], metavar="脚本")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    results = load()
    if arguments.check:
        stale = changed(results)
        for name, reason in stale:
            print(f"{name}：{reason}，请运行 python tools/measure.py {name}")
        raise SystemExit(1 if stale else 0)
    if not arguments.table:
        measure(results, arguments.scripts or SCRIPTS, arguments.seeds)
    write_table(results)


if __name__ == "__main__":
    main()
