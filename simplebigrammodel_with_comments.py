"""二元模型，逐行注释版：代码和 simplebigrammodel.py 一模一样，每一行都说说为什么。

运行：python simplebigrammodel_with_comments.py（约 2 秒）
"""
# math：算对数
import math
# random：随机抽训练样本、按概率抽字
import random
# signal：和系统发来的信号打交道
import signal
# sys：和终端打交道
import sys
# Path：处理文件路径
from pathlib import Path

# 固定随机数的起点：每次运行结果都一样
random.seed(42)
# 有的终端不是 UTF-8 编码，缺几个生僻字：缺的打印成“?”，别为它报错。
# 先问有没有 reconfigure：笔记本里的 stdout 没有，也用不着
if hasattr(sys.stdout, "reconfigure"):
    sys.stdout.reconfigure(errors="replace")
    # 接上 | head 的话，它看够了就走，这里也跟着安静地停。Windows 上没有 SIGPIPE 这个信号
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)

# ---------- 超参数：由人定、不由模型学的数，改一个，再跑一遍 ----------
# 学完之后，接着这些开头往下写
prompts = ["春江", "往事"]
# 每个开头写多少字
max_new_tokens = 100
# 一批学几段文本。二元模型一批学多少都行，分批是为了和 GPT 一个样子
batch_size = 16
# 每段多少字
block_size = 32
# 掺多少字频：相当于每个字后面先垫上 500 次“按字频猜”，数得越多，垫的越不起眼
backoff = 500
# 一共学多少批
max_iters = 10000
# 每学多少批，打一次分
eval_interval = 2000
# 每次打分，算几批（每批约 500 字）
eval_iters = 40
# 前 90% 用来学，后 10% 用来考：考没学过的，才知道学会了没有
train_data_ratio = 0.9

# ---------- 数据 ----------
# 文件可能没放好，也可能不是 UTF-8，所以“试着”读
try:
    # 脚本旁边的 ci.txt：不管从哪个目录运行，都找得到
    # utf-8-sig：文件开头若有看不见的 BOM 记号（Windows 记事本爱加），就去掉
    text = Path(__file__).with_name("ci.txt").read_text(encoding="utf-8-sig")
# 读不成，就用一句话说清楚该怎么办
except (OSError, UnicodeDecodeError) as error:
    raise SystemExit(f"读不出 ci.txt，请把它放在脚本旁边，并存成 UTF-8 编码。（{error}）")

# 分词器：字和编号互相换。这里一个字就是一个 token
class Tokenizer:
    # 由文本建词表
    def __init__(self, text):
        # 编号 → 字：去重再排序，每次的次序才一样
        self.chars = sorted(set(text))
        # 字 → 编号（string to integer）
        self.stoi = {ch: i for i, ch in enumerate(self.chars)}

    # 文字 → 一串编号
    def encode(self, text):
        return [self.stoi[ch] for ch in text]

    # 一串编号 → 文字
    def decode(self, ids):
        return "".join(self.chars[i] for i in ids)

# 用整篇文本建词表
tokenizer = Tokenizer(text)
# 词表大小 V：一共有多少种字
vocab_size = len(tokenizer.chars)

# 有错趁早说，别等训练完了才发现
# 这些数都得是整数。后面几份脚本一字不差地用这几行，所以这里没有的名字（n_embed 等）也列着
counts = "batch_size block_size n_embed n_head n_layer eval_interval eval_iters max_iters max_new_tokens"
# 一个名字一个名字地查
for name in counts.split():
    # globals() 是本文件的变量表，由名字查值，没有的当作 1。max_ 开头的两个可以是 0：不训练，或者不写
    value, least = globals().get(name, 1), 0 if name.startswith("max_") else 1
    # !r 让字符串带着引号打印出来，一眼看出 16 和 "16" 的不同
    if type(value) is not int or value < least:
        raise SystemExit(f"{name} = {value!r} 不行，请改成不小于 {least} 的整数。")
# 垫 0 次的话，没见过的搭配概率是 0，算 loss 时 ln 0 会出错
if type(backoff) not in (int, float) or backoff <= 0:
    raise SystemExit(f"backoff = {backoff!r} 不行，请改成大于 0 的数，不然没见过的搭配概率是 0。")
# 比例得在 0 和 1 之间
if type(train_data_ratio) is not float or not 0 < train_data_ratio < 1:
    raise SystemExit(f"train_data_ratio = {train_data_ratio!r} 不行，请改成 0 和 1 之间的小数，比如 0.9。")
# 写成 prompts = "春江" 的话，Python 会当成“春”“江”两个开头。
# 空的开头也不行：没有“前一个字”，就没法猜下一个
if type(prompts) is not list or not prompts or not all(type(prompt) is str and prompt for prompt in prompts):
    raise SystemExit(f'prompts = {prompts!r} 不行，请写成 ["春江", "往事"] 这样的列表，每个开头至少一个字。')
# 前 90% 到哪里为止
n_train = int(len(text) * train_data_ratio)
# 每一段要 block_size 个字，再多一个当答案；训练、验证两边都得够长
if min(n_train, len(text) - n_train) <= block_size:
    raise SystemExit(f"ci.txt 太短：训练集 {n_train} 字，验证集 {len(text) - n_train} 字，"
                     f"都得多于 block_size = {block_size}。请换长些的文本，或改小 block_size。")
# 开头里若有词表外的字，模型无从写起
unknown = sorted(set("".join(prompts)) - set(tokenizer.chars))
if unknown:
    raise SystemExit(f"prompts 里的“{''.join(unknown)}”不在 ci.txt 里，模型没见过，请换成别的字。")

# 整篇文本变成一长串编号
data = tokenizer.encode(text)
# 训练集、验证集
train_data, val_data = data[:n_train], data[n_train:]
# 开头变成编号。多包一层方括号：模型一次吃一批，这里一批只有一个开头
prompt_ids = [[tokenizer.encode(prompt)] for prompt in prompts]

# ---------- 模型 ----------
class BigramLanguageModel:
    # 刚开始什么都没学过，全是 0
    def __init__(self):
        # 一共学过多少字
        self.total = 0
        # count[i]：字 i 见过几次
        self.count = [0] * vocab_size
        # transition[i][j]：字 i 后面是字 j，见过几次。只记见过的，省内存
        self.transition = [{} for _ in range(vocab_size)]

    # 学一批。idx 是一批文本，targets 是答案：每个字的下一个字。神经网络里，这一步是反向传播加优化器
    def learn(self, idx, targets):
        # 一段一段来
        for x, y in zip(idx, targets):
            # 一个字一个字来：i 后面是 j
            for i, j in zip(x, y):
                # 三个计数各加 1
                self.total += 1
                self.count[i] += 1
                self.transition[i][j] = self.transition[i].get(j, 0) + 1

    # 没见过的搭配不能算概率 0（ln 0 会让 loss 变成无穷大），所以退一步掺进字频：
    # P(j) = (j 的次数 + 1) / (总次数 + V)，P(j|i) = (i 后面是 j 的次数 + backoff·P(j)) / (i 的次数 + backoff)
    def probability(self, i, j):
        # 字频。加 1 是为了没见过的字也有一点点概率
        frequency = (self.count[j] + 1) / (self.total + vocab_size)
        # i 见得越多，backoff 占的份量越小，越相信数出来的搭配
        return (self.transition[i].get(j, 0) + backoff * frequency) / (self.count[i] + backoff)

    # 和 GPT 一样的接口：不给答案，就预测；给了答案，就打分
    def forward(self, idx, targets=None):
        if targets is None:
            # 每段只看最后一个字 x[-1]，算出下一个字是词表里每一种字的概率：(B, V)
            return [[self.probability(x[-1], j) for j in range(vocab_size)] for x in idx], None
        # 每个位置：答案的概率越大，-ln 越小。全猜对是 0，瞎猜是 ln V
        losses = [-math.log(self.probability(i, j)) for x, y in zip(idx, targets) for i, j in zip(x, y)]
        # 取平均，就是 loss
        return None, sum(losses) / len(losses)

    # 接着 idx 往下写
    def generate(self, idx, max_new_tokens):
        # 一次写一个字
        for _ in range(max_new_tokens):
            # 每段的下一个字，各种字的概率
            probs, _ = self.forward(idx)
            # 每段各按概率抽一个字，接在后面
            idx = [x + random.choices(range(vocab_size), weights=p) for x, p in zip(idx, probs)]
        return idx

# 从 data 的各个 starts 起，各取一段；答案就是往后错一个字
def get_batch(data, starts):
    # 题目：第 start 个字起，block_size 个字
    x = [data[start:start + block_size] for start in starts]
    # 答案：每个字的下一个字
    y = [data[start + 1:start + block_size + 1] for start in starts]
    return x, y

# 打分：考题均匀铺满全文，每次都一样。两次的 loss 不同，只会是模型不同
def estimate_loss():
    losses = {}
    # 训练集、验证集都考。见过的比没见过的考得好，差的那一截叫泛化差距
    for split, data in [("train", train_data), ("val", val_data)]:
        # 一共考几段：eval_iters 批，每批约 500 字
        n = eval_iters * max(1, 512 // block_size)
        # 每隔一样远取一段
        starts = [i * (len(data) - block_size) // n for i in range(n)]
        # 只要第二个返回值，loss
        losses[split] = model.forward(*get_batch(data, starts))[1]
    return losses

# ---------- 训练 ----------
model = BigramLanguageModel()
# 瞎猜：每种字的概率都是 1/V，loss 就是 ln V。学了以后应该比它小
print(f"全凭瞎猜的模型，loss 是 ln {vocab_size} = {math.log(vocab_size):.4f}")

# 多走一圈（max_iters + 1），为的是学完最后一批之后再打一次分
for step in range(max_iters + 1):
    # 到了该打分的时候
    if step % eval_interval == 0 or step == max_iters:
        losses = estimate_loss()
        print(f"step {step:5d}/{max_iters} | train loss {losses['train']:.4f} | val loss {losses['val']:.4f}")
    # 学够了
    if step == max_iters:
        break
    # 随便挑 batch_size 个起点
    starts = [random.randrange(len(train_data) - block_size) for _ in range(batch_size)]
    # 取出题目和答案
    x, y = get_batch(train_data, starts)
    # 学一批
    model.learn(x, y)

# ---------- 采样 ----------
for idx in prompt_ids:
    # 分隔线
    print("-" * 20)
    # 写完取出第 0 段（一批只有一段），编号变回字
    print(tokenizer.decode(model.generate(idx, max_new_tokens)[0]))
