"""v27：LoRA。换一种风格，不必动原来的权重：冻住它，Block 里每个矩阵旁边学一条窄路，学完另存一个小文件。

改动：接着 sft.pth 学《花间集》（晚唐五代的词，底座没读过）。一个 Linear 的权重是 (出, 进)，旁边加
      widen(narrow(x))，中间只有 rank 个数（论文 arXiv:2106.09685）；widen 从 0 起步，一开始什么也没变。
      题头里的作者一律写“花间”，学完用它点这种风格。要学的少，不用 Muon，全交给 AdamW。
运行：python modern/babygpt_v27_lora.py；预期：2 核 CPU 约 35 秒，种子 42 的验证 loss 约 3.34。
看什么：验证 loss 降了多少；lora.pth 和 sft.pth 各多大；写成了《花间》的句长，照宋词的谱就不合律。
试试：把 rank 改成 1、64，各学到多少？
自测：学完，窄路能不能并回原来的矩阵，跑起来和没有它一样快？答案在 docs/answers.md。
"""
import math
import re
import sys
import time
from collections import Counter
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
prompts = ["菩萨蛮 花间\n", "酒泉子 花间\n"]  # 训练完，让模型照这些要求写
max_new_tokens = 180  # 每个开头写多少字
batch_size = 6  # B：一步同时学几段文本
block_size = 208  # T：每段多长，也是模型最多能看多远；比 v25 的长，好装下要求
learning_rate = 2e-3  # 只有几百首，步子小些
max_iters = 240  # 训练多少步
eval_interval = 60  # 每隔多少步评估一次
eval_iters = 40  # 每次评估在训练集、验证集上各算几批（每批约 400 字）
train_data_ratio = 0.9  # 前 90% 的字用来训练，其余用来验证
keep = 0.6  # 韵部、藏头，每样有几成的机会写进要求；改了它，考题也变
rank = 8  # 窄路多宽
assert batch_size > 0, "batch_size 至少是 1"

# ---------- 数据 ----------
try:
    text = (Path(__file__).parents[1] / "ci.txt").read_text(encoding="utf-8-sig")
except (OSError, UnicodeDecodeError) as error:
    raise SystemExit(f"读不出 ci.txt，请把它放在脚本的上一层文件夹里，并存成 UTF-8 编码。（{error}）")
text = re.sub(r"\n\s*\n", "\n\n", text.strip()) + "\n\n"  # 篇与篇之间空一行；多空几行、空行里有空格，也算一行
try:  # 一行一个字，和它的几种读音：声调、词林正韵的第几部，如“江 平2”；rhymes：字 -> 它在哪几部，①–⑲
    readings = Path(__file__).with_name("yun.txt").read_text(encoding="utf-8").splitlines()
except (OSError, UnicodeDecodeError) as error:
    raise SystemExit(f"读不出 yun.txt，它该和脚本在同一个文件夹里。（{error}）")
rhymes = {line[0]: sorted({chr(0x245F + int(n)) for n in re.findall(r"\d+", line)}) for line in readings}

def think(poem):  # 想：每个句号前的字，先写下它在哪一部，再写它
    counts = Counter(part for ch in re.findall("(.)。", poem) for part in rhymes.get(ch, ()))
    for ch in rhymes.keys() & re.findall("(.)。", poem):  # 一字几部的，取全首里最多的那一部
        poem = poem.replace(ch + "。", max(rhymes[ch], key=counts.get) + ch + "。")
    return poem

def say(text):  # 说：想的不说出来
    return re.sub("[①-⑲]", "", text)

try:
    base = torch.load(Path(__file__).with_name("sft.pth"), map_location=device, weights_only=True)
    _, n_embed, n_head, n_kv_head, head_size, n_layer, rope_theta = base["config"].values()
except Exception as error:  # 没有、不完整、不是它
    raise SystemExit(f"读不出 sft.pth，请先运行 python modern/babygpt_v26_sft.py。（{error}）")
text = "\n\n".join(map(think, text.split("\n\n")))
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
if base["chars"] != tokenizer.chars:
    raise SystemExit("存下的权重，学的不是这份 ci.txt 里的字。请用这份 ci.txt，从 v25 起重新运行。")
try:
    text = Path(__file__).with_name("huajian.txt").read_text(encoding="utf-8")  # 《花间集》，用 ci.txt 的字
    text = "\n\n".join(map(think, text.split("\n\n")))
except (OSError, UnicodeDecodeError) as error:
    raise SystemExit(f"读不出 huajian.txt，它该和脚本在同一个文件夹里。（{error}）")
assert set(text) <= set(tokenizer.chars), "huajian.txt 里有底座没学过的字"

def ask(poem):  # 题头上面加一行要求：押哪几部，藏头（各行的头一个字，只要前几行的），各有 keep 的机会
    parts, lines = "".join(dict.fromkeys(re.findall("[①-⑲]", poem))), poem.split("\n")[1:]
    heads = "".join(say(line)[0] for line in lines)[:1 + int(len(lines) * torch.rand(()))]
    return " ".join(want for want in (parts, "藏头" + heads) if torch.rand(()) < keep) + "\n" + poem

text = re.sub("(?<=\n\n).+?(?=\n\n)", lambda poem: ask(poem[0]).strip(), text, flags=re.S)
vocab_size = len(tokenizer.chars)  # V：一共有多少种字
data = torch.tensor(tokenizer.encode(text), device=device)  # (N,)
data = data[:, None].repeat(1, 2)  # 读的字，要学的字，(N, 2)
for given in re.finditer("(?<=\n\n)((?:[①-⑲]|藏头).*\n)?.+\n", text):
    data[given.start():given.end(), 1] = -100  # 要求、题头不学：cross_entropy 跳过 -100
n_train = int(len(text) * train_data_ratio)
train_data, val_data = data[:n_train], data[n_train:]  # (0.9N, 2), (0.1N, 2)
assert min(len(train_data), len(val_data)) > block_size, "文本太短，或 train_data_ratio 不在 0 和 1 之间"
# 各首（空行之后、还够读一段的）从第几个字起，两个 (首数,)
poem_starts = {split: torch.tensor([blank.end() for blank in re.finditer("\n\n", s[:-block_size - 1])],
               device=device) for split, s in [("train", text[:n_train]), ("val", text[n_train:])]}

# ---------- 模型 ----------
# 两个数一对，每往后一个字，各对转过多少弧度：从 1 起，一对比一对慢，(hs/2,)
frequencies = rope_theta ** -(torch.arange(0, head_size, 2, device=device) / head_size)
angles = torch.arange(block_size, device=device)[:, None] * frequencies  # 各位置的角度，(block_size, hs/2)

def rotate(x, start):  # 第 i 个和第 i + hs/2 个数是平面上的一点，按位置（从 start 数起）绕原点转一个角度
    angle = angles[start:start + x.shape[-2]]  # (T, hs/2)
    cos, sin = angle.cos(), angle.sin()  # (T, hs/2)
    a, b = x.chunk(2, dim=-1)  # (B, 头数, T, hs) -> 两个 (B, 头数, T, hs/2)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)  # (B, 头数, T, hs)

class MultiHeadAttention(nn.Module):  # 几个小头并排看，各看各的，再把结果拼起来；只看自己和左边
    def __init__(self):
        super().__init__()
        self.query = nn.Linear(n_embed, n_head * head_size, bias=False)  # 我在找什么；n_head 个头的叠成一个
        self.key = nn.Linear(n_embed, n_kv_head * head_size, bias=False)  # 我是什么
        self.value = nn.Linear(n_embed, n_kv_head * head_size, bias=False)  # 找到了我，能拿走什么
        self.proj = nn.Linear(n_head * head_size, n_embed, bias=False)  # (C, n_head × hs)
        self.q_norm = nn.RMSNorm(head_size, eps=1e-6)  # 每个头的 q 各自归一，打分就大不到哪儿去，(hs,)
        self.k_norm = nn.RMSNorm(head_size, eps=1e-6)

    def forward(self, x, start):  # start：前面已有几个字的 k、v 在缓存里；None 是在训练，不用缓存
        B, T, _ = x.shape
        # 一次算完所有的头，再按头切开：(B, T, C) -> (B, T, n_head, hs) -> (B, n_head, T, hs)
        q = self.q_norm(self.query(x).view(B, T, -1, head_size)).transpose(1, 2)  # (B, n_head, T, hs)
        k = self.k_norm(self.key(x).view(B, T, -1, head_size)).transpose(1, 2)  # (B, n_kv_head, T, hs)
        v = self.value(x).view(B, T, -1, head_size).transpose(1, 2)  # (B, n_kv_head, T, hs)
        q, k = rotate(q, start or 0), rotate(k, start or 0)  # (B, n_head, T, hs), (B, n_kv_head, T, hs)
        if start == 0:  # 从头读：先把整个窗口的地方一次占好，(2, B, n_kv_head, block_size, hs)
            self.cache = k.new_empty(2, *k.shape[:2], block_size, head_size)
        if start is not None:
            self.cache[:, :, :, start:start + T] = torch.stack([k, v])  # (2, B, n_kv_head, T, hs)
            k, v = self.cache[:, :, :, :start + T]  # 前文加新字，S 个：各 (B, n_kv_head, S, hs)
        # 打分、除以 √hs、遮住未来（is_causal）、softmax、加权求和，全在这一个函数里；
        # 有前文时，新来的只有 1 个字，全都看得见，不用遮。(B, n_head, T, hs)
        x = F.scaled_dot_product_attention(q, k, v, is_causal=T > 1, enable_gqa=True)
        return self.proj(x.transpose(1, 2).reshape(B, T, -1))  # 拼起各头：-> (B, T, n_head × hs) -> (B, T, C)

class LoRA(nn.Module):  # 冻住的 Linear，旁边一条窄路
    def __init__(self, linear):
        super().__init__()
        self.linear = linear
        self.narrow = nn.Linear(linear.in_features, rank, bias=False)  # (rank, 进)
        self.widen = nn.Linear(rank, linear.out_features, bias=False)  # (出, rank)
        nn.init.zeros_(self.widen.weight)  # 从 0 起步：一开始什么也没加

    def forward(self, x):
        return self.linear(x) + self.widen(self.narrow(x))  # (B, T, 进) -> (B, T, rank) -> (B, T, 出)

class FeedForward(nn.Module):  # 注意力是字与字交流；这里是每个字拿到信息后，自己想一想
    def __init__(self):
        super().__init__()
        intermediate_size = 8 * n_embed // 3  # 简写 H：三个矩阵，各是原来 4C 的三分之二，参数几乎一样多
        self.gate = nn.Linear(n_embed, intermediate_size, bias=False)  # 门，(H, C)
        self.up = nn.Linear(n_embed, intermediate_size, bias=False)  # 内容，(H, C)
        self.down = nn.Linear(intermediate_size, n_embed, bias=False)  # (C, H)

    def forward(self, x):
        x = F.silu(self.gate(x)) * self.up(x)  # (B, T, C) -> (B, T, H)，门开多大由 x 自己定
        return self.down(x)  # (B, T, H) -> (B, T, C)

class Block(nn.Module):  # 交流一次，思考一次，合成一层
    def __init__(self):
        super().__init__()
        self.attention = MultiHeadAttention()
        self.feed_forward = FeedForward()
        self.ln1 = nn.RMSNorm(n_embed, eps=1e-6)  # 每个位置的 C 个数除以它们的均方根，再各乘一个可以学的数
        self.ln2 = nn.RMSNorm(n_embed, eps=1e-6)

    def forward(self, x, start):
        x = x + self.attention(self.ln1(x), start)  # (B, T, C)
        x = x + self.feed_forward(self.ln2(x))  # (B, T, C)
        return x

class BabyGPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.token_embedding = nn.Embedding(vocab_size, n_embed)  # 每种字一个向量：一张可以学的表，(V, C)
        self.blocks = nn.Sequential(*[Block() for _ in range(n_layer)])
        self.ln_f = nn.RMSNorm(n_embed, eps=1e-6)  # 残差一路加下来，出口再归一次
        self.lm_head = nn.Linear(n_embed, vocab_size, bias=False)  # 由向量猜下一个字，给每种字打分，(V, C)
        self.lm_head.weight = self.token_embedding.weight  # 同一个张量，两处用
        nn.init.normal_(self.lm_head.weight, std=0.05)  # 默认的 1 太大：字给自己打的分上百；0.05 是试出来的

    def forward(self, idx, targets=None, start=None):
        x = self.token_embedding(idx)  # (B, T) -> (B, T, C)
        for block in self.blocks:
            x = block(x, start)  # (B, T, C)
        x = self.ln_f(x)  # (B, T, C)
        if targets is None:  # 生成时只用得着最后一个字
            return self.lm_head(x[:, -1]), None  # (B, C) -> (B, V)
        logits = self.lm_head(x)  # (B, T, C) -> (B, T, V)
        # 和二元模型的 loss 是一回事：打分经 softmax 变成概率，再取 -ln P(答案) 的平均
        return logits, F.cross_entropy(logits.flatten(0, 1), targets.flatten())  # (B*T, V), (B*T,) -> ()

    @torch.no_grad()  # 只写不学，不用记账求梯度
    def generate(self, idx, max_new_tokens):
        first, start = max(0, idx.shape[1] - block_size), 0  # 从第 first 个字看起，头 start 个在缓存里
        ended = torch.zeros(len(idx), 1, dtype=torch.bool, device=idx.device)  # 哪几首写完了，(B, 1)
        for _ in range(max_new_tokens):
            if idx.shape[1] - first > block_size:  # 窗口满了：留下最近一半，从头读，存的 k、v 作废
                first, start = idx.shape[1] - max(1, block_size // 2), 0
            logits, _ = self(idx[:, first + start:], start=start)  # 只读新来的字：(B, ≤T) -> (B, V)
            start = idx.shape[1] - first
            probs = F.softmax(logits, dim=-1)  # 打分变概率：取 e 的次方，再除以总和；(B, V)
            idx_next = torch.multinomial(probs, num_samples=1)  # 按概率抽一个字，(B, 1)
            idx_next = torch.where(ended, idx[:, -1:], idx_next)  # 写完的，后面全补换行，等别的几首
            ended |= (idx[:, -1:] == idx_next) & (idx_next == tokenizer.stoi["\n"])  # 空行：连着两个换行
            idx = torch.cat([idx, idx_next], dim=1)  # (B, T) -> (B, T+1)
            if ended.all():
                break
        return idx

def get_batch(data, starts):  # 从 data 的各个 starts 起，各取 block_size 个字；答案在第二列，往后错一个
    index = starts[:, None] + torch.arange(block_size, device=device)  # (B, 1) + (T,) -> (B, T)
    return data[index, 0], data[index + 1, 1]  # (B, T), (B, T)

@torch.no_grad()  # 只打分，不学习，不用记账求梯度
def estimate_loss():  # 考题在各首里均匀地挑，每次都一样；考的是《花间集》，不能和 v26 的比
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
model.load_state_dict(base["model"])
model.requires_grad_(False)  # 冻住
for part in [part for block in model.blocks for part in (block.attention, block.feed_forward)]:
    for name, linear in [child for child in part.named_children() if isinstance(child[1], nn.Linear)]:
        setattr(part, name, LoRA(linear).to(device))  # 新加的窄路，要学
adapters = {name: p for name, p in model.named_parameters() if p.requires_grad}  # 只学这些
optimizer = torch.optim.AdamW(adapters.values(), lr=learning_rate, fused=True)  # fused：所有参数一次更新完
print(f"设备 {device}，词表 {vocab_size} 字，参数 {sum(p.numel() for p in model.parameters()):,} 个，"
      f"要学的 {sum(p.numel() for p in adapters.values()):,} 个")
x, y = get_batch(train_data, poem_starts["train"][:1])  # (1, T), (1, T)
for name, row in ("读", x[0]), ("学", y[0]):  # 各 (T,)；读到题头末了的／，才学写正文的头一个字
    line = "".join("＿" if i < 0 else tokenizer.chars[i] for i in row[:50])
    print(name, line.replace("\n", "／").replace(" ", "　"))
deck = torch.empty(0, dtype=torch.long, device=device)  # 洗好了、还没抽的：第几首
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
    decay = min(1, (1 - step / max_iters) / 0.65)  # 先不减，后 65% 的步子匀减到 0：比余弦曲线好
    optimizer.param_groups[0]["lr"] = learning_rate * warmup * decay  # 优化器走一步时，从这里读学习率
    # 前一半步子，各首只学前半，首数加倍：一步的字一样多，见过的开头多一倍，也快一点
    T, B = (block_size, batch_size) if step >= max_iters / 2 else ((block_size + 1) // 2, 2 * batch_size)
    while len(deck) < B:  # 像发牌：各首都抽过一遍，洗了再发
        deck = torch.cat([deck, torch.randperm(len(poem_starts["train"]), device=device)])
    starts, deck = poem_starts["train"][deck[:B]], deck[B:]  # 从这 B 首的头一个字起，(B,)
    x, y = get_batch(train_data, starts)  # (B, block_size), (B, block_size)
    x, y = x[:, :T], y[:, :T]  # (B, T), (B, T)
    logits, loss = model(x, y)  # (B, T, V), ()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# ---------- 保存 ----------
config = {**base["config"], "block_size": block_size}
path = Path(__file__).with_name("lora.pth")
try:  # 先写到旁边，写完了再改名：中途被打断，原来的文件也完好
    torch.save({"config": config, "chars": tokenizer.chars, "model": adapters}, f"{path}.tmp")
    Path(f"{path}.tmp").replace(path)
    print(f"权重存在 {path.name} 里")
except (OSError, RuntimeError) as error:
    print(f"没存成 {path.name}，请腾出地方、看看文件夹让不让写，再跑一遍。（{error}）")

# ---------- 采样 ----------
model.eval()
for prompt in prompts:
    idx = torch.tensor([tokenizer.encode(prompt)], device=device)  # (1, T)
    print("-" * 20)
    print(prompt + say(tokenizer.decode(model.generate(idx, max_new_tokens)[0].tolist())[len(prompt):]))
