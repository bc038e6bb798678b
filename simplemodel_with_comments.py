"""最简单的语言模型，逐行注释版：代码和 simplemodel.py 一模一样，每一行都说说为什么。

运行：python simplemodel_with_comments.py（约 1 秒）
"""
# random：按概率抽签要用
import random
# sys：和终端打交道
import sys
# Counter：会数数的 dict，没数过的，次数是 0
from collections import Counter
# Path：处理文件路径，Windows、Mac、Linux 写法都一样
from pathlib import Path

# 固定随机数的起点：每次运行，抽到的签都一样，方便对照
random.seed(42)
# 有的终端不是 UTF-8 编码，缺几个生僻字：缺的打印成“?”，别为它报错。
# 先问有没有 reconfigure：笔记本里的 stdout 没有，也用不着
if hasattr(sys.stdout, "reconfigure"):
    sys.stdout.reconfigure(errors="replace")

# ---------- 超参数：由人定、不由模型学的数，改一个，再跑一遍 ----------
# 让模型接着这些开头往下写
prompts = ["春江", "往事"]
# 每个开头写多少字
max_new_tokens = 100

# ---------- 数据 ----------
# 文件可能没放好，也可能不是 UTF-8，所以“试着”读
try:
    # __file__ 是这个脚本自己，with_name 换成它旁边的 ci.txt：不管从哪个目录运行，都找得到
    # utf-8-sig：文件开头若有看不见的 BOM 记号（Windows 记事本爱加），就去掉
    text = Path(__file__).with_name("ci.txt").read_text(encoding="utf-8-sig")
# 读不成，就用一句话说清楚该怎么办，别甩给读者一屏英文
except (OSError, UnicodeDecodeError) as error:
    raise SystemExit(f"读不出 ci.txt，请把它放在脚本旁边，并存成 UTF-8 编码。（{error}）")
# assert：后面的条件不成立，就停下，说出逗号后面那句话。
# 写成 prompts = "春江" 的话，Python 会当成“春”“江”两个开头；空的开头没有“前一个字”，没法猜下一个
assert isinstance(prompts, list) and all(prompts), '请把 prompts 写成 ["春江", "往事"] 这样，每个至少一个字'
# set 是集合：开头里的字，都得是文本里有的（<= 是“全都在里面”，减号是“去掉这些”）
assert set("".join(prompts)) <= set(text), f"请换掉这些字，模型没见过：{set(''.join(prompts)) - set(text)}"

# ---------- 训练：数数 ----------
# transition["春"]["风"]：“春”后面跟着“风”，一共几次。每种字一个 Counter，只记出现过的：
# 全记的话是 5970 × 5970 个格子，绝大多数是 0
transition = {ch: Counter() for ch in set(text)}
# zip 把“每个字”和“它后面那个字”配成对。text[1:] 比 text 少一个字，末尾补上头一个字，首尾就接上了
for ch, following in zip(text, text[1:] + text[0]):
    # 次数加 1
    transition[ch][following] += 1

# 看看学到了什么：第一个开头的第一个字，后面最常见的 5 种字
print(f"“{prompts[0][0]}”后面最常见：", *transition[prompts[0][0]].most_common(5))

# ---------- 采样 ----------
for prompt in prompts:
    # 一次写一个字
    for _ in range(max_new_tokens):
        # 只看最后一个字，查它后面都跟过谁
        row = transition[prompt[-1]]
        # 次数越多越容易抽中：这就是“按概率采样”。不总取最多的，否则会原地打转
        prompt += random.choices(list(row), weights=row.values())[0]
    # 分隔线
    print("-" * 20)
    print(prompt)
