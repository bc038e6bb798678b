"""v32：过程奖励（process reward）。整首一个分，好在哪、坏在哪，它自己猜；一处一处打分，就不用猜。

改动：v31 之外，写完了，想的记号和韵字一处处另打分：记号和上一个或下一个想的一样，1 分；韵字在想的那一部、没
      用过，1 分。再扣 pull × 比起点更爱写它多少（KL：拉住，不许为了分躲进没人用的字里），减去这一组的平均，
      乘 credit_weight，加到优势上；别的字也拉，轻得多。押韵这里打了分，整首的分里就不再算它。
运行：python modern/babygpt_v32_process_reward.py；预期：2 核 CPU 约 10 分钟。
看什么：同样的步数，合律、押韵和 v31 差不多；样文的韵字，重不重复，是不是常用的字。
试试：把 pull 改成 0，分高多少，词变成什么样？（process.pth 会被盖掉，先抄一份。）
自测：韵字的分为什么不能只看“和前一个韵字同一部”？答案在 docs/answers.md。
"""
import copy
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
prompts = ["⑦ 藏头春江花月\n浣溪沙 苏轼\n", "鹧鸪天 辛弃疾\n"]  # 训练完照这些写；浣溪沙练过，鹧鸪天没练
max_new_tokens = 180  # 最多写多少字，记号也算；没写完的不合律
batch_size = 8  # B：一步练几个词牌
credit_weight = 2  # 一处的分，抵得上整首的几分；拉住的力也跟着乘它
pull = 0.1  # 越大，越不许离起点远；不打分的字只用它的十分之一
group_size = 16  # G：一个要求写几首
block_size = 208  # T：要求和词一共最多几个字，也是模型最多能看多远
learning_rate = 5e-4  # 写得已经不错，步子要小
max_iters = 80  # 训练多少步
eval_interval = 40  # 每隔多少步评估一次
train_data_ratio = 0.9  # 哪些句长算对，只看前 90% 的字里有过的
assert group_size > 1, "一组里要比得出好坏，group_size 至少是 2"

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

vocab_size = len(tokenizer.chars)  # V：一共有多少种字

def shape(body):  # 句长：各句几个字，在第几行
    lines = enumerate(say(body).split("\n"))
    return tuple((len(clause), n) for n, line in lines for clause in re.findall("[^，。、]+", line))

headers, shapes = {}, {}  # 词牌 -> 它的各首的题头；它有过的句长
for poem in text[:int(len(text) * train_data_ratio)].split("\n\n")[:-1]:  # 末一首不全，不要
    header, _, body = poem.partition("\n")
    if "·" in header:  # “木兰花·玉楼春”就是“玉楼春”：不然练的、没练的，会是同一个词牌
        continue
    headers.setdefault(header.split(" ")[0], []).append(header + "\n")
    shapes.setdefault(header.split(" ")[0], set()).add(shape(body))
tunes = sorted(headers, key=lambda tune: -len(headers[tune]))[:60]  # 最常见的词牌
assert len(tunes) > 2, "文本太短，或 train_data_ratio 太小：至少要有三个词牌"
practised = [tune for tune in tunes if tune not in tunes[2::3]]  # 练的；每三个留一个，只考
assert 0 < batch_size <= len(practised), "batch_size 至少是 1，最多是练的词牌数"
# 词牌 -> 它有过的句长，各取头 1 句、头 2 句……直到全首
starts = {tune: {one[:n] for one in shapes[tune] for n in range(1, len(one) + 1)} for tune in shapes}

def judge(tune, answer):  # 打分：从头起句长一路对的占几成，整首合律 1 分，韵字押上（没用过的）的占几成
    body, ended, _ = answer.partition("\n\n")
    lengths, ends = shape(body), re.findall("(.)。", body)
    right = sum(lengths[:n] in starts[tune] for n in range(1, len(lengths) + 1))
    parts = [set(rhymes.get(ch, ())) for ch in ends]  # 各个韵字在哪几部
    near = [parts[max(0, k - 1):k] + parts[k + 1:k + 2] for k in range(len(ends))]  # 和上一个、下一个比
    rhymed = [ch not in ends[:k] and any(parts[k] & one for one in near[k]) for k, ch in enumerate(ends)]
    form = ended != "" and lengths in shapes[tune]
    return right / max(1, len(lengths)), float(form), sum(rhymed) / max(1, len(ends))

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

def write(question, count):  # 同一个要求写 count 首：编号 (count, T+n)，和写出来的文字
    idx = torch.tensor([tokenizer.encode(question)] * count, device=device)  # (count, T)
    assert model(idx)[0].isfinite().all(), "模型学坏了，多半是 learning_rate 太大，请改小"
    idx = model.generate(idx, min(max_new_tokens, block_size - len(question)))  # (count, T) -> (count, T+n)
    return idx, [tokenizer.decode(row.tolist())[len(question):] for row in idx]

def credit(answer):  # 想的、韵字，各处得几分；别的字不打分，是 nan，(字数,)
    marks, found = torch.full((len(answer),), math.nan), list(re.finditer("[①-⑲].(?=。)", answer))
    for k, one in enumerate(found):
        part, ch = one[0]
        near = [other[0][0] for other in found[max(0, k - 1):k] + found[k + 1:k + 2]]  # 上一个、下一个想的
        marks[one.start()] = part in near
        marks[one.start() + 1] = part in rhymes.get(ch, ()) and ch not in [other[0][1] for other in found[:k]]
    return marks

def examine():  # 练的、没练的，各 20 个词牌，各写 2 首：合律的占几成，韵字押上几成
    report = []
    for name, chosen in ("练的", practised[::2]), ("没练的", tunes[2::3]):
        scores = [judge(tune, answer) for tune in chosen for answer in write(headers[tune][0], 2)[1]]
        _, form, rhyme = (sum(column) / len(scores) for column in zip(*scores))
        report.append(f"{name}，{len(scores)} 首：合律 {form:.0%}，押韵 {rhyme:.0%}")
    return "；".join(report)

# ---------- 训练 ----------
model = BabyGPT().to(device)
model.load_state_dict(base["model"])
optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, fused=True)  # fused：所有参数一次更新完
ref_model = copy.deepcopy(model).requires_grad_(False)  # 起点，不再变
start_time = time.perf_counter()
for step in range(max_iters + 1):
    if step % eval_interval == 0 or step == max_iters:
        figures, elapsed = examine(), time.perf_counter() - start_time
        print(f"step {step:5d}/{max_iters} | {figures} | 已用 {elapsed:.0f} 秒", flush=True)
    if step == max_iters:
        break
    warmup = min(1, (step + 1) / 10)  # 头 10 步由慢到快
    decay = min(1, (1 - step / max_iters) / 0.65)  # 先不减，后 65% 的步子匀减到 0
    optimizer.param_groups[0]["lr"] = learning_rate * warmup * decay  # 优化器走一步时，从这里读学习率
    optimizer.zero_grad()
    for k in torch.randperm(len(practised))[:batch_size].tolist():
        tune = practised[k]
        question = headers[tune][torch.randint(len(headers[tune]), ())]  # 只有题头，没有要求
        idx, answers = write(question, group_size)  # (G, T)
        # 整首的分只算句长、合律；押韵另打，见 credit
        scores = torch.tensor([sum(judge(tune, answer)[:2]) for answer in answers], device=device)  # (G,)
        advantages = scores - scores.mean()  # 比全组的平均好多少，(G,)
        blank = (idx[:, 1:] == idx[:, :-1]) & (idx[:, 1:] == tokenizer.stoi["\n"])  # 空行，写完了，(G, T-1)
        y = idx[:, 1:].masked_fill(blank.cumsum(dim=1) > 1, -100)  # 写完后补的不学，(G, T-1)
        y[:, :len(question) - 1] = -100  # 题头也不学
        logits, _ = model(idx[:, :-1], y)  # 给了 y，才有每个位置的打分，(G, T-1, V)
        log_probs = -F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="none")  # (G * (T-1),)
        log_probs = log_probs.view_as(y)  # (G, T-1)
        # 起点写这些字的 ln P：(G, T-1, V) -> gather 各取写的那个字的，(G, T-1, 1) -> (G, T-1)；要求的不作数
        ref_log_probs = ref_model(idx[:, :-1], y)[0].log_softmax(-1).gather(2, idx[:, 1:, None]).squeeze(2)
        drift = pull * (log_probs.detach() - ref_log_probs)  # pull × 比起点更爱写这个字多少，(G, T-1)
        marks = F.pad(torch.stack([credit(answer) for answer in answers]),
                      (len(question) - 1, 0), value=math.nan).to(device) - drift  # 要求的字不打分，(G, T-1)
        marks = credit_weight * (marks - marks.nanmean()).nan_to_num()  # 不打分的变 0，(G, T-1)
        advantages = advantages[:, None] + marks - drift / 10  # 不打分的字也轻轻拉住，(G, T-1)
        loss = -(advantages * log_probs).sum() / (batch_size * group_size * 100)  # 一首约 100 字，()
        loss.backward()
    optimizer.step()

# ---------- 保存 ----------
config = {**base["config"], "block_size": block_size}
path = Path(__file__).with_name("process.pth")
try:  # 先写到旁边，写完了再改名：中途被打断，原来的文件也完好
    torch.save({"config": config, "chars": tokenizer.chars, "model": model.state_dict()}, f"{path}.tmp")
    Path(f"{path}.tmp").replace(path)
    print(f"权重存在 {path.name} 里")
except (OSError, RuntimeError) as error:
    print(f"没存成 {path.name}，请腾出地方、看看文件夹让不让写，再跑一遍。（{error}）")

# ---------- 采样 ----------
for prompt in prompts:
    print("-" * 20)
    print(prompt + say(write(prompt, 1)[1][0]))
