"""一份脚本训练好的模型，读到一段文字时看了哪里：每一层、每个头的注意力画成图，
再打印下一个字的头五名和末字在嵌入里的近邻。

用法：
    python tools/look.py babygpt_v11_hyper_params.py 春江潮水连海平    # 没有权重，先照脚本训练一遍
    python tools/look.py v16 '浣溪沙 苏轼\\n山下兰芽' --output 图.svg   # \\n 是换行；
    v16 是 modern/babygpt_v16_rope.py 的短名
    python tools/look.py --write      # 重画 README 里的（课程表里写了 reads 的各版）

一格是一个头：行是正在读的字，列是它看的字，越深看得越重，一行加起来是 1；灰的是未来，遮住了。
"""

import argparse
from pathlib import Path

import course
import records
import results
import runner

PICTURES = {row.file: row.reads for row in course.COURSE if row.reads}  # README 里的：{脚本名: 读的文字}
TOP = 5  # 列几个
CANDIDATES = 2000  # 近邻在最常见的这么多个汉字里找：再少见的，没学到什么
MASKED = "#e6e8eb"
LABELS = {"\n": "／", " ": "␣"}  # 看不见的字；换行写成斜线，和 v25 打印的一样


def picture(name):
    """README 里脚本 name 的那张图（Path）。"""
    return records.DOCS / f"attention_{course.BY_FILE[name].id}.svg"


def mark(name):
    """图里记的一行（str）：脚本、权重的指纹、读的文字；和现在的不一样，图就过时了。"""
    return f"{name} {runner.stamp(name)} {PICTURES[name]!r}"


def stale():
    """README 里过时的图：[Stale, …]；用时是训练的。"""
    found = []
    for name in PICTURES:
        path = picture(name)
        if not path.exists() or mark(name) not in path.read_text(encoding="utf-8"):
            reason = "脚本或读的文字改了" if path.exists() else "还没画"
            found.append(
                records.Stale(
                    f"docs/{path.name}", reason, "python tools/look.py --write", results.training_seconds(name)
                )
            )
    return found


def seen(trained, text):
    """读了 text 之后：(下一个字的概率 (V,)，注意力 (层数, 头数, T, T)；没有注意力的是 None)。"""
    import torch

    with torch.no_grad():
        found = trained.watched(torch.tensor([trained.tokenizer.encode(text)]))
    return found["logits"][0].softmax(0), found.get("attention")


def draw(attention, text, title, path, note=None):
    """把注意力（(层数, 头数, T, T)）画到 path（Path）：一层一行，一个头一格。note：记在 SVG 里的一行。"""
    import matplotlib.pyplot as plt
    import torch

    import plot

    plot.style()
    layers, heads, T, _ = attention.shape
    labels = [LABELS.get(ch, ch) for ch in text]
    side = max(1.5 if heads > 1 else 3, 0.17 * T)  # 一格多大（英寸）：放得下一列字
    figure, panels = plt.subplots(
        layers,
        heads,
        figsize=(side * heads + 0.9, side * layers + 0.9),
        squeeze=False,
        layout="constrained",
        sharex=True,
        sharey=True,
    )
    colors = plt.get_cmap("Blues").with_extremes(bad=MASKED)
    future = torch.ones(T, T, dtype=torch.bool).triu(1)
    for layer, row in enumerate(panels):
        for head, axes in enumerate(row):
            shown = attention[layer, head].masked_fill(future, float("nan")).numpy()
            image = axes.imshow(shown, cmap=colors, vmin=0, vmax=1, interpolation="none")
            axes.set_xticks(range(T), labels, fontsize=8)
            axes.set_yticks(range(T), labels, fontsize=8)
            axes.tick_params(length=0, pad=2)
            if layer == 0 and heads > 1:
                axes.set_title(f"头 {head + 1}", fontsize=10)
            if head == 0:
                axes.set_ylabel(f"第 {layer + 1} 层" if layers > 1 else "正在读的字", fontsize=10)
    figure.colorbar(image, ax=panels, shrink=0.6 if layers > 1 else 0.9, aspect=25, label="注意力权重")
    figure.suptitle(title, fontsize=12)
    figure.supxlabel("看的字", fontsize=10)
    metadata = {"Date": None, "Description": note} if path.suffix == ".svg" else {}
    figure.savefig(path, metadata=metadata, bbox_inches="tight", dpi=150)
    plt.close(figure)


def show(trained, text, output):
    """打印下一个字的头几名、末字的近邻；有注意力的，画到 output（Path）。"""
    import watch

    probabilities, attention = seen(trained, text)
    values, index = probabilities.topk(TOP)
    chars, label = trained.tokenizer.chars, lambda ch: LABELS.get(ch, ch)
    print(
        "下一个字：" + "，".join(f"{label(chars[k])} {value:.1%}" for k, value in zip(index.tolist(), values.tolist()))
    )
    among = watch.common(trained.namespace["text"], CANDIDATES)
    close = watch.nearest(trained, [text[-1]], among, TOP)[text[-1]]
    print(f"嵌入里离“{label(text[-1])}”最近的：" + "，".join(f"{label(ch)} {cosine:.2f}" for ch, cosine in close))
    if attention is None:
        print(f"{course.BY_FILE[trained.name].id} 只看眼前的一个字，没有注意力，不画图。")
        return
    draw(attention, text, title(trained.name, text), output)
    print(f"图在 {output}")


def title(name, text):
    return f"{course.BY_FILE[name].id} 读“{''.join(LABELS.get(ch, ch) for ch in text)}”"


def find(script):
    """敲的名字（文件名、路径或 v16 这样的短名）→ 脚本名；没有这一版，或者它没有模型可看，就抛 SystemExit。"""
    try:
        row = course.script(script)
    except KeyError:
        row = None
    if row is None or not row.number:
        raise SystemExit(f"没有“{script}”这一版，请写 babygpt_v3_self_attention.py 这样的文件名，或 v3。")
    return course.measured_as(row.file)


def readable(trained, text):
    """敲的文字 → 模型读得了的（str）：\\n 换成换行，太长的只留末尾；空的、有不认得的字的，抛 SystemExit。"""
    text = text.replace("\\n", "\n")
    unknown = sorted(set(text) - set(trained.tokenizer.chars))
    if not text:
        raise SystemExit("没有文字，请在脚本后面写上要它读的，比如 春江潮水连海平。")
    if unknown:
        raise SystemExit(f"“{''.join(unknown)}”不在词表里，模型没见过，请换成别的字。")
    return text[-trained.block_size :]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("script", nargs="?", metavar="脚本")
    parser.add_argument("text", nargs="?", default="", metavar="文字")
    parser.add_argument(
        "--output", type=Path, metavar="文件", help="图存到哪里（.png 或 .svg），不写就是 attention_v3.png 这样的"
    )
    parser.add_argument("--write", action="store_true", help="重画 README 里的")
    parser.add_argument("--short", type=int, metavar="步", help="开发用：只训练这么多步")
    arguments = parser.parse_args()
    if not (arguments.script or arguments.write):
        parser.error("请写上脚本和要它读的文字")
    name = arguments.script and find(arguments.script)
    records.need("torch", "matplotlib")
    try:
        import watch

        if arguments.write:
            for name, text in PICTURES.items():
                draw(seen(watch.trained(name), text)[1], text, title(name, text), picture(name), mark(name))
            return
        trained = watch.trained(name, arguments.short)
        show(
            trained,
            readable(trained, arguments.text),
            arguments.output or Path(f"attention_{course.BY_FILE[name].id}.png"),
        )
    except RuntimeError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
