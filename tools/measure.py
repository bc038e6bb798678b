"""把根目录和 modern/ 的脚本真跑一遍，记下它们打印的 loss、速度和样文，写进 docs/results.json、README 和 docs/form.md 的表、
各脚本文档字符串里的“预期”，画出 docs/ 里的图。

用法：
    python tools/measure.py                     # 所有脚本，每份 3 个种子；中断了再跑，接着来
    python tools/measure.py --seeds 1 babygpt_v9_layer_norm.py
    python tools/measure.py --check             # 哪些量过之后又改了？有就逐个列出，退出码 1
    python tools/measure.py --unchanged-since COMMIT  # 改的与训练无关？证明了，记录就留着
    python tools/measure.py --write             # 不跑，只重写文档里的表、各脚本的“预期”和图

只改种子，别的一字不动。种子 42 独占所有核跑，用时和速度以它为准；其余种子每核一个并排跑，只取 loss。
改了代码（注释和文档字符串不算）的脚本，旧的结果作废，重新量。改的若只是检查、打印之类，用 --unchanged-since：
拿 COMMIT 里量过的那份和现在的这份，在同一台机器上各训练几十步，loss 和样文一位不差，就换上新的指纹，
拆概念、“试试”的记录也跟着换。
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
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import form
from scripts import AFTER, MODERN, ROOT, V, VERSIONS, link_data, samples, set_hyperparameters, steps, without_docstrings

RESULTS = ROOT / "docs" / "results.json"
README = ROOT / "README.md"
FIRST_ARC = ["simplebigrammodel.py", "simplebigrammodel_torch.py", *VERSIONS[:11]]  # v12 的训练和 v11 一模一样
SAME = {V[22]: V[21], V[23]: V[21]}  # 训练一模一样（测试里比过），不另外量
SECOND_ARC = [name for name in MODERN if name not in SAME]
SCRIPTS = [*FIRST_ARC, *SECOND_ARC, *AFTER]
CHAIN = [V[24], *AFTER]  # 后一份要用前一份存下的权重
EARLIER = ["simplebigrammodel_torch.py", *VERSIONS[9:11]]  # 第一段路里，和第二段路排在一张表里的
MEASURED = ["simplemodel.py", "pytorch_5min.py", *SCRIPTS, VERSIONS[11]]  # 别处（answers.py）也量的
FIRST_SEED = 42
FORM = ("ended", "attested", "prefix")
AFTER_FORM = ("repeated", "entropy", "body_loss", "held_out", "practised", "examined")  # v25 起，RULER 之外还要的（没有整首的两份题）
RULER = (*FORM, "tone", "rhyme", "copied", "distinct", "poem_loss", "row_loss")  # 老记录里只有头三样
NOTES = "=" * 20  # 变体（variants.py）跑完之后接着打印的，在这一行后面
CORES = os.cpu_count()
SEED = re.compile(r"^((?:torch\.manual_seed|random\.seed)\()42\)", re.M)
EXPECTATION = re.compile(r"预期：\d+ 核 CPU 约 [\d?]+ (?:秒|分钟)，验证 loss 约 [\d.?]+")
TRIED = ROOT / "docs" / "tried.json"
FORM_DOC = ROOT / "docs" / "form.md"
MODERN_README = ROOT / "modern" / "README.md"
LINES = 4  # 样文只登头几行
CHECKPOINTS = ROOT / "checkpoints"  # 各个种子存下的权重：后一份脚本接着前一份的学；不进 git
FEW = 0.025  # 合律的占不到这么多（400 首里不到 10 首），平仄和押韵不登


def fingerprint_of(source):
    """脚本源码（str）的指纹（str）：文档字符串和注释怎么改都不变，代码改一个字就变。"""
    return hashlib.sha256(ast.dump(without_docstrings(source)).encode()).hexdigest()[:16]


def fingerprint(name):
    """脚本 name（相对仓库根目录）现在的指纹。"""
    return fingerprint_of((ROOT / name).read_text(encoding="utf-8"))


def machine():
    """量这些数的机器和库（dict）。"""
    import torch

    return {
        "cores": CORES, "system": f"{platform.system()} {platform.machine()}", "device": "cpu",
        "python": platform.python_version(), "torch": torch.__version__,
    }


def parse(stdout):
    """脚本打印的东西 → dict：curve 是 [{step, train_loss, val_loss, tokens_per_s}]，loss 单位 nat/字；samples 是 [str]。

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


def run(name, seed, threads, change=lambda source: source, poems=form.SAMPLES, source=None, keep=False):
    """跑一次 name（种子换成 seed，用 threads 个线程），再给它的模型打格律分，返回这一次的 dict。

    change：改源码的函数（str → str），variants.py 用它；poems：打分时每个词牌写几首，0 就不打；source：不用根目录里的，用这份源码；
    keep：存下的权重留在 CHECKPOINTS 里，给后面的脚本用（它们跑的时候，先拿来放好）。
    wall_s 是秒，peak_memory_mb 是 MiB，都不含打分。脚本没跑完时抛 RuntimeError，里面是它的报错。
    """
    with tempfile.TemporaryDirectory() as folder:
        source, count = SEED.subn(rf"\g<1>{seed})", source or (ROOT / name).read_text(encoding="utf-8"))
        assert count == 1, f"{name} 里该有且只有一处种子"
        script, report = Path(folder, name), Path(folder, "report.json")
        script.parent.mkdir(exist_ok=True)
        script.write_text(change(source), encoding="utf-8")
        link_data(name, Path(folder))
        if name in AFTER:
            for path in (CHECKPOINTS / str(seed)).glob("*.pth"):
                shutil.copy(path, script.parent)
        started = time.time()
        process = subprocess.run(
            [sys.executable, form.__file__, "--json", str(report), "--count", str(poems), str(script)],
            capture_output=True, encoding="utf-8", cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONIOENCODING": "utf-8", "WANDB_MODE": "disabled"},
        )
        if process.returncode:
            raise RuntimeError(f"{name} 没跑完：\n{process.stdout}{process.stderr}")
        scored = json.loads(report.read_text(encoding="utf-8"))
        if keep:
            for path in script.parent.glob("*.pth"):
                (CHECKPOINTS / str(seed)).mkdir(parents=True, exist_ok=True)
                shutil.copy(path, CHECKPOINTS / str(seed))
    return {
        "seed": seed, "alone": threads == CORES, "date": datetime.date.today().isoformat(), **parse(process.stdout),
        "wall_s": round(scored["finished"] - started, 1), "peak_memory_mb": scored["peak_memory_mb"], "form": scored["form"],
        "stdout": process.stdout,
    }


def baselines():
    """不学任何参数的几条线（dict，nat/字，在 block_size 32 的同一份考题上）：瞎猜、字频、二元计数（整个训练集）。"""
    import torch

    text = (ROOT / "ci.txt").read_text(encoding="utf-8")
    stoi = {ch: i for i, ch in enumerate(sorted(set(text)))}
    data = torch.tensor([stoi[ch] for ch in text])
    train, val = data[:int(len(data) * 0.9)], data[int(len(data) * 0.9):]
    V, k, T = len(stoi), 200, 32  # k：往二元计数里掺多少字频，在验证集上挑的，对基线有利
    n = 40 * (512 // T)
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
        "form_of_real_poems": (forms := form.Forms(text)).ceiling(),
        "form_of_random_characters": forms.floor(),
    }


def load():
    """docs/results.json 的内容；还没有就是空的。"""
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {"scripts": {}}


def write_json(path, content):
    """写 JSON 文件：先写旁边再换名，中途被杀，旧文件也完好。"""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


def save(results):
    """写 docs/results.json，脚本按课程的次序，种子从小到大。"""
    results["scripts"] = {name: results["scripts"][name] for name in SCRIPTS if name in results["scripts"]}
    for entry in results["scripts"].values():
        entry["runs"].sort(key=lambda run: run["seed"])
    write_json(RESULTS, results)


class Progress:
    """量完一次打印一行：第几次、结果、还需多久。lock 护着结果和打印。"""

    def __init__(self, todo):
        self.total, self.done, self.started, self.lock = len(todo), 0, time.perf_counter(), threading.Lock()

    def print(self, what, result):
        self.done += 1
        left = (time.perf_counter() - self.started) / self.done * (self.total - self.done)
        print(
            f"[{self.done}/{self.total}] {what}：验证 loss {result.get('val_loss', math.nan):.4f}，{result['wall_s']:.0f} 秒；"
            f"还需约 {left / 60:.0f} 分钟", flush=True,
        )


def seeds_from_first(count):
    """count 个种子：42、43、…"""
    return range(FIRST_SEED, FIRST_SEED + count)


def changed(results):
    """量过之后又改了的，和还没量过的：[(脚本名, 原因), …]。"""
    found = []
    for name in SCRIPTS:
        entry = results["scripts"].get(name, {})
        if not entry.get("runs"):
            found.append((name, "还没量过"))
        elif entry["fingerprint"] != fingerprint(name):
            found.append((name, "量过之后又改了"))
        elif not all(complete(name, run) for run in entry["runs"]):
            found.append((name, "尺上添了新的项目"))
    return found


def complete(name, run):
    """脚本 name 的这一次运行（dict），尺上该有的都有了吗。两段路的那张表里没有的，老记录就行。"""
    if name in AFTER:
        return all(key in run["form"] for key in AFTER_FORM)
    return name not in (*EARLIER, *SECOND_ARC) or all(key in run["form"] for key in RULER)


def stale_records(results):
    """results、拆概念、“试试”里要重量的，一句一条：[str, …]。"""
    import ablate  # 它们也用这个模块
    import answers
    import emerge
    import ship
    import variants

    found = [f"{name}：{reason}，请运行 python tools/measure.py {name}" for name, reason in changed(results)] + ship.stale(results) + emerge.stale()
    for tool in (ablate, answers):
        for name, label in variants.stale(variants.load(tool.OUTPUT), tool.VARIANTS):
            found.append(f"{name}，{label}：要重量，请运行 python tools/{tool.__name__}.py {name}")
    return found


def mean_or_none(values):
    """有数的几个的平均；都没有就是 None。"""
    found = [value for value in values if value is not None]
    return statistics.mean(found) if found else None


def summary(results, name):
    """一份脚本的汇总（dict）：各种子的平均 loss、最大最小之差、格律的平均分，独占时的用时（秒，中位数）和速度。"""
    runs = results["scripts"][name]["runs"]
    losses = [run["val_loss"] for run in runs]
    alone = [run for run in runs if run["alone"]]
    forms = [run["form"] for run in runs if run["form"]]
    return {
        "train_loss": statistics.mean(run["train_loss"] for run in runs),
        "val_loss": statistics.mean(losses),
        "spread": max(losses) - min(losses),
        "seeds": len(runs),
        "wall_s": statistics.median(run["wall_s"] for run in alone),
        "tokens_per_s": statistics.median(run.get("tokens_per_s", 0) for run in alone),
        "parameters": runs[0]["parameters"],
        "form": {key: mean_or_none(one.get(key) for one in forms) for key in RULER} if forms else None,
    }


def first(results, name):
    """种子 42 的那一次（dict）：读者照着跑，看到的就是它。"""
    return next(run for run in results["scripts"][name]["runs"] if run["seed"] == FIRST_SEED)


def expectation(results, name):
    """文档字符串里“预期”的那句话：种子 42 打印的 loss，独占时的用时。"""
    seconds = summary(results, name)["wall_s"]
    step = 1 if seconds < 10 else 5
    duration = f"{seconds / 60:.0f} 分钟" if seconds > 240 else f"{step * round(seconds / step)} 秒"
    return f"{results['machine']['cores']} 核 CPU 约 {duration}，验证 loss 约 {first(results, name)['val_loss']:.2f}"


def form_columns(scores):
    """格律的三个分数 → 表里的三格。"""
    return " | ".join(f"{scores[key]:.0%}" if scores else "" for key in FORM)


def table(results):
    """README 里的结果表（Markdown）。"""
    fixed = results["baselines"]
    rows = [
        "| 脚本 | 参数 | 训练 loss | 验证 loss | 用时 |", "| --- | ---: | ---: | ---: | ---: |",
        f"| 瞎猜（ln V） | | | {fixed['uniform']:.2f} | |",
        f"| 只数字频 | | | {fixed['unigram']:.2f} | |",
        f"| 数二元（整个训练集） | | | {fixed['bigram']:.2f} | |",
    ]
    summaries = {name: summary(results, name) for name in results["scripts"] if name in FIRST_ARC}
    for name, numbers in summaries.items():
        parameters = f"{numbers['parameters'] / 1e4:.0f} 万" if numbers["parameters"] else ""
        rows.append(
            f"| `{name}` | {parameters} | {numbers['train_loss']:.2f} | {numbers['val_loss']:.2f} | {numbers['wall_s']:.0f} 秒 |"
        )
    seeds = sorted({one["seeds"] for one in summaries.values()})
    rows.append("")
    rows.append(
        f"loss 是 {'–'.join(map(str, seeds))} 个种子的平均，单位 nat/字；换个种子，最多差 "
        f"{max(one['spread'] for one in summaries.values()):.2f}。用时是 {results['machine']['cores']} 核 CPU 上独占运行、"
        "从启动到采样完的秒数。数据见 [docs/results.json](docs/results.json)，由 `tools/measure.py` 生成。"
    )
    return "\n".join(rows) + "\n\n" + side_by_side(results)


def lines(text):
    """样文的头 LINES 行，在 Markdown 表格的一格里。"""
    return "<br>".join(text.split("\n")[:LINES])


def side_by_side(results):
    """v10 和 v11 的样文，左右对照（Markdown）：种子 42 那一次写的头几行，一字未改。"""
    pair = VERSIONS[9:11]
    columns = [first(results, name)["samples"] for name in pair]
    rows = ["| " + " | ".join(f"`{name}`" for name in pair) + " |", "| --- | --- |"]
    rows += ["| " + " | ".join(map(lines, row)) + " |" for row in zip(*columns)]
    return "\n".join(rows) + "\n"


def poem(results):
    """README 开头的那一首（Markdown）：v11 种子 42 的第一段样文，到空行为止，一字未改。"""
    text = first(results, VERSIONS[10])["samples"][0].split("\n\n")[0]
    return "".join(f"> {line}<br>\n" for line in text.split("\n")).removesuffix("<br>\n") + "\n"


def form_table(results):
    """docs/form.md 里的表（Markdown）。"""
    rows = ["| 脚本 | 收尾 | 合律 | 写对的开头 |", "| --- | ---: | ---: | ---: |"]
    for name in results["scripts"]:
        scores = summary(results, name)["form"]
        if scores and name in FIRST_ARC:
            rows.append(f"| `{name}` | {form_columns(scores)} |")
    rows.append(f"| 没学过的真词 | {form_columns(results['baselines']['form_of_real_poems'])} |")
    return "\n".join(rows) + "\n"


def percent(value):
    """0 到 1 的数 → 百分数；没有就是一横。"""
    return "—" if value is None else f"{value:.0%}"


def decimal(value):
    """loss → 两位小数；没有就是一横。"""
    return "—" if value is None else f"{value:.2f}"


def modern_table(results):
    """modern/README.md 里的表（Markdown）：两段路用同一把尺。"""
    rows = [
        "| 脚本 | 参数 | 行 loss | 整首 loss | 收尾 | 合律 | 写对的开头 | 平仄 | 押韵 | 抄 | 用时 |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    shown = [name for name in (*EARLIER, *SECOND_ARC) if name in results["scripts"]]
    summaries = {name: summary(results, name) for name in shown}
    for name, numbers in summaries.items():
        scores = numbers["form"]
        parameters = f"{numbers['parameters'] / 1e4:.0f} 万" if numbers["parameters"] else ""
        if scores["attested"] < FEW:
            scores = {**scores, "tone": None, "rhyme": None}
        shares = " | ".join(percent(scores[key]) for key in ("ended", "attested", "prefix", "tone", "rhyme", "copied"))
        rows.append(
            f"| `{name.removeprefix('modern/')}` | {parameters} | {decimal(scores['row_loss'])} | {decimal(scores['poem_loss'])} "
            f"| {shares} | {numbers['wall_s']:.0f} 秒 |"
        )
    for label, key in (("没学过的真词", "form_of_real_poems"), ("真词的句长，字乱填", "form_of_random_characters")):
        scores = results["baselines"].get(key, {})
        rows.append(f"| {label} | | | | {' | '.join(percent(scores.get(k)) for k in ('ended', 'attested', 'prefix', 'tone', 'rhyme', 'copied'))} | |")
    seeds = sorted({one["seeds"] for one in summaries.values()})
    rows.append(
        f"\n模型的几行是 {'–'.join(map(str, seeds))} 个种子的平均。用时是 {results['machine']['cores']} 核 CPU 上独占运行的秒数。"
        f"一横是没有量，或者合律的不到 {FEW:.1%}，算不得数。"
    )
    return "\n".join(rows) + "\n"


def after_table(results):
    """modern/README.md 里 v25 起的表（Markdown）。"""
    rows = [
        "| 脚本 | 合律：练过的 | 没练的 | 平仄 | 押韵 | 韵字重复 | 韵部的熵 | 罕用韵字 | 不同的字 | 抄 | 听藏头 | 听韵部 | 正文 loss | 用时 |",
        "| --- |" + " ---: |" * 13,
    ]
    shares = lambda scores, keys: " | ".join(percent(scores[key]) for key in keys)  # noqa: E731
    for name in (name for name in AFTER if name in results["scripts"]):
        runs = results["scripts"][name]["runs"]
        mean = lambda get: statistics.mean(get(run["form"]) for run in runs)  # noqa: E731
        cells = [
            mean(lambda scores: scores["practised"]["attested"]), mean(lambda scores: scores["held_out"]["attested"]),
            *(mean(lambda scores: scores[key]) for key in ("tone", "rhyme", "repeated", "entropy")),
            mean_or_none(run["form"].get("rare") for run in runs),  # 后来添的，老记录里没有
            *(mean(lambda scores: scores[key]) for key in ("distinct", "copied")),
            mean(lambda scores: scores["examined"]["藏头"]), mean(lambda scores: scores["examined"]["韵部"]),
        ]
        shown = [decimal(cell) if k == 5 else percent(cell) for k, cell in enumerate(cells)]
        rows.append(
            f"| `{name.removeprefix('modern/')}` | {' | '.join(shown)} | {decimal(mean(lambda scores: scores['body_loss']))} "
            f"| {summary(results, name)['wall_s']:.0f} 秒 |"
        )
    real = results["baselines"]["form_of_real_poems"]
    rows.append(
        f"| 没学过的真词 | {percent(real['attested'])} | | {shares(real, ('tone', 'rhyme', 'repeated'))} | {decimal(real['entropy'])} "
        f"| {shares(real, ('rare', 'distinct', 'copied'))} | | | | |"
    )
    seeds = sorted({len(results["scripts"][name]["runs"]) for name in AFTER if name in results["scripts"]})
    rows.append(f"\n{'–'.join(map(str, sorted({seeds[0], seeds[-1]})))} 个种子；用时是 {results['machine']['cores']} 核 CPU 上独占运行的秒数。")
    return "\n".join(rows) + "\n"


def after_samples(results):
    """同一个要求，v25 起各写的头一首（Markdown），一字未改。"""
    shown = [name for name in AFTER if results["scripts"].get(name, {}).get("runs")]
    cells = [first(results, name)["form"]["examples"][0].replace("\n", "<br>") for name in shown]
    names = " | ".join(f"`{name.removeprefix('modern/')}`" for name in shown)
    return f"| {names} |\n|{' --- |' * len(shown)}\n| {' | '.join(cells)} |\n"


def modern_samples(results):
    """同一个开头，v11、v16、v24 各写的（Markdown）：打分时头一个词牌的第一首，一字未改。"""
    shown = [name for name in (VERSIONS[10], V[16], V[24]) if results["scripts"].get(name, {}).get("runs")]
    cells = [first(results, name)["form"]["examples"][0].replace("\n", "<br>") for name in shown]
    names = " | ".join(f"`{name.removeprefix('modern/')}`" for name in shown)
    return f"| {names} |\n|{' --- |' * len(shown)}\n| {' | '.join(cells)} |\n"


def insert(path, mark, content):
    """把 content 写进 path（Path）里 <!-- mark --> 和 <!-- /mark --> 之间；返回写之前那里的内容。标记不是恰好一对就抛 ValueError。"""
    before, *rest = path.read_text(encoding="utf-8").split(f"<!-- {mark} -->\n")
    inside, *after = rest[0].split(f"<!-- /{mark} -->") if len(rest) == 1 else ("",)
    if len(after) != 1:
        raise ValueError(f"{path.name} 里该有一对 {mark} 标记")
    path.write_text(f"{before}<!-- {mark} -->\n{content}<!-- /{mark} -->{after[0]}", encoding="utf-8")
    return inside


def documents(results):
    """文档里由数据生成的几段：[(文件, 标记, 内容), …]。"""
    return [
        (README, "poem", poem(results)), (README, "results", table(results)), (FORM_DOC, "form", form_table(results)),
        (MODERN_README, "results", modern_table(results)), (MODERN_README, "samples", modern_samples(results)),
        (MODERN_README, "after", after_table(results)), (MODERN_README, "after_samples", after_samples(results)),
    ]


def write_docs(results):
    """把各段写进文档，把“预期”写进各脚本的文档字符串。"""
    for path, mark, content in documents(results):
        insert(path, mark, content)
    for name in [*results["scripts"], *SAME]:
        text = (ROOT / name).read_text(encoding="utf-8")
        text, count = EXPECTATION.subn("预期：" + expectation(results, SAME.get(name, name)), text, count=1)
        assert count == 1, f"{name} 的文档字符串里没有“预期”"
        (ROOT / name).write_text(text, encoding="utf-8")


def learned(name, source):
    """让源码 source 训练几十步，返回它学到的：每次评估的 loss、参数个数、样文；不训练的脚本，就是它打印的全部。"""
    briefly = dict(max_iters=60, eval_interval=20, max_new_tokens=20)
    if name in AFTER:  # v27 起练的是自己写的词，短调得写得完
        briefly = dict(max_iters=3, eval_interval=3, eval_iters=4, rhyme_iters=3, max_new_tokens=60)
    short = lambda text: set_hyperparameters(text, **briefly)  # noqa: E731
    result = run(name, FIRST_SEED, CORES, change=short, poems=0, source=source)
    losses = [(point["step"], point["train_loss"], point["val_loss"]) for point in result["curve"]]
    return (losses, result["parameters"], result["samples"]) if losses or result["samples"] else result["stdout"]


def unchanged_since(commit, results, names):
    """names 里改过的脚本，和提交 commit 里量过的那份比；一位不差的，记录换上新的指纹。返回换了的名字。"""
    import export_page  # 它们也用这个模块
    import ship
    import variants

    same, earlier = [], {}
    for name in names:
        old = subprocess.run(["git", "show", f"{commit}:{name}"], cwd=ROOT, capture_output=True, encoding="utf-8", check=True).stdout
        before, after = fingerprint_of(old), fingerprint(name)
        if before == after:
            continue
        if learned(name, old) != learned(name, (ROOT / name).read_text(encoding="utf-8")):
            print(f"{name}：和 {commit} 里的学得不一样，要重量", flush=True)
            continue
        if results["scripts"].get(name, {}).get("fingerprint") == before:
            results["scripts"][name]["fingerprint"] = after
            save(results)
        variants.confirm(name, before, after)
        same.append(name)
        earlier[name] = before
        print(f"{name}：和 {commit} 里的一位不差", flush=True)
    if earlier:
        ship.confirm(results, earlier)
        export_page.confirm(earlier)
        save(results)
    return same


def measure(results, names, seeds):
    """量还缺的：names 里每份脚本 seeds 个种子；每量完一次就存盘。"""
    todo = []
    for name in names:
        entry = results["scripts"].get(name, {})
        if entry.get("fingerprint") != fingerprint(name):
            results["scripts"][name] = {"fingerprint": fingerprint(name), "runs": []}
        runs = results["scripts"][name]["runs"]
        runs[:] = [run for run in runs if complete(name, run)]
        done = {run["seed"] for run in runs}
        todo += [(name, seed) for seed in seeds_from_first(seeds) if seed not in done]
    results["machine"] = machine()
    results["baselines"] = baselines()
    progress = Progress(todo)

    def one(job, threads):
        name, seed = job
        result = run(name, seed, threads, keep=True)
        del result["stdout"], result["notes"]
        with progress.lock:
            results["scripts"][name]["runs"].append(result)
            save(results)
            progress.print(f"{name} 种子 {seed}", result)

    for job in todo:
        if job[1] == FIRST_SEED:
            one(job, CORES)
    others = [job for job in todo if job[1] != FIRST_SEED]
    alone = [[job] for job in others if job[0] not in CHAIN]
    chains = [[job for job in others if job[0] in CHAIN and job[1] == seed] for seed in seeds_from_first(seeds)]  # 一个种子一条链，按次序
    with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
        list(pool.map(lambda jobs: [one(job, 1) for job in jobs], [*alone, *chains]))


def reached(results):
    """v28、v29 各种子的平均：{"v28": {"rhyme", "repeated", "rare", "practised"}, …}，单位都是占几成。"""
    found = {}
    for number in (28, 29):
        forms = [run["form"] for run in results["scripts"][V[number]]["runs"]]
        found[f"v{number}"] = {key: mean_or_none(form.get(key) for form in forms) for key in ("rhyme", "repeated", "rare")}
        found[f"v{number}"]["practised"] = statistics.mean(form["practised"]["attested"] for form in forms)
    return found


def naive_reward():
    """v28 的奖励里直接加上押韵，那一回的分数（dict，见 form.py）。"""
    import answers
    import variants

    return variants.load(answers.OUTPUT)[V[28]]["加上押韵"]["runs"][0]["form"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scripts", nargs="*", choices=[[], *MEASURED], metavar="脚本")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--unchanged-since", metavar="COMMIT")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    results = load()
    if arguments.check:
        stale = stale_records(results)
        print(*stale, sep="\n", end="\n" if stale else "")
        raise SystemExit(1 if stale else 0)
    if arguments.unchanged_since:
        unchanged_since(arguments.unchanged_since, results, arguments.scripts or MEASURED)
        return
    if not arguments.write:
        measure(results, arguments.scripts or SCRIPTS, arguments.seeds)
    write_docs(results)
    import plot  # 画图要 matplotlib，量和 --check 不用

    plot.losses({name: entry["runs"] for name, entry in results["scripts"].items()}, results["baselines"]["bigram"])
    scores = {name: [run["form"] for run in entry["runs"]] for name, entry in results["scripts"].items()}
    chosen = lambda names: {name: scores[name] for name in names if name in scores}  # noqa: E731
    plot.modern(chosen((VERSIONS[10], *SECOND_ARC)), results["baselines"])
    plot.stages(chosen((VERSIONS[10], V[24], *(name for name in AFTER if name != V[26]))), results["baselines"])  # v26 另学一位词人
    plot.frontier(json.loads(TRIED.read_text(encoding="utf-8"))["after"], reached(results), naive_reward())


if __name__ == "__main__":
    main()
