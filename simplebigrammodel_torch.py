"""二元模型的张量版：同一个模型，把“一个字一个字地数”换成“一批字一起数”。

概念：向量化。张量（tensor）是可以整块运算的多维数组；下标也可以是张量，一次查、一次改一大片，不用逐字循环。
改动：列表变张量，模型和公式不变，喂同样的批，数出的次数分毫不差；
      另外换上 v1 起一直用的架子：找 GPU（device）、评估分批、训练时报速度和剩余时间。
运行：python simplebigrammodel_torch.py
预期：2 核 CPU 约 2 秒，验证 loss 约 4.77，和纯 Python 版一样（随机抽的批不同，末位会差一点）。
      也没快多少：一批才 512 字，张量运算的固定开销抵掉了好处，见“试试”。
看什么：原来的每个 for 被哪一行替掉了？generate 里的那个 for 为什么还在？
试试：batch_size 改成 1024，max_iters 改成 156，学的字几乎一样多，每秒学的字快几倍？
自测：python -i 之后，assert (model.transition.sum(1) == model.count).all() 为什么一定成立？
答案在 docs/answers.md。先看过 pytorch_5min.py 再读这份；下一步是 babygpt_v1.py：不再数数，改用会学习的参数。
"""
import math
import signal
import sys
import time
from pathlib import Path

import torch

torch.manual_seed(42)  # 固定随机数：同一台机器跑同一份脚本，每次结果都一样
if hasattr(sys.stdout, "reconfigure"):
    sys.stdout.reconfigure(errors="replace")  # 终端的编码里没有的字，打印成“?”，不报错
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # 接上 | head，它看够了就走，这里也安静地停

# ---------- 超参数：由人定、不由模型学的数，改一个，再跑一遍 ----------
device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
prompts = ["春江", "往事"]  # 训练完，让模型接着这些开头往下写
max_new_tokens = 100  # 每个开头写多少字
batch_size = 16  # B：一步同时学几段文本
block_size = 32  # T：每段多长
backoff = 500  # 掺多少字频，见 probability
max_iters = 10000  # 训练多少步
eval_interval = 2000  # 每隔多少步评估一次
eval_iters = 40  # 每次评估在训练集、验证集上各算几批（每批约 500 字）
train_data_ratio = 0.9  # 前 90% 的字用来训练，其余用来验证

# ---------- 数据 ----------
try:
    text = Path(__file__).with_name("ci.txt").read_text(encoding="utf-8-sig")
except (OSError, UnicodeDecodeError) as error:
    raise SystemExit(f"读不出 ci.txt，请把它放在脚本旁边，并存成 UTF-8 编码。（{error}）")

class Tokenizer:  # 字 ↔ 编号：模型只认得数字
    def __init__(self, text):
        self.chars = sorted(set(text))
        self.stoi = {ch: i for i, ch in enumerate(self.chars)}

    def encode(self, text):
        return [self.stoi[ch] for ch in text]

    def decode(self, ids):
        return "".join(self.chars[i] for i in ids)

tokenizer = Tokenizer(text)
vocab_size = len(tokenizer.chars)  # V：一共有多少种字

# 有错趁早说，别等训练完了才发现
counts = "batch_size block_size n_embed n_head n_layer eval_interval eval_iters max_iters max_new_tokens"
for name in counts.split():
    value, least = globals().get(name, 1), 0 if name.startswith("max_") else 1  # 这一版没有的，不查
    if type(value) is not int or value < least:
        raise SystemExit(f"{name} = {value!r} 不行，请改成不小于 {least} 的整数。")
if type(backoff) not in (int, float) or backoff <= 0:
    raise SystemExit(f"backoff = {backoff!r} 不行，请改成大于 0 的数，不然没见过的搭配概率是 0。")
if type(train_data_ratio) is not float or not 0 < train_data_ratio < 1:
    raise SystemExit(f"train_data_ratio = {train_data_ratio!r} 不行，请改成 0 和 1 之间的小数，比如 0.9。")
if type(prompts) is not list or not prompts or not all(type(prompt) is str and prompt for prompt in prompts):
    raise SystemExit(f'prompts = {prompts!r} 不行，请写成 ["春江", "往事"] 这样的列表，每个开头至少一个字。')
n_train = int(len(text) * train_data_ratio)
if min(n_train, len(text) - n_train) <= block_size:
    raise SystemExit(f"ci.txt 太短：训练集 {n_train} 字，验证集 {len(text) - n_train} 字，"
                     f"都得多于 block_size = {block_size}。请换长些的文本，或改小 block_size。")
unknown = sorted(set("".join(prompts)) - set(tokenizer.chars))
if unknown:
    raise SystemExit(f"prompts 里的“{''.join(unknown)}”不在 ci.txt 里，模型没见过，请换成别的字。")

data = torch.tensor(tokenizer.encode(text), device=device)  # (N,)
train_data, val_data = data[:n_train], data[n_train:]  # (0.9N,), (0.1N,)
prompt_ids = [torch.tensor([tokenizer.encode(prompt)], device=device) for prompt in prompts]  # 每个 (1, T)

# ---------- 模型 ----------
class BigramLanguageModel:
    def __init__(self):
        # 一整张表，没见过的搭配也占着格子（约 140 MB）：拿内存换来一次查一大片
        self.transition = torch.zeros(vocab_size, vocab_size, dtype=torch.int32, device=device)  # (V, V)
        self.count = torch.zeros(vocab_size, dtype=torch.int32, device=device)  # (V,)

    def learn(self, idx, targets):
        i, j = idx.flatten(), targets.flatten()  # (B, T) -> (B*T,)
        one = torch.ones_like(i, dtype=torch.int32)  # (B*T,)
        # accumulate：同一批里同一对字出现几次，就加几次
        self.transition.index_put_((i, j), one, accumulate=True)
        self.count.index_put_((i,), one, accumulate=True)

    # 没见过的搭配不能算概率 0（ln 0 会让 loss 变成无穷大），所以退一步掺进字频：
    # P(j) = (j 的次数 + 1) / (总次数 + V)，P(j|i) = (i 后面是 j 的次数 + backoff·P(j)) / (i 的次数 + backoff)
    def probability(self, i, j):
        frequency = (self.count[j] + 1) / (self.count.sum() + vocab_size)  # 和 j 一样的形状
        # transition[i, j]：i、j 先广播成一样的形状，再成对地取
        return (self.transition[i, j] + backoff * frequency) / (self.count[i] + backoff)

    def forward(self, idx, targets=None):
        if targets is None:  # 生成时只用得着最后一个字
            j = torch.arange(vocab_size, device=device)  # (V,)
            return self.probability(idx[:, -1:], j), None  # (B, 1) 与 (V,) -> (B, V)
        return None, -self.probability(idx, targets).log().mean()  # (B, T) -> ()

    def generate(self, idx, max_new_tokens):
        for _ in range(max_new_tokens):
            probs, _ = self.forward(idx)  # (B, T) -> (B, V)
            idx_next = torch.multinomial(probs, num_samples=1)  # 按概率抽一个字，(B, 1)
            idx = torch.cat([idx, idx_next], dim=1)  # (B, T) -> (B, T+1)
        return idx

def get_batch(data, starts):  # 从 data 的各个 starts 起，各取 block_size 个字；答案 y 就是 x 往后错一个字
    index = starts[:, None] + torch.arange(block_size, device=device)  # (B, 1) + (T,) -> (B, T)
    return data[index], data[index + 1]  # (B, T), (B, T)

def estimate_loss():  # 考题均匀分布在全文，每次都一样：哪一版、哪一步的 loss，都能直接比
    losses = {}
    for split, data in [("train", train_data), ("val", val_data)]:
        n = eval_iters * max(1, 512 // block_size)  # 一共考几段
        starts = torch.arange(n, device=device) * (len(data) - block_size) // n  # (n,)
        batches = [get_batch(data, chunk) for chunk in starts.chunk(eval_iters)]  # 分批，省内存
        losses[split] = sum(model.forward(x, y)[1].item() for x, y in batches) / eval_iters
    return losses

# ---------- 训练 ----------
model = BigramLanguageModel()
print(f"设备 {device}，词表 {vocab_size} 字")
print(f"全凭瞎猜的模型，loss 是 ln {vocab_size} = {math.log(vocab_size):.4f}")

start_time = time.perf_counter()
eval_seconds = 0.0
for step in range(max_iters + 1):
    if step % eval_interval == 0 or step == max_iters:
        if device != "cpu":
            torch.accelerator.synchronize()  # GPU 是异步的：等它真的算完，再看表
        train_seconds = time.perf_counter() - start_time - eval_seconds
        speed = step * batch_size * block_size / train_seconds  # 每秒学多少字，不算评估花的时间
        losses = estimate_loss()
        elapsed = time.perf_counter() - start_time
        eval_seconds = elapsed - train_seconds
        remaining = f"{elapsed / step * (max_iters - step):.0f}" if step else "?"
        print(f"step {step:5d}/{max_iters} | train loss {losses['train']:.4f} | val loss {losses['val']:.4f}"
              f" | {speed:,.0f} tokens/s | 已用 {elapsed:.0f} 秒，还需 {remaining} 秒", flush=True)
    if step == max_iters:
        break
    starts = torch.randint(len(train_data) - block_size, (batch_size,), device=device)  # (B,)
    x, y = get_batch(train_data, starts)  # (B, T), (B, T)
    model.learn(x, y)

# ---------- 采样 ----------
for idx in prompt_ids:
    print("-" * 20)
    print(tokenizer.decode(model.generate(idx, max_new_tokens)[0].tolist()))
