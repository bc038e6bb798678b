"""v15：RMSNorm。归一化不减平均，线性层不加偏置：做减法。

改动：LayerNorm 换成 RMSNorm：只除以均方根 √(平均的 x²)，不减平均，也没有平移。论文发现管用的是缩放，减平均
      可有可无（Zhang、Sennrich《Root Mean Square Layer Normalization》，2019）。线性层都去掉 bias。
      这是两件事，Llama、Qwen3 都做；各差多少，见 docs/ablation.md。eps 防止除以 0。
运行：python modern/babygpt_v15_rms_norm.py；预期：2 核 CPU 约 110 秒，种子 42 的验证 loss 约 4.58。
看什么：loss 和 v14 差不多，要做的少一点；这里没有更快。
试试：把 ln_f 那一行去掉（forward 里也去掉），loss 会差多少？
自测：这一版比 v14 少了多少个参数？答案在 docs/answers.md。
"""
import math
import re
import sys
import time
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(42)  # 固定随机数：同一台机器跑同一份脚本，每次结果都一样
torch.set_float32_matmul_precision("high")  # 较新的 GPU 用 TF32（少几位小数）做矩阵乘法，快得多
if hasattr(sys.stdout, "reconfigure"):
    sys.stdout.reconfigure(errors="replace")  # 终端的编码里没有的字，打印成“?”，不报错

# ---------- 超参数：由人定、不由模型学的数，改一个，再跑一遍 ----------
device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
prompts = ["浣溪沙 苏轼\n", "鹧鸪天 辛弃疾\n"]  # 让模型接着这些开头往下写：词牌 作者，\n 另起一行
max_new_tokens = 100  # 每个开头写多少字
batch_size = 8  # B：一步同时学几段文本
block_size = 128  # T：每段多长，也是模型最多能看多远
n_embed = 128  # C：每个字用多少个数来表示
n_head = 8  # 注意力头的个数
n_layer = 4  # Block 叠几层
learning_rate = 5e-3  # 有预热、有衰减，敢比 v10 大
max_iters = 1600  # 训练多少步
eval_interval = 500  # 每隔多少步评估一次
eval_iters = 40  # 每次评估在训练集、验证集上各算几批（每批约 500 字）
train_data_ratio = 0.9  # 前 90% 的字用来训练，其余用来验证
assert min(batch_size, n_embed) > 0, "batch_size、n_embed 至少是 1"
assert n_embed % n_head == 0, "n_embed 要能被 n_head 整除，好平分给各个头"

# ---------- 数据 ----------
try:
    text = (Path(__file__).parents[1] / "ci.txt").read_text(encoding="utf-8-sig")
except (OSError, UnicodeDecodeError) as error:
    raise SystemExit(f"读不出 ci.txt，请把它放在脚本的上一层文件夹里，并存成 UTF-8 编码。（{error}）")
text = re.sub(r"\n\s*\n", "\n\n", text.strip()) + "\n\n"  # 篇与篇之间空一行；多空几行、空行里有空格，也算一行
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
# 各首（空行之后、还够读一段的）从第几个字起，两个 (首数,)
poem_starts = {split: torch.tensor([blank.end() for blank in re.finditer("\n\n", s[:-block_size - 1])],
               device=device) for split, s in [("train", text[:n_train]), ("val", text[n_train:])]}
found, whole = text.count("\n\n"), sum("\n" in poem for poem in text.split("\n\n"))  # 几篇，几篇齐全
if whole < 0.9 * found or not all(map(len, poem_starts.values())):
    raise SystemExit(f"ci.txt 里有 {found} 篇，{whole} 篇有题目有正文。要几百篇，之间空一行，第一行是题目。")

# ---------- 模型 ----------
head_size = n_embed // n_head  # 简写 hs：每个头的 q、k、v 多宽

class MultiHeadAttention(nn.Module):  # 几个小头并排看，各看各的，再把结果拼起来；只看自己和左边
    def __init__(self):
        super().__init__()
        self.query = nn.Linear(n_embed, n_head * head_size, bias=False)  # 我在找什么；n_head 个头的叠成一个
        self.key = nn.Linear(n_embed, n_head * head_size, bias=False)  # 我是什么
        self.value = nn.Linear(n_embed, n_head * head_size, bias=False)  # 找到了我，能拿走什么
        self.proj = nn.Linear(n_embed, n_embed, bias=False)  # (C, C)

    def forward(self, x):
        B, T, _ = x.shape
        # 一次算完所有的头，再按头切开：(B, T, C) -> (B, T, n_head, hs) -> (B, n_head, T, hs)
        q = self.query(x).view(B, T, -1, head_size).transpose(1, 2)  # (B, n_head, T, hs)
        k = self.key(x).view(B, T, -1, head_size).transpose(1, 2)  # (B, n_head, T, hs)
        v = self.value(x).view(B, T, -1, head_size).transpose(1, 2)  # (B, n_head, T, hs)
        # 打分、除以 √hs、遮住未来（is_causal）、softmax、加权求和，全在这一个函数里：(B, n_head, T, hs)
        x = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.proj(x.transpose(1, 2).reshape(B, T, -1))  # 拼起各头：-> (B, T, n_head × hs) -> (B, T, C)

class FeedForward(nn.Module):  # 注意力是字与字交流；这里是每个字拿到信息后，自己想一想
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(n_embed, 4 * n_embed, bias=False),  # (B, T, C) -> (B, T, 4C)
            nn.ReLU(),  # 负数变成 0
            nn.Linear(4 * n_embed, n_embed, bias=False),  # (B, T, 4C) -> (B, T, C)
        )

    def forward(self, x):
        return self.net(x)  # (B, T, C)

class Block(nn.Module):  # 交流一次，思考一次，合成一层
    def __init__(self):
        super().__init__()
        self.attention = MultiHeadAttention()
        self.feed_forward = FeedForward()
        self.ln1 = nn.RMSNorm(n_embed, eps=1e-6)  # 每个位置的 C 个数除以它们的均方根，再各乘一个可以学的数
        self.ln2 = nn.RMSNorm(n_embed, eps=1e-6)

    def forward(self, x):
        x = x + self.attention(self.ln1(x))  # (B, T, C)
        x = x + self.feed_forward(self.ln2(x))  # (B, T, C)
        return x

class BabyGPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.token_embedding = nn.Embedding(vocab_size, n_embed)  # 每种字一个向量：一张可以学的表，(V, C)
        self.position_embedding = nn.Embedding(block_size, n_embed)  # 每个位置一个向量，(block_size, C)
        self.blocks = nn.Sequential(*[Block() for _ in range(n_layer)])
        self.ln_f = nn.RMSNorm(n_embed, eps=1e-6)  # 残差一路加下来，出口再归一次
        self.lm_head = nn.Linear(n_embed, vocab_size, bias=False)  # 由向量猜下一个字，给每种字打分，(V, C)

    def forward(self, idx, targets=None):
        x = self.token_embedding(idx)  # (B, T) -> (B, T, C)
        x = x + self.position_embedding(torch.arange(idx.shape[1], device=idx.device))  # (B, T, C) + (T, C)
        x = self.blocks(x)  # (B, T, C)
        x = self.ln_f(x)  # (B, T, C)
        if targets is None:  # 生成时只用得着最后一个字
            return self.lm_head(x[:, -1]), None  # (B, C) -> (B, V)
        logits = self.lm_head(x)  # (B, T, C) -> (B, T, V)
        # 和二元模型的 loss 是一回事：打分经 softmax 变成概率，再取 -ln P(答案) 的平均
        return logits, F.cross_entropy(logits.flatten(0, 1), targets.flatten())  # (B*T, V), (B*T,) -> ()

    @torch.no_grad()  # 只写不学，不用记账求梯度
    def generate(self, idx, max_new_tokens):
        for _ in range(max_new_tokens):
            logits, _ = self(idx[:, -block_size:])  # 位置只有 block_size 个，再早的看不到；(B, ≤T) -> (B, V)
            probs = F.softmax(logits, dim=-1)  # 打分变概率：取 e 的次方，再除以总和；(B, V)
            idx_next = torch.multinomial(probs, num_samples=1)  # 按概率抽一个字，(B, 1)
            idx = torch.cat([idx, idx_next], dim=1)  # (B, T) -> (B, T+1)
        return idx

def get_batch(data, starts):  # 从 data 的各个 starts 起，各取 block_size 个字；答案就是往后错一个字
    index = starts[:, None] + torch.arange(block_size, device=device)  # (B, 1) + (T,) -> (B, T)
    return data[index], data[index + 1]  # (B, T), (B, T)

@torch.no_grad()  # 只打分，不学习，不用记账求梯度
def estimate_loss():  # 考题在各首里均匀地挑，每次都一样：T 不变的几版，哪一步的 loss，都能直接比
    losses = {}
    model.eval()  # 这一版没有 Dropout，eval、train 没有差别；留着是规矩，哪天加回来不会忘
    for split, data in [("train", train_data), ("val", val_data)]:
        n = eval_iters * max(1, 512 // block_size)  # 一共考几段
        starts = poem_starts[split][torch.arange(n, device=device) * len(poem_starts[split]) // n]  # (n,)
        batches = [get_batch(data, chunk) for chunk in starts.chunk(eval_iters)]  # 分批，省内存
        losses[split] = sum(model(x, y)[1].item() for x, y in batches) / eval_iters
    model.train()
    return losses

# ---------- 训练 ----------
model = BabyGPT().to(device)
# AdamW 比 SGD 多三样：动量（沿用前几步的方向）、每个参数各有步长、权重衰减（每步往 0 拉一点）
optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, fused=True)  # fused：所有参数一次更新完
print(f"设备 {device}，词表 {vocab_size} 字，参数 {sum(p.numel() for p in model.parameters()):,} 个")
print(f"全凭瞎猜的模型，loss 是 ln {vocab_size} = {math.log(vocab_size):.4f}")
start_time = time.perf_counter()
for step in range(max_iters + 1):
    if step % eval_interval == 0 or step == max_iters:
        losses = estimate_loss()
        assert math.isfinite(losses["train"]), "loss 成了 nan 或 inf，多半是 learning_rate 太大，请改小"
        elapsed = time.perf_counter() - start_time  # 评估的工夫也算在内；一个字就是一个 token
        speed = f" | {step * batch_size * block_size / elapsed:,.0f} tokens/s" if step else ""
        left = f"，还需 {elapsed / step * (max_iters - step):.0f} 秒" if step else ""
        print(f"step {step:5d}/{max_iters} | train loss {losses['train']:.4f} | val loss {losses['val']:.4f}"
              f"{speed} | 已用 {elapsed:.0f} 秒{left}", flush=True)
    if step == max_iters:
        break
    warmup = min(1, (step + 1) / 100)  # 头 100 步由慢到快，先别急着迈大步
    decay = 0.5 * (1 + math.cos(math.pi * step / max_iters))  # 再沿余弦曲线慢慢减到 0，好停在谷底
    optimizer.param_groups[0]["lr"] = learning_rate * warmup * decay  # 优化器走一步时，从这里读学习率
    # 抽 B 首，从各自的头一个字起，(B,)
    starts = poem_starts["train"][torch.randint(len(poem_starts["train"]), (batch_size,), device=device)]
    x, y = get_batch(train_data, starts)  # (B, T), (B, T)
    logits, loss = model(x, y)  # (B, T, V), ()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# ---------- 采样 ----------
model.eval()
for prompt in prompts:
    idx = torch.tensor([tokenizer.encode(prompt)], device=device)  # (1, T)
    print("-" * 20)
    print(tokenizer.decode(model.generate(idx, max_new_tokens)[0].tolist()))
