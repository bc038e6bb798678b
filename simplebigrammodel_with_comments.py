"""二元模型，逐行注释版：代码和 simplebigrammodel.py 一模一样，每一行都说说为什么。

运行：python simplebigrammodel_with_comments.py（约 2 秒）
"""
# math：算对数
import math
# random：随机抽训练样本、按概率抽字
import random
# sys：和终端打交道
import sys
# Counter：会数数的 dict，没数过的，次数是 0
from collections import Counter
# Path：处理文件路径
from pathlib import Path

# 固定随机数的起点：每次运行结果都一样
random.seed(42)
# 有的终端不是 UTF-8 编码，缺几个生僻字：缺的打印成“?”，别为它报错。
# 先问有没有 reconfigure：笔记本里的 stdout 没有，也用不着
if hasattr(sys.stdout, "reconfigure"):
    sys.stdout.reconfigure(errors="replace")

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
interpolation = 500
# 一共学多少批
max_iters = 10000
# 每学多少批，打一次分
eval_interval = 2000
# 每次打分，算几批（每批约 500 字）
eval_iters = 40
# 前 90% 的字用来学，剩下的 10% 一个字也不学，只用来考它
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
# 写成 prompts = "春江" 的话，Python 会当成“春”“江”两个开头。
# 空的开头也不行：没有“前一个字”，就没法猜下一个
assert isinstance(prompts, list) and all(prompts), '请把 prompts 写成 ["春江", "往事"] 这样，每个至少一个字'
# 开头里若有文本里没有的字，模型无从写起
assert set("".join(prompts)) <= set(text), f"请换掉这些字，模型没见过：{set(''.join(prompts)) - set(text)}"

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
# 前 90% 到哪里为止
n_train = int(len(text) * train_data_ratio)
# 训练集、验证集，都变成一长串编号
train_data, val_data = tokenizer.encode(text[:n_train]), tokenizer.encode(text[n_train:])
# 每一段要 block_size 个字，再多一个当答案；训练、验证两边都得够长
assert min(len(train_data), len(val_data)) > block_size, "文本太短，或 train_data_ratio 不在 0 和 1 之间"

# ---------- 模型 ----------
class BigramLanguageModel:
    # 刚开始什么都没学过，全是 0
    def __init__(self):
        # 一共学过多少字
        self.total = 0
        # count[i]：字 i 见过几次
        self.count = [0] * vocab_size
        # transition[i][j]：字 i 后面是字 j，见过几次。只记见过的，省内存
        self.transition = [Counter() for _ in range(vocab_size)]

    # 学一批。idx 是一批文本，targets 是答案：每个字的下一个字。神经网络里，这一步是反向传播加优化器
    def learn(self, idx, targets):
        # 一段一段来
        for x, y in zip(idx, targets):
            # 一个字一个字来：i 后面是 j
            for i, j in zip(x, y):
                # 三个计数各加 1
                self.total += 1
                self.count[i] += 1
                self.transition[i][j] += 1

    # 没见过的搭配不能算概率 0（ln 0 会让 loss 变成无穷大），所以掺进字频，k 是 interpolation：
    # P(j) = (j 的次数 + 1) / (总次数 + V)，P(j|i) = (i 后面是 j 的次数 + k·P(j)) / (i 的次数 + k)
    def prob(self, i, j):
        # 字频。加 1 是为了没见过的字也有一点点概率
        frequency = (self.count[j] + 1) / (self.total + vocab_size)
        # i 见得越多，k 占的份量越小，越相信数出来的搭配
        return (self.transition[i][j] + interpolation * frequency) / (self.count[i] + interpolation)

    # 打分：一批题目，和它们的答案
    def loss(self, idx, targets):
        # 每个位置：答案的概率越大，-ln 越小。全猜对是 0，瞎猜是 ln V
        losses = [-math.log(self.prob(i, j)) for x, y in zip(idx, targets) for i, j in zip(x, y)]
        # 取平均，就是 loss
        return sum(losses) / len(losses)

    # 接着 idx（一串编号）往下写
    def generate(self, idx, max_new_tokens):
        # 一次写一个字
        for _ in range(max_new_tokens):
            # 只看最后一个字 idx[-1]，算出词表里每一种字的概率，按概率抽一个，接在后面
            idx += random.choices(range(vocab_size), [self.prob(idx[-1], j) for j in range(vocab_size)])
        return idx

# 从 data 的各个 starts 起，各取一段：题目是 block_size 个字，答案是往后错一个字
def get_batch(data, starts):
    return [data[i:i + block_size] for i in starts], [data[i + 1:i + block_size + 1] for i in starts]

# 打分：考题均匀铺满全文，每次都一样。两次的 loss 不同，只会是模型不同
def estimate_loss():
    losses = {}
    # 训练集、验证集都考。见过的比没见过的考得好，差的那一截叫泛化差距
    for split, data in [("train", train_data), ("val", val_data)]:
        # 一共考几段：eval_iters 批，每批约 500 字
        n = eval_iters * max(1, 512 // block_size)
        # 每隔一样远取一段
        starts = [i * (len(data) - block_size) // n for i in range(n)]
        # 题目和答案，一起交给 loss
        losses[split] = model.loss(*get_batch(data, starts))
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
    # 取出题目和答案，学一批
    model.learn(*get_batch(train_data, starts))

# ---------- 采样 ----------
for prompt in prompts:
    # 分隔线
    print("-" * 20)
    # 开头变成编号，写完再变回字
    print(tokenizer.decode(model.generate(tokenizer.encode(prompt), max_new_tokens)))
