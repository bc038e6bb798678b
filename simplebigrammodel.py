"""二元模型：还是数数，但写成 GPT 的样子：Tokenizer、模型、取批、训练循环、采样，一样不少。

概念：GPT 换掉的是“模型”和“学一步”，取批、评估、采样的架子一直用到 v11。
改动：字换成编号；数据分批学；没见过的搭配也给一点概率，掺进字频（插值，interpolation）；还会打分：
      在没学过的 10% 上算 loss，也就是平均每个字的 -ln P（P 是模型给答案的概率）：
      P 是 1，-ln P 是 0；P 越小，-ln P 越大。所以 loss 越小越好。
运行：python simplebigrammodel.py（纯 Python，不用装任何东西）
预期：2 核 CPU 约 2 秒，种子 42 的验证 loss 约 4.77。记住这个数：往后每个神经网络都要和它比。
试试：把 interpolation 改成 1 或 100000，loss 会变差，想想为什么。
自测：interpolation 改成 10**9，就只剩字频了。loss 会比瞎猜的 8.69 低多少？先猜再跑。
答案在 docs/answers.md。逐行注释版见 simplebigrammodel_with_comments.py；下一步是 pytorch_5min.py。
"""
import math
import random
import sys
from collections import Counter
from pathlib import Path

random.seed(42)
if hasattr(sys.stdout, "reconfigure"):
    sys.stdout.reconfigure(errors="replace")  # 终端的编码里没有的字，打印成“?”，不报错

# ---------- 超参数：由人定、不由模型学的数，改一个，再跑一遍 ----------
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
n_train = int(len(text) * train_data_ratio)
train_data, val_data = tokenizer.encode(text[:n_train]), tokenizer.encode(text[n_train:])
assert min(len(train_data), len(val_data)) > block_size, "文本太短，或 train_data_ratio 不在 0 和 1 之间"

# ---------- 模型 ----------
class BigramLanguageModel:
    def __init__(self):
        self.total = 0
        self.count = [0] * vocab_size
        self.transition = [Counter() for _ in range(vocab_size)]

    def learn(self, idx, targets):
        for x, y in zip(idx, targets):
            for i, j in zip(x, y):
                self.total += 1
                self.count[i] += 1
                self.transition[i][j] += 1

    # 没见过的搭配不能算概率 0（ln 0 会让 loss 变成无穷大），所以掺进字频，k 是 interpolation：
    # P(j) = (j 的次数 + 1) / (总次数 + V)，P(j|i) = (i 后面是 j 的次数 + k·P(j)) / (i 的次数 + k)
    def prob(self, i, j):
        frequency = (self.count[j] + 1) / (self.total + vocab_size)
        return (self.transition[i][j] + interpolation * frequency) / (self.count[i] + interpolation)

    def loss(self, idx, targets):
        losses = [-math.log(self.prob(i, j)) for x, y in zip(idx, targets) for i, j in zip(x, y)]
        return sum(losses) / len(losses)

    def generate(self, idx, max_new_tokens):
        for _ in range(max_new_tokens):
            idx += random.choices(range(vocab_size), [self.prob(idx[-1], j) for j in range(vocab_size)])
        return idx

def get_batch(data, starts):  # 从 data 的各个 starts 起，各取 block_size 个字；答案就是往后错一个字
    return [data[i:i + block_size] for i in starts], [data[i + 1:i + block_size + 1] for i in starts]

def estimate_loss():  # 考题均匀分布在全文，每次都一样：哪一版、哪一步的 loss，都能直接比
    losses = {}
    for split, data in [("train", train_data), ("val", val_data)]:
        n = eval_iters * max(1, 512 // block_size)  # 一共考几段
        starts = [i * (len(data) - block_size) // n for i in range(n)]
        losses[split] = model.loss(*get_batch(data, starts))
    return losses

# ---------- 训练 ----------
model = BigramLanguageModel()
print(f"全凭瞎猜的模型，loss 是 ln {vocab_size} = {math.log(vocab_size):.4f}")
for step in range(max_iters + 1):
    if step % eval_interval == 0 or step == max_iters:
        losses = estimate_loss()
        print(f"step {step:5d}/{max_iters} | train loss {losses['train']:.4f} | val loss {losses['val']:.4f}")
    if step == max_iters:
        break
    starts = [random.randrange(len(train_data) - block_size) for _ in range(batch_size)]
    model.learn(*get_batch(train_data, starts))

# ---------- 采样 ----------
for prompt in prompts:
    print("-" * 20)
    print(tokenizer.decode(model.generate(tokenizer.encode(prompt), max_new_tokens)))
