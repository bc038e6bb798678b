"""最简单的语言模型，逐行注释版：代码和 simplemodel.py 一模一样，每一行都说说为什么。

运行：python simplemodel_with_comments.py（约 1 秒）
"""
# random：按概率抽签要用
import random
# signal：和系统发来的信号打交道
import signal
# sys：和终端打交道
import sys
# Path：处理文件路径，Windows、Mac、Linux 写法都一样
from pathlib import Path

# 固定随机数的起点：每次运行，抽到的签都一样，方便对照
random.seed(42)
# 有的终端不是 UTF-8 编码，缺几个生僻字：缺的打印成“?”，别为它报错。
# 先问有没有 reconfigure：笔记本里的 stdout 没有，也用不着
if hasattr(sys.stdout, "reconfigure"):
    sys.stdout.reconfigure(errors="replace")
    # 接上 | head 的话，它看够了就走，这里也跟着安静地停。Windows 上没有 SIGPIPE 这个信号
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)

# ---------- 超参数：由人定、不由模型学的数，改一个，再跑一遍 ----------
# 让模型接着这些开头往下写
prompts = ["春江", "往事"]
# 每个开头写多少字
max_new_tokens = 100
# 只用前 90% 的字来学。这里还用不着剩下的 10%，留着是为了和后面的脚本学一样多的字
train_data_ratio = 0.9

# ---------- 数据 ----------
# 文件可能没放好，也可能不是 UTF-8，所以“试着”读
try:
    # __file__ 是这个脚本自己，with_name 换成它旁边的 ci.txt：不管从哪个目录运行，都找得到
    # utf-8-sig：文件开头若有看不见的 BOM 记号（Windows 记事本爱加），就去掉
    text = Path(__file__).with_name("ci.txt").read_text(encoding="utf-8-sig")
# 读不成，就用一句话说清楚该怎么办，别甩给读者一屏英文
except (OSError, UnicodeDecodeError) as error:
    raise SystemExit(f"读不出 ci.txt，请把它放在脚本旁边，并存成 UTF-8 编码。（{error}）")
# 词表：文本里出现过的每一种字，去重（set）再排序，每次的次序才一样
chars = sorted(set(text))
# 字 → 编号。反过来，编号 → 字，用 chars[编号] 就行
stoi = {ch: i for i, ch in enumerate(chars)}

# 有错趁早说
# 太短的文本数不出什么
if len(text) < 20:
    raise SystemExit(f"ci.txt 太短，只有 {len(text)} 字，没什么可数的，请换长些的文本。")
# 写几个字，得是整数。!r 让字符串带着引号打印出来，一眼看出 100 和 "100" 的不同
if type(max_new_tokens) is not int or max_new_tokens < 0:
    raise SystemExit(f"max_new_tokens = {max_new_tokens!r} 不行，请改成不小于 0 的整数。")
# 比例得在 0 和 1 之间
if type(train_data_ratio) is not float or not 0 < train_data_ratio < 1:
    raise SystemExit(f"train_data_ratio = {train_data_ratio!r} 不行，请改成 0 和 1 之间的小数，比如 0.9。")
# 写成 prompts = "春江" 的话，Python 会当成“春”“江”两个开头。
# 空的开头也不行：没有“前一个字”，就没法猜下一个
if type(prompts) is not list or not prompts or not all(type(prompt) is str and prompt for prompt in prompts):
    raise SystemExit(f'prompts = {prompts!r} 不行，请写成 ["春江", "往事"] 这样的列表，每个开头至少一个字。')
# 开头里若有词表外的字，模型无从写起
unknown = sorted(set("".join(prompts)) - set(chars))
if unknown:
    raise SystemExit(f"prompts 里的“{''.join(unknown)}”不在 ci.txt 里，模型没见过，请换成别的字。")

# 整篇文本变成一长串编号
data = [stoi[ch] for ch in text]
# 取前 90%
train_data = data[:int(len(data) * train_data_ratio)]

# ---------- 训练：数数 ----------
# transition[i][j]：编号 i 的字后面跟着编号 j 的字，一共几次。
# 每行一个 dict，只记出现过的：全记的话是 5970 × 5970 个格子，绝大多数是 0
transition = [{} for _ in chars]
# zip 把“每个字”和“它后面那个字”配成对
for i, j in zip(train_data, train_data[1:]):
    # 见过就加 1，没见过从 0 算起
    transition[i][j] = transition[i].get(j, 0) + 1

# 看看学到了什么：拿第一个开头的第一个字
i = stoi[prompts[0][0]]
# 按次数从多到少，取前 5 名
favorites = sorted(transition[i], key=transition[i].get, reverse=True)[:5]
# !r 让空格、换行这些看不见的字也显出来
print(f"“{chars[i]}”后面最常见：" + "，".join(f"{chars[j]!r} {transition[i][j]} 次" for j in favorites))

# ---------- 采样 ----------
for prompt in prompts:
    # 开头变成编号
    ids = [stoi[ch] for ch in prompt]
    # 一次写一个字
    for _ in range(max_new_tokens):
        # 只看最后一个字，查它后面都跟过谁。万一谁都没跟过，就退回全文的第一个字
        followers = transition[ids[-1]] or {stoi[text[0]]: 1}
        # 次数越多越容易抽中：这就是“按概率采样”。不总取最多的，否则会原地打转
        ids += random.choices(list(followers), weights=followers.values())
    # 分隔线
    print("-" * 20)
    # 编号变回字
    print("".join(chars[i] for i in ids))
