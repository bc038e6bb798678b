"""二元模型的张量版：同一个模型，把“一个字一个字地数”换成“一批字一起数”。

概念：向量化。张量（tensor）是可以整块运算的多维数组；下标也可以是张量，一次查、一次改一大片，不用逐字循环。
改动：列表变张量，模型和公式不变，喂同样的批，数出的次数分毫不差；另外换上 v1 起一直用的架子。
运行：python simplebigrammodel_torch.py
预期：2 核 CPU 约 2 秒，种子 42 的验证 loss 约 4.77，和纯 Python 版一样（随机抽的批不同，末位会差一点）。
      也没快多少：一批才 512 字，张量运算的固定开销抵掉了好处，见“试试”。
看什么：原来的每个 for 被哪一行替掉了？generate 里的那个 for 为什么还在？
试试：batch_size 改成 1024，max_iters 改成 156，学的字几乎一样多，用时是原来的几分之几？
自测：python -i 之后，assert (model.transition.sum(1) == model.count).all() 为什么一定成立？
答案在 docs/answers.md。先看过 pytorch_5min.py 再读这份；下一步是 babygpt_v1.py：不再数数，改用会学习的参数。
"""
import math
import sys
import time
from pathlib import Path

import torch

torch.manual_seed(42)  # 固定随机数：同一台机器跑同一份脚本，每次结果都一样
if hasattr(sys.stdout, "reconfigure"):
    sys.stdout.reconfigure(errors="replace")  # 终端的编码里没有的字，打印成“?”，不报错

# ---------- 超参数：由人定、不由模型学的数，改一个，再跑一遍 ----------
device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
prompts = ["春江", "往事"]  # 让模型接着这些开头往下写
max_new_tokens = 100  # 每个开头写多少字
batch_size = 16  # B：一步同时学几段文本
block_size = 32  # T：每段多长
interpolation = 500  # 掺多少字频，见 prob
max_iters = 10000  # 训练多少步
eval_interval = 2000  # 每隔多少步评估一次
eval_iters = 40  # 每次评估在训练集、验证集上各算几批（每批约 500 字）
train_data_ratio = 0.9  # 前 90% 的字用来训练，其余用来验证

# ---------- 数据 ----------
try:
    text = Path(__file__).with_name("ci.txt").read_text(encoding="utf-8-sig")
except (OSError, UnicodeDecodeError) as error:
    raise SystemExit(f"读不出 ci.txt，请把它放在脚本旁边，并存成 UTF-8 编码。（{error}）")
assert isinstance(prompts, list) and all(prompts), '请把 prompts 写成 ["春江", "往事"] 这样，每个至少一个字'
assert set("".join(prompts)) <= set(text), f"请换掉这些字，模型没见过：{set(''.join(prompts)) - set(text)}"

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
data = torch.tensor(tokenizer.encode(text), device=device)  # (N,)
n_train = int(len(text) * train_data_ratio)
train_data, val_data = data[:n_train], data[n_train:]  # (0.9N,), (0.1N,)
assert min(len(train_data), len(val_data)) > block_size, "文本太短，或 train_data_ratio 不在 0 和 1 之间"

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

    # 没见过的搭配不能算概率 0（ln 0 会让 loss 变成无穷大），所以掺进字频，k 是 interpolation：
    # P(j) = (j 的次数 + 1) / (总次数 + V)，P(j|i) = (i 后面是 j 的次数 + k·P(j)) / (i 的次数 + k)
    def prob(self, i, j):
        frequency = (self.count[j] + 1) / (self.count.sum() + vocab_size)  # 和 j 一样的形状
        # transition[i, j]：i、j 先广播成一样的形状，再成对地取
        return (self.transition[i, j] + interpolation * frequency) / (self.count[i] + interpolation)

    def loss(self, idx, targets):
        return -self.prob(idx, targets).log().mean()  # (B, T) -> ()

    def generate(self, idx, max_new_tokens):
        for _ in range(max_new_tokens):
            probs = self.prob(idx[:, -1:], torch.arange(vocab_size, device=device))  # (B, 1), (V,) -> (B, V)
            idx_next = torch.multinomial(probs, num_samples=1)  # 按概率抽一个字，(B, 1)
            idx = torch.cat([idx, idx_next], dim=1)  # (B, T) -> (B, T+1)
        return idx

def get_batch(data, starts):  # 从 data 的各个 starts 起，各取 block_size 个字；答案就是往后错一个字
    index = starts[:, None] + torch.arange(block_size, device=device)  # (B, 1) + (T,) -> (B, T)
    return data[index], data[index + 1]  # (B, T), (B, T)

def estimate_loss():  # 考题均匀分布在全文，每次都一样：哪一版、哪一步的 loss，都能直接比
    losses = {}
    for split, data in [("train", train_data), ("val", val_data)]:
        n = eval_iters * max(1, 512 // block_size)  # 一共考几段
        starts = torch.arange(n, device=device) * (len(data) - block_size) // n  # (n,)
        batches = [get_batch(data, chunk) for chunk in starts.chunk(eval_iters)]  # 分批，省内存
        losses[split] = sum(model.loss(x, y).item() for x, y in batches) / eval_iters
    return losses

# ---------- 训练 ----------
model = BigramLanguageModel()
print(f"设备 {device}，词表 {vocab_size} 字")
print(f"全凭瞎猜的模型，loss 是 ln {vocab_size} = {math.log(vocab_size):.4f}")
start_time = time.perf_counter()
for step in range(max_iters + 1):
    if step % eval_interval == 0 or step == max_iters:
        losses = estimate_loss()
        print(f"step {step:5d}/{max_iters} | train loss {losses['train']:.4f} | val loss {losses['val']:.4f}"
              f" | 已用 {time.perf_counter() - start_time:.0f} 秒", flush=True)
    if step == max_iters:
        break
    starts = torch.randint(len(train_data) - block_size, (batch_size,), device=device)  # (B,)
    x, y = get_batch(train_data, starts)  # (B, T), (B, T)
    model.learn(x, y)

# ---------- 采样 ----------
for prompt in prompts:
    idx = torch.tensor([tokenizer.encode(prompt)], device=device)  # (1, T)
    print("-" * 20)
    print(tokenizer.decode(model.generate(idx, max_new_tokens)[0].tolist()))
