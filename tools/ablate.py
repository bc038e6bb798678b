"""拆掉一个概念，loss 会差多少？从 v10 和 v11（CPU 一套）里，一次拆一个，别的一字不动，照样训练到底。

用法：
    python tools/ablate.py                # 缺什么量什么；中断了再跑，接着来
    python tools/ablate.py --seeds 3 babygpt_v10_dropout.py
    python tools/ablate.py --draw         # 不跑，只重画

结果写到 docs/ablation.json、docs/ablation.md、docs/ablation.svg。不拆的那一份用 docs/results.json 里的。
"""

import argparse
import math
import statistics

import form
import measure
import variants
from scripts import ROOT, V
from variants import Variant, change

OUTPUT = ROOT / "docs" / "ablation.json"
FULL = (V[10], V[11])

# 概念 → 怎样从源码里拆掉它
CONCEPTS = {
    "位置编码（v2）": change(["self.position_embedding = ", "x = x + self.position_embedding("]),
    "多头（v4）": change(n_head=1),
    "前馈（v5）": change(["self.feed_forward = ", "self.ln2 = ", "x = x + self.feed_forward("]),
    "残差（v7）": change(
        swapped=[("x = x + self.attention(", "x = self.attention("), ("x = x + self.feed_forward(", "x = self.feed_forward(")]
    ),
    "投影（v8）": change(
        ["self.proj = "],
        [("self.proj(torch.cat([head(x) for head in self.heads], dim=-1))", "torch.cat([head(x) for head in self.heads], dim=-1)")],
    ),
    "层归一化（v9）": change(
        ["self.ln1 = ", "self.ln2 = ", "self.ln_f = ", "x = self.ln_f(x)"], [("self.ln1(x)", "x"), ("self.ln2(x)", "x")]
    ),
}
# 每份脚本量哪些：v11 的 CPU 一套本来就没有 Dropout，反过来加上；窗口的大小不是哪一版的概念，但格律要看它；
# 最后两项把 v11 的功劳拆开：多少归学习率的安排，多少归大小和步数
CHANGES = {
    V[10]: {**CONCEPTS, "Dropout（v10）": change(dropout=0.0)},
    V[11]: {
        **CONCEPTS, "Dropout 0.1（本来没有，加上）": change(dropout=0.1),
        "窗口 32（batch 32）": change(block_size=32, batch_size=32),
        "窗口 128（batch 8）": change(block_size=128, batch_size=8),
        "学习率不变（没有预热和衰减）": change(["warmup = ", "decay = ", 'optimizer.param_groups[0]["lr"] = ']),
        "v10 的大小和步数，有预热和衰减": change(
            batch_size=16, block_size=32, n_embed=96, n_head=6, n_layer=3, dropout=0.1, learning_rate=3e-3, max_iters=3000
        ),
    },
}
VARIANTS = {name: {label: Variant(apply, form.SAMPLES) for label, apply in labels.items()} for name, labels in CHANGES.items()}


def rows(ablation, results, name):
    """[(概念, 平均验证 loss, 比完整的高多少, 平均格律), …]，头一行是完整的；loss 单位 nat/字，发散了的是 inf。"""
    full = measure.summary(results, name)
    found = [("完整", full["val_loss"], 0.0, full["form"])]
    for concept in VARIANTS[name]:
        runs = ablation[name].get(concept, {}).get("runs")
        if runs:
            loss = statistics.mean(run["val_loss"] for run in runs)
            if loss > results["baselines"]["uniform"]:
                loss = math.inf
            scores = {key: statistics.mean(run["form"][key] for run in runs) for key in measure.FORM}
            found.append((concept, loss, loss - full["val_loss"], scores))
    return found


def table(ablation, results):
    """docs/ablation.md 的全文。"""
    text = "# 拆掉一个概念，loss 会差多少\n\n由 `tools/ablate.py` 量出。训练到底，别的一字不动；差别是比完整的高多少，单位 nat/字。换窗口的两行，batch 也跟着换，每步学的字数不变。\n"
    text += "\n拆过的只跑了一个种子：0.05 以内的差，换个种子就可能倒过来。最要紧的是残差：拆了它，模型只剩只数字频的水平。\n"
    text += "\n![拆掉一个概念，loss 会差多少](ablation.svg)\n"
    for name in ablation:
        seeds = sorted({len(entry["runs"]) for entry in ablation[name].values() if entry["runs"]})
        text += f"\n## `{name}`\n\n完整的是 {measure.summary(results, name)['seeds']} 个种子的平均，"
        text += f"拆过的是 {'–'.join(map(str, seeds))} 个。\n\n"
        text += "| 拆掉或改动 | 验证 loss | 差别 | 收尾 | 合律 | 写对的开头 |\n| --- | ---: | ---: | ---: | ---: | ---: |\n"
        for concept, loss, more, scores in rows(ablation, results, name):
            numbers = "发散 | " if loss == math.inf else f"{loss:.2f} | {f'{round(more, 2) + 0.0:+.2f}' if concept != '完整' else ''}"
            text += f"| {concept} | {numbers} | {measure.form_columns(scores)} |\n"
    return text


def draw(ablation, results):
    """写 docs/ablation.md 和 docs/ablation.svg。"""
    import plot  # 画图要 matplotlib，测试不用

    OUTPUT.with_suffix(".md").write_text(table(ablation, results), encoding="utf-8")
    plot.ablation({name: rows(ablation, results, name)[1:] for name in ablation}, OUTPUT.with_suffix(".svg"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scripts", nargs="*", choices=[[], *FULL], metavar="脚本")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--draw", action="store_true")
    arguments = parser.parse_args()
    if not arguments.draw:
        variants.run(OUTPUT, VARIANTS, arguments.scripts or FULL, arguments.seeds)
    draw(variants.load(OUTPUT), measure.load())


if __name__ == "__main__":
    main()
