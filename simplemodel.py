"""最简单的语言模型：数一数每个字后面都跟过哪些字，再按次数抽下一个字。

概念：语言模型只回答一个问题，“下一个字是什么”。这里的答案全是数出来的，没有神经网络。
运行：python simplemodel.py（纯 Python，不用装任何东西，约 1 秒）
预期：两段读着有点词味、细看不通的文字：它只记得前一个字。
试试：把 prompts 换成别的开头；python -i simplemodel.py 之后看 transition[stoi["春"]]。
逐行注释版见 simplemodel_with_comments.py，下一步是 simplebigrammodel.py。
"""
import random
from pathlib import Path

random.seed(42)

# ---------- 超参数：改一个数，再跑一遍 ----------
prompts = ["春江", "往事"]
max_new_tokens = 100
train_data_ratio = 0.9  # 只数前 90%，其余留着，下一版拿来打分

# ---------- 数据 ----------
try:
    text = Path(__file__).with_name("ci.txt").read_text(encoding="utf-8")
except (OSError, UnicodeDecodeError) as error:
    raise SystemExit(f"读不出 ci.txt，请把它放在脚本旁边，并存成 UTF-8 编码。（{error}）")
if len(text) < 20:
    raise SystemExit(f"ci.txt 太短，只有 {len(text)} 字，没什么可数的，请换长些的文本。")
chars = sorted(set(text))
stoi = {ch: i for i, ch in enumerate(chars)}
unknown = sorted(set("".join(prompts)) - set(chars))
if unknown:
    raise SystemExit(f"prompts 里的“{''.join(unknown)}”不在 ci.txt 里，模型没见过，请换成别的字。")
if not prompts or not all(prompts):
    raise SystemExit("prompts 至少要有一个开头，每个开头至少写一个字。")
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
