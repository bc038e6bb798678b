"""拆掉一个概念，loss 会差多少？从 v10 和 v11 里，一次拆一个，别的一字不动，照样训练到底，
记到 docs/ablation.json。

用法：
    python tools/ablate.py                # 缺什么量什么；中断了再跑，接着来
    python tools/ablate.py --seeds 3 v10

不拆的那一份用 docs/results.json 里的；docs/ablation.md、docs/ablation.svg 由 render.py 写。
"""

import form
import records
import variants
from course import V
from variants import Variant, change

# 概念 → 怎样从源码里拆掉它
CONCEPTS = {
    "位置编码（v2）": change(["self.position_embedding = ", "x = x + self.position_embedding("]),
    "多头（v4）": change(n_head=1),
    "前馈（v5）": change(["self.feed_forward = ", "self.ln2 = ", "x = x + self.feed_forward("]),
    "残差（v7）": change(
        swapped=[
            ("x = x + self.attention(", "x = self.attention("),
            ("x = x + self.feed_forward(", "x = self.feed_forward("),
        ]
    ),
    "投影（v8）": change(
        ["self.proj = "],
        [
            (
                "self.proj(torch.cat([head(x) for head in self.heads], dim=-1))",
                "torch.cat([head(x) for head in self.heads], dim=-1)",
            )
        ],
    ),
    "层归一化（v9）": change(
        ["self.ln1 = ", "self.ln2 = ", "self.ln_f = ", "x = self.ln_f(x)"], [("self.ln1(x)", "x"), ("self.ln2(x)", "x")]
    ),
}
# 每份脚本量哪些：v11 本来就没有 Dropout，反过来加上；窗口的大小不是哪一版的概念，但格律要看它；
# 最后两项把 v11 的功劳拆开：多少归学习率的安排，多少归大小和步数
CHANGES = {
    V[10]: {**CONCEPTS, "Dropout（v10）": change(dropout=0.0)},
    V[11]: {
        **CONCEPTS,
        "Dropout 0.1（本来没有，加上）": change(dropout=0.1),
        "窗口 32（batch 32）": change(block_size=32, batch_size=32),
        "窗口 128（batch 8）": change(block_size=128, batch_size=8),
        "学习率不变（没有预热和衰减）": change(["warmup = ", "decay = ", 'optimizer.param_groups[0]["lr"] = ']),
        "v10 的大小和步数，有预热和衰减": change(
            batch_size=16,
            block_size=32,
            n_embed=96,
            n_head=6,
            n_layer=3,
            dropout=0.1,
            learning_rate=3e-3,
            max_iters=3000,
        ),
    },
    V[13]: {
        "照 v11，随便从哪儿读起": change(
            swapped=[
                (
                    'poem_starts["train"][torch.randint(len(poem_starts["train"]), (batch_size,), device=device)]',
                    "torch.randint(len(train_data) - block_size, (batch_size,), device=device)",
                )
            ]
        )
    },
    V[15]: {
        "位置表从小数起步（标准差 0.02）": change(
            swapped=[
                (
                    "        self.blocks = ",
                    "        nn.init.normal_(self.position_embedding.weight, std=0.02)\n        self.blocks = ",
                )
            ]
        ),
        "没有位置": change(["self.position_embedding = ", "x = x + self.position_embedding("]),
        "只换归一化，偏置留着": change(
            swapped=[
                ("self.proj = nn.Linear(n_embed, n_embed, bias=False)", "self.proj = nn.Linear(n_embed, n_embed)"),
                ("nn.Linear(n_embed, 4 * n_embed, bias=False)", "nn.Linear(n_embed, 4 * n_embed)"),
                ("nn.Linear(4 * n_embed, n_embed, bias=False)", "nn.Linear(4 * n_embed, n_embed)"),
                ("nn.Linear(n_embed, vocab_size, bias=False)", "nn.Linear(n_embed, vocab_size)"),
            ]
        ),
        "只去偏置，归一化不换": change(
            swapped=[
                (f"self.{name} = nn.RMSNorm(n_embed, eps=1e-6)", f"self.{name} = nn.LayerNorm(n_embed)")
                for name in ("ln1", "ln2", "ln_f")
            ]
        ),
    },
    V[21]: {
        "嵌入的标准差 0.088": change(swapped=[("std=0.05)", "std=0.088)")]),
        "权重衰减 0.2": change(
            swapped=[("lr=learning_rate, fused=True", "lr=learning_rate, weight_decay=0.2, fused=True")]
        ),
    },
    V[22]: {
        "矩阵的权重衰减 0.005": change(swapped=[("1 - 0.1 * pace", "1 - 0.005 * pace")]),
        "嵌入的标准差 0.088": change(swapped=[("std=0.05)", "std=0.088)")]),
    },
}
VARIANTS = {
    file: {label: Variant(apply, form.SAMPLES) for label, apply in labels.items()} for file, labels in CHANGES.items()
}
EXPERIMENT = variants.Experiment(records.ABLATION, VARIANTS, "ablate")


if __name__ == "__main__":
    variants.main(__doc__, EXPERIMENT)
