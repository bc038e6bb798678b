"""最简单的语言模型：数一数每个字后面都跟过哪些字，再按次数抽下一个字。

概念：语言模型只回答一个问题，“下一个字是什么”。这里的答案全是数出来的，没有神经网络。
运行：python simplemodel.py（纯 Python，不用装任何东西，约 1 秒）
预期：两段读着有点词味、细看不通的文字：它只记得前一个字。
试试：把 prompts 换成别的开头；python -i simplemodel.py 之后看 transition[stoi["春"]]。
自测：训练文本里，有多少种字后面只跟过一种字？先猜，再用 sum(len(t) == 1 for t in transition) 数。
答案在 docs/answers.md。逐行注释版见 simplemodel_with_comments.py，下一步是 simplebigrammodel.py。
"""
import random
import signal
import sys
from pathlib import Path

random.seed(42)
if hasattr(sys.stdout, "reconfigure"):
    sys.stdout.reconfigure(errors="replace")  # 终端的编码里没有的字，打印成“?”，不报错
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # 接上 | head，它看够了就走，这里也安静地停

# ---------- 超参数：由人定、不由模型学的数，改一个，再跑一遍 ----------
prompts = ["春江", "往事"]
max_new_tokens = 100
train_data_ratio = 0.9  # 只数前 90%，其余留着，下一版拿来打分

# ---------- 数据 ----------
try:
    text = Path(__file__).with_name("ci.txt").read_text(encoding="utf-8-sig")
except (OSError, UnicodeDecodeError) as error:
    raise SystemExit(f"读不出 ci.txt，请把它放在脚本旁边，并存成 UTF-8 编码。（{error}）")
chars = sorted(set(text))
stoi = {ch: i for i, ch in enumerate(chars)}

# 有错趁早说
if len(text) < 20:
    raise SystemExit(f"ci.txt 太短，只有 {len(text)} 字，没什么可数的，请换长些的文本。")
if type(max_new_tokens) is not int or max_new_tokens < 0:
    raise SystemExit(f"max_new_tokens = {max_new_tokens!r} 不行，请改成不小于 0 的整数。")
if type(train_data_ratio) is not float or not 0 < train_data_ratio < 1:
    raise SystemExit(f"train_data_ratio = {train_data_ratio!r} 不行，请改成 0 和 1 之间的小数，比如 0.9。")
if type(prompts) is not list or not prompts or not all(type(prompt) is str and prompt for prompt in prompts):
    raise SystemExit(f'prompts = {prompts!r} 不行，请写成 ["春江", "往事"] 这样的列表，每个开头至少一个字。')
unknown = sorted(set("".join(prompts)) - set(chars))
if unknown:
    raise SystemExit(f"prompts 里的“{''.join(unknown)}”不在 ci.txt 里，模型没见过，请换成别的字。")

data = [stoi[ch] for ch in text]
train_data = data[:int(len(data) * train_data_ratio)]

# ---------- 训练：数数 ----------
transition = [{} for _ in chars]
for i, j in zip(train_data, train_data[1:]):
    transition[i][j] = transition[i].get(j, 0) + 1

i = stoi[prompts[0][0]]
favorites = sorted(transition[i], key=transition[i].get, reverse=True)[:5]
print(f"“{chars[i]}”后面最常见：" + "，".join(f"{chars[j]!r} {transition[i][j]} 次" for j in favorites))

# ---------- 采样 ----------
for prompt in prompts:
    ids = [stoi[ch] for ch in prompt]
    for _ in range(max_new_tokens):
        followers = transition[ids[-1]] or {stoi[text[0]]: 1}  # 后面谁都没跟过，就退回全文第一个字
        ids += random.choices(list(followers), weights=followers.values())
    print("-" * 20)
    print("".join(chars[i] for i in ids))
