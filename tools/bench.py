"""快不快：和通常的写法比训练，和机器的矩阵乘法上限比 v11、v24，和 transformers 的 GPT-2、Qwen3 比采样。

用法：
    pip install -r tools/requirements.txt && python tools/bench.py
    python tools/bench.py writer_table    # 只量这一件，docs/bench.md 里别的不动

一件事里要比的几样，都在一次运行里轮流量，别同时跑别的程序；结果写到 docs/bench.md。每个数量 REPEATS 次取中位数。
1. 训练：v10 的模型，batch 32、block 8、n_embed 32、3 层。通常的写法是：不带 fused 的 AdamW，逐段切片再 stack 成批，
   每 200 步评估一次、train 和 val 各随机抽 100 批，生成时算所有位置的 logits。
2. v11 的 CPU 一套：每秒做多少浮点运算，占这台机器大矩阵乘法速度的几成。
3. 采样器：权重随机，从 1 个字写满窗口；有缓存、没缓存、同样大小的 GPT-2。
4. v13 和 v14：同样的模型，SDPA 快多少。
5. v22 的缓存：一次写 1 首、64 首，从 1 个字写满窗口；和没有缓存的 v21、transformers 的 Qwen3（同样的权重，它自己的缓存）比。
6. v21 的 Muon 更新一次要几毫秒，和 torch.optim.Muon 比；再把 CPU 限成只有 AVX2，各量一遍。
7. v23：一个进程用所有的核，和 torchrun 每核一个进程。
8. 写词的脚本，用随仓库发的权重：从敲下命令到出第一个字，从说完要求到出第一个字；写得快不快，和 transformers 的 Qwen3（同样的权重）比。
"""

import argparse
import builtins
import contextlib
import datetime
import io
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import export_hf
import torch
import torch.nn.functional as F
from scripts import ROOT, V, WRITER, edit, load, steps

OUTPUT = ROOT / "docs" / "bench.md"
REPEATS = 3
TRAIN_STEPS = 2000
SMALL = dict(batch_size=32, block_size=8, n_embed=32, n_head=4, n_layer=3, device="cpu")
PRESETS = {
    "v11 的 CPU 一套": dict(n_embed=128, n_head=4, n_layer=4),
    "v11 的 GPU 一套": dict(n_embed=384, n_head=6, n_layer=6),
}
WINDOWS = (64, 128, 256)
# 让 torch 和 oneDNN 只用 AVX2，像没有 AVX512、AMX 的笔记本
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}


def median(measure):
    """measure() 返回一个数或一组数；量 REPEATS 次，逐项取中位数。"""
    rows = [measure() for _ in range(REPEATS)]
    if isinstance(rows[0], tuple):
        return tuple(statistics.median(column) for column in zip(*rows))
    return statistics.median(rows)


def seconds(run):
    """run() 用了多少秒。"""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def ours(folder):
    """原样跑 v10（只改大小和步数）→ (训练时每秒多少字, 从第 0 步到最后一步的秒数)。"""
    namespace = load(edit(V[10], folder, **SMALL, max_iters=TRAIN_STEPS, max_new_tokens=1))
    return namespace["speed"], namespace["elapsed"]


def usual(folder):
    """同一个模型，通常的写法训练同样多步 → (训练时每秒多少字, 秒数)。"""
    namespace = load(edit(V[10], folder, **SMALL, max_iters=0, max_new_tokens=1))
    B, T = SMALL["batch_size"], SMALL["block_size"]
    model = namespace["BabyGPT"]()
    optimizer = torch.optim.AdamW(model.parameters(), lr=namespace["learning_rate"])

    def get_batch(data):
        starts = torch.randint(len(data) - T, (B,)).tolist()
        x = torch.stack([data[s:s + T] for s in starts])  # (B, T)
        y = torch.stack([data[s + 1:s + T + 1] for s in starts])  # (B, T)
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
    """v11 的 CPU 一套生成 200 个字，每秒多少字；every_position：所有位置的 logits 都算出来，只用最后一个。"""
    model, block_size = namespace["model"].eval(), namespace["block_size"]

    @torch.no_grad()
    def run():
        idx = torch.zeros(1, block_size, dtype=torch.long)  # (1, T)
        for _ in range(200):
            window = idx[:, -block_size:]
            logits = model(window, window)[0][:, -1] if every_position else model(window)[0]  # (1, V)
            idx = torch.cat([idx, torch.multinomial(F.softmax(logits, dim=-1), 1)], dim=1)

    return 200 / seconds(run)


def train_table(folder):
    """第 1 件事（Markdown）。"""
    pairs = [(usual(folder), ours(folder)) for _ in range(REPEATS)]  # 轮流量，机器快慢一起变
    (usual_speed, usual_wall), (our_speed, our_wall) = (
        tuple(statistics.median(column) for column in zip(*side)) for side in zip(*pairs)
    )
    preset = load(edit(V[11], folder, device="cpu", max_iters=0, max_new_tokens=1))
    every, last = median(lambda: (generating(preset, True), generating(preset, False)))
    return f"""## 训练：和通常的写法比

batch 32、block 8、n_embed 32、4 头、3 层，{TRAIN_STEPS} 步，{REPEATS} 次的中位数，两种写法轮流跑。

| | 通常的写法 | 这里的写法 | 比 |
| --- | ---: | ---: | ---: |
| 训练，每秒多少字（不算评估） | {usual_speed:,.0f} | {our_speed:,.0f} | {our_speed / usual_speed:.2f} 倍 |
| 走完 {TRAIN_STEPS} 步，连评估，秒 | {usual_wall:.1f} | {our_wall:.1f} | {our_wall / usual_wall:.2f} |
| v11 的 CPU 一套生成，每秒多少字（只算最后一个位置的 logits） | {every:.0f} | {last:.0f} | {last / every:.2f} 倍 |
"""


def operations(namespace):
    """训练一个字要多少次浮点运算：6 × 矩阵参数 + 12 × 层数 × T × C（向前 1 份，向后 2 份；乘加算 2 次）。

    出处：Kaplan 等《Scaling Laws for Neural Language Models》（2020）表 1，注意力那一项按没有跳过上三角算。
    """
    named = namespace["model"].named_parameters(remove_duplicate=False)  # 词表共用一个矩阵时，lm_head 也要算
    matrices = sum(p.numel() for name, p in named if p.ndim == 2 and "embedding" not in name)
    return 6 * matrices + 12 * namespace["n_layer"] * namespace["block_size"] * namespace["n_embed"]


def briefly(number, folder):
    """第 number 版的 CPU 一套训练 100 步，全局变量（dict）；speed 是每秒多少字。"""
    return load(edit(V[number], folder, device="cpu", max_iters=100, eval_interval=100, eval_iters=1, max_new_tokens=1))


def ceiling_table(folder):
    """第 2 件事（Markdown）。"""
    a = torch.randn(2048, 2048)
    limit = 2 * 2048**3 / median(lambda: seconds(lambda: [a @ a for _ in range(5)]) / 5)
    rows = []
    for number in (11, 24):
        flops = operations(briefly(number, folder))
        tokens_per_s = median(lambda: briefly(number, folder)["speed"])
        rows.append(
            f"| v{number} | {tokens_per_s:,.0f} | {flops / 1e6:.1f} | {tokens_per_s * flops / 1e9:.0f} | {tokens_per_s * flops / limit:.0%} |"
        )
    body = "\n".join(rows)
    return f"""## v11、v24 的 CPU 一套，用上了机器的几成

上限是 2048 × 2048 矩阵乘法：{limit / 1e9:.0f} GFLOP/s。

| | 训练，每秒多少字 | 一个字，MFLOP | GFLOP/s | 占上限 |
| --- | ---: | ---: | ---: | ---: |
{body}
"""


def sdpa_table(folder):
    """第 4 件事（Markdown）：轮流量。"""
    pairs = [(briefly(13, folder)["speed"], briefly(14, folder)["speed"]) for _ in range(REPEATS)]
    before, after = (statistics.median(column) for column in zip(*pairs))
    return f"""## v13、v14：SDPA

训练，每秒多少字：v13 {before:,.0f}，v14 {after:,.0f}，快到 {after / before:.2f} 倍。各跑 {REPEATS} 次，轮流跑，取中位数。
"""


@torch.no_grad()
def writing(model, batch, count):
    """model 一次写 batch 首、各 count 个字，每秒多少字。"""
    return batch * count / seconds(lambda: model.generate(torch.zeros(batch, 1, dtype=torch.long), count))


def cache_table(folder):
    """第 5 件事（Markdown）。"""
    small = dict(device="cpu", max_iters=0, max_new_tokens=1, eval_iters=1)
    v21, v22 = (load(edit(V[number], folder, **small)) for number in (21, 22))
    model = v22["model"]
    with torch.no_grad():  # 换行写不出来：每一首都写满
        model.token_embedding.weight[v22["tokenizer"].stoi["\n"]] = 0
        model.token_embedding.weight *= 5
    v21["model"].load_state_dict(model.state_dict())
    theirs = export_hf.qwen3(v22, v22["vocab_size"], model.state_dict())
    count = v22["block_size"] - 1
    rows = []
    for batch in (1, 64):
        start = torch.zeros(batch, 1, dtype=torch.long)

        def library():
            theirs.generate(
                start, max_new_tokens=count, do_sample=True, top_k=0, top_p=1.0, use_cache=True, pad_token_id=0,
                attention_mask=torch.ones_like(start),
            )

        def bare():
            new, cache = start, None
            with torch.no_grad():
                for _ in range(count):
                    out = theirs(new, past_key_values=cache, use_cache=True, logits_to_keep=1)
                    cache = out.past_key_values
                    new = torch.multinomial(F.softmax(out.logits[:, -1], dim=-1), 1)  # (B, 1)

        library(), writing(model, batch, count)  # 热身
        runs = [
            (writing(model, batch, count), writing(v21["model"], batch, count), batch * count / seconds(library), batch * count / seconds(bare))
            for _ in range(REPEATS)
        ]
        on, off, library_speed, bare_speed = (statistics.median(column) for column in zip(*runs))
        cache = 4 * v22["n_layer"] * model.blocks[0].attention.cache.numel()
        rows.append(
            f"| {batch} | {on:,.0f} | {off:,.0f} | {on / off:.1f} 倍 | {cache / 2**20:.1f} MiB | {library_speed:,.0f} | {bare_speed:,.0f} |"
        )
        print(rows[-1], flush=True)
    body = "\n".join(rows)
    return f"""## v22：KV cache，每秒写多少字

从 1 个字写满窗口（{v22['block_size']} 个字），权重随机，三家的权重一样，轮流量。

| 一次几首 | v22 | 没有缓存（v21） | 快 | 缓存 | Qwen3 `generate()` | Qwen3 裸循环 |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: |
{body}
"""


def muon_update(folder):
    """v21 的模型更新一次矩阵，毫秒：(torch.optim.Muon, v21 自己写的正交化)；梯度是随机的。"""
    namespace = load(edit(V[21], folder, device="cpu", max_iters=0, max_new_tokens=1, eval_iters=1))
    matrices = list(namespace["momenta"])
    for p in matrices:
        p.grad = torch.randn_like(p)
    muon = torch.optim.Muon(matrices, adjust_lr_fn="match_rms_adamw")

    def ours():
        for p in matrices:
            namespace["orthogonalize"](p.grad)

    muon.step(), ours()  # 热身
    return median(lambda: tuple(1000 * seconds(lambda: [run() for _ in range(10)]) / 10 for run in (muon.step, ours)))


def muon_table(folder):
    """第 6 件事（Markdown）：指令集要在 import torch 之前限好，所以各开一个进程。"""
    command = [sys.executable, "-c", f"import bench, json, pathlib; print(json.dumps(bench.muon_update(pathlib.Path({str(folder)!r}))))"]
    rows = []
    for label, limits in (("不限", {}), ("只有 AVX2", AVX2)):
        env = {**os.environ, **limits, "PYTHONPATH": str(Path(__file__).parent)}
        out = subprocess.run(command, env=env, capture_output=True, encoding="utf-8", check=True).stdout
        rows.append("| {} | {:.0f} | {:.0f} |".format(label, *json.loads(out.split("\n")[-2])))
    body = "\n".join(rows)
    return f"""## v21：Muon 更新一次，毫秒

Block 里的矩阵都更新一遍。`torch.optim.Muon` 用 bf16（16 位的数）算；v21 用 32 位的。“只有 AVX2”是用环境变量限的。

| CPU 的指令 | `torch.optim.Muon` | v21 |
| --- | ---: | ---: |
{body}
"""


def ddp_table(folder):
    """第 7 件事（Markdown）：轮流跑。"""
    script = edit(V[23], folder, device="cpu", max_iters=200, eval_interval=200, eval_iters=1, max_new_tokens=1)
    cores = str(os.cpu_count())
    commands = ([sys.executable, str(script)], [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", cores, str(script)])

    def speed(command):
        out = subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout
        return int(steps(out)[-1][4])

    one, several = median(lambda: tuple(map(speed, commands)))
    return f"""## v23：DDP

训练，每秒多少字：`python` {one:,}（一个进程，{cores} 个线程），`torchrun --nproc_per_node={cores}` {several:,}（{cores} 个进程，各 1 个线程）。各跑 {REPEATS} 次，轮流跑，取中位数。
"""


REQUEST = "浣溪沙 藏头 春江花月"


def first_characters():
    """从管道里给写词的脚本一个要求：(从启动到正文的第一个字, 从说完要求到它) 各几秒。"""
    started = time.perf_counter()
    command = [sys.executable, str(ROOT / WRITER)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8") as process:
        process.stdout.readline()  # “用的是……”：准备好了
        asked = time.perf_counter()
        process.stdin.write(REQUEST + "\n\n")
        process.stdin.flush()
        process.stdout.read(1)
        now = time.perf_counter()
        process.stdin.close()
        process.stdout.read()
    return now - started, now - asked


def writer_table(folder):
    """第 8 件事（Markdown）。"""
    import ship

    with mock.patch.object(sys, "stdin", io.StringIO("")):
        namespace = load(ROOT / WRITER)
    saved = torch.load(ship.FILE, weights_only=True)
    theirs = export_hf.qwen3(saved["config"], len(saved["chars"]), {key: value.float() for key, value in saved["model"].items()})
    tune, rhyme, opening, question = namespace["understand"](REQUEST)
    start = torch.tensor([namespace["tokenizer"].encode(question)])
    count = 60

    def ours():
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            elapsed = seconds(lambda: namespace["write"](tune, rhyme, opening, question))
        return len(re.sub("　　.*", "", out.getvalue()).strip("\n")) / elapsed  # 每行末了的判语不算

    def library():
        return count / seconds(lambda: theirs.generate(
            start, min_new_tokens=count, max_new_tokens=count, do_sample=True, top_k=0, top_p=1.0, use_cache=True, pad_token_id=0,
            attention_mask=torch.ones_like(start),
        ))

    ours(), library()  # 热身
    our_speed, library_speed = median(lambda: (ours(), library()))
    launch, answer = median(first_characters)
    return f"""## 写词：babygpt_write.py

用随仓库发的 `{ship.FILE.name}`，要求是“{REQUEST}”，从管道里给。从敲下命令到出第一个字 {launch:.1f} 秒（多半在装载 torch、读语料），从说完要求到出第一个字 {1000 * answer:.0f} 毫秒。

写字，每秒 {our_speed:.0f} 个（连每行对格律），同样的权重，`transformers` 的 Qwen3 `generate()` 每秒 {library_speed:.0f} 个。各跑 {REPEATS} 次，轮流跑，取中位数。
"""


def sampler(folder, block_size, **size):
    """随机权重的 model.pth 旁边，读出来的采样器（全局变量的 dict）。"""
    hyper = dict(block_size=block_size, dropout=0.0, **size)
    source = load(edit(V[11], folder, device="cpu", max_iters=0, max_new_tokens=1, eval_iters=1, batch_size=1, **hyper))
    checkpoint = {"config": hyper, "chars": source["tokenizer"].chars, "model": source["model"].state_dict()}
    torch.save(checkpoint, folder / "model.pth")
    with mock.patch.object(builtins, "input", lambda prompt: ""):
        return load(edit("babygpt_sample_with_kvcache.py", folder, device="cpu", temperature=1.0, top_k=None))


def gpt2(vocab_size, block_size, n_embed, n_head, n_layer):
    """同样大小的 GPT-2，权重随机，评估模式。"""
    import transformers

    transformers.logging.set_verbosity_error()
    config = transformers.GPT2Config(
        vocab_size=vocab_size, n_positions=block_size, n_embd=n_embed, n_head=n_head, n_layer=n_layer,
        bos_token_id=None, eos_token_id=None,
    )
    return transformers.GPT2LMHeadModel(config).eval()


@torch.no_grad()
def bare_loop(model, count):
    """GPT-2 自己的缓存，最简单的循环，写 count 个字。"""
    new, cache = torch.zeros(1, 1, dtype=torch.long), None
    for _ in range(count):
        out = model(new, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        new = torch.multinomial(F.softmax(out.logits[:, -1], dim=-1), 1)  # (1, 1)


def stamps(namespace, count, use_kv_cache):
    """采样器写 count 个字，每个字写完的时刻（从 0 起的秒数）。"""
    namespace["use_kv_cache"] = use_kv_cache
    started = time.perf_counter()
    return [time.perf_counter() - started for _ in namespace["model"].generate(torch.zeros(1, 1, dtype=torch.long), count)]


def sample_table(folder):
    """第 3 件事（Markdown）。"""
    rows = []
    for label, size in PRESETS.items():
        for window in WINDOWS:
            count = window - 1  # 从 1 个字写到窗口满
            ours, theirs = sampler(folder, window, **size), gpt2(5970, window, **size)
            start = torch.zeros(1, 1, dtype=torch.long)

            def library():
                theirs.generate(
                    start, max_new_tokens=count, do_sample=True, top_k=0, use_cache=True, pad_token_id=0,
                    attention_mask=torch.ones_like(start),
                )

            library(), stamps(ours, count, True)  # 热身
            on = [stamps(ours, count, True) for _ in range(REPEATS)]
            off = [stamps(ours, count, False) for _ in range(REPEATS)]
            speeds = [count / statistics.median(run[-1] for run in runs) for runs in (on, off)]
            speeds += [count / median(lambda: seconds(library)), count / median(lambda: seconds(lambda: bare_loop(theirs, count)))]
            quarter = count // 4
            first, last = (
                statistics.median(run[end - 1] - run[end - quarter - 1] for run in on) for end in (2 * quarter, count)
            )
            rows.append(
                f"| {label} | {window} | {speeds[0]:.0f} | {speeds[1]:.0f} | {speeds[0] / speeds[1]:.1f} 倍 "
                f"| {last / first:.2f} | {speeds[2]:.0f} | {speeds[3]:.0f} |"
            )
            print(rows[-1], flush=True)
    body = "\n".join(rows)
    return f"""## 采样器：每秒多少字

从 1 个字写满窗口，batch 1，权重随机。“越写越慢？”是最后四分之一每个字的用时，比第二个四分之一（前一个四分之一还在热身），1 就是不变。

| 模型 | 窗口 | 有缓存 | 没缓存 | 快 | 越写越慢？ | GPT-2 `generate()` | GPT-2 裸循环 |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
{body}
"""


PARTS = {part.__name__: part for part in (
    train_table, ceiling_table, sample_table, sdpa_table, muon_table, cache_table, ddp_table, writer_table,
)}


def main():
    import transformers

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], metavar="哪几件")
    chosen = parser.parse_args().parts or list(PARTS)
    old = OUTPUT.read_text(encoding="utf-8").split("\n## ")[1:] if OUTPUT.exists() else []
    tables = {table.split("\n")[0]: f"## {table.removesuffix(chr(10))}\n" for table in old}
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        for part in chosen:
            table = PARTS[part](Path(name))
            tables[table.split("\n")[0].removeprefix("## ")] = table
    OUTPUT.write_text(
        "# 快不快\n\n"
        f"由 `tools/bench.py` 量，一节是一次跑完的：{os.cpu_count()} 核 CPU，{platform.system()} {platform.machine()}，"
        f"Python {platform.python_version()}，torch {torch.__version__}，transformers {transformers.__version__}，"
        f"{datetime.date.today().isoformat()}。\n\n" + "\n".join(tables.values()),
        encoding="utf-8",
    )
    print(OUTPUT.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
