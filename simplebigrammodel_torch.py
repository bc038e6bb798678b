"""二元模型的张量版：同一个模型，把“一个字一个字地数”换成“一批字一起数”。

概念：向量化。下标也可以是张量，一次查、一次改一大片，学习和打分都不用逐字循环。
改动：只有列表变张量；超参数、公式、训练循环和 simplebigrammodel.py 一样，喂同样的批，数出的次数分毫不差。
运行：python simplebigrammodel_torch.py
预期：2 核 CPU 约 2 秒，验证 loss 约 4.77，和纯 Python 版一样（随机抽的批不同，末位会差一点）。
看什么：learn、forward、generate 里的每一行，各自替掉了原来的哪个 for。
下一步是 babygpt_v1.py：不再数数，改用会学习的参数。第一次用 PyTorch 的，先看 pytorch_5min.py。
"""
import math
from pathlib import Path

import torch

torch.manual_seed(42)

# ---------- 超参数：改一个数，再跑一遍 ----------
device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
prompts = ["春江", "往事"]
max_new_tokens = 100
batch_size = 16  # B：一步数几段文本
block_size = 32  # T：每段多长
backoff = 500  # 掺多少字频，见 probability
max_iters = 10000
eval_interval = 2000
eval_iters = 40  # 每次评估考几批（每批约 500 字）
train_data_ratio = 0.9

# ---------- 数据 ----------
try:
    text = Path(__file__).with_name("ci.txt").read_text(encoding="utf-8")
except (OSError, UnicodeDecodeError) as error:
    raise SystemExit(f"读不出 ci.txt，请把它放在脚本旁边，并存成 UTF-8 编码。（{error}）")

class Tokenizer:
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
n_train = int(len(data) * train_data_ratio)
train_data, val_data = data[:n_train], data[n_train:]  # (0.9N,), (0.1N,)

# 有错趁早说
if min(len(train_data), len(val_data)) <= block_size:
    raise SystemExit(f"ci.txt 太短：训练集 {len(train_data)} 字，验证集 {len(val_data)} 字，"
                     f"都得多于 block_size = {block_size}。请换长些的文本，或改小 block_size。")
unknown = sorted(set("".join(prompts)) - set(tokenizer.chars))
if unknown:
    raise SystemExit(f"prompts 里的“{''.join(unknown)}”不在 ci.txt 里，模型没见过，请换成别的字。")
if not all(prompts):
    raise SystemExit("prompts 里有空的开头，请至少写一个字。")
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

    # P(j|i) = (i 后面是 j 的次数 + backoff·P(j)) / (i 的次数 + backoff)，和纯 Python 版一样
    def probability(self, i, j):
        frequency = (self.count[j] + 1) / (self.count.sum() + vocab_size)
        return (self.transition[i, j] + backoff * frequency) / (self.count[i] + backoff)

    def forward(self, idx, targets=None):
        if targets is None:
            j = torch.arange(vocab_size, device=device)  # (V,)
            return self.probability(idx[:, -1:], j), None  # (B, 1) 与 (V,) -> (B, V)
        return None, -self.probability(idx, targets).log().mean()  # (B, T) -> ()

    def generate(self, idx, max_new_tokens):
        for _ in range(max_new_tokens):
            probs, _ = self.forward(idx)  # (B, T) -> (B, V)
            idx_next = torch.multinomial(probs, num_samples=1)  # 按概率抽一个字，(B, 1)
            idx = torch.cat([idx, idx_next], dim=1)  # (B, T) -> (B, T+1)
        return idx

def get_batch(data, starts):
    index = starts[:, None] + torch.arange(block_size, device=device)  # (B, 1) + (T,) -> (B, T)
    return data[index], data[index + 1]  # (B, T), (B, T)

def estimate_loss():
    losses = {}
    for split, data in [("train", train_data), ("val", val_data)]:
        n = eval_iters * max(1, 512 // block_size)
        starts = torch.arange(n, device=device) * (len(data) - block_size) // n  # (n,)
        losses[split] = model.forward(*get_batch(data, starts))[1].item()
    return losses

# ---------- 训练 ----------
model = BigramLanguageModel()
print(f"词表 {vocab_size} 字；全凭瞎猜的模型，loss 是 ln {vocab_size} = {math.log(vocab_size):.4f}")

for step in range(max_iters + 1):
    if step % eval_interval == 0 or step == max_iters:
        losses = estimate_loss()
        print(f"step {step:5d}/{max_iters} | train loss {losses['train']:.4f} | val loss {losses['val']:.4f}")
    if step == max_iters:
        break
    starts = torch.randint(len(train_data) - block_size, (batch_size,), device=device)  # (B,)
    x, y = get_batch(train_data, starts)  # (B, T), (B, T)
    model.learn(x, y)

# ---------- 采样 ----------
for idx in prompt_ids:
    print("-" * 20)
    print(tokenizer.decode(model.generate(idx, max_new_tokens)[0].tolist()))
