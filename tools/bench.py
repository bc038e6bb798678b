"""快不快：和通常的写法比训练，和机器的矩阵乘法上限比 v11、v24，和 transformers 的 GPT-2、Qwen3 比采样。

用法：
    pip install -r tools/requirements.txt && python tools/bench.py
                                   # 还没量的、脚本改过的；中断了再跑，接着来
    python tools/bench.py writer   # 只量这一件

一件事里要比的几样，都在一次运行里轮流量，别同时跑别的程序；每个数量 REPEATS 次取中位数。每量完一件，就存进
docs/bench.json；写成文档：python tools/render.py

train    v10 的模型，batch 32、block 8、n_embed 32、3 层。通常的写法是：不带 fused 的 AdamW，逐段切片再 stack 成批，
         每 200 步评估一次、train 和 val 各随机抽 100 批，生成时算所有位置的 logits。
ceiling  v11、v24：每秒做多少浮点运算，占这台机器大矩阵乘法速度的几成。
sampler  采样器：权重随机，从 1 个字写满窗口；有缓存、没缓存、同样大小的 GPT-2。
sdpa     v13 和 v14：同样的模型，SDPA 快多少；一层注意力向前、向后各算一遍，快在哪一步。
cache    v19 的缓存：一次写 1 首、64 首，从 1 个字写满窗口；和没有缓存的 v18、transformers 的 Qwen3（同样的权重，
         它自己的缓存）比。
gqa      v20：k、v 各 8 份、4 份、1 份，一次写 64 首，缓存多大，写得多快。
muon     v22 的 Muon 更新一次要几毫秒，和 torch.optim.Muon 比；再把 CPU 限成只有 AVX2，各量一遍。
ddp      v23：一个进程用所有的核，和 torchrun 每核一个进程。
writer   写词的脚本，用随仓库发的权重：从敲下命令到出第一个字，从说完要求到出第一个字；写得快不快，
         和 Qwen3（同样的权重）比。
"""

import argparse
import builtins
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from unittest import mock

import torch
import torch.nn.functional as F

import export_hf
import records
import runner
from course import ROOT, SAMPLER, WRITER, V

REPEATS = 3
TRAIN_STEPS = 2000
SIZE = {"batch_size": 32, "block_size": 8, "n_embed": 32, "n_head": 4, "n_layer": 3}
PRESETS = {
    "v11 的大小": {"n_embed": 128, "n_head": 4, "n_layer": 4},
    "大一些的（C 384）": {"n_embed": 384, "n_head": 6, "n_layer": 6},
}
WINDOWS = (64, 128, 256)
MATRIX = 2048
# 让 torch 和 oneDNN 只用 AVX2，像没有 AVX512、AMX 的笔记本
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
REQUEST = "浣溪沙 藏头 春江花月"


def median(measure):
    """measure() 返回一个数或一组数；量 REPEATS 次，逐项取中位数。"""
    rows = [measure() for _ in range(REPEATS)]
    if isinstance(rows[0], tuple):
        return tuple(statistics.median(column) for column in zip(*rows, strict=True))
    return statistics.median(rows)


def seconds(run, *arguments):
    """run(*arguments) 用了多少秒。"""
    started = time.perf_counter()
    run(*arguments)
    return time.perf_counter() - started


def load(name, folder, **hyper):
    """把脚本 name 在 folder（Path）里用 CPU 跑一遍，超参数改成 hyper；返回它的全局变量（dict）。"""
    return runner.load(runner.edit(name, folder, **{"device": "cpu", "max_new_tokens": 1, **hyper}))


def trained(name, folder, **hyper):
    """训练脚本 name：(它的全局变量, 从第 0 步到写完的秒数)。"""
    namespace = load(name, folder, **hyper)
    return namespace, time.perf_counter() - namespace["start_time"]


def briefly(name, folder, **hyper):
    """训练脚本 name，几乎不评估：(它的全局变量, 每秒学多少字)。"""
    steps = hyper.setdefault("max_iters", 100)
    namespace, spent = trained(name, folder, **hyper, eval_interval=steps, eval_iters=1)
    return namespace, steps * namespace["batch_size"] * namespace["block_size"] / spent


def ours(folder):
    """原样跑 v10（只改大小和步数）→ (训练时每秒多少字, 从第 0 步到最后一步的秒数)。"""
    size = {**SIZE, "max_iters": TRAIN_STEPS}
    return briefly(V[10], folder, **size)[1], trained(V[10], folder, **size)[1]


def usual(folder):
    """同一个模型，通常的写法训练同样多步 → (训练时每秒多少字, 秒数)。"""
    namespace = load(V[10], folder, **SIZE, max_iters=0)
    B, T = SIZE["batch_size"], SIZE["block_size"]
    model = namespace["BabyGPT"]()
    optimizer = torch.optim.AdamW(model.parameters(), lr=namespace["learning_rate"])

    def get_batch(data):
        starts = torch.randint(len(data) - T, (B,)).tolist()
        x = torch.stack([data[s : s + T] for s in starts])  # (B, T)
        y = torch.stack([data[s + 1 : s + T + 1] for s in starts])  # (B, T)
        return x, y

    @torch.no_grad()
    def evaluate():
        model.eval()
        for data in (namespace["train_data"], namespace["val_data"]):
            torch.tensor([model(*get_batch(data))[1].item() for _ in range(100)]).mean()
        model.train()

    started, evaluating = time.perf_counter(), 0.0
    for step in range(TRAIN_STEPS + 1):
        if step % 200 == 0 or step == TRAIN_STEPS:
            evaluating += seconds(evaluate)
        if step == TRAIN_STEPS:
            break
        loss = model(*get_batch(namespace["train_data"]))[1]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    total = time.perf_counter() - started
    return TRAIN_STEPS * B * T / (total - evaluating), total


def generating(namespace, every_position):
    """v11 生成 200 个字，每秒多少字；every_position：所有位置的 logits 都算出来，只用最后一个。"""
    model, block_size = namespace["model"].eval(), namespace["block_size"]

    @torch.no_grad()
    def run():
        idx = torch.zeros(1, block_size, dtype=torch.long)  # (1, T)
        for _ in range(200):
            window = idx[:, -block_size:]
            logits = model(window, window)[0][:, -1] if every_position else model(window)[0]  # (1, V)
            idx = torch.cat([idx, torch.multinomial(F.softmax(logits, dim=-1), 1)], dim=1)

    return 200 / seconds(run)


def train(folder):
    """train：通常的写法、这里的写法，{"tokens_per_s", "seconds"}；generate 是 v11 生成，每秒多少字。"""
    pairs = [(usual(folder), ours(folder)) for _ in range(REPEATS)]  # 轮流量，机器快慢一起变
    sides = ([statistics.median(column) for column in zip(*side, strict=True)] for side in zip(*pairs, strict=True))
    theirs, mine = (dict(zip(("tokens_per_s", "seconds"), side, strict=True)) for side in sides)
    preset = load(V[11], folder, max_iters=0)
    every, last = median(lambda: (generating(preset, True), generating(preset, False)))
    generate = {"every": every, "last": last}
    return {"size": SIZE, "steps": TRAIN_STEPS, "usual": theirs, "ours": mine, "generate": generate}


def operations(namespace):
    """训练一个字要多少次浮点运算：6 × 矩阵参数 + 12 × 层数 × T × C（向前 1 份，向后 2 份；乘加算 2 次）。

    出处：Kaplan 等《Scaling Laws for Neural Language Models》（2020）表 1，注意力那一项按没有跳过上三角算。
    """
    named = namespace["model"].named_parameters(remove_duplicate=False)  # 词表共用一个矩阵时，lm_head 也要算
    matrices = sum(p.numel() for name, p in named if p.ndim == 2 and "embedding" not in name)
    return 6 * matrices + 12 * namespace["n_layer"] * namespace["block_size"] * namespace["n_embed"]


def ceiling(folder):
    """ceiling：limit 是大矩阵乘法每秒多少次浮点运算；各版每秒多少字，一个字多少次浮点运算。"""
    a = torch.randn(MATRIX, MATRIX)
    found = {"matrix": MATRIX, "limit": 2 * MATRIX**3 / median(lambda: seconds(lambda: [a @ a for _ in range(5)]) / 5)}
    for number in (11, 24):
        count = operations(briefly(V[number], folder)[0])
        speed = statistics.median(briefly(V[number], folder)[1] for _ in range(REPEATS))
        found[f"v{number}"] = {"tokens_per_s": speed, "operations": count}
    return found


def merged(attention, head_size):
    """v14 的注意力（一层），只把几个头并成一个矩阵，打分到加权求和还照 v3 的几行算：(B, T, C) → (B, T, C)。"""

    def forward(x):
        T = x.shape[1]
        q, k, v = (
            project(x).unflatten(-1, (-1, head_size)).transpose(1, 2)  # (B, n_head, T, hs)
            for project in (attention.query, attention.key, attention.value)
        )
        weights = q @ k.transpose(-2, -1) / head_size**0.5  # (B, n_head, T, T)
        weights = weights.masked_fill(torch.ones(T, T).triu(1).bool(), float("-inf"))
        return attention.proj((F.softmax(weights, dim=-1) @ v).transpose(1, 2).flatten(2))

    return forward


def sdpa(folder):
    """sdpa：训练，每秒多少字；一层注意力来回（向前、向后）一遍要几毫秒：一个头一个头地算、并成一个、再换成 SDPA。
    都是轮流量。
    """
    before, after = median(lambda: (briefly(V[13], folder)[1], briefly(V[14], folder)[1]))
    old, new = (load(V[number], folder, max_iters=0, eval_iters=1) for number in (13, 14))
    x = torch.randn(new["batch_size"], new["block_size"], new["n_embed"], requires_grad=True)  # (B, T, C)
    kinds = {
        "heads": old["MultiHeadAttention"](),
        "merged": merged(new["MultiHeadAttention"](), new["head_size"]),
        "sdpa": new["MultiHeadAttention"](),
    }

    def there_and_back(forward):
        return 1000 * seconds(lambda: [forward(x).sum().backward() for _ in range(20)]) / 20

    for forward in kinds.values():
        there_and_back(forward)  # 热身
    spent = median(lambda: tuple(map(there_and_back, kinds.values())))
    return {"v13": before, "v14": after, "attention_ms": dict(zip(kinds, spent, strict=True))}


@torch.no_grad()
def writing(model, batch, count):
    """model 一次写 batch 首、各 count 个字，每秒多少字。"""
    return batch * count / seconds(model.generate, torch.zeros(batch, 1, dtype=torch.long), count)


def endless(namespace):
    """没训练的模型，换行写不出来：每一首都写满。"""
    model, newline = namespace["model"], namespace["tokenizer"].stoi["\n"]
    with torch.no_grad():
        model.ln_f.weight *= 5
        model.lm_head.weight[newline] = 0
    return model


def mib(model):
    """写过字的 model，各层的缓存一共多少 MiB。"""
    return sum(4 * block.attention.cache.numel() for block in model.blocks) / 2**20


def cache(folder):
    """cache：一次写几首（batch），各家每秒写多少字；缓存的大小是 MiB。"""
    before, after = (load(V[number], folder, max_iters=0, eval_iters=1) for number in (18, 19))
    model = endless(after)
    before["model"].load_state_dict(model.state_dict())
    theirs = export_hf.qwen3(after, after["vocab_size"], model.state_dict())
    count = after["block_size"] - 1

    def row(batch):
        start = torch.zeros(batch, 1, dtype=torch.long)

        def speeds():
            ours = [writing(one, batch, count) for one in (model, before["model"])]
            return *ours, *(batch * count / seconds(write, theirs, start, count) for write in (library, bare_loop))

        library(theirs, start, count), writing(model, batch, count)  # 热身
        measured = dict(zip(("on", "off", "generate", "bare"), median(speeds), strict=True))
        return {"batch": batch, **measured, "mib": mib(model)}

    return {"window": after["block_size"], "rows": [row(1), row(64)]}


def gqa(folder):
    """gqa：k、v 几份（kv_heads），一次写 batch 首，每秒写多少字；缓存的大小是 MiB。"""
    shares, batch = (8, 4, 1), 64
    spaces = [load(V[20], folder, max_iters=0, eval_iters=1, n_kv_head=share) for share in shares]
    models, count = list(map(endless, spaces)), spaces[0]["block_size"] - 1
    for model in models:
        writing(model, batch, count)  # 热身
    speeds = median(lambda: tuple(writing(model, batch, count) for model in models))
    rows = zip(shares, models, speeds, strict=True)
    return {
        "batch": batch,
        "window": count + 1,
        "rows": [{"kv_heads": share, "mib": mib(model), "speed": speed} for share, model, speed in rows],
    }


def muon_update(folder):
    """v22 的模型更新一次矩阵，毫秒：(torch.optim.Muon, v22 自己写的正交化)；梯度是随机的。"""
    namespace = load(V[22], folder, max_iters=0, eval_iters=1)
    matrices = list(namespace["momenta"])
    for p in matrices:
        p.grad = torch.randn_like(p)
    theirs = torch.optim.Muon(matrices, adjust_lr_fn="match_rms_adamw")

    def ours():
        for p in matrices:
            namespace["orthogonalize"](p.grad)

    def ten(run):
        for _ in range(10):
            run()

    theirs.step(), ours()  # 热身
    return median(lambda: tuple(1000 * seconds(ten, run) / 10 for run in (theirs.step, ours)))


def muon(folder):
    """muon：更新一次，毫秒。指令集要在 import torch 之前限好，所以各开一个进程。"""
    code = (
        f"import bench, json, pathlib; bench.REPEATS = {REPEATS}; "
        f"print(json.dumps(bench.muon_update(pathlib.Path({str(folder)!r}))))"
    )
    command, rows = [sys.executable, "-c", code], []
    for label, limits in (("不限", {}), ("只有 AVX2", AVX2)):
        env = {**os.environ, **limits, "PYTHONPATH": str(Path(__file__).parent)}
        out = subprocess.run(command, env=env, capture_output=True, encoding="utf-8", check=True).stdout
        theirs, mine = json.loads(out.split("\n")[-2])
        rows.append({"limits": label, "torch": theirs, "ours": mine})
    return {"rows": rows}


def ddp(folder):
    """ddp：训练，每秒多少字，一个进程、每核一个进程；轮流跑。"""
    script = runner.edit(V[23], folder, device="cpu", max_iters=200, eval_interval=200, eval_iters=1, max_new_tokens=1)
    torchrun = ["-m", "torch.distributed.run", "--nproc_per_node", str(records.CORES)]

    def speed(*options):
        command = [sys.executable, *options, str(script)]
        out = subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout
        return int(runner.steps(out)[-1][4])

    one, several = median(lambda: (speed(), speed(*torchrun)))
    return {"one": one, "several": several}


def first_characters():
    """从管道里给写词的脚本一个要求：(从启动到正文的第一个字, 从说完要求到它) 各几秒。"""
    started = time.perf_counter()
    command = [sys.executable, str(ROOT / WRITER)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8") as process:
        process.stdout.readline()  # “用的是……”：准备好了
        asked = time.perf_counter()
        process.stdin.write(REQUEST + "\n\n")
        process.stdin.flush()
        process.stdout.readline()  # 题头
        process.stdout.read(1)
        now = time.perf_counter()
        process.stdin.close()
        process.stdout.read()
    return now - started, now - asked


def writer(folder):
    """writer：到第一个字的秒数；写字，每秒多少个。"""
    with mock.patch.object(sys, "stdin", io.StringIO("")):
        namespace = runner.load(ROOT / WRITER)
    saved = torch.load(ROOT / "modern" / "write.pth", weights_only=True)
    weights = {key: value.float() for key, value in saved["model"].items()}
    theirs = export_hf.qwen3(saved["config"], len(saved["chars"]), weights)
    tune, rhyme, opening, question = namespace["understand"](REQUEST)
    start, count = torch.tensor([[namespace["stoi"][ch] for ch in question]]), 60

    def ours():
        pieces = []
        elapsed = seconds(lambda: pieces.extend(namespace["compose"](tune, rhyme, opening, question)))
        return sum(not piece.startswith("　　") for piece in pieces) / elapsed  # 每行末了的判语不算

    ours(), library(theirs, start, count)  # 热身
    our_speed, their_speed = median(lambda: (ours(), count / seconds(library, theirs, start, count)))
    launch, answer = median(first_characters)
    return {"request": REQUEST, "launch_s": launch, "answer_s": answer, "ours": our_speed, "generate": their_speed}


def random_sampler(folder, block_size, **size):
    """随机权重的 model.pth 旁边，读出来的采样器（全局变量的 dict）。"""
    hyper = dict(block_size=block_size, dropout=0.0, **size)
    source = load(V[11], folder, max_iters=0, eval_iters=1, batch_size=1, **hyper)
    checkpoint = {"config": hyper, "chars": source["tokenizer"].chars, "model": source["model"].state_dict()}
    torch.save(checkpoint, folder / "model.pth")
    with mock.patch.object(builtins, "input", lambda prompt: ""):
        return load(SAMPLER, folder, temperature=1.0, top_k=None)


def gpt2(vocab_size, block_size, n_embed, n_head, n_layer):
    """同样大小的 GPT-2，权重随机，评估模式。"""
    import transformers

    transformers.logging.set_verbosity_error()
    config = transformers.GPT2Config(
        vocab_size=vocab_size,
        n_positions=block_size,
        n_embd=n_embed,
        n_head=n_head,
        n_layer=n_layer,
        bos_token_id=None,
        eos_token_id=None,
    )
    return transformers.GPT2LMHeadModel(config).eval()


def library(model, start, count):
    """transformers 的 model 自己的 generate()，接着 start (B, T) 写满 count 个字。"""
    model.generate(
        start,
        max_new_tokens=count,
        do_sample=True,
        top_k=0,
        top_p=1.0,
        use_cache=True,
        pad_token_id=0,
        attention_mask=torch.ones_like(start),
    )


@torch.no_grad()
def bare_loop(model, start, count):
    """transformers 的 model 和它自己的缓存，最简单的循环，接着 start (B, T) 写 count 个字。"""
    new, past = start, None
    for _ in range(count):
        out = model(new, past_key_values=past, use_cache=True, logits_to_keep=1)
        past = out.past_key_values
        new = torch.multinomial(F.softmax(out.logits[:, -1], dim=-1), 1)  # (B, 1)


def stamps(namespace, count, use_kv_cache):
    """采样器写 count 个字，每个字写完的时刻（从 0 起的秒数）。"""
    namespace["use_kv_cache"] = use_kv_cache
    start, started = torch.zeros(1, 1, dtype=torch.long), time.perf_counter()
    return [time.perf_counter() - started for _ in namespace["model"].generate(start, count)]


def sampler_row(folder, label, window):
    """PRESETS[label] 这么大的模型，从 1 个字写满 window 个字，见 sampler。"""
    count, start = window - 1, torch.zeros(1, 1, dtype=torch.long)
    mine, theirs = random_sampler(folder, window, **PRESETS[label]), gpt2(5970, window, **PRESETS[label])
    library(theirs, start, count), stamps(mine, count, True)  # 热身
    on, off = ([stamps(mine, count, cached) for _ in range(REPEATS)] for cached in (True, False))
    fast, slow = (count / statistics.median(run[-1] for run in runs) for runs in (on, off))
    quarter = count // 4
    second, last = (
        statistics.median(run[end - 1] - run[end - quarter - 1] for run in on) for end in (2 * quarter, count)
    )
    generate = statistics.median(count / seconds(library, theirs, start, count) for _ in range(REPEATS))
    bare = statistics.median(count / seconds(bare_loop, theirs, start, count) for _ in range(REPEATS))
    return {
        "size": label,
        "window": window,
        "on": fast,
        "off": slow,
        "faster": fast / slow,
        "slowdown": last / second,
        "generate": generate,
        "bare": bare,
    }


def sampler(folder):
    """sampler：每种大小、窗口，各家每秒写多少字；slowdown 是最后四分之一每个字的用时，比第二个四分之一。"""
    return {"rows": [sampler_row(folder, label, window) for label in PRESETS for window in WINDOWS]}


@dataclass(frozen=True)
class Part:
    """一件事：measure(folder) 返回量到的（dict）；scripts 是用到的脚本；needs 是还要装的包。"""

    measure: Callable
    scripts: tuple
    needs: tuple = ()


PARTS = {
    "train": Part(train, (V[10], V[11])),
    "ceiling": Part(ceiling, (V[11], V[24])),
    "sampler": Part(sampler, (V[11], SAMPLER), ("transformers",)),
    "sdpa": Part(sdpa, (V[13], V[14])),
    "cache": Part(cache, (V[18], V[19]), ("transformers",)),
    "gqa": Part(gqa, (V[20],)),
    "muon": Part(muon, (V[22],)),
    "ddp": Part(ddp, (V[23],)),
    "writer": Part(writer, (WRITER,), ("transformers",)),
}


def stamp(name):
    """这件事用到的脚本现在的指纹：{脚本: 指纹}。"""
    return {file: runner.stamp(file) for file in PARTS[name].scripts}


def outdated():
    """没量过的、脚本改过的：[哪一件（str）, …]。"""
    record = records.read(records.BENCH)
    return [name for name in PARTS if record.get(name, {}).get("stamp") != stamp(name)]


def stale():
    """没量过的、脚本改过的：[Stale, …]。"""
    spent = {name: entry["seconds"] for name, entry in records.read(records.BENCH).items()}
    return [
        records.Stale(f"docs/bench.json，{name}", "要重量", f"python tools/bench.py {name}", spent.get(name))
        for name in outdated()
    ]


def measure(names):
    """量 names 这几件，每量完一件就存；缺了要用的包，抛 SystemExit，里面是一句话。"""
    records.need(*{package for name in names for package in PARTS[name].needs})
    record, progress = records.read(records.BENCH), runner.Progress(len(names))
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for name in names:
            started = time.perf_counter()
            values = PARTS[name].measure(Path(folder))
            spent = round(time.perf_counter() - started, 1)
            record[name] = {
                "stamp": stamp(name),
                "date": records.today(),
                "machine": records.machine(**{package: metadata.version(package) for package in PARTS[name].needs}),
                "seconds": spent,
                "repeats": REPEATS,
                "values": values,
            }
            records.write(records.BENCH, {name: record[name] for name in PARTS if name in record})
            progress.print(f"{name}：{spent:.0f} 秒")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], metavar="哪几件", help="不写就是没量过的、过时的")
    measure(parser.parse_args().parts or outdated())
    print("量完了。写文档：python tools/render.py")


if __name__ == "__main__":
    main()
