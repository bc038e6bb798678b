"""每份脚本的“试试”和“自测”：照着改，从头跑到尾，记到 docs/answers.json。

用法：
    python tools/answers.py               # 缺什么量什么；中断了再跑，接着来
    python tools/answers.py v3

都只跑种子 42。不改的那一份用 docs/results.json 里种子 42 的，v11 的用 docs/ablation.json 里的。
答案在 templates/answers/ 里，docs/answers.md 由 render.py 写。
"""

import json
import os
import subprocess
import sys

import course
import form
import records
import runner
import variants
from course import AFTER, SAMPLER, V
from variants import Variant, change

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
"""  # noqa: E501
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
model.generate(idx.repeat(64, 1), 100)
print(time.perf_counter() - started)
"""
# 没训练的模型：字给自己打的分，平均多少；真的答案的 loss；自己那一格换成别的字那样的分，loss 又是多少
OWN_LOGIT = """
x, y = get_batch(val_data, poem_starts["val"][:40])
with torch.no_grad():
    logits, loss = model(x, y)
    own = logits.gather(2, x[..., None])
    without = logits.scatter(2, x[..., None], logits.mean(2, keepdim=True))
    print(f"{own.mean():.0f} {loss:.0f} {F.cross_entropy(without.flatten(0, 1), y.flatten()):.0f}")
"""
# 正交化之后的奇异值：原来 0.01 到 1 的、不到 0.001 的，各是多少到多少；那个 2×2 的；一批字之后，词表的梯度里，
# 出现过的字的那几行和没出现过的，平均长短的比，正交化之前、之后
ORTHOGONALIZED = """
import json
def values(matrix):
    return torch.linalg.svdvals(matrix).tolist()
def polynomial(s):
    for _ in range(5):
        s = 3.4445 * s - 4.775 * s**3 + 2.0315 * s**5
    return s
large, small = (polynomial(torch.logspace(low, high, 2000)) for low, high in ((-2, 0), (-4, -3)))
pair = torch.tensor([[3.0, 1.0], [1.0, 1.0]])
x, y = get_batch(train_data, poem_starts["train"][:8])
model(x, y)[1].backward()
gradient = model.lm_head.weight.grad
seen = torch.zeros(vocab_size, dtype=torch.bool).index_fill(0, torch.cat([x, y]).flatten(), True)
ratio = lambda matrix: (matrix.norm(dim=1)[seen].mean() / matrix.norm(dim=1)[~seen].mean()).item()
print(json.dumps({"large": [large.min().item(), large.max().item()], "small": [small.min().item(), small.max().item()],
                  "pair": [values(pair), values(orthogonalize(pair))],
                  "rows": [ratio(gradient), ratio(orthogonalize(gradient))]}))
"""
FILE_SIZE = "print(path.stat().st_size)"
# 写 k 首，至少有一首全对的机会，各词牌平均：k 是 1、4、16……
PASS = """
for k in [4**n for n in range(9) if 4**n <= group_size]:
    print(k, 1 - sum(math.comb(group_size - n, k) / math.comb(group_size, k) for n in perfect) / len(perfect))
"""
LONG_ROWS = "block_size = 512，batch_size = 2"
RATES = ("2e-2", "4e-2")  # QK-norm 要在大学习率下看
ONE_LINE = "print(f'{loss.item():.4f} {model.linear.weight.item():.3f} {model.linear.bias.item():.3f}')"
FIVE = "pytorch_5min.py"

CHANGES = {
    "simplemodel.py": {
        "看 transition": change(
            prompts=["明月", "斜阳"],
            then="""
row = transition["春"]
print(len(row), "，".join(f"{ch!r} {n}" for ch, n in row.most_common(10)))
print(sum(len(t) == 1 for t in transition.values()), len(transition))
""",
        )
    },
    "simplebigrammodel.py": {f"interpolation = {value}": change(interpolation=value) for value in (1, 100000, 10**9)},
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
        "w = 4.0": change(
            swapped=[("w = torch.tensor([3.0]", "w = torch.tensor([4.0]")], then="print(f'{w.item():.4f}')"
        ),
    },
    V[1]: {"n_embed = 8": change(n_embed=8), "max_iters = 10000": change(max_iters=10000)},
    V[2]: {"倒过来": change(**QUICK, then=REVERSED)},
    V[3]: {
        "倒过来": change(**QUICK, then=REVERSED),
        "自测": change(**QUICK, then=HEAD),
        "不遮未来": change(NO_MASK),
        "不除 √hs": change(swapped=[("q @ k.transpose(-2, -1) / k.shape[-1] ** 0.5", "q @ k.transpose(-2, -1)")]),
        "加上残差": change(swapped=[("        x = self.attention(x)", "        x = x + self.attention(x)")]),
    },
    V[4]: {f"n_head = {n}": change(n_head=n) for n in (1, 2, 12, 24)},
    V[5]: {
        "不改": change(),
        "没有 ReLU": change(["            nn.ReLU(),"]),
        "GELU": change(swapped=[("            nn.ReLU(),", "            nn.GELU(),")]),
        "不放宽": change(
            swapped=[
                ("nn.Linear(n_embed, 4 * n_embed)", "nn.Linear(n_embed, 1 * n_embed)"),
                ("nn.Linear(4 * n_embed, n_embed)", "nn.Linear(1 * n_embed, n_embed)"),
            ]
        ),
    },
    V[6]: {
        "差多远": change(**QUICK, then=SPREAD),
        "全是 0": change(**QUICK, then=ZERO),
        "n_layer = 1": change(n_layer=1),
        "n_layer = 2": change(n_layer=2),
        "learning_rate = 1e-3": change(learning_rate=1e-3),
        "换初始值": change(swapped=[("model = BabyGPT().to(device)\n", INIT)]),
        "换初始值，差多远": change(swapped=[("model = BabyGPT().to(device)\n", INIT)], **QUICK, then=SPREAD),
        "换初始值，learning_rate = 1e-3": change(
            swapped=[("model = BabyGPT().to(device)\n", INIT)], learning_rate=1e-3
        ),
        "训练之后，差多远": change(then=SPREAD),
    },
    V[7]: {
        "差多远": change(**QUICK, then=SPREAD),
        "全是 0": change(**QUICK, then=ZERO),
        "只有注意力": change(swapped=[("x = x + self.feed_forward(x)", "x = self.feed_forward(x)")]),
        "只有前馈": change(swapped=[("x = x + self.attention(x)", "x = self.attention(x)")]),
    },
    V[8]: {
        "x 多大": change(then=SIZE),
        "n_layer = 6": change(n_layer=6),
        "learning_rate = 1e-2": change(learning_rate=1e-2),
    },
    V[9]: {
        "不改": change(then=SIZE),
        "n_layer = 6": change(n_layer=6),
        "learning_rate = 1e-2": change(learning_rate=1e-2),
    },
    V[10]: {"dropout = 0.5": change(dropout=0.5), "dropout = 0": change(dropout=0.0)},
    V[12]: {
        # 接着用存下的 model.pth 跑采样器；采样器改了，这里也跟着过时
        "采样器": change(then=f"import answers\nanswers.sample_beside(model_path, {runner.fingerprint(SAMPLER)!r})")
    },
    V[13]: {LONG_ROWS: change(block_size=512, batch_size=2, max_iters=100, max_new_tokens=1)},
    V[14]: {
        LONG_ROWS: change(block_size=512, batch_size=2, max_iters=100, max_new_tokens=1),
        "不遮未来": change(swapped=[(", is_causal=True)", ")")]),
    },
    V[15]: {"去掉 ln_f": change(["self.ln_f = ", "x = self.ln_f(x)"])},
    V[16]: {
        **{f"rope_theta = {value}": change(rope_theta=value) for value in (100, 1000000)},
        "往后挪": change(**QUICK, then=SHIFTED),
    },
    V[17]: {
        "relu 的平方": change(swapped=[("F.silu(self.gate(x))", "F.relu(self.gate(x)) ** 2")]),
        "H = 4C": change(
            **QUICK, swapped=[("intermediate_size = 8 * n_embed // 3", "intermediate_size = 4 * n_embed")]
        ),
        **{f"learning_rate = {rate}": change(learning_rate=float(rate)) for rate in RATES},
    },
    V[18]: {
        **{f"learning_rate = {rate}": change(learning_rate=float(rate)) for rate in RATES},
        "一次写 64 首": change(**QUICK, then=WRITE_64),
    },
    V[19]: {"一次写 64 首": change(**QUICK, then=WRITE_64)},
    V[20]: {"n_kv_head = 1": change(n_kv_head=1)},
    V[21]: {
        "去掉 init": change(["nn.init.normal_("]),
        "去掉 init，自己那一格": change(["nn.init.normal_("], **QUICK, then=OWN_LOGIT),
        **{f"learning_rate = {rate}": change(learning_rate=float(rate)) for rate in ("2.5e-3", "1e-2")},
    },
    V[22]: {
        **{f"muon_learning_rate = {rate}": change(muon_learning_rate=rate) for rate in (0.02, 0.005)},
        "正交化": change(**QUICK, then=ORTHOGONALIZED),
    },
    V[24]: {"文件": change(**QUICK, then=FILE_SIZE)},
    V[25]: {"不想": change(swapped=[("    counts = Counter(", "    return poem\n    counts = Counter(")])},
    V[26]: {"max_iters = 0": change(max_iters=0)},
    V[27]: {f"rank = {n}": change(rank=n) for n in (1, 64)},
    V[28]: {"不改": change(then=PASS), "group_size = 64": change(group_size=64, then=PASS)},
    V[29]: {"group_size = 4": change(group_size=4)},
    V[30]: {"beta = 1.0": change(beta=1.0)},
    V[31]: {"group_size = 2": change(group_size=2)},
    V[32]: {"pull = 0": change(pull=0)},
}
VARIANTS = {
    file: {
        label: Variant(apply, form.SAMPLES * (course.BY_FILE[file].part == AFTER and course.BY_FILE[file].measured))
        for label, apply in labels.items()
    }
    for file, labels in CHANGES.items()
}
EXPERIMENT = variants.Experiment(records.ANSWERS, VARIANTS, "answers")


def sample_beside(model_path, _fingerprint):
    """在 model_path（Path，model.pth）旁边把 SAMPLING 里的每种设置跑一遍；打印 JSON：
    {标签: 写的字} 和文件大小（字节）。
    """
    texts = {}
    for label, (settings, prompt) in SAMPLING.items():
        script = runner.edit(SAMPLER, model_path.parent, **settings)
        process = subprocess.run(
            [sys.executable, str(script)], input=prompt + "\n", capture_output=True, encoding="utf-8", check=True
        )
        texts[label] = process.stdout.split("：", 1)[1].rsplit("\n（", 1)[0]
    print(json.dumps({"bytes": os.path.getsize(model_path), "texts": texts}, ensure_ascii=False))


if __name__ == "__main__":
    variants.main(__doc__, EXPERIMENT)
