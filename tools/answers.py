"""每份脚本的“试试”和“自测”的答案：照着改，从头跑到尾，记下结果，写成 docs/answers.md。

用法：
    python tools/answers.py               # 缺什么量什么；中断了再跑，接着来
    python tools/answers.py babygpt_v3_self_attention.py
    python tools/answers.py --write       # 不跑，只重写 docs/answers.md 和 docs/spread.svg

都只跑种子 42。不改的那一份用 docs/results.json 里种子 42 的，v11 的用 docs/ablation.json 里的。
"""

import argparse
import json
import math
import os
import subprocess
import sys

import ablate
import form
import measure
import variants
from scripts import AFTER, ROOT, V, edit
from variants import Variant, change

OUTPUT = ROOT / "docs" / "answers.json"
SAMPLER = "babygpt_sample_with_kvcache.py"
QUICK = dict(max_iters=0, max_new_tokens=0, eval_iters=1)  # 只要刚出生的模型
# 采样器的几种设置：标签 → (改哪些设置, 开头)
SAMPLING = {
    "temperature = 0": (dict(temperature=0), "春江"),
    "temperature = 0.5": (dict(temperature=0.5), "春江"),
    "temperature = 1.0": ({}, "春江"),
    "temperature = 1.5": (dict(temperature=1.5), "春江"),
    "top_k = 10": (dict(top_k=10), "春江"),
    "use_kv_cache = False": (dict(use_kv_cache=False), "春江"),
    "词牌开头": ({}, "水调歌头 苏轼\\n"),
}

# 各字的向量差多远：验证集上 40 段，每一维在各字之间的标准差，各维平均；再看每一层前馈里过了 ReLU 还不是 0 的占几成，
# 和 loss 对每一层参数的梯度有多大
SPREAD = """
x, y = get_batch(val_data, torch.arange(40, device=device) * 4000)
h = model.token_embedding(x) + model.position_embedding(torch.arange(block_size, device=device))
spread, alive = [h.flatten(0, 1).std(0).mean().item()], []
for block in model.blocks:
    hook = block.feed_forward.net[1].register_forward_hook(lambda m, args, out: alive.append((out > 0).float().mean().item()))
    h = block(h)
    hook.remove()
    spread.append(h.flatten(0, 1).std(0).mean().item())
model(x, y)[1].backward()
gradient = [sum(p.grad.norm().item() ** 2 for p in block.parameters()) ** 0.5 for block in model.blocks]
import json
print(json.dumps({"spread": spread, "alive": alive, "gradient": gradient}))
"""
# 残差一路加下来，x 有多大：所有数的标准差
SIZE = """
import json
x, _ = get_batch(val_data, torch.arange(40, device=device) * 4000)
with torch.no_grad():
    h = model.token_embedding(x) + model.position_embedding(torch.arange(block_size, device=device))
    sizes = [h.std().item()]
    for block in model.blocks:
        h = block(h)
        sizes.append(h.std().item())
print(json.dumps(sizes))
"""
REVERSED = """
a, b = [torch.tensor([tokenizer.encode(s)], device=device) for s in ("春江花月夜", "月花江春夜")]
print((model(a)[0] - model(b)[0]).abs().max().item())
"""
HEAD = """
head, x = model.attention, torch.randn(1, 4, n_embed, device=device)
scores = head.query(x) @ head.key(x).transpose(-2, -1) / n_embed ** 0.5  # (1, 4, 4)
weights = F.softmax(scores.masked_fill(head.mask[:4, :4], float("-inf")), dim=-1)
assert torch.allclose(weights @ head.value(x), head(x), atol=1e-5)
print("通过")
"""
ZERO = """
block, x = Block().to(device), torch.randn(1, 4, n_embed, device=device)
_ = [p.data.zero_() for p in block.parameters()]
print(torch.equal(block(x), x))
"""
INIT = """model = BabyGPT().to(device)
for m in model.blocks.modules():
    if isinstance(m, nn.Linear):
        nn.init.kaiming_normal_(m.weight)
"""
NO_MASK = ["weights.masked_fill("]
# 整段文字往后挪 10 个位置，打分差多少
SHIFTED = """
idx = train_data[:100][None]
with torch.no_grad():
    before = model(idx, idx)[0]
    angles = torch.arange(10, block_size + 10, device=device)[:, None] * frequencies
    print((model(idx, idx)[0] - before).abs().max().item())
"""
# 没训练的模型，接着开头一次写 64 首，要几秒
WRITE_64 = """
started = time.perf_counter()
model.generate(prompt_ids[0].repeat(64, 1), 100)
print(time.perf_counter() - started)
"""
FILE_SIZE = "print(base_path.stat().st_size)"
# ①–⑲ 的嵌入，从出生到学完挪了多远，和自己出生时的长短比；普通的字也量一量
BIRTH = [("model.load_state_dict({**base", "at_birth = weight.clone()\nmodel.load_state_dict({**base")]
MOVED = """
moved = (model.lm_head.weight.detach() - at_birth).norm(dim=1) / at_birth.norm(dim=1)
numbered = [tokenizer.stoi[ch] for ch in symbols[2:21]]
print(f"{moved[numbered].mean():.2f} {moved[:len(chars)].mean():.2f}")
"""
# 不学，只多写几首、让程序挑：20 个词牌各写 64 首，一回挑一首（从 1、4、16 首里），挑到合律的占几成
BEST_OF = """
shares = {}
for tune in common:
    right = torch.tensor([float(judge(tune, answer)) for answer in write(f"〈{tune}〉", 64)[1]])
    shares[tune] = [right.view(-1, n).amax(1).mean().item() for n in (1, 4, 16)]
for group in practised, held_out:
    print(*(f"{sum(shares[tune][k] for tune in group) / len(group):.2f}" for k in range(3)))
"""
# 天真的押韵分：句号前的字，落在最常见的那一部的占几成；写到最后一步为止，不挑最好的
NAIVE = [
    ("in beginnings[tune]:\n        right += 1  # 从头数起，写对了几句\n", """in beginnings[tune]:
        right += 1  # 从头数起，写对了几句
    ends = re.findall("(.)。", body)
    groups = Counter(name for ch in ends for name in rhymes.get(ch, ()))
    rhymed = max(groups.values(), default=0) / max(1, len(ends))
"""),
    (" + judge(tune, answer)\n\ndef answer_only", " + judge(tune, answer) + rhymed\n\ndef answer_only"),
]
LONG_ROWS = "block_size = 512，batch_size = 2"
RATES = ("2e-2", "4e-2")  # QK-norm 要在大学习率下看
ONE_LINE = "print(f'{loss.item():.4f} {model.linear.weight.item():.3f} {model.linear.bias.item():.3f}')"
FIVE = "pytorch_5min.py"

CHANGES = {
    "simplemodel.py": {
        "看 transition": change(prompts=["明月", "斜阳"], then="""
row = transition[stoi["春"]]
print(len(row), "，".join(f"{chars[j]!r} {n}" for j, n in sorted(row.items(), key=lambda one: -one[1])[:10]))
print(sum(len(t) == 1 for t in transition), sum(not t for t in transition), len(chars))
"""),
    },
    "simplebigrammodel.py": {f"backoff = {value}": change(backoff=value) for value in (1, 100000, 10**9)},
    "simplebigrammodel_torch.py": {
        "batch_size = 1024，max_iters = 156": change(
            batch_size=1024, max_iters=156, then="print((model.transition.sum(1) == model.count).all().item())"
        ),
        "不改": change(),
    },
    FIVE: {
        "learning_rate = 0.001": change(learning_rate=0.001, then=ONE_LINE),
        "learning_rate = 2.0": change(learning_rate=2.0, then=ONE_LINE),
        "y = -3x + 0.5": change(swapped=[("y = 2 * x + 1 + 0.1", "y = -3 * x + 0.5 + 0.1")], then=ONE_LINE),
        "w = 4.0": change(swapped=[("w = torch.tensor([3.0]", "w = torch.tensor([4.0]")], then="print(f'{w.item():.4f}')"),
    },
    V[1]: {"n_embed = 8": change(n_embed=8), "max_iters = 10000": change(max_iters=10000)},
    V[2]: {"倒过来": change(**QUICK, then=REVERSED)},
    V[3]: {
        "倒过来": change(**QUICK, then=REVERSED), "自测": change(**QUICK, then=HEAD), "不遮未来": change(NO_MASK),
        "不除 √hs": change(swapped=[("q @ k.transpose(-2, -1) / k.shape[-1] ** 0.5", "q @ k.transpose(-2, -1)")]),
        "加上残差": change(swapped=[("        x = self.attention(x)", "        x = x + self.attention(x)")]),
    },
    V[4]: {f"n_head = {n}": change(n_head=n) for n in (1, 2, 12, 24)},
    V[5]: {
        "不改": change(), "没有 ReLU": change(["            nn.ReLU(),"]), "GELU": change(swapped=[("            nn.ReLU(),", "            nn.GELU(),")]),
        "不放宽": change(swapped=[
            ("nn.Linear(n_embed, 4 * n_embed)", "nn.Linear(n_embed, 1 * n_embed)"),
            ("nn.Linear(4 * n_embed, n_embed)", "nn.Linear(1 * n_embed, n_embed)"),
        ]),
    },
    V[6]: {
        "差多远": change(**QUICK, then=SPREAD), "全是 0": change(**QUICK, then=ZERO),
        "n_layer = 1": change(n_layer=1), "n_layer = 2": change(n_layer=2), "learning_rate = 1e-3": change(learning_rate=1e-3),
        "换初始值": change(swapped=[("model = BabyGPT().to(device)\n", INIT)]),
        "换初始值，差多远": change(swapped=[("model = BabyGPT().to(device)\n", INIT)], **QUICK, then=SPREAD),
        "换初始值，learning_rate = 1e-3": change(swapped=[("model = BabyGPT().to(device)\n", INIT)], learning_rate=1e-3),
        "训练之后，差多远": change(then=SPREAD),
    },
    V[7]: {
        "差多远": change(**QUICK, then=SPREAD), "全是 0": change(**QUICK, then=ZERO),
        "只有注意力": change(swapped=[("x = x + self.feed_forward(x)", "x = self.feed_forward(x)")]),
        "只有前馈": change(swapped=[("x = x + self.attention(x)", "x = self.attention(x)")]),
    },
    V[8]: {"x 多大": change(then=SIZE), "n_layer = 6": change(n_layer=6), "learning_rate = 1e-2": change(learning_rate=1e-2)},
    V[9]: {"不改": change(then=SIZE), "n_layer = 6": change(n_layer=6), "learning_rate = 1e-2": change(learning_rate=1e-2)},
    V[10]: {"dropout = 0.5": change(dropout=0.5), "dropout = 0": change(dropout=0.0)},
    V[12]: {
        # 接着用存下的 model.pth 跑采样器；采样器改了，这里也跟着过时
        "采样器": change(then=f"import answers\nanswers.sample_beside(model_path, {measure.fingerprint(SAMPLER)!r})"),
    },
    V[13]: {
        "随便从哪儿读起": change(swapped=[(
            'starts = poem_starts["train"][torch.randint(len(poem_starts["train"]), (batch_size,), device=device)]',
            "starts = torch.randint(len(train_data) - block_size, (batch_size,), device=device)",
        )]),
        LONG_ROWS: change(block_size=512, batch_size=2, max_iters=100, max_new_tokens=1),
    },
    V[14]: {
        LONG_ROWS: change(block_size=512, batch_size=2, max_iters=100, max_new_tokens=1),
        "不遮未来": change(swapped=[(", is_causal=True)", ")")]),
    },
    V[15]: {"去掉 ln_f": change(["self.ln_f = ", "x = self.ln_f(x)"])},
    V[16]: {
        "10000 = 100": change(swapped=[("= 10000 **", "= 100 **")]), "10000 = 1000000": change(swapped=[("= 10000 **", "= 1000000 **")]),
        "往后挪": change(**QUICK, then=SHIFTED),
    },
    V[17]: {
        "relu 的平方": change(swapped=[("F.silu(self.gate(x))", "F.relu(self.gate(x)) ** 2")]),
        "H = 4C": change(**QUICK, swapped=[("hidden_size = 8 * n_embed // 3", "hidden_size = 4 * n_embed")]),
        **{f"learning_rate = {rate}": change(learning_rate=float(rate)) for rate in RATES},
    },
    V[18]: {f"learning_rate = {rate}": change(learning_rate=float(rate)) for rate in RATES},
    V[19]: {"n_kv_head = 1": change(n_kv_head=1)},
    V[20]: {
        "去掉 init": change(["nn.init.normal_("]),
        **{f"learning_rate = {rate}": change(learning_rate=float(rate)) for rate in ("2.5e-3", "1e-2")},
    },
    V[21]: {
        **{f"muon_learning_rate = {rate}": change(muon_learning_rate=rate) for rate in (0.02, 0.005)},
        "一次写 64 首": change(**QUICK, then=WRITE_64),
    },
    V[22]: {"一次写 64 首": change(**QUICK, then=WRITE_64)},
    V[24]: {"文件": change(**QUICK, then=FILE_SIZE)},
    V[25]: {"keep = 1.0": change(swapped=BIRTH, keep=1.0, then=MOVED)},
    V[26]: {"辛弃疾": change(poet="辛弃疾"), **{f"rank = {n}": change(rank=n) for n in (1, 32)}},
    V[27]: {f"beta = {value}": change(beta=value) for value in (0.01, 1.0)},
    V[28]: {
        "group_size = 2": change(group_size=2), "只挑不学": change(max_iters=0, then=BEST_OF),
        "只学合律的": change(swapped=[("advantages = rewards - rewards.mean()", "advantages = (rewards > 1).float()")]),
        "加上押韵": change(["model.load_state_dict(best)"], NAIVE, learning_rate=1e-3, max_iters=160),
    },
    V[29]: {"bonus = 3.0": change(bonus=3.0)},
}
VARIANTS = {name: {label: Variant(apply, form.SAMPLES * (name in AFTER)) for label, apply in labels.items()} for name, labels in CHANGES.items()}


def sample_beside(model_path, _fingerprint):
    """在 model_path（Path，model.pth）旁边把 SAMPLING 里的每种设置跑一遍；打印 JSON：{标签: 写的字} 和文件大小（字节）。"""
    texts = {}
    for label, (settings, prompt) in SAMPLING.items():
        script = edit(SAMPLER, model_path.parent, **settings)
        process = subprocess.run([sys.executable, str(script)], input=prompt + "\n", capture_output=True, encoding="utf-8", check=True)
        texts[label] = process.stdout.split("：", 1)[1].rsplit("\n（", 1)[0]
    print(json.dumps({"bytes": os.path.getsize(model_path), "texts": texts}, ensure_ascii=False))



class Reader:
    """从记录里取数，写成答案里的字。"""

    def __init__(self, record, results, ablation):
        self.record, self.results, self.ablation = record, results, ablation

    def run(self, name, label):
        """变体的那一次运行（dict）。"""
        return self.record[name][label]["runs"][0]

    def loss(self, name, label=None, digits=2):
        """验证 loss（str）；没有 label 就是不改的，种子 42 的那一次。"""
        run = self.run(name, label) if label else measure.first(self.results, name)
        return f"{run['val_loss']:.{digits}f}" if run["val_loss"] < 100 else f"{run['val_loss']:.1e}"  # 飞了的，写成 1.2e+13

    def more(self, name, label):
        """变体比不改的高多少（str，带正负号）。"""
        return f"{self.run(name, label)['val_loss'] - measure.first(self.results, name)['val_loss']:+.2f}"

    def form(self, name, label=None):
        """打的分（dict，见 form.py）；没有 label 就是不改的，种子 42 的那一次。"""
        return (self.run(name, label) if label else measure.first(self.results, name))["form"]

    def fall(self, name, label=None):
        """第 0 步的验证 loss 到最好的（str）。"""
        run = self.run(name, label) if label else measure.first(self.results, name)
        return f"{run['curve'][0]['val_loss']:.2f} → {run['best_val_loss']:.2f}"

    def notes(self, name, label):
        """跑完之后打印的（str）。"""
        return self.run(name, label)["notes"].strip()

    def parameters(self, name):
        """参数个数（int）。"""
        return measure.first(self.results, name)["parameters"]

    def ablated(self, label):
        """从 v11 改出来的变体的验证 loss（str）。"""
        return f"{self.ablation[V[11]][label]['runs'][0]['val_loss']:.2f}"

    def sampled(self):
        """采样器写的：{"bytes": …, "texts": {标签: 文字}}。"""
        return json.loads(self.notes(V[12], "采样器"))


def quote(text, lines=4):
    """text 的头几行，写成 Markdown 的引文。"""
    return "\n".join(f"> {line}<br>" for line in text.split("\n")[:lines])


def after_rows(r, name, labels, what):
    """v25 起的一份脚本，几种改法打的分（Markdown 的表）。labels：{这种改法怎么写: 变体名，None 是不改的}；what：改的是什么。"""
    rows = [
        f"| {what} | 合律：练过的 | 没练的 | 押韵 | 韵字重复 | 不同的字 | 听藏头 | 听韵部 | 正文 loss |", "| --- |" + " ---: |" * 8,
    ]
    for shown, label in labels.items():
        scores = r.form(name, label)
        shares = [scores["practised"]["attested"], scores["held_out"]["attested"], *(scores[key] for key in ("rhyme", "repeated", "distinct"))]
        shares += [scores["examined"][key] for key in ("藏头", "韵部")]
        rows.append(f"| {shown} | {' | '.join(map(measure.percent, shares))} | {scores['body_loss']:.2f} |")
    return "\n".join(rows)


def numbers(values):
    return "、".join(f"{value:.2g}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:.0f}" for value in values)


def learning_rate(step):
    """v11 的 CPU 一套在第 step 步的学习率。"""
    return 5e-3 * min(1, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * step / 4800))


# 每份脚本的问题和答案；答案里的数都从记录里取
SECTIONS = {
    "simplemodel.py": [
        ("试试：换别的开头，看 transition", lambda r: (
            lambda row, rest: f"“春”后面跟过 {row.split(' ', 1)[0]} 种字，最常见的 10 种：{row.split(' ', 1)[1]}。"
            f"换成“明月”“斜阳”，写法一样：只看最后一个字。\n\n{quote(r.run('simplemodel.py', '看 transition')['samples'][0])}"
        )(*r.notes("simplemodel.py", "看 transition").split("\n"))),
        ("自测：有多少种字后面只跟过一种字", lambda r: (
            lambda one, none, total: f"{total} 种里有 {one} 种只跟过一种字；另有 {none} 种在训练文本里后面从没跟过字（多半只出现在后 10% 里）。"
            "数不到的就猜不了，所以下一版要掺字频。"
        )(*r.notes("simplemodel.py", "看 transition").split("\n")[1].split())),
    ],
    "simplebigrammodel.py": [
        ("试试：backoff 改成 1 或 100000", lambda r: (
            f"500 是 {r.loss('simplebigrammodel.py')}，1 是 {r.loss('simplebigrammodel.py', 'backoff = 1')}，"
            f"100000 是 {r.loss('simplebigrammodel.py', 'backoff = 100000')}。太小，太相信只见过一两次的搭配，没见过的几乎不给概率；太大，搭配白数了，只剩字频。"
            f"看训练 loss：1 的最低（{r.run('simplebigrammodel.py', 'backoff = 1')['train_loss']:.2f}），验证 loss 却差得多，泛化差距最大。"
        )),
        ("自测：只剩字频，loss 是多少", lambda r: (
            f"{r.loss('simplebigrammodel.py', 'backoff = 1000000000')}，比瞎猜的 8.69 低 "
            f"{8.6945 - r.run('simplebigrammodel.py', 'backoff = 1000000000')['val_loss']:.2f}：光知道哪些字常用，就省这么多。再看前一个字，又省约 1.4。"
        )),
    ],
    FIVE: [
        ("试试：learning_rate 改成 0.001 或 2.0", lambda r: (
            lambda slow, wild: f"0.001 走 200 步，loss 还有 {slow[0]}，直线是 y = {slow[1]}x + {slow[2]}，没走到；2.0 每步迈过头，越走越远，成了 {wild[0]}。"
        )(r.notes(FIVE, "learning_rate = 0.001").split(), r.notes(FIVE, "learning_rate = 2.0").split())),
        ("试试：换一条直线", lambda r: (
            lambda loss, w, b: f"换成 y = -3x + 0.5，学到 y = {w}x + {b}，loss 还是 {loss}：剩下的是噪声。"
        )(*r.notes(FIVE, "y = -3x + 0.5").split())),
        ("自测：w 从 4.0 出发走一步", lambda r: (
            f"导数是 2 × (4 × 2 - 10) × 2 = -8，走到 4 - 0.1 × (-8) = 4.8。跑出来是 {r.notes(FIVE, 'w = 4.0')}。"
        )),
    ],
    "simplebigrammodel_torch.py": [
        ("试试：batch_size 改成 1024，max_iters 改成 156", lambda r: (
            lambda small, large: f"学的字差不多一样多，loss 也几乎一样（{small['val_loss']:.4f} 和 {large['val_loss']:.4f}）；"
            f"每秒学的字从 {small['tokens_per_s'] / 1e4:,.0f} 万变成 {large['tokens_per_s'] / 1e4:,.0f} 万（单线程）。每调用一次张量运算都有固定的开销，一次干的活越多，越划算。"
        )(r.run("simplebigrammodel_torch.py", "不改"), r.run("simplebigrammodel_torch.py", "batch_size = 1024，max_iters = 156"))),
        ("自测：那句 assert 为什么成立", lambda r: (
            "learn 里每见一个字 i，count[i] 加 1；它后面必有一个字 j，transition[i, j] 也加 1。所以第 i 行加起来就是 count[i]。"
            f"跑出来是 {r.notes('simplebigrammodel_torch.py', 'batch_size = 1024，max_iters = 156')}。"
        )),
    ],
    V[1]: [
        ("试试：n_embed 改成 8", lambda r: (
            f"{r.loss(V[1])} → {r.loss(V[1], 'n_embed = 8')}（{r.more(V[1], 'n_embed = 8')}）。8 个数装不下 5,970 种字各自的习惯，但比只数字频的 6.19 还是好得多。"
        )),
        ("试试：max_iters 改成 10000", lambda r: (
            f"{r.loss(V[1], 'max_iters = 10000')}，离二元模型的 4.77 近了，还没追上。训练 loss {r.run(V[1], 'max_iters = 10000')['train_loss']:.2f}，"
            "验证 loss 还在降：是学得不够，不是过拟合。"
        )),
        ("自测：参数有多少", lambda r: (
            f"嵌入 5,970 × 96 = 573,120；lm_head 的权重 96 × 5,970 = 573,120，偏置 5,970。一共 {r.parameters(V[1]):,}。"
        )),
    ],
    V[2]: [
        ("试试：前面四个字倒过来", lambda r: (
            f"最大的差是 {float(r.notes(V[2], '倒过来')):g}：一点不变，v2 只看最后一个字和它的位置。同样的两句给还没训练的 v3，差 {float(r.notes(V[3], '倒过来')):.2f}。"
        )),
        ("自测：多了多少参数", lambda r: (
            f"32 个位置 × 96 = 3,072。打印的是 {r.parameters(V[2]):,} − {r.parameters(V[1]):,} = {r.parameters(V[2]) - r.parameters(V[1]):,}。"
        )),
    ],
    V[3]: [
        ("试试：不遮未来", lambda r: (
            f"loss 掉到 {r.loss(V[3], '不遮未来')}：答案就是右边的那个字，抄来就行。生成的时候右边没有字可抄，就只会：\n\n"
            f"> {r.run(V[3], '不遮未来')['samples'][0][:20]}……\n\nloss 忽然好得不像话，多半是偷看了答案。"
        )),
        ("试试：不除 √hs", lambda r: (
            f"{r.loss(V[3])} → {r.loss(V[3], '不除 √hs')}（{r.more(V[3], '不除 √hs')}）。分大了，softmax 就容易只盯一个字，看不到别的。"
        )),
        ("试试：加上残差", lambda r: (
            f"{r.loss(V[3], '加上残差')}（{r.more(V[3], '加上残差')}）：自己的信息不用挤过注意力这一关，注意力只管取前面的。v7 会专门讲它。"
        )),
        ("自测：补上 weights 一行", lambda r: (
            "```python\nweights = F.softmax(scores.masked_fill(head.mask[:4, :4], float(\"-inf\")), dim=-1)\n```\n\n"
            f"先遮住未来，再 softmax；次序反了，每一行就加不到 1。跑出来：{r.notes(V[3], '自测')}。"
        )),
    ],
    V[4]: [
        ("试试：n_head 改成 1、2、12、24", lambda r: (
            "| n_head | 每个头多宽 | 验证 loss |\n| ---: | ---: | ---: |\n"
            + "".join(f"| {n} | {96 // n} | {r.loss(V[4], f'n_head = {n}') if n != 6 else r.loss(V[4])} |\n" for n in (1, 2, 6, 12, 24))
            + "\n一个头只有一种看法；头太多，每个头又只有几个数。这一个种子里 6 个最好，2 个和 12 个差得不多。n_head = 1 就是 v3。"
        )),
        ("自测：参数多了几个", lambda r: (
            f"0 个。一个头是 3 × 96 × 96，六个头是 6 × 3 × 96 × 16，一样多：{r.parameters(V[3]):,} 和 {r.parameters(V[4]):,}。"
        )),
    ],
    V[5]: [
        ("试试：去掉 ReLU、换成 GELU、不放宽", lambda r: (
            f"原来是 {r.loss(V[5])}。去掉 ReLU：{r.loss(V[5], '没有 ReLU')}，比没有前馈的 v4（{r.loss(V[4])}）还差，两个 Linear 连着用只等于一个；"
            f"换成 GELU（ReLU 的圆滑版，GPT-2 用它）：{r.loss(V[5], 'GELU')}，好一点；4 都改成 1：{r.loss(V[5], '不放宽')}，也不如 v4。"
        )),
        ("自测：参数有多少", lambda r: (
            f"96 × 384 + 384 + 384 × 96 + 96 = 74,208。打印的是 {r.parameters(V[5]):,} − {r.parameters(V[4]):,} = {r.parameters(V[5]) - r.parameters(V[4]):,}。"
        )),
    ],
    V[6]: [
        ("试试：n_layer 改成 2；learning_rate 改成 1e-3；换初始值", lambda r: (
            "| 改什么 | 验证 loss |\n| --- | ---: |\n"
            f"| 不改（3 层） | {r.loss(V[6])} |\n"
            + "".join(f"| {label} | {r.loss(V[6], label)} |\n" for label in (
                "n_layer = 2", "n_layer = 1", "learning_rate = 1e-3", "换初始值", "换初始值，learning_rate = 1e-3"
            ))
            + f"\n换初始值，是在 `model = BabyGPT().to(device)` 后面加三行：\n\n```python\n{INIT.split(chr(10), 1)[1]}```\n\n"
            + (lambda born, kaiming, trained:
                f"刚出生时，各字的差别过三层是 {numbers(born['spread'])}，ReLU 之后还不是 0 的占一半，三层的梯度从下到上是 {numbers(born['gradient'])}。"
                f"训练完，各字的差别是 {numbers(trained['spread'])}，ReLU 之后还不是 0 的只有 {'、'.join(f'{one:.0%}' for one in trained['alive'])}："
                "第三层一个也没有，输出只剩偏置，所有的字一个样；下面两层的梯度是 0。在这之前，loss 还到过 "
                f"{min(point['val_loss'] for point in r.run(V[6], '训练之后，差多远')['curve']):.2f}。\n\n"
                f"换了初始值，各字的差别不缩反增（{numbers(kaiming['spread'])}），还是只剩字频：窄不是唯一的毛病，路只有一条才是。学习率小些、层少些，学得就多些。"
                "有残差的 v7，哪一层断了，x 还从旁边过去。"
            )(*(json.loads(r.notes(V[6], label)) for label in ("差多远", "换初始值，差多远", "训练之后，差多远")))
        )),
        ("自测：n_layer = 1 是多少", lambda r: (
            f"和 v5 一模一样，一位不差：同一个模型，同样的随机数。单线程跑出来，v5 是 {r.loss(V[5], '不改', 4)}，它是 {r.loss(V[6], 'n_layer = 1', 4)}；"
            f"两个线程的 v5 是 {r.loss(V[5], digits=4)}，加法的次序不同，末几位会变。"
        )),
    ],
    V[7]: [
        ("试试：只给一处加残差", lambda r: (
            f"两处都加 {r.loss(V[7])}；只有注意力加 {r.loss(V[7], '只有注意力')}，只有前馈加 {r.loss(V[7], '只有前馈')}，都不加（v6）{r.loss(V[6])}。"
            "哪一处不加，那一处就把 x 整个换掉，路就断了；断在注意力那里更糟。"
        )),
        ("自测：全是 0 的 Block", lambda r: (
            f"v7 的 torch.equal 是 {r.notes(V[7], '全是 0')}：两个子层都加 0，x 原样通过。v6 是 {r.notes(V[6], '全是 0')}：输出全是 0，什么都没了。"
            "所以有残差的层，最坏也只是没用，不会碍事。"
        )),
    ],
    V[8]: [
        ("试试：n_layer 改成 6", lambda r: (
            f"{r.loss(V[8])} → {r.loss(V[8], 'n_layer = 6')}（{r.more(V[8], 'n_layer = 6')}），用时差不多翻倍。有残差，六层也训练得动，不像 v6 三层就垮；"
            f"可也没有更好。有了归一化的 v9，六层是 {r.loss(V[9], 'n_layer = 6')}（三层 {r.loss(V[9])}）。"
        )),
        ("自测：多了多少参数", lambda r: (
            f"每层 96 × 96 + 96 = 9,312，三层 27,936。打印的是 {r.parameters(V[8]):,} − {r.parameters(V[7]):,} = {r.parameters(V[8]) - r.parameters(V[7]):,}。"
        )),
    ],
    V[9]: [
        ("试试：learning_rate 改成 1e-2", lambda r: (
            f"v8：{r.loss(V[8])} → {r.loss(V[8], 'learning_rate = 1e-2')}，飞了；"
            f"v9：{r.loss(V[9])} → {r.loss(V[9], 'learning_rate = 1e-2')}，只差一点。"
            f"训练完，x 的标准差从嵌入到第三层，v8 是 {numbers(json.loads(r.notes(V[8], 'x 多大')))}，v9 是 {numbers(json.loads(r.notes(V[9], '不改')))}："
            "进子层之前总归一次，残差上就不怕越加越大。"
        )),
        ("自测：多了多少参数", lambda r: (
            f"每个 LayerNorm 有 2 × 96 个，一共 2 × 3 + 1 = 7 个，1,344。打印的是 {r.parameters(V[9]):,} − {r.parameters(V[8]):,} = {r.parameters(V[9]) - r.parameters(V[8]):,}。"
        )),
    ],
    V[10]: [
        ("试试：dropout 改成 0.5、改成 0", lambda r: (
            f"0.1 是 {r.loss(V[10])}，0.5 是 {r.loss(V[10], 'dropout = 0.5')}：丢掉一半，学得更慢。改成 0 就是 v9，一位不差：单线程跑出来，"
            f"v9 是 {r.loss(V[9], '不改', 4)}，它是 {r.loss(V[10], 'dropout = 0', 4)}。"
        )),
        ("自测：放大几倍", lambda r: "1 / (1 - 0.2) = 1.25 倍：100 个里留下 80 个，各放大 1.25 倍，总和平均不变。"),
    ],
    V[11]: [
        ("试试：去掉学习率那三行；v10 的数加上这三行", lambda r: (
            f"原来 {r.loss(V[11])}。去掉那三行，学习率一直是 5e-3：{r.ablated('学习率不变（没有预热和衰减）')}。"
            f"v10 的大小和步数（不改是 {r.loss(V[10])}），只加上那三行：{r.ablated('v10 的大小和步数，有预热和衰减')}。"
            "步数少、学习率本来就不大的时候，一路往下减反而学得少。v11 好在哪里：安排占一点，大头是看得更远、更宽、更深、学得更久。"
        )),
        ("自测：第 50 步、第 2400 步的学习率", lambda r: (
            f"第 50 步还在预热：5e-3 × 51/100 × 0.5 × (1 + cos(50π/4800)) = {learning_rate(50):.3e}；"
            f"第 2400 步走到一半：5e-3 × 1 × 0.5 × (1 + cos(π/2)) = {learning_rate(2400):.3e}。"
        )),
    ],
    V[12]: [
        ("试试：用存下的模型写", lambda r: (
            f"给它“水调歌头 苏轼”和换行，采样器（种子 42）接着写：\n\n{quote(r.sampled()['texts']['词牌开头'], 5)}"
        )),
        ("自测：model.pth 有多大", lambda r: (
            lambda size, n: f"{n:,} 个参数 × 4 字节 = {4 * n / 1e6:.1f} MB；文件是 {size / 1e6:.1f} MB。多出来的是 16 份 64 × 64 的 mask（每格 1 字节）、词表和文件格式。"
        )(r.sampled()["bytes"], r.parameters(V[11]))),
    ],
    V[13]: [
        ("试试：训练换回随便从哪儿读起", lambda r: (
            f"{r.loss(V[13])} → {r.loss(V[13], '随便从哪儿读起')}（{r.more(V[13], '随便从哪儿读起')}）。考题总从一首的开头读起，"
            "训练时却很少碰上开头正好落在第 1 个位置：考什么，就该练什么。"
        )),
        ("自测：读到第几首", lambda r: "第三首：头两首一共约 124 个字，第三首只读到题目的前四个字。"),
    ],
    V[14]: [
        ("试试：block_size 改成 512，batch_size 改成 2，各跑 100 步", lambda r: (
            lambda slow, fast: f"v13 每秒 {slow:,} 字，v14 {fast:,} 字，快到 {fast / slow:.1f} 倍（单线程）。T 越大，v13 里那张 (T, T) 的分数表占得越多；"
            "SDPA 分块算，不把整张表写进内存，也不算被遮住的块。"
        )(*(r.run(V[n], LONG_ROWS)["tokens_per_s"] for n in (13, 14)))),
        ("自测：去掉 is_causal=True", lambda r: (
            f"训练 loss 掉到 {r.run(V[14], '不遮未来')['train_loss']:.2f}，验证 loss {r.loss(V[14], '不遮未来')}：答案就在右边，抄来就行，和 v3 去掉 mask 一样。"
        )),
    ],
    V[15]: [
        ("试试：去掉 ln_f", lambda r: (
            f"{r.loss(V[15])} → {r.loss(V[15], '去掉 ln_f')}（{r.more(V[15], '去掉 ln_f')}）：这点差别，换个种子就可能倒过来。"
        )),
        ("自测：少了多少个参数", lambda r: (
            f"{r.parameters(V[14]) - r.parameters(V[15]):,} 个：9 个归一化的偏置 9 × 128，4 层里 proj 的 128、前馈的 512 + 128，lm_head 的 5,970。"
        )),
    ],
    V[16]: [
        ("试试：10000 改成 100，再改成 1000000", lambda r: (
            f"10000 是 {r.loss(V[16])}，100 是 {r.loss(V[16], '10000 = 100')}，1000000 是 {r.loss(V[16], '10000 = 1000000')}。"
            f"hs = 16 时有 8 对。10000：最慢的一对转一圈要 {2 * math.pi * 10000 ** (7 / 8):,.0f} 个字；100：{2 * math.pi * 100 ** (7 / 8):.0f} 个字。"
            "窗口只有 128，用不着太慢的；窗口长到几千几万，才要把底数放大（Qwen3 用 1000000）。"
        )),
        ("自测：整段往后挪 10 个位置", lambda r: (
            f"不变：100 个字所有位置的打分，最大差 {float(r.notes(V[16], '往后挪')):.0e}，是舍入误差。打分只看相隔多远，不看在第几位。"
        )),
    ],
    V[17]: [
        ("试试：silu 换成 relu 的平方", lambda r: (
            f"{r.loss(V[17])} → {r.loss(V[17], 'relu 的平方')}（{r.more(V[17], 'relu 的平方')}）：这里不合算。"
        )),
        ("自测：参数多几成", lambda r: (
            lambda more, n: f"前馈的三个矩阵各宽了一半：4 × 3 × 128 × (512 − 341) = {more:,}，前馈多五成，整个模型多 {more / n:.0%}。"
        )(r.run(V[17], "H = 4C")["parameters"] - r.parameters(V[17]), r.parameters(V[17]))),
    ],
    V[18]: [
        ("试试：learning_rate 改成 2e-2，v17 和 v18 各跑一遍", lambda r: (
            "| learning_rate | v17 | v18 |\n| ---: | ---: | ---: |\n"
            f"| 5e-3（不改） | {r.loss(V[17])} | {r.loss(V[18])} |\n"
            + "".join(f"| {rate} | {' | '.join(r.loss(V[n], f'learning_rate = {rate}') for n in (17, 18))} |\n" for rate in RATES)
            + "\n学习率合适时看不出差别；开大四倍、八倍，没有 QK-norm 的坏得多。它防的就是这个。"
        )),
        ("自测：归一放在旋转之后", lambda r: (
            "只除以长度，前后都一样：旋转不改变长度。但每一维还各有一个学来的缩放。先旋转，一对里的两个数已经混在一起，再乘两个不同的数，"
            "打分就不再只看相隔几个字了。"
        )),
    ],
    V[19]: [
        ("试试：n_kv_head 改成 1、改成 8", lambda r: (
            f"4 是 {r.loss(V[19])}，1 是 {r.loss(V[19], 'n_kv_head = 1')}（{r.more(V[19], 'n_kv_head = 1')}），"
            f"8 就是 v18：{r.loss(V[18])}。只有 1 份 k、v 的叫 MQA。"
        )),
        ("自测：要存多少个数", lambda r: (
            "k、v 两份 × 4 层 × 128 个字 × n_kv_head × 16：8 份要 131,072 个，4 份 65,536 个。"
        )),
    ],
    V[20]: [
        ("试试：去掉 init 那一行", lambda r: (
            lambda run: f"第 0 步是 {run['curve'][0]['val_loss']:.1f}（ln V 是 8.69），最后 {run['val_loss']:.2f}，不改是 {r.loss(V[20])}。"
        )(r.run(V[20], "去掉 init"))),
        ("自测：V × C 的矩阵有几个", lambda r: (
            f"原来两个，现在一个，少了 5,970 × 128 = {r.parameters(V[19]) - r.parameters(V[20]):,} 个参数，三分之一。"
        )),
    ],
    V[21]: [
        ("试试：muon_learning_rate 改成 0.02、0.005", lambda r: (
            f"0.01 是 {r.loss(V[21])}，0.02 是 {r.loss(V[21], 'muon_learning_rate = 0.02')}，0.005 是 {r.loss(V[21], 'muon_learning_rate = 0.005')}。"
            f"AdamW（v20）也调过：5e-3 是 {r.loss(V[20])}，2.5e-3 是 {r.loss(V[20], 'learning_rate = 2.5e-3')}，1e-2 是 {r.loss(V[20], 'learning_rate = 1e-2')}。"
        )),
        ("自测：词表为什么不交给 Muon", lambda r: (
            "词表的一行是一个字，不是把一种向量变成另一种向量的变换；一步里多数字没出现，它们那几行的梯度小得多，"
            "一正交化，全都放大到一样。（真交给它会怎样，没有量过。）"
        )),
    ],
    V[22]: [
        ("试试：一次写 64 首，要几秒", lambda r: (
            lambda on, off: f"没训练的模型，单线程，每首 100 个字：v22 {on:.1f} 秒，v21 {off:.1f} 秒，快到 {off / on:.0f} 倍。学过的还要快些：写到空行就停。"
        )(*(float(r.notes(V[n], "一次写 64 首")) for n in (22, 21)))),
        ("自测：缓存有多少个数", lambda r: "k、v 两份 × 4 层 × 4 × 128 × 16 = 65,536 个，每个 4 字节，256 KB。"),
    ],
    V[23]: [
        ("试试：torchrun 起两个进程，tokens/s 差多少", lambda r: (
            "2 核的机器上量的在 [bench.md](bench.md) 里，最后一段。一个进程本来就用着所有的核，分成两个，多出来的只有传梯度的工夫；几块 GPU、几台机器，才快得起来。"
        )),
        ("自测：每步要传多少个数", lambda r: (
            f"每个参数的梯度，{r.parameters(V[21]):,} 个，一个 4 字节，约 {4 * r.parameters(V[21]) / 1e6:.0f} MB：和 W、和一批多大都没关系。"
            "（环形的 all-reduce，每个进程发出、收到的各约两倍的 (W − 1)/W。）"
        )),
    ],
    V[24]: [
        ("试试：一个词牌写 8 首，几首合律", lambda r: (
            lambda scores: f"数一数就知道；种子 42 写的 {scores['poems']} 首（20 个词牌各 {scores['poems'] // 20} 首），合律的占 {scores['attested']:.0%}。"
        )(measure.first(r.results, V[24])["form"])),
        ("自测：base.pth 有多大", lambda r: (
            lambda size, n: f"{n:,} 个参数 × 4 字节 = {4 * n / 1e6:.1f} MB；文件是 {size / 1e6:.1f} MB。共用的矩阵只存一份。多出来的是词表和文件格式。"
        )(int(r.notes(V[24], "文件")), r.parameters(V[24]))),
    ],
    V[25]: [
        ("试试：keep 改成 1.0", lambda r: (
            after_rows(r, V[25], {"0.7": None, "1.0": "keep = 1.0"}, "keep")
            + "\n\n学的要求里几乎样样都有，只给词牌的没见过几回：合律、正文 loss 都差了；藏头回回都练，听得更好。"
        )),
        ("自测：①、②、③ 的嵌入还学得到吗", lambda r: (
            lambda symbols, others: "学得到。loss 不算它，可后面的字要看它，k、v 从它的嵌入来，梯度就传回来了。另一头，嵌入和 lm_head 是同一张表，"
            f"它从来不是答案，打分总被压低，也推着它动。量一量（keep = 1.0 那一回），学完离出生时多远（和出生时的长短比）：①–⑲ 平均 {symbols}，原有的字 {others}。"
        )(*r.notes(V[25], "keep = 1.0").split())),
    ],
    V[26]: [
        ("试试：换一位词人，rank 改成 1、32", lambda r: (
            "这位词人没学过的词，验证 loss：\n\n| 词人，rank | 没学 → 最好 |\n| --- | ---: |\n"
            + "".join(f"| {what} | {r.fall(V[26], label)} |\n" for what, label in (
                ("苏轼，8", None), ("苏轼，1", "rank = 1"), ("苏轼，32", "rank = 32"), ("辛弃疾，8", "辛弃疾"),
            ))
            + "\nrank 大，学得多一点；都降不到 0.06：这些词人的词，底座早读过几遍了。"
        )),
        ("自测：要学的占几成，rank 多大就一样多", lambda r: (
            lambda each, whole, n: f"一层 7 个 Linear，窄路一共 rank × {each:,} 个数；4 层、rank 8 是 {4 * 8 * each:,} 个，占 {4 * 8 * each / n:.2%}。"
            f"原来的矩阵一层 {whole:,} 个，rank 到 {whole / each:.0f} 就一样多了。"
        )(2 * (128 + 128) + 2 * (128 + 64) + 3 * (128 + 341), 2 * 128 * 128 + 2 * 128 * 64 + 3 * 128 * 341, r.parameters(V[25]))),
    ],
    V[27]: [
        ("试试：beta 改成 0.01 或 1", lambda r: (
            after_rows(r, V[27], {"0.1": None, "0.01": "beta = 0.01", "1": "beta = 1.0"}, "beta")
            + "\n\nβ 大，拉得紧：真词的 loss 不怎么涨，合律也学得少；β 小，拉得松：真词的 loss 涨得多些，用的字少些，练过的词牌合律却没有更好。（一个种子，没练的六个上下差得多，说不准。）"
        )),
        ("自测：为什么要和参照比", lambda r: (
            "不比，loss 只要“好的 ln P 比坏的大”。长的、字生僻的一首，ln P 本来就小，这一对的 loss 全花在这上头，和合不合律不相干；本来就分得开的一对，"
            "也什么都不教。和参照比，问的是“这一步之后，好的比坏的多升了多少”，起步时人人是 0。β 乘着它，等于在奖励里扣掉离参照多远（KL），"
            "不用另加一项。"
        )),
    ],
    V[28]: [
        ("试试：group_size 改成 2", lambda r: (
            after_rows(r, V[28], {"16": None, "2": "group_size = 2"}, "group_size")
            + "\n\n两首一组，常常分数一样，白练；一步写的也只有八分之一。80 步，几乎没动（起点练过的 "
            f"{r.form(V[28], '只挑不学')['practised']['attested']:.0%}）。"
        )),
        ("试试：reward 里加上押韵的成数", lambda r: (
            lambda scores, poems: after_rows(r, V[28], {"不加": None, "加": "加上押韵"}, "押韵的分")
            + f"\n\n（学习率 1e-3，160 步，看最后一步的。）押韵 {scores['rhyme']:.0%}，写的头两首却是：\n\n{poems}\n\n"
            "“归”和“归”当然押韵。分数只说要什么，没说不要什么，它就挑最省事的给：这叫钻空子（reward hacking）。只看押韵、合律，好极了；"
            f"看韵字重复、不同的字、真词的 loss，就露馅：韵部的熵也只剩 {scores['entropy']:.1f} nat（真词 2.6）。v29 就是来补救的。"
        )(r.form(V[28], "加上押韵"), "\n\n".join(quote(poem, 12) for poem in r.form(V[28], "加上押韵")["examples"][:2]))),
        ("对照：不学，只挑；只学合律的", lambda r: (
            lambda practised, held_out: "不学，只让程序挑：v25 一个要求写几首，挑一首合律的，挑得到的占几成：\n\n"
            "| | 1 首 | 4 首里挑 | 16 首里挑 |\n| --- | ---: | ---: | ---: |\n"
            + "".join(f"| {what} | {' | '.join(f'{float(one):.0%}' for one in row)} |\n" for what, row in (("练过的 14 个", practised), ("另外 6 个", held_out)))
            + f"\n要合律，多写几首挑一挑就够了，不用学。学的好处，是一首就写对：v28 是 {r.form(V[28])['practised']['attested']:.0%} 和 {r.form(V[28])['held_out']['attested']:.0%}。"
            + "\n\n只学合律的：优势换成合律 1、不合 0，别的一样。\n\n" + after_rows(r, V[28], {"减平均": None, "1 和 0": "只学合律的"}, "优势")
            + "\n\n优势只有 1 和 0，不合律的不往下压，一组全合律时照样往上推；减了平均，好坏一起学，全合律时是 0。一个种子，几个百分点的差别在误差里。"
        )(*(line.split() for line in r.notes(V[28], "只挑不学").split("\n")))),
        ("自测：一组全都合律，或者全不合，教了什么", lambda r: (
            "全合律：都是满分，减去平均都是 0，梯度就是 0，什么也没教；打印的“白练”数的就是分数全一样的组，练得越好，白练的越多。"
            "全不合：写对的开头有多有少，分数有高低，还是教；碰巧全一样，才白练。"
        )),
    ],
    V[29]: [
        ("试试：bonus 改成 3.0", lambda r: (
            after_rows(r, V[29], {"6": None, "3": "bonus = 3.0"}, "bonus")
            + "\n\n得分少了，就不值得离起点那么远：听韵部、押韵都学得少，真词的 loss 也涨得少；练过的词牌合律差不多，末了都再练过。bonus 就是在这两头之间挑。"
        )),
        ("自测：韵脚上的 loss 为什么单独平均", lambda r: (
            "一段两百来个字，要记分的韵脚平均十来个，只占要学的字的 5%。放在一起平均，别的字的 loss 多，把它盖过去了：试过，600 步，该押的那一部的概率只从 23% 到 30%"
            "（[tried.md](tried.md)）。单独平均，两样一样重。"
        )),
    ],
    SAMPLER: [
        ("试试：temperature 和 top_k", lambda r: "\n\n".join(
            f"`{label}`：\n\n{quote(r.sampled()['texts'][label], 3)}" for label in SAMPLING if label.startswith(("temperature", "top_k"))
        ) + "\n\n温度是 0，每次都选最可能的字，容易原地打转；温度高，生僻的搭配就多。top_k = 10 把那些很不可能的字一概不要。"),
        ("看什么：关掉缓存，文字一样吗", lambda r: (
            "一样，200 个字一字不差。" if r.sampled()["texts"]["use_kv_cache = False"] == r.sampled()["texts"]["temperature = 1.0"] else "不一样！"
        )),
        ("试试：开头写成“水调歌头 苏轼\\n”", lambda r: quote(r.sampled()["texts"]["词牌开头"], 6)),
        ("自测：缓存里有多少个数", lambda r: (
            "2 × n_layer × S × C = 2 × 4 × 64 × 128 = 65,536 个，每个 4 字节，256 KB。（k 和 v 两份；各头的宽加起来就是 C。）"
        )),
    ],
}


def render(r):
    """docs/answers.md 的全文；r 是 Reader。"""
    text = (
        "# “试试”和“自测”的答案\n\n先自己试，再点开看。每一处都由 `tools/answers.py` 照着改、从头跑到尾，种子 42，单线程；"
        "“不改”的是 [results.json](results.json) 里种子 42 的那一次（两个线程，所以 loss 的末一两位可能不同）。只跑了一个种子，"
        "0.05 以内的差，换个种子就可能倒过来。\n"
    )
    for name, answers in SECTIONS.items():
        text += f"\n## `{name}`\n"
        for question, answer in answers:
            text += f"\n<details><summary>{question}</summary>\n\n{answer(r)}\n\n</details>\n"
    return text


def reader():
    """记录都读进来。"""
    return Reader(variants.load(OUTPUT), measure.load(), variants.load(ablate.OUTPUT))


def write():
    """写 docs/answers.md 和 docs/spread.svg。"""
    import plot  # 画图要 matplotlib，测试不用

    r = reader()
    OUTPUT.with_suffix(".md").write_text(render(r), encoding="utf-8")
    chosen = {"v7，没训练": (V[7], "差多远"), "v6，没训练": (V[6], "差多远"), "v6，训练完": (V[6], "训练之后，差多远")}
    measured = {label: json.loads(r.notes(*one))["spread"] for label, one in chosen.items()}
    plot.spread(measured, ROOT / "docs" / "spread.svg")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scripts", nargs="*", choices=[[], *VARIANTS], metavar="脚本")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    if not arguments.write:
        variants.run(OUTPUT, VARIANTS, arguments.scripts or list(VARIANTS))
    write()


if __name__ == "__main__":
    main()
