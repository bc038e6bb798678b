"""v29：过程奖励。不等写完，每到一个韵脚就打分；该学成什么样，直接算得出来，不用写许多首去试。

改动：接着 grpo.pth 学，先学押韵：读真词，句号前的字是韵脚，押得上、这一首里没用过的字，各得 bonus 分。
      又要得分、又不许离起点太远（KL：两个分布差多少），只看眼前这一个字，最好的概率就是起点的概率 × e^得分，
      再归一（推导见 DPO 的论文，arXiv:2305.18290；管离多远的 β 并进了 bonus）。韵脚上学它，别的字学起点的。
      学会了押韵，合律丢了一些：末了照 v28 再练几十步，赢回来。
运行：python modern/babygpt_v29_process_reward.py（先要有 v28 存下的 grpo.pth）
预期：2 核 CPU 约 11 分钟，种子 42 的验证 loss 约 3.78
看什么：韵部听了几成；合律丢了多少，又赢回来多少；真词的 loss（val loss）升了多少（keep 改小了，
        要求写得少，不能和 v28 的比）。
试试：把 bonus 改成 3.0，韵部还听几成？
自测：韵脚上的 loss 为什么单独平均，不和别的字放在一起？答案在 docs/answers.md。
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
prompts = ["〈浣溪沙 韵⑦ 藏头春江花月〉", "〈鹧鸪天〉"]  # 训练完，让模型照这些要求写
max_new_tokens = 180  # 每个开头写多少字
batch_size = 8  # B：学押韵，一步几段真词；练合律，一步几个词牌
group_size = 16  # G：一个词牌写几首
block_size = 224  # T：每段多长，也是模型最多能看多远；比 v24 的长，好装下要求
bonus = 6.0  # 押得上的字，起点的打分各加几：概率乘 e^6 ≈ 400，再归一
rhyme_learning_rate = 4e-3  # 押韵是新本事，步子要大
rhyme_iters = 800  # 学押韵，多少步
learning_rate = 7e-4  # 比 v28 的大些，步数少些
max_iters = 48  # 再练合律，多少步
eval_interval = 24  # 每隔多少步评估一次
eval_iters = 40  # 每次评估在训练集、验证集上各算几批（每批约 500 字）
train_data_ratio = 0.9  # 前 90% 的字用来训练，其余用来验证；要和 v24 的一样
keep = 0.5  # 词牌、韵部、藏头，每样有几成的机会写进要求：韵部少要些，好练跟着前面押
assert batch_size > 0, "batch_size 至少是 1"
assert group_size > 1, "一组里要比得出好坏，group_size 至少是 2"

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
    base = torch.load(Path(__file__).with_name("grpo.pth"), map_location=device, weights_only=True)
    sizes, chars = base["config"], base["chars"]
    n_embed, n_head = sizes["n_embed"], sizes["n_head"]
    n_kv_head, n_layer = sizes["n_kv_head"], sizes["n_layer"]
    head_size, rope_theta = sizes["head_size"], sizes["rope_theta"]
except Exception as error:  # 没有、不完整、不是它
    raise SystemExit(f"读不出 grpo.pth，请先运行 python modern/babygpt_v28_grpo.py。（{error}）")

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

def mark(asked, tune, body):  # 各字该押第几部：不是韵脚的记 -1；没要哪一部，头一个韵脚随它
    name = rhyme(body)
    ends = [match.start() for match in re.finditer(".。", body)][0 if asked else 1:] if name else []
    number = -2 if tune in held_out else symbols.index(name)  # 那六个词牌的韵脚记 -2：不教押，也不教不押
    return [number if i in ends else -1 for i in range(len(body))]

def make_pairs(poems):  # 一对接一对，连成 (3, N)：字，要学的（不学的记 -100），该押哪部；各对的起点，(首数,)
    ids, answers, marks, starts = [], [], [], []
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
        marks += [-1] * (len(question) + len(header) + 1) + mark(wants[1] in chosen, tune, body) + [-1, -1]
    starts = torch.tensor([start for start in starts if start + block_size < len(ids)], device=device)
    return torch.tensor([ids, answers, marks], device=device), starts

train_poems, val_poems = read(text[:n_train]), read(text[n_train:])
common = [tune for tune, _ in Counter(poem[0] for poem in train_poems).most_common(20)]  # 最常见的词牌
held_out = common[2::3]  # 其中 6 个，v27 起不拿来练，只拿来考
train_data, train_starts = make_pairs(train_poems)  # (3, N), (首数,)
val_data, val_starts = make_pairs(val_poems)  # (3, N), (首数,)
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
beginnings = {tune: {s[:n + 1] for s in shapes[tune] for n in range(len(s))} for tune in common}  # 各种开头
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

def reward(tune, answer):  # 得几分：写对的开头占它写的几成（一句就停也行）；合律，再加 1
    header, _, body = answer.split("\n\n")[0].partition("\n")
    lengths, right = shape(body), 0
    while right < len(lengths) and lengths[:right + 1] in beginnings[tune]:
        right += 1  # 从头数起，写对了几句
    return (header.split()[:1] == [tune]) * right / max(1, len(lengths)) + judge(tune, answer)

def answer_only(question, idx, answers):  # 要学的字：要求、篇末空行之后补的，都记 -100；(B, T) -> (B, T-1)
    y = idx[:, 1:].clone()  # (B, T-1)
    y[:, :len(question) - 1] = -100
    for row, answer in zip(y, answers):
        row[len(question) + len(answer.split("\n\n")[0]) + 1:] = -100
    return y

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

members = torch.tensor([[name in rhymes.get(ch, ()) for ch in tokenizer.chars] for name in symbols],
                       device=device)  # 哪一部有哪些字，(记号数, V)

@torch.no_grad()  # 只打分，不学习，不用记账求梯度
def best_probs(x, y, marks):  # 最好的概率：起点的打分，韵脚上押得上的各加 bonus 分，再归一
    scores, _ = reference(x, y)  # 给了 y，才各处都打分，(B, T, V)
    rows, places = (marks >= 0).nonzero(as_tuple=True)  # M 个韵脚各在哪里，(B, T) -> (M,), (M,)
    nth = (x == tokenizer.stoi["〉"]).cumsum(dim=1)  # 各字在这一段的第几首里，“〉”起算，(B, T)
    same = nth[rows] == nth[rows, places][:, None]  # 哪些字和它同一首，(M, T)
    before = torch.arange(block_size, device=device) <= places[:, None]  # 读到它前一个字为止，(M, T)
    used = x[rows].where(same & before, 0)  # 这一首前面的字，题头也算；别的换成 0 号，就是换行，(M, T)
    right = members[marks[rows, places]].scatter(1, used, False)  # 押得上，又没用过，(M, V)
    scores[rows, places] += bonus * right  # (M, V)
    return F.softmax(scores, dim=-1)  # (B, T, V)

# ---------- 训练 ----------
model = BabyGPT().to(device)
weight = model.lm_head.weight.detach().clone()  # 起点没有的记号，嵌入留着随机的；有的，用起点的，(V, C)
weight[:len(chars)] = base["model"]["lm_head.weight"]
model.load_state_dict({**base["model"], "token_embedding.weight": weight, "lm_head.weight": weight})
# AdamW 比 SGD 多三样：动量（沿用前几步的方向）、每个参数各有步长、权重衰减（每步往 0 拉一点）
optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, fused=True)  # fused：所有参数一次更新完
print(f"设备 {device}，词表 {vocab_size} 字，参数 {sum(p.numel() for p in model.parameters()):,} 个")
print(f"全凭瞎猜的模型，loss 是 ln {vocab_size} = {math.log(vocab_size):.4f}")

# 上下对着看：读哪个字，学哪个字，它该押哪部
for name, row in ("读", train_data[0]), ("学", train_data[1, 1:]), ("押", train_data[2, 1:]):
    line = "".join("＿" if i < 0 else (symbols if name == "押" else tokenizer.chars)[i] for i in row[:50])
    print(name, line.replace("\n", "／").replace(" ", "　"))
print(f"学之前 | val loss {estimate_loss()['val']:.4f} |",
      "，".join(f"{name} {share:.0%}" for name, share in examine().items()), flush=True)

# 先学押韵
reference = copy.deepcopy(model)  # 起点，不再更新
rhyme_optimizer = torch.optim.AdamW(model.parameters(), lr=rhyme_learning_rate, fused=True)
start_time = time.perf_counter()
for step in range(rhyme_iters):
    warmup = min(1, (step + 1) / 100)  # 头 100 步由慢到快，再沿余弦慢慢减到 0
    decay = 0.5 * (1 + math.cos(math.pi * step / rhyme_iters))
    rhyme_optimizer.param_groups[0]["lr"] = rhyme_learning_rate * warmup * decay
    # 抽 B 首真词，从各自的要求起，(B,)
    starts = poem_starts["train"][torch.randint(len(poem_starts["train"]), (batch_size,), device=device)]
    x, y = get_batch(train_data, starts)  # 两个 (B, T)
    index = starts[:, None] + 1 + torch.arange(block_size, device=device)  # (B, 1) + (T,) -> (B, T)
    marks = train_data[2, index]  # 该押哪部，(B, T)
    logits, _ = model(x, y)  # (B, T, V)
    goal = best_probs(x, y, marks)  # (B, T, V)
    # 答案不是一个编号，是一整排概率：loss 降不到 0，最低是它的熵；(B*T, V), (B*T, V) -> (B, T)
    losses = F.cross_entropy(logits.flatten(0, 1), goal.flatten(0, 1), reduction="none").view_as(y)
    rhymed, others = marks >= 0, (y >= 0) & (marks == -1)  # 韵脚、别的要学的字，各 (B, T)
    # 韵脚少，单独平均，才学得动；一个也没有，就是 0。()
    loss = sum(losses[part].sum() / max(1, part.sum()) for part in (rhymed, others))
    rhyme_optimizer.zero_grad()
    loss.backward()
    rhyme_optimizer.step()
    if step % 100 == 99:
        elapsed = time.perf_counter() - start_time
        remaining = elapsed / (step + 1) * (rhyme_iters - step - 1)
        print(f"押韵 {step + 1}/{rhyme_iters} | loss {loss.item():.4f}"
              f" | 已用 {elapsed:.0f} 秒，还需 {remaining:.0f} 秒", flush=True)

# 再练合律，办法和 v28 一样
best, best_form = None, -1.0
score, flat, length = 0.0, 0, 0.0  # 上一步：平均分（满分 2）、有几组分数全一样、平均几个字
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
              f" | 得分 {score:.2f}，白练 {flat} 组，{length:.0f} 字"
              f" | 已用 {elapsed:.0f} 秒{left} |",
              "，".join(f"{name} {share:.0%}" for name, share in figures.items()), flush=True)
    if step == max_iters:
        break
    warmup = min(1, (step + 1) / 10)  # 头 10 步由慢到快，先别急着迈大步
    decay = 0.5 * (1 + math.cos(math.pi * step / max_iters))  # 再沿余弦曲线慢慢减到 0，好停在谷底
    optimizer.param_groups[0]["lr"] = learning_rate * warmup * decay  # 优化器走一步时，从这里读学习率
    optimizer.zero_grad()
    score, flat, length = 0.0, 0, 0.0
    for k in torch.randperm(len(practised))[:batch_size].tolist():
        question = f"〈{practised[k]}〉"
        idx, answers = write(question, group_size)  # (G, T)
        rewards = torch.tensor([reward(practised[k], answer) for answer in answers], device=device)  # (G,)
        advantages = rewards - rewards.mean()  # 比全组的平均好多少，(G,)
        y = answer_only(question, idx, answers)  # (G, T-1)
        logits, _ = model(idx[:, :-1], y)  # (G, T-1, V)
        log_probs = -F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="none")  # (G*(T-1),)
        # 除以一个常数（一首约 100 字），不按各首自己的字数平均：长的、短的，每个字一样重。()
        loss = -(advantages[:, None] * log_probs.view_as(y)).sum() / (batch_size * group_size * 100)
        loss.backward()
        score += rewards.mean().item() / batch_size
        flat += bool((rewards == rewards[0]).all())
        length += (y >= 0).sum().item() / batch_size / group_size
    optimizer.step()

# ---------- 保存 ----------
model.load_state_dict(best)
config = {**sizes, "block_size": block_size}
path = Path(__file__).with_name("process.pth")
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
