"""把量到的数画成图：每个函数都只看给它的数，返回 SVG（bytes）。render.py 调用，不单独运行。

字画成路径，看图的人不用装中文字体；画图的机器要有一种：FONTS 里的任一个。docs/ 里的图都用 FONT 那个文件画的，换了字体，
笔画就不同，逐字节比不得。底色不透明，浅色、深色页面上都看得清。
"""

import hashlib
import io
import math
import statistics
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402
import matplotlib.ticker  # noqa: E402
from matplotlib import font_manager  # noqa: E402

from course import BY_FILE, FIRST, percent  # noqa: E402

FONTS = [
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "PingFang SC",
    "Microsoft YaHei",
    "WenQuanYi Zen Hei",
]
FONT = "b76b0433203017ca"  # Debian 12 的 fonts-noto-cjk，NotoSansCJK-Regular.ttc 的 sha256 的头 16 个字
INK, GREY, RED, BLUE = "#24292f", "#8c959f", "#cf222e", "#0969da"


def installed():
    """装了的中文字体的名字（str），FONTS 里排在前的；一种都没有就是 None。"""
    names = {font.name for font in font_manager.fontManager.ttflist}
    return next((name for name in FONTS if name in names), None)


def same_font():
    """这台机器上的字体，就是画 docs/ 里的图用的那一个吗（bool）。"""
    return (
        bool(installed())
        and hashlib.sha256(Path(font_manager.findfont(installed())).read_bytes()).hexdigest()[:16] == FONT
    )


def style():
    """用装了的中文字体；一种都没有就抛 RuntimeError。"""
    if not installed():
        raise RuntimeError(
            f"画图要一种中文字体，请装 {'、'.join(FONTS)} 里的任一个（Debian：apt-get install fonts-noto-cjk）"
        )
    plt.rcParams.update(
        {
            "font.family": installed(),
            "font.size": 11,
            "axes.unicode_minus": False,
            "svg.hashsalt": "babygpt",
            "figure.facecolor": "white",
            "axes.edgecolor": GREY,
            "axes.labelcolor": INK,
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    )


def svg(figure, note=None):
    """图 → SVG（bytes），同样的数总是同样的字节。note：记在里面的一行。"""
    content = io.BytesIO()
    figure.savefig(
        content, format="svg", metadata={"Date": None, **({"Description": note} if note else {})}, bbox_inches="tight"
    )
    plt.close(figure)
    return content.getvalue()


def mean_curve(runs, key):
    """几个种子的曲线取平均 → ([步], [loss])。"""
    steps = [point["step"] for point in runs[0]["curve"]]
    return steps, [statistics.mean(run["curve"][k][key] for run in runs) for k in range(len(steps))]


def dashed(axes, level, label):
    axes.axhline(level, color=INK, linestyle="--", linewidth=1)
    axes.annotate(
        label, (1, level), xycoords=("axes fraction", "data"), xytext=(-4, 4), textcoords="offset points", ha="right"
    )


def loss_curves(scripts, bigram):
    """docs/loss_curves.svg：几版的验证 loss 怎样一步步降。scripts：{脚本名: [一次运行的 dict, …]}；bigram：数二元的；
    单位都是 nat/字。
    """
    style()
    figure, axes = plt.subplots(figsize=(8, 5))
    ends = []
    for file, runs in scripts.items():
        steps, loss = mean_curve(runs, "val_loss")
        color = BY_FILE[file].color
        axes.plot(steps[1:], loss[1:], color=color, linewidth=2)
        ends.append([loss[-1], BY_FILE[file].id, color, loss[-1]])
    ends.sort()
    gap = 0.035 * (axes.get_ylim()[1] - axes.get_ylim()[0])
    for below, this in zip(ends, ends[1:]):  # 标签挤在一起的，往上挪
        this[0] = max(this[0], below[0] + gap)
    for at, label, color, loss in ends:
        axes.annotate(
            f"{label}  {loss:.2f}",
            (steps[-1], at),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=9.5,
        )
        axes.plot([steps[-1]], [loss], "o", color=color, markersize=4)
    axes.plot([steps[1], steps[-1]], [bigram, bigram], color=INK, linestyle="--", linewidth=1)
    axes.annotate(f"数二元 {bigram:.2f}", (steps[1], bigram), xytext=(0, -14), textcoords="offset points")
    names = [BY_FILE[file].id for file in scripts]
    axes.set(
        xlabel="训练步数", ylabel="验证 loss（nat/字）", title=f"{names[0]}–{names[-1]}：学得怎样（几个种子的平均）"
    )
    return svg(figure)


def val_loss(scripts, bigram):
    """docs/val_loss.svg：第一段路各版最后的验证 loss。参数同 loss_curves。"""
    style()
    figure, axes = plt.subplots(figsize=(8, 5))
    for k, (file, runs) in enumerate(scripts.items()):
        values, color = [run["val_loss"] for run in runs], BY_FILE[file].color
        mean = statistics.mean(values)
        axes.plot([min(values), max(values)], [k, k], color=color, linewidth=2)
        axes.plot([mean], [k], "o", color=color, markersize=8)
        left = bigram - 0.2 < mean < bigram  # 数字不压在虚线上
        axes.annotate(
            f"{mean:.2f}",
            (min(values) if left else max(values), k),
            xytext=(-8 if left else 8, 0),
            textcoords="offset points",
            ha="right" if left else "left",
            va="center",
            fontsize=9.5,
        )
    axes.axvline(bigram, color=INK, linestyle="--", linewidth=1)
    axes.annotate(
        f"数二元 {bigram:.2f}",
        (bigram, 1),
        xycoords=("data", "axes fraction"),
        xytext=(4, 2),
        textcoords="offset points",
    )
    axes.set_yticks(range(len(scripts)), [f"{BY_FILE[file].id} {BY_FILE[file].label}" for file in scripts])
    axes.invert_yaxis()
    axes.margins(x=0.08)
    axes.grid(axis="y", color="#eaeef2")
    axes.set_axisbelow(True)
    axes.set_xlabel("最后的验证 loss（nat/字；点是几个种子的平均，横线从最小到最大）")
    return svg(figure)


def two_losses(before, last):
    """docs/v11.svg：一份的训练、验证 loss，虚线是前一份的验证 loss。before、last：(脚本名, [一次运行的 dict, …])。"""
    style()
    figure, axes = plt.subplots(figsize=(8, 4.5))
    for key, label, color in (("train_loss", "训练", GREY), ("val_loss", "验证", BLUE)):
        steps, loss = mean_curve(last[1], key)
        axes.plot(steps[1:], loss[1:], color=color, linewidth=2, label=f"{label} loss，最后 {loss[-1]:.2f}")
    earlier = statistics.mean(run["val_loss"] for run in before[1])
    dashed(axes, earlier, f"{BY_FILE[before[0]].id} 的验证 loss {earlier:.2f}")
    axes.set(xlabel="训练步数", ylabel="loss（nat/字）", title=BY_FILE[last[0]].id)
    axes.legend(frameon=False)
    return svg(figure)


def named(file, gap):
    """图里一份脚本的名字（str）：第一段路的只写号码，往后的隔 gap 写上概念。"""
    row = BY_FILE[file]
    return row.id if row.part == FIRST else f"{row.id}{gap}{row.label}"


def modern(scores, baselines):
    """docs/modern.svg：第二段路，左边行 loss，右边合律的占几成。

    scores：{脚本名: [一个种子的分数（dict，见 form.py）, …]}，没有 row_loss 的那一格空着；baselines：
    results.json 里的。
    """
    style()
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), sharey=True, layout="constrained")
    names = list(scores)
    for axes, key, color in ((left, "row_loss", BLUE), (right, "attested", "#146c2e")):
        for k, name in enumerate(names):
            values = [one[key] for one in scores[name] if one.get(key) is not None]
            if not values:
                continue
            mean = statistics.mean(values)
            axes.plot([min(values), max(values)], [k, k], color=color, linewidth=2)
            axes.plot([mean], [k], "o", color=color, markersize=8)
            text = f"{mean:.2f}" if key == "row_loss" else percent(mean)
            axes.annotate(text, (max(values), k), xytext=(8, 0), textcoords="offset points", va="center", fontsize=9.5)
        axes.grid(axis="y", color="#eaeef2")
        axes.set_axisbelow(True)
        axes.margins(x=0.12)
    ceiling = baselines["form_of_real_poems"]["attested"]
    right.axvline(ceiling, color=INK, linestyle="--", linewidth=1)
    right.annotate(
        f"真词 {percent(ceiling)}", (ceiling, 0), xytext=(-4, 0), textcoords="offset points", ha="right", va="center"
    )
    right.xaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1))
    left.set_yticks(range(len(names)), [named(name, " ") for name in names])
    left.invert_yaxis()
    left.set_xlabel("行 loss（nat/字，没学过的词）")
    right.set_xlabel("合律：整首的句长和真词的某一首一样")
    return svg(figure)


SHARES = {
    "attested": ("合律", "#146c2e", (20, -14)),
    "tone": ("平仄", BLUE, (0, 8)),
    "rhyme": ("押韵", RED, (17, -14)),
}  # 数字标在点的哪边


def stages(scores, baselines):
    """docs/stages.svg：从 v11 到底座之后，合律、平仄、押韵一级一级地升；虚线是没学过的真词。

    scores：{脚本名: [一个种子的分数（dict，见 form.py）, …]}；一首合律的都没有的，平仄、押韵空着。
    """
    style()
    figure, axes = plt.subplots(figsize=(9, 4.6), layout="constrained")
    for key, (label, color, offset) in SHARES.items():
        points = []
        for k, runs in enumerate(scores.values()):
            values = [one[key] for one in runs if one.get(key) is not None]
            if values and (key == "attested" or statistics.mean(one["attested"] for one in runs) >= 0.025):
                mean = statistics.mean(values)
                points.append((k, mean))
                axes.plot([k, k], [min(values), max(values)], color=color, linewidth=2)
                beside = max(values) if offset[1] > 0 else mean  # 写在上面的，别压着竖线
                axes.annotate(
                    percent(mean),
                    (k, beside),
                    xytext=offset,
                    textcoords="offset points",
                    ha="center",
                    color=color,
                    fontsize=9.5,
                )
        real = baselines["form_of_real_poems"][key]
        legend = f"{label}，真词 {percent(real)}"
        axes.plot(*zip(*points), "o-", color=color, linewidth=2, markersize=6, label=legend)
        axes.axhline(real, color=color, linestyle=":", linewidth=1)
    axes.set_xticks(range(len(scores)), [named(name, "\n") for name in scores])
    axes.margins(x=0.08)
    axes.set_ylim(-0.08, 1.12)
    axes.yaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1))
    axes.legend(frameon=False, loc="lower right")
    axes.set_title("点是几个种子的平均，竖线从最小到最大；虚线是没学过的真词", fontsize=10, color=GREY)
    return svg(figure)


def spread(measured):
    """measured：{标签: [进第一层之前、过一层、过两层…各字向量的标准差, …]}；对数轴，0 画在最底下。"""
    style()
    figure, axes = plt.subplots(figsize=(7, 4))
    bottom = min(value for values in measured.values() for value in values if value) / 10

    def number(value):
        return f"{value:.1g}" if value < 1 else f"{value:.2f}"

    for (label, values), color in zip(measured.items(), (BLUE, RED, GREY)):
        heights = [max(value, bottom) for value in values]
        axes.plot(range(len(values)), heights, "o-", color=color, linewidth=2)
        for k, value in enumerate(values[:-1]):
            if value < 0.1:  # 还没缩小的，不标
                axes.annotate(
                    number(value),
                    (k, heights[k]),
                    xytext=(0, -16),
                    textcoords="offset points",
                    ha="center",
                    color=color,
                )
        axes.annotate(
            f"{label}：{number(values[-1])}",
            (len(values) - 1, heights[-1]),
            xytext=(12, 0),
            textcoords="offset points",
            va="center",
            color=color,
        )
    axes.set_yscale("log")
    axes.set_ylim(bottom / 2, 6)
    axes.set_xticks(range(len(values)), ["嵌入", *(f"过 {k} 层" for k in range(1, len(values)))])
    axes.set(ylabel="各字向量的标准差（对数轴）", title="字与字差多远")
    return svg(figure)


def ablation(tables):
    """tables：{脚本名: [(概念, loss, 比完整的高多少, …), …]}；每份脚本一栏横条。高出 inf 的是发散了。"""
    style()
    figure, columns = plt.subplots(
        1, len(tables), figsize=(5.5 * len(tables), 4.2), squeeze=False, layout="constrained"
    )
    for axes, (name, rows) in zip(columns[0], tables.items()):
        rows = rows[::-1]
        longest = max((row[2] for row in rows if math.isfinite(row[2])), default=1)
        bars = [min(row[2], 1.1 * longest) for row in rows]
        axes.barh(range(len(rows)), bars, color=[RED if value > 0 else BLUE for value in bars], height=0.65)
        for k, (bar, row) in enumerate(zip(bars, rows)):
            axes.annotate(
                f"{round(row[2], 2) + 0.0:+.2f}" if math.isfinite(row[2]) else "发散",
                (bar, k),
                xytext=(4 if bar >= 0 else -4, 0),
                textcoords="offset points",
                va="center",
                ha="left" if bar >= 0 else "right",
                fontsize=9.5,
            )
        axes.axvline(0, color=INK, linewidth=1)
        axes.margins(x=0.18)
        axes.set_yticks(range(len(rows)), [row[0] for row in rows])
        axes.set(title=f"{BY_FILE[name].id}：拆掉或改动一处", xlabel="验证 loss 比完整的高多少")
    return svg(figure)


def contrast(without, thinking, drafts, stages, real):
    """docs/contrast.svg：奖励押韵。左，不想的和先想的：横轴押韵，竖轴韵字重复；右，想了之后：横轴罕用，竖轴重复。

    without、thinking：左边各一条路；drafts、stages：右边的点，试过的不写说法；各 [(说法, 分数), …]；real：没学过的
    真词的分数。分数（dict）里用 rhyme、repeated、rare，都是占几成。
    """
    style()
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    star = dict(marker="*", color=INK, markersize=14, linestyle="")
    beside = dict(textcoords="offset points", ha="center")
    for label, color, points in (("先前的，不想", RED, without), ("先想后写", BLUE, thinking)):
        places = [(form["rhyme"], form["repeated"]) for _, form in points]
        left.plot(*zip(*places), "o-", color=color, linewidth=1.5, markersize=8, label=label)
        for (name, _), place in zip(points, places):
            left.annotate(name, place, xytext=(0, {"v24": -18, "指令微调": 22}.get(name, 10)), color=color, **beside)
    left.plot(real["rhyme"], real["repeated"], **star)
    left.annotate("真词", (real["rhyme"], real["repeated"]), xytext=(0, -18), **beside)
    left.set(xlabel="押韵", ylabel="韵字重复", xlim=(0.3, 1.05), ylim=(-0.08, 0.7), title="押韵从哪儿来")
    for label, color, size, points in (("试过的 v32", GREY, 5, drafts), ("各版", BLUE, 8, stages)):
        places = [(form["rare"], form["repeated"]) for _, form in points]
        right.plot(*zip(*places), "o", color=color, markersize=size, label=label)
    apart = {"v26": (20, -4), "v32": (-20, -4)}  # 挨得近，说法错开
    for name, form in stages:
        right.annotate(name, (form["rare"], form["repeated"]), xytext=apart.get(name, (0, 10)), color=BLUE, **beside)
    right.plot(real["rare"], real["repeated"], **star)
    right.annotate("真词", (real["rare"], real["repeated"]), xytext=(0, 10), **beside)
    right.set(xlabel="罕用韵字", ylabel="韵字重复", xlim=(0, 0.25), ylim=(-0.005, 0.1), title="重复少了，罕用就多")
    for axes in (left, right):
        axes.xaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1, decimals=0))
        axes.yaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1, decimals=0))
        axes.grid(color="#eaeef2")
        axes.set_axisbelow(True)
        axes.legend(frameon=False, loc="upper left")
    return svg(figure)


def emerge(record):
    """docs/emerge.svg：左边，读真词时韵脚上该押的那一部的概率，写出来的词押韵几成，随步数怎样变；右边，
    韵脚和别的字的 loss。

    record：docs/emerge.json 的内容，每 500 步一个点。right：读没学过的、押一部的整首词，第二个韵脚起，给该押的部多少
    概率；chance：同样的地方，给别的词押的那些部多少（平均）；loss_ends、loss_rest：韵脚和别的字的平均 loss，nat/字。
    工具在提交 a6e4c6f 里（tools/emerge.py）。
    """
    style()
    points = record["points"]
    column = lambda key: list(zip(*[(point["step"], point[key]) for point in points if key in point]))  # noqa: E731
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    for key, label, color, mark in (
        ("rhyme", "写出来的词，押同一部的", "#146c2e", "o-"),
        ("right", "读真词，给该押的那一部", RED, "-"),
        ("chance", "同样的地方，给别的词押的部", GREY, "-"),
    ):
        steps, values = column(key)
        left.plot(steps, values, mark, color=color, linewidth=2, markersize=5, label=f"{label}：{percent(values[-1])}")
    if record["base"]:
        base = statistics.mean(one["right"] for one in record["base"])
        left.axhline(base, color=RED, linestyle=":", linewidth=1, label=f"v24，读真词：{percent(base)}")
    left.yaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1, decimals=0))
    left.set_ylim(0, 0.8)
    left.set(xlabel="训练步数", title="押韵（图例里是最后的数）")
    left.legend(frameon=False, loc="upper left", fontsize=9.5)
    for key, label, color in (("loss_ends", "韵脚（第二个起）", RED), ("loss_rest", "别的字", BLUE)):
        steps, values = column(key)
        right.plot(steps[1:], values[1:], color=color, linewidth=2, label=f"{label}：{values[-1]:.2f}")
    right.set(xlabel="训练步数", ylabel="loss（nat/字）", title="没学过的词，平均每个字")
    right.legend(frameon=False)
    return svg(figure)
