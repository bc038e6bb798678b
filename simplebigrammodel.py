"""二元模型：还是数数，但写成 GPT 的样子：Tokenizer、模型、取批、训练循环、采样，一样不少。

概念：GPT 换掉的只是“模型”那一块，前后的架子从这里到 v11 都是这一套。
改动：比起 simplemodel.py，数据分批学；没见过的搭配也给一点概率（backoff）；
      还会打分：在没学过的 10% 上算 loss，也就是平均每个字的 -ln 概率，越小越好。
运行：python simplebigrammodel.py（纯 Python，不用装任何东西）
预期：2 核 CPU 约 2 秒，验证 loss 约 4.77。记住这个数：往后每个神经网络都要和它比。
试试：把 backoff 改成 1 或 100000，loss 会变差，想想为什么。
逐行注释版见 simplebigrammodel_with_comments.py，张量版见 simplebigrammodel_torch.py。
"""
import math
import random
from pathlib import Path

random.seed(42)

# ---------- 超参数：改一个数，再跑一遍 ----------
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
vocab_size = len(tokenizer.chars)
data = tokenizer.encode(text)
n_train = int(len(data) * train_data_ratio)
train_data, val_data = data[:n_train], data[n_train:]

# 有错趁早说
if min(len(train_data), len(val_data)) <= block_size:
    raise SystemExit(f"ci.txt 太短：训练集 {len(train_data)} 字，验证集 {len(val_data)} 字，"
                     f"都得多于 block_size = {block_size}。请换长些的文本，或改小 block_size。")
unknown = sorted(set("".join(prompts)) - set(tokenizer.chars))
if unknown:
    raise SystemExit(f"prompts 里的“{''.join(unknown)}”不在 ci.txt 里，模型没见过，请换成别的字。")
if not all(prompts):
    raise SystemExit("prompts 里有空的开头，请至少写一个字。")
prompt_ids = [[tokenizer.encode(prompt)] for prompt in prompts]

# ---------- 模型 ----------
class BigramLanguageModel:
    def __init__(self):
        self.total = 0
        self.count = [0] * vocab_size
        self.transition = [{} for _ in range(vocab_size)]

    def learn(self, idx, targets):
        for x, y in zip(idx, targets):
            for i, j in zip(x, y):
                self.total += 1
                self.count[i] += 1
                self.transition[i][j] = self.transition[i].get(j, 0) + 1

    # 没见过的搭配不能算概率 0（ln 0 会让 loss 变成无穷大），所以退一步掺进字频：
    # P(j) = (j 的次数 + 1) / (总次数 + V)，P(j|i) = (i 后面是 j 的次数 + backoff·P(j)) / (i 的次数 + backoff)
    def probability(self, i, j):
        frequency = (self.count[j] + 1) / (self.total + vocab_size)
        return (self.transition[i].get(j, 0) + backoff * frequency) / (self.count[i] + backoff)

    def forward(self, idx, targets=None):
        if targets is None:
            return [[self.probability(x[-1], j) for j in range(vocab_size)] for x in idx], None
        losses = [-math.log(self.probability(i, j)) for x, y in zip(idx, targets) for i, j in zip(x, y)]
        return None, sum(losses) / len(losses)

    def generate(self, idx, max_new_tokens):
        for _ in range(max_new_tokens):
            probs, _ = self.forward(idx)
            idx = [x + random.choices(range(vocab_size), weights=p) for x, p in zip(idx, probs)]
        return idx

def get_batch(data, starts):
    x = [data[start:start + block_size] for start in starts]
    y = [data[start + 1:start + block_size + 1] for start in starts]
    return x, y

def estimate_loss():
    losses = {}
    for split, data in [("train", train_data), ("val", val_data)]:
        n = eval_iters * max(1, 512 // block_size)
        starts = [i * (len(data) - block_size) // n for i in range(n)]
        losses[split] = model.forward(*get_batch(data, starts))[1]
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
    starts = [random.randrange(len(train_data) - block_size) for _ in range(batch_size)]
    x, y = get_batch(train_data, starts)
    model.learn(x, y)

# ---------- 采样 ----------
for idx in prompt_ids:
    print("-" * 20)
    print(tokenizer.decode(model.generate(idx, max_new_tokens)[0]))
