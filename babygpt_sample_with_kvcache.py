r"""采样器：读出 babygpt_v12_wandb.py 训练好的 model.pth，用 KV cache 续写，你写开头，它写下文。

概念：KV cache。每生成一个字，v12 都把前文从头再算一遍，可是窗口满之前，前面那些字的 key 和 value 没变过：
      mask 让它们看不见后来的字，后面写什么都影响不到它们。存起来，每步就只需要算新来的那一个字；
      旧字的 query 再也用不着，不必存。
      代价是内存：读过 S 个字，要存 2·n_layer·S·C 个数。训练和读开头用不上它：那时所有的字本来就一次算完。
改动：权重和 v12 通用。和 KV cache 有关的只有 Head 的 cache、forward 的 start（新来的字从第几个位置数起）、
      generate 的 new；其余是采样器的外壳：不算 loss，多了 temperature、top_k，写一个字就交出一个。
运行：先 python babygpt_v12_wandb.py，再 python babygpt_sample_with_kvcache.py；空行、Ctrl-C 退出。
预期：逐字吐出，最后报速度。
看什么：把 use_kv_cache 改成 False 再跑一遍，同样的开头，文字一模一样，只是慢了。
      前文超过 block_size 时，只留最近一半，重新读进空的缓存，所以写长了就和一格一格滑的 v12 不同。
      为什么不能一格一格地滑：位置向量按位置学，字往前挪一格就变了；就算位置是相对的，
      第二层往上的 key、value 也早已掺进了滑出窗口的那些字，要一模一样，只能重算。
试试：temperature 小则稳、大则野；top_k = 10；开头写成“水调歌头 苏轼\n”，\n 表示另起一行。
自测：v11 的大小，缓存装满时存着多少个数？合多少 KB？答案在 docs/answers.md。
"""
import math
import signal
import sys
import time
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(42)
if hasattr(sys.stdout, "reconfigure"):
    sys.stdout.reconfigure(errors="replace")  # 终端的编码里没有的字，打印成“?”，不报错
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # 接上 | head，它看够了就走，这里也安静地停

# ---------- 设置：改一个数，再跑一遍 ----------
device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
max_new_tokens = 200  # 每个开头写多少字
temperature = 1.0  # 小于 1 更稳，大于 1 更野，0 就是每次都选最可能的字
top_k = None  # 只在最可能的 top_k 个字里抽；None 表示不限
use_kv_cache = True

if type(max_new_tokens) is not int or max_new_tokens < 0:
    raise SystemExit(f"max_new_tokens = {max_new_tokens!r} 不行，请改成不小于 0 的整数。")
if type(temperature) not in (int, float) or not 0 <= temperature < math.inf:
    raise SystemExit(f"temperature = {temperature!r} 不行，请改成不小于 0 的数，比如 1.0。")
if top_k is not None and (type(top_k) is not int or top_k < 1):
    raise SystemExit(f"top_k = {top_k!r} 不行，请改成正整数，或者 None。")

# ---------- 读出模型 ----------
model_path = Path(__file__).with_name("model.pth")
if not model_path.exists():
    raise SystemExit("脚本旁边没有 model.pth，请先运行 python babygpt_v12_wandb.py 训练一个。")
try:
    checkpoint = torch.load(model_path, map_location=device, weights_only=True)  # 不执行文件里的代码
    config, chars, weights = checkpoint["config"], checkpoint["chars"], checkpoint["model"]
    block_size, n_embed, n_head = config["block_size"], config["n_embed"], config["n_head"]
    n_layer, dropout = config["n_layer"], config["dropout"]
    vocab_size = len("".join(chars))  # V；chars 里混进了不是字符串的东西，join 会报错
except Exception as error:
    raise SystemExit("model.pth 读不出来：文件不完整，或者不是 babygpt_v12_wandb.py 存的。"
                     f"请重新运行它。（{type(error).__name__}）")

class Tokenizer:  # 字 ↔ 编号：模型只认得数字
    def __init__(self, text):
        self.chars = sorted(set(text))
        self.stoi = {ch: i for i, ch in enumerate(self.chars)}

    def encode(self, text):
        return [self.stoi[ch] for ch in text]

    def decode(self, ids):
        return "".join(self.chars[i] for i in ids)

tokenizer = Tokenizer(chars)

# ---------- 模型 ----------
class Head(nn.Module):  # 一个因果（只看自己和左边）自注意力头：按相关程度，取来看得见的字的信息
    def __init__(self, head_size):  # head_size 简写 hs：这个头的 q、k、v 多宽
        super().__init__()
        self.query = nn.Linear(n_embed, head_size, bias=False)  # 我在找什么
        self.key = nn.Linear(n_embed, head_size, bias=False)  # 我是什么
        self.value = nn.Linear(n_embed, head_size, bias=False)  # 找到了我，能拿走什么
        # (block_size, block_size)，第 t 行的 True 是第 t 个字的未来，不许看。buffer 不训练，但随模型搬到 GPU
        self.register_buffer("mask", torch.ones(block_size, block_size).triu(1).bool())
        self.dropout = nn.Dropout(dropout)
        self.cache = None  # 读过的字的 k 和 v，各 (B, S, hs)

    def forward(self, x):
        T = x.shape[1]  # 新来的字数：用缓存时，多半只有 1 个
        q = self.query(x)  # (B, T, C) -> (B, T, hs)
        k = self.key(x)  # (B, T, C) -> (B, T, hs)
        v = self.value(x)  # (B, T, C) -> (B, T, hs)
        if self.cache is not None:
            k = torch.cat([self.cache[0], k], dim=1)  # (B, S-T, hs), (B, T, hs) -> (B, S, hs)，S 是前文加新字
            v = torch.cat([self.cache[1], v], dim=1)  # (B, S, hs)
        self.cache = k, v
        S = k.shape[1]
        # 第 t 行是第 t 个新字给 S 个字打的分。q、k 的数若互不相干、平均 0、方差 1，乘积之和的标准差是 √hs；
        # 除回去，免得有的分太大，softmax 只盯一个字
        weights = q @ k.transpose(-2, -1) / k.shape[-1] ** 0.5  # (B, T, hs) @ (B, hs, S) -> (B, T, S)
        weights = weights.masked_fill(self.mask[S - T:S, :S], float("-inf"))  # 新字占着最后 T 行，(B, T, S)
        weights = F.softmax(weights, dim=-1)  # 每一行加起来是 1
        weights = self.dropout(weights)  # 随机丢掉一些，其余放大 1 / (1 - dropout) 倍：一行之和只是平均为 1
        return weights @ v  # (B, T, S) @ (B, S, hs) -> (B, T, hs)

class MultiHeadAttention(nn.Module):  # 几个小头并排看，各看各的，再把结果拼起来
    def __init__(self):
        super().__init__()
        self.heads = nn.ModuleList([Head(n_embed // n_head) for _ in range(n_head)])  # 换成 list，参数学不到
        self.proj = nn.Linear(n_embed, n_embed)  # (C, C) 和 (C,)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        # n_head 个 (B, T, hs) 拼成 (B, T, C)，再投影，还是 (B, T, C)
        return self.dropout(self.proj(torch.cat([head(x) for head in self.heads], dim=-1)))

class FeedForward(nn.Module):  # 注意力是字与字交流；这里是每个字拿到信息后，自己想一想
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(n_embed, 4 * n_embed),  # (B, T, C) -> (B, T, 4C)
            nn.ReLU(),  # 负数变成 0
            nn.Linear(4 * n_embed, n_embed),  # (B, T, 4C) -> (B, T, C)
            nn.Dropout(dropout),
        )

    def forward(self, x):
        return self.net(x)  # (B, T, C)

class Block(nn.Module):  # 交流一次，思考一次，合成一层
    def __init__(self):
        super().__init__()
        self.attention = MultiHeadAttention()
        self.feed_forward = FeedForward()
        self.ln1 = nn.LayerNorm(n_embed)  # 每个位置的 C 个数拉回平均 0、方差 1，再各乘一个、加一个可以学的数
        self.ln2 = nn.LayerNorm(n_embed)

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
        self.ln_f = nn.LayerNorm(n_embed)  # 残差一路加下来，出口再归一次
        self.lm_head = nn.Linear(n_embed, vocab_size)  # 由向量猜下一个字：给每种字打一个分，(V, C) 和 (V,)

    def forward(self, idx, start=0):  # idx 从第 start 个位置数起；start = 0 就是从头读，旧缓存作废
        if start == 0:
            for block in self.blocks:
                for head in block.attention.heads:
                    head.cache = None
        x = self.token_embedding(idx)  # (B, T) -> (B, T, C)
        # (B, T, C) + (T, C)
        x = x + self.position_embedding(torch.arange(start, start + idx.shape[1], device=idx.device))
        x = self.blocks(x)  # (B, T, C)
        x = self.ln_f(x)  # (B, T, C)
        return self.lm_head(x[:, -1])  # (B, C) -> (B, V)

    @torch.no_grad()  # 只写不学，不用记账求梯度
    def generate(self, idx, max_new_tokens):  # 生成一个，交出一个：(B, 1)
        new = idx  # 还没读过的字
        for _ in range(max_new_tokens):
            if idx.shape[1] > block_size:  # 窗口满了：留下最近一半，从头读
                idx = new = idx[:, -max(1, block_size // 2):]  # (B, T) -> (B, block_size//2)
            if not use_kv_cache:
                new = idx
            logits = self(new, start=idx.shape[1] - new.shape[1]) / max(temperature, 1e-6)  # (B, V)
            if top_k:
                worst = logits.topk(min(top_k, vocab_size)).values[:, -1:]  # (B, 1)
                logits = logits.masked_fill(logits < worst, float("-inf"))
            probs = F.softmax(logits, dim=-1)  # 打分变概率：取 e 的次方，再除以总和；(B, V)
            new = torch.multinomial(probs, num_samples=1)  # 按概率抽一个字，(B, 1)
            idx = torch.cat([idx, new], dim=1)  # (B, T) -> (B, T+1)
            yield new

try:
    model = BabyGPT().to(device)
    model.load_state_dict(weights)
except Exception as error:
    raise SystemExit("model.pth 里的权重和它自己写的超参数对不上，用不了。"
                     f"请重新运行 python babygpt_v12_wandb.py。（{type(error).__name__}）")
model.eval()

# ---------- 采样 ----------
try:
    # strip：管道里的文本可能带着看不见的 BOM 和 \r（Windows 的换行）
    while prompt := input("请输入开头：").strip("\ufeff\r").replace("\\n", "\n"):
        unknown = sorted(set(prompt) - set(tokenizer.chars))
        if unknown:
            print(f"“{''.join(unknown)}”不在模型的词表里，它没见过，请换成别的字。")
            continue
        idx = torch.tensor([tokenizer.encode(prompt)], device=device)  # (1, T)
        print(prompt, end="", flush=True)
        start_time = time.perf_counter()
        for idx_next in model.generate(idx, max_new_tokens):
            print(tokenizer.decode(idx_next[0].tolist()), end="", flush=True)
        print(f"\n（{max_new_tokens / (time.perf_counter() - start_time):.0f} 字/秒）")
except (EOFError, KeyboardInterrupt):
    print()
except UnicodeDecodeError:
    raise SystemExit("输入不是 UTF-8 编码，请转换后再试。")
