"""最简单的语言模型：数一数每个字后面都跟过哪些字，再按次数抽下一个字。

概念：语言模型只回答一个问题，“下一个字是什么”。这里的答案全是数出来的，没有神经网络。
运行：python simplemodel.py（纯 Python，不用装任何东西，约 1 秒）
预期：两段读着有点词味、细看不通的文字：它只记得前一个字。
试试：把 prompts 换成别的开头；python -i simplemodel.py 之后看 transition["春"]。
自测：有多少种字后面只跟过一种字？先猜，再用 sum(len(t) == 1 for t in transition.values()) 数。
答案在 docs/answers.md。逐行注释版见 simplemodel_with_comments.py，下一步是 simplebigrammodel.py。
"""
import random
import sys
from collections import Counter
from pathlib import Path

random.seed(42)
if hasattr(sys.stdout, "reconfigure"):
    sys.stdout.reconfigure(errors="replace")  # 终端的编码里没有的字，打印成“?”，不报错

# ---------- 超参数：由人定、不由模型学的数，改一个，再跑一遍 ----------
prompts = ["春江", "往事"]  # 让模型接着这些开头往下写
max_new_tokens = 100  # 每个开头写多少字

# ---------- 数据 ----------
try:
    text = Path(__file__).with_name("ci.txt").read_text(encoding="utf-8-sig")
except (OSError, UnicodeDecodeError) as error:
    raise SystemExit(f"读不出 ci.txt，请把它放在脚本旁边，并存成 UTF-8 编码。（{error}）")
assert isinstance(prompts, list) and all(prompts), '请把 prompts 写成 ["春江", "往事"] 这样，每个至少一个字'
assert set("".join(prompts)) <= set(text), f"请换掉这些字，模型没见过：{set(''.join(prompts)) - set(text)}"

# ---------- 训练：数数 ----------
transition = {ch: Counter() for ch in set(text)}  # Counter：没数过的，次数是 0
for ch, following in zip(text, text[1:] + text[0]):  # 首尾相接：最后一个字后面也有字
    transition[ch][following] += 1

print(f"“{prompts[0][0]}”后面最常见：", *transition[prompts[0][0]].most_common(5))

# ---------- 采样 ----------
for prompt in prompts:
    for _ in range(max_new_tokens):
        row = transition[prompt[-1]]
        prompt += random.choices(list(row), weights=row.values())[0]  # 次数越多，越容易抽中
    print("-" * 20)
    print(prompt)
