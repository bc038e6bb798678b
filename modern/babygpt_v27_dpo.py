"""v27：DPO。模型自己写的词，两首一比，学着让合律的比不合的更可能；不用另学一个打分的模型。

改动：接着 sft.pth 学。每 25 步写几百首，按合不合律配成一好一坏，记下此刻各首的 ln P 作参照；
      loss 是 -ln sigmoid(β × (好的升了多少 - 坏的升了多少))，升多少都和参照比（DPO，arXiv:2305.18290）；
      sigmoid 把差变成 0 到 1，算作好的胜过坏的的概率。
      论文里只有一批现成的对子，参照一直是起点；这里隔一阵重写一批，免得把一百来对背熟了。
运行：python modern/babygpt_v27_dpo.py（先要有 v25 存下的 sft.pth）
预期：2 核 CPU 约 210 秒，种子 42 的验证 loss 约 3.54
看什么：一开始好坏不分，DPO loss 是 ln 2 = 0.69；真词的 loss（val loss）升了多少，换来了什么。
试试：beta 改成 0.01 或 1，合律和真词的 loss 各怎么变？
自测：升了多少，为什么要和参照比？不比，loss 教的是什么？答案在 docs/answers.md。
"""
import copy
import math
import os
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
prompts = ["〈浣溪沙〉", "〈鹧鸪天〉"]  # 训练完，让模型照这些要求写
max_new_tokens = 180  # 每个开头写多少字
batch_size = 8  # B：一步学几对
block_size = 224  # T：每段多长，也是模型最多能看多远；比 v24 的长，好装下要求
learning_rate = 2e-4  # 写得已经不错，步子要小
beta = 0.1  # β：管一批里离参照多远，越大越不肯走远
max_iters = 150  # 训练多少步
eval_interval = 25  # 每隔多少步评估一次，也重写一批对子
eval_iters = 40  # 每次评估在训练集、验证集上各算几批（每批约 500 字）
train_data_ratio = 0.9  # 前 90% 的字用来训练，其余用来验证；要和 v24 的一样
keep = 0.7  # 词牌、韵部、藏头，每样有几成的机会写进要求
assert batch_size > 0, "batch_size 至少是 1"

# ---------- 数据 ----------
try:
    text = (Path(__file__).parents[1] / "ci.txt").read_text(encoding="utf-8-sig")
except (OSError, UnicodeDecodeError) as error:
    raise SystemExit(f"读不出 ci.txt，请把它放在脚本的上一层文件夹里，并存成 UTF-8 编码。（{error}）")
text = re.sub(r"\n\s*\n", "\n\n", text.strip()) + "\n\n"  # 篇与篇之间空一行；多空几行、空行里有空格，也算一行
assert isinstance(prompts, list) and all(prompts), '请把 prompts 写成 ["春江", "往事"] 这样，每个至少一个字'
try:  # 一行一个字，和它的几种读音：声调、词林正韵的第几部
    readings = Path(__file__).with_name("yun.txt").read_text(encoding="utf-8").splitlines()
except (OSError, UnicodeDecodeError) as error:
    raise SystemExit(f"读不出 yun.txt，它该和脚本在同一个文件夹里。（{error}）")
try:
    base = torch.load(Path(__file__).with_name("sft.pth"), map_location=device, weights_only=True)
    sizes, chars = base["config"], base["chars"]
    n_embed, n_head = sizes["n_embed"], sizes["n_head"]
    n_kv_head, n_layer = sizes["n_kv_head"], sizes["n_layer"]
    head_size, rope_theta = sizes["head_size"], sizes["rope_theta"]
except Exception as error:  # 没有、不完整、不是它
    raise SystemExit(f"读不出 sft.pth，请先运行 python modern/babygpt_v25_sft.py。（{error}）")

class Tokenizer:  # 字 ↔ 编号：模型只认得数字
    def __init__(self, text):
        self.chars = sorted(set(text))
        self.stoi = {ch: i for i, ch in enumerate(self.chars)}

    def encode(self, text):
        return [self.stoi[ch] for ch in text]

    def decode(self, ids):
        return "".join(self.chars[i] for i in ids)

tokenizer = Tokenizer(text)
symbols = "〈〉①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲韵藏头 "  # 要求里用的记号：头、尾，19 个韵部（①是第 1 部），……
tokenizer.chars += [ch for ch in symbols if ch not in tokenizer.stoi]  # 语料里没有的，接在词表的末尾
tokenizer.stoi = {ch: i for i, ch in enumerate(tokenizer.chars)}
if chars != tokenizer.chars[:len(chars)]:
    raise SystemExit("存下的权重，学的不是这份 ci.txt 里的字。请用这份 ci.txt，从 v24 起重新运行。")
vocab_size = len(tokenizer.chars)  # V：一共有多少种字
n_train = int(len(text) * train_data_ratio)
assert min(n_train, len(text) - n_train) > block_size, "文本太短，或 train_data_ratio 不在 0 和 1 之间"
unknown = set("".join(prompts)) - set(tokenizer.chars)
assert not unknown, f"请换掉这些字，模型没见过：{unknown}"

rhymes = {}  # 字 -> 它在哪几部
for line in readings:
    ch, *numbers = line.split(" ")  # 如“江 平2”
    rhymes[ch] = sorted({symbols[1 + int(number[1:])] for number in numbers})

def read(text):  # 一首一首的 (词牌, 题头, 正文)；头尾两首多半不全，不要
    poems = [poem.split("\n", 1) for poem in text.split("\n\n")[1:-1] if "\n" in poem]
    return [(header.split()[0], header, body) for header, body in poems]

def heads(body):  # 各行的头一个字
    return "".join(line[:1] for line in body.split("\n"))

def rhyme(body):  # 押哪一部：句号前的字里最多的那一部；占不到八成的，当作没有，是 ""
    ends = re.findall("(.)。", body)
    [(name, count)] = Counter(name for ch in ends for name in rhymes.get(ch, ())).most_common(1) or [("", 0)]
    return name if count >= 0.8 * len(ends) else ""

def shape(body):  # 句长：各句几个字，在第几行
    lines = enumerate(body.split("\n"))
    return tuple((len(clause), n) for n, line in lines for clause in re.findall("[^，。、]+", line))

def make_pairs(poems):  # 一对接一对，连成 (2, N)：字，和要学的字（不学的记 -100）；各对的起点，(首数,)
    ids, answers, starts = [], [], []
    for tune, header, body in poems:
        n = 1 + int(len(heads(body)) * torch.rand(()))  # 藏头只要前几行的
        wants = [tune, "韵" + rhyme(body), "藏头" + heads(body)[:n]]
        chosen = [want for want, dice in zip(wants, torch.rand(3)) if dice < keep and want != "韵"]
        question = tokenizer.encode("〈" + " ".join(chosen) + "〉")
        answer = tokenizer.encode(f"{header}\n{body}\n\n")
        if len(question) > block_size:
            raise SystemExit(f"有条要求长 {len(question)} 字，一段装不下要学的字，请改大 block_size。")
        starts.append(len(ids))
        ids += question + answer
        answers += [-100] * len(question) + answer
    starts = torch.tensor([start for start in starts if start + block_size < len(ids)], device=device)
    return torch.tensor([ids, answers], device=device), starts

train_poems, val_poems = read(text[:n_train]), read(text[n_train:])
common = [tune for tune, _ in Counter(poem[0] for poem in train_poems).most_common(20)]  # 最常见的词牌
held_out = common[2::3]  # 其中 6 个，v27 起不拿来练，只拿来考
train_data, train_starts = make_pairs(train_poems)  # (2, N), (首数,)
val_data, val_starts = make_pairs(val_poems)  # (2, N), (首数,)
poem_starts = {"train": train_starts, "val": val_starts}
found, whole = text.count("\n\n"), sum("\n" in poem for poem in text.split("\n\n"))  # 几篇，几篇齐全
if whole < 0.9 * found or not all(map(len, poem_starts.values())):
    raise SystemExit(f"ci.txt 里有 {found} 篇，{whole} 篇有题目有正文。要几百篇，之间空一行，第一行是题目。")

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

def get_batch(data, starts):  # 从 data 的各个 starts 起，各取 block_size 个字；答案往后错一个字
    index = starts[:, None] + torch.arange(block_size, device=device)  # (B, 1) + (T,) -> (B, T)
    return data[0, index], data[1, index + 1]  # (B, T), (B, T)

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

shapes = {}  # 词牌 -> 训练集里它有过的句长
for tune, _, body in train_poems:
    shapes.setdefault(tune, set()).add(shape(body))
practised = [tune for tune in common if tune not in held_out]
exam = [poem for poem in val_poems if poem[0] in common and rhyme(poem[2])][:40]  # 没学过的词，用它们的要求

def write(question, count):  # 同一个要求写 count 首：编号 (count, T)，和去掉了要求的文字
    idx = torch.tensor([tokenizer.encode(question)] * count, device=device)  # (count, T)
    # 一段装满就停，写过了头，就看不见要求了；(count, T) -> (count, T+n)
    try:
        idx = model.generate(idx, min(max_new_tokens, block_size - len(question)))
    except RuntimeError as error:  # 概率成了 nan，抽不出字
        raise SystemExit(f"写不下去了，多半是 learning_rate 太大，请改小。（{error}）")
    return idx, [tokenizer.decode(row.tolist())[len(question):] for row in idx]

def judge(tune, answer):  # 合律吗：写完了，是这个词牌，句长它有过
    header, _, body = answer.split("\n\n")[0].partition("\n")
    return "\n\n" in answer and header.split()[:1] == [tune] and shape(body) in shapes[tune]

def answer_only(question, idx, answers):  # 要学的字：要求、篇末空行之后补的，都记 -100；(B, T) -> (B, T-1)
    y = idx[:, 1:].clone()  # (B, T-1)
    y[:, :len(question) - 1] = -100
    for row, answer in zip(y, answers):
        row[len(question) + len(answer.split("\n\n")[0]) + 1:] = -100
    return y

def log_prob(idx, y):  # 各首的 ln P：要学的字加起来，(B, T), (B, T-1) -> (B,)
    logits, _ = model(idx[:, :-1], y)  # (B, T-1, V)
    return -F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="none").view_as(y).sum(1)

@torch.no_grad()
def make_preferences():  # 每个词牌写 32 首，好坏随意配对：[(好坏两首的编号, 要学的字, 参照), …]
    preferences = []
    for tune in practised:
        question = f"〈{tune}〉"
        idx, answers = write(question, 32)  # (32, T)
        y = answer_only(question, idx, answers)  # (32, T-1)
        more = (0, block_size - idx.shape[1])  # 各批长短不一，右边补成一样长，补的不学
        idx, y = F.pad(idx, more), F.pad(y, more, value=-100)  # (32, block_size), (32, block_size-1)
        reference = log_prob(idx, y)  # (32,)
        good = torch.tensor([judge(tune, answer) for answer in answers], device=device)  # (32,)
        for pair in zip(good.nonzero().flatten(), (~good).nonzero().flatten()):
            pair = torch.stack(pair)  # (2,)
            preferences.append((idx[pair], y[pair], reference[pair]))  # (2, T), (2, T-1), (2,)
    return preferences

def examine():  # 只给词牌，各写 10 首，几成合律；样样都要，藏头、韵部各听了几成
    forms = {tune: sum(judge(tune, answer) for answer in write(f"〈{tune}〉", 10)[1]) / 10 for tune in common}
    obeyed = []
    for tune, _, body in exam:
        _, [answer] = write(f"〈{tune} 韵{rhyme(body)} 藏头{heads(body)}〉", 1)
        written = answer.split("\n\n")[0].partition("\n")[2]
        ends = re.findall("(.)。", written)
        obeyed.append([sum(a == b for a, b in zip(heads(body), heads(written))) / len(heads(body)),
                       sum(rhyme(body) in rhymes.get(ch, ()) for ch in ends) / max(1, len(ends))])
    seen, unseen = [[forms[tune] for tune in common if (tune in held_out) == flag] for flag in (False, True)]
    columns = dict(zip(("合律", "那六个", "藏头", "韵部"), (seen, unseen, *zip(*obeyed))))
    return {name: sum(column) / max(1, len(column)) for name, column in columns.items()}

# ---------- 训练 ----------
model = BabyGPT().to(device)
weight = model.lm_head.weight.detach().clone()  # 起点没有的记号，嵌入留着随机的；有的，用起点的，(V, C)
weight[:len(chars)] = base["model"]["lm_head.weight"]
model.load_state_dict({**base["model"], "token_embedding.weight": weight, "lm_head.weight": weight})
# AdamW 比 SGD 多三样：动量（沿用前几步的方向）、每个参数各有步长、权重衰减（每步往 0 拉一点）
optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, fused=True)  # fused：所有参数一次更新完
print(f"设备 {device}，词表 {vocab_size} 字，参数 {sum(p.numel() for p in model.parameters()):,} 个")
print(f"全凭瞎猜的模型，loss 是 ln {vocab_size} = {math.log(vocab_size):.4f}")

best, best_form = None, -1.0
preferences, loss = [], torch.tensor(math.log(2))  # 还没学，好坏不分
start_time = time.perf_counter()
for step in range(max_iters + 1):
    if step % eval_interval == 0 or step == max_iters:
        losses, figures = estimate_loss(), examine()
        assert math.isfinite(losses["train"]), "loss 成了 nan 或 inf，多半是 learning_rate 太大，请改小"
        if figures["合律"] > best_form:  # 留着最好的那份：最后一步的不一定最好
            best, best_form = copy.deepcopy(model.state_dict()), figures["合律"]  # 共用的张量，抄了还是共用
        elapsed = time.perf_counter() - start_time
        left = f"，还需 {elapsed / step * (max_iters - step):.0f} 秒" if step else ""
        print(f"step {step:5d}/{max_iters} | train loss {losses['train']:.4f} | val loss {losses['val']:.4f}"
              f" | DPO loss {loss.item():.2f}，{len(preferences)} 对"
              f" | 已用 {elapsed:.0f} 秒{left} |",
              "，".join(f"{name} {share:.0%}" for name, share in figures.items()), flush=True)
    if step == max_iters:
        break
    if step % eval_interval == 0:  # 重写一批，参照也换成此刻的
        preferences = make_preferences() or preferences
        if not preferences:
            raise SystemExit("写的全都合律，或者没有一首合律，配不成一好一坏。请先把 v24、v25 训练好。")
    warmup = min(1, (step + 1) / 10)  # 头 10 步由慢到快，先别急着迈大步
    decay = 0.5 * (1 + math.cos(math.pi * step / max_iters))  # 再沿余弦曲线慢慢减到 0，好停在谷底
    optimizer.param_groups[0]["lr"] = learning_rate * warmup * decay  # 优化器走一步时，从这里读学习率
    picks = [preferences[k] for k in torch.randint(len(preferences), (batch_size,)).tolist()]
    idx, y, reference = [torch.cat(column) for column in zip(*picks)]  # (2B, T), (2B, T-1), (2B,)
    gain = log_prob(idx, y) - reference  # 比参照升了多少，好、坏相间，(2B,)
    loss = -F.logsigmoid(beta * (gain[::2] - gain[1::2])).mean()  # ()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# ---------- 保存 ----------
model.load_state_dict(best)
config = {**sizes, "block_size": block_size}
path = Path(__file__).with_name("dpo.pth")
try:  # 先写到旁边，写完了再改名：中途被打断，原来的文件也完好
    torch.save({"config": config, "chars": tokenizer.chars, "model": best}, path.with_suffix(".tmp"))
    os.replace(path.with_suffix(".tmp"), path)
    print(f"最好的权重（合律 {best_form:.0%}）存在 {path.name} 里")
except (OSError, RuntimeError) as error:
    print(f"没存成 {path.name}，请腾出地方、看看文件夹让不让写，再跑一遍。（{error}）")

# ---------- 采样 ----------
model.eval()
for prompt in prompts:
    idx = torch.tensor([tokenizer.encode(prompt)], device=device)  # (1, T)
    print("-" * 20)
    print(tokenizer.decode(model.generate(idx, max_new_tokens)[0].tolist()))
