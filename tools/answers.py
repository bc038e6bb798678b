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
import measure
import variants
from scripts import ROOT, V, edit
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

# 各字的向量差多远：验证集上 40 段，每一维在各字之间的标准差，各维平均；再看 loss 对每一层参数的梯度有多大
SPREAD = """
x, y = get_batch(val_data, torch.arange(40, device=device) * 4000)
h = model.token_embedding(x) + model.position_embedding(torch.arange(block_size, device=device))
spread = [h.flatten(0, 1).std(0).mean().item()]
for block in model.blocks:
    h = block(h)
    spread.append(h.flatten(0, 1).std(0).mean().item())
model(x, y)[1].backward()
gradient = [sum(p.grad.norm().item() ** 2 for p in block.parameters()) ** 0.5 for block in model.blocks]
import json
print(json.dumps({"spread": spread, "gradient": gradient}))
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
x = torch.randn(1, 4, n_embed, device=device)
head = model.attention
scores = head.query(x) @ head.key(x).transpose(-2, -1) / n_embed ** 0.5  # (1, 4, 4)
weights = F.softmax(scores.masked_fill(head.mask[:4, :4], float("-inf")), dim=-1)
assert torch.allclose(weights @ head.value(x), head(x), atol=1e-5)
print("通过")
"""
ZERO = """
block = Block().to(device)
for p in block.parameters(): p.data.zero_()
x = torch.randn(1, 4, n_embed, device=device)
print(torch.equal(block(x), x))
"""
INIT = """model = BabyGPT().to(device)
for m in model.blocks.modules():
    if isinstance(m, nn.Linear):
        nn.init.kaiming_normal_(m.weight)
"""
NO_MASK = ["weights.masked_fill("]
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
    V[9]: {"不改": change(), "learning_rate = 1e-2": change(learning_rate=1e-2)},
    V[10]: {"dropout = 0.5": change(dropout=0.5), "dropout = 0": change(dropout=0.0)},
    V[12]: {
        # 接着用存下的 model.pth 跑采样器；采样器改了，这里也跟着过时
        "采样器": change(then=f"import answers\nanswers.sample_beside(model_path, {measure.fingerprint(SAMPLER)!r})"),
    },
}
VARIANTS = {name: {label: Variant(apply) for label, apply in labels.items()} for name, labels in CHANGES.items()}


def sample_beside(model_path, _fingerprint):
    """在 model_path（Path，model.pth）旁边把 SAMPLING 里的每种设置跑一遍；打印 JSON：{标签: 写的字} 和文件大小（字节）。"""
    texts = {}
    for label, (settings, prompt) in SAMPLING.items():
        script = edit(SAMPLER, model_path.parent, **settings)
        process = subprocess.run([sys.executable, str(script)], input=prompt + "\n", capture_output=True, encoding="utf-8", check=True)
        texts[label] = process.stdout.split("：", 1)[1].rsplit("\n（", 1)[0]
    print(json.dumps({"bytes": os.path.getsize(model_path), "texts": texts}, ensure_ascii=False))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scripts", nargs="*", choices=[[], *VARIANTS], metavar="脚本")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    if not arguments.write:
        variants.run(OUTPUT, VARIANTS, arguments.scripts or list(VARIANTS))


if __name__ == "__main__":
    main()
