"""课程的表：一行一份脚本。量什么、画什么、登在哪张表、导出哪几版、改动的上限，都从这里读；别处不再列版本。

加一版：写好脚本，在 COURSE 里添一行（docs/CONTRIBUTING.md）。这个模块只用标准库。
"""

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TRAIN = 0.9  # 语料的前九成是训练集

# 一份脚本在课程的哪一段
BASELINE, FIRST, MODERN, AFTER = "baseline", "first", "modern", "after"  # 基线、第一段路、第二段路到底座、底座之后
TWIN, USE = "twin", "use"  # 逐行注释版；拿学好的权重来用的

# 登在哪里（Script.shown）
CURVES = "curves"  # docs/loss_curves.svg
PAIR = "pair"  # README 里左右对照的样文，先后两版
RULER = "ruler"  # 第一段路里，和第二段路排在一张表里比的
STEPS = "steps"  # docs/modern.svg：第二段路的几份都在里面，第一段路只有标了的
STAGES = "stages"  # docs/stages.svg，网页的“格律”
SAMPLES = "samples"  # modern/README.md 里同一个词牌各写的一首
NEIGHBOURS = "neighbours"  # 网页的“近邻”
DEFAULT, CONTRAST = "default", "contrast"  # 网页一打开先选的一版，和它对照的一版
FILM = "film"  # 网页上有它怎样一步步学会的
FIRST_SCREEN = "first_screen"  # 网页一打开，没有模型也看得到的：同一个开头，几版各写的
RUNG = "rung"  # 网页的“格律”里挑得到的，头四个一开始就勾上


@dataclass(frozen=True)
class Script:
    """课程里的一份脚本。"""

    file: str  # 相对仓库根目录
    part: str
    concept: str  # README 路线表里的一句（Markdown）
    look: str = ""  # README 路线表里的“看什么”（Markdown）
    before: str = ""  # 和哪一份比（短名）；没有就不比
    bound: int = 0  # 比它最多改几行代码：现在是几行就写几行，只许少
    touches: str = ""  # 动了哪几块（类、函数、训练、采样，空格分开），不多不少，别的和 before 一字不差；空的随便动
    base: str = ""  # 接着谁存下的权重学（短名）；空的从头学
    saves: str = ""  # 存下的权重的文件名
    same_as: str = ""  # 训练和哪一份一模一样（短名）：不另外量，用它的数
    measured: bool = True  # 量不量（三个种子）；不训练的、same_as 的不量
    side: bool = False  # 旁支：后面的都不接着它
    page: bool = False  # 网页上有没有它的模型
    label: str = ""  # 图里的名字
    color: str = ""  # 曲线的颜色
    shown: tuple = ()  # 登在哪里，见上
    reads: str = ""  # 注意力画成图时读的文字；空的不画
    blind: str = ""  # 没有注意力的，网页上怎么说
    name: str = ""  # 短名；空的由文件名来

    @cached_property
    def id(self):
        """短名（str）：v3；没有号码的是 name，或文件名去掉 .py。"""
        return self.name or (f"v{self.number}" if self.number else Path(self.file).stem)

    @cached_property
    def number(self):
        """第几版（int）；没有号码的是 None。"""
        found = re.search(r"_v(\d+)", self.file)
        return int(found[1]) if found else None

    @property
    def path(self):
        return ROOT / self.file


def source(file):
    """脚本 file（相对仓库根目录）的源码（str）。"""
    return (ROOT / file).read_text(encoding="utf-8")


def percent(value, digits=0):
    """0 到 1 的数 → 百分数（str），逢半进一，和网页上的一样；没有就是一横。"""
    return "—" if value is None else f"{Decimal(100 * value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)}%"


def corpus():
    """整个 ci.txt（str）。"""
    return source("ci.txt")


# fmt: off
COURSE = [
    Script("simplemodel.py", BASELINE, "数每个字后面跟过哪些字，按次数抽", measured=False),
    Script("simplebigrammodel.py", BASELINE, "同样的数数，写成 GPT 的样子，还会打分", before="simplemodel", bound=70),
    Script("simplemodel_with_comments.py", TWIN, "逐行注释版", before="simplemodel", measured=False),
    Script("simplebigrammodel_with_comments.py", TWIN, "逐行注释版", before="simplebigrammodel", measured=False),
    Script(
        "pytorch_5min.py", BASELINE, "第一次用 PyTorch 的先看它：张量、形状、softmax、梯度、训练循环", measured=False,
    ),
    Script(
        "simplebigrammodel_torch.py", BASELINE, "同样的模型，列表换成张量，换上 v1 起一直用的训练和采样的框架",
        name="bigram", before="simplebigrammodel", bound=56,
        touches="BigramLanguageModel Tokenizer estimate_loss generate get_batch sampling training",
        shown=(RULER, FIRST_SCREEN),
    ),
    Script(
        "babygpt_v1.py", FIRST, "嵌入、线性层、交叉熵", "参数自己学，不用数", before="bigram", bound=54,
        touches="BabyGPT BigramLanguageModel estimate_loss generate sampling training", page=True, label="嵌入、线性层",
        color="#c9d6e8", shown=(CURVES, NEIGHBOURS, FILM),
        blind="v1 只拿当前这一个字去猜下一个字，前面的字它根本不读：没有“看”这回事。到 v3 有了注意力，"
        "才看得见前面。",
    ),
    Script(
        "babygpt_v2_position.py", FIRST, "位置编码", "单独加没用，等 v3 才用得上", before="v1", bound=4,
        touches="BabyGPT generate", page=True, label="位置", color="#a9bfdc", shown=(CURVES,),
        blind="v2 给每个位置也加了一个向量，可它还是只用最后一个字去猜：知道自己在第几位，看不见前面是谁。"
        "到 v3 有了注意力，才看得见前面。",
    ),
    Script(
        "babygpt_v3_self_attention.py", FIRST, "自注意力", "不再只看当前这个字（[看了哪里](docs/attention_v3.svg)）",
        before="v2", bound=18, touches="BabyGPT Head", page=True, label="自注意力", color="#86a5cf",
        shown=(CURVES, CONTRAST, FILM, FIRST_SCREEN), reads="明月几时有，把酒问青",
    ),
    Script(
        "babygpt_v4_multihead_attention.py", FIRST, "多头", "一个大头拆成几个小头", before="v3", bound=10,
        touches="BabyGPT MultiHeadAttention", page=True, label="多头", color="#5f87c0", shown=(CURVES,),
    ),
    Script(
        "babygpt_v5_feedforward.py", FIRST, "前馈网络", "交流完，各自想一想", before="v4", bound=12,
        touches="BabyGPT FeedForward", page=True, label="前馈", color="#3867ab", shown=(CURVES,),
    ),
    Script(
        "babygpt_v6_block.py", FIRST, "叠层", "这样叠三层，学到后来断了路", before="v5", bound=16,
        touches="BabyGPT Block", page=True, label="叠层", color="#cf222e", shown=(CURVES,),
    ),
    Script(
        "babygpt_v7_residual_connection.py", FIRST, "残差", "两行就救回来", before="v6", bound=4, touches="Block",
        page=True, label="残差", color="#a8d5b0", shown=(CURVES, FILM),
    ),
    Script(
        "babygpt_v8_projection.py", FIRST, "投影", "每个头都能写到全部 C 个数上", before="v7", bound=3,
        touches="MultiHeadAttention", page=True, label="投影", color="#6fbb80", shown=(CURVES,),
    ),
    Script(
        "babygpt_v9_layer_norm.py", FIRST, "层归一化", "loss 又降一截", before="v8", bound=8, touches="BabyGPT Block",
        page=True, label="层归一化", color="#389a52", shown=(CURVES,),
    ),
    Script(
        "babygpt_v10_dropout.py", FIRST, "Dropout", "训练还短，看不出好处", before="v9", bound=7,
        touches="FeedForward Head MultiHeadAttention", page=True, label="Dropout", color="#146c2e",
        shown=(CURVES, PAIR, RULER),
    ),
    Script(
        "babygpt_v11_hyper_params.py", FIRST, "超参数", "模型的代码一字不改，loss 大降，短语通顺多了", before="v10",
        bound=22, touches="training", page=True, label="超参数", color="#0969da",
        shown=(PAIR, RULER, STEPS, STAGES, SAMPLES, NEIGHBOURS, DEFAULT, FILM, FIRST_SCREEN),
    ),
    Script(
        "babygpt_v12_wandb.py", FIRST, "记录与保存", "每次实验有账可查，最好的模型存下来", before="v11", bound=50,
        touches="print sampling save stop training", same_as="v11", measured=False, side=True, saves="model.pth",
    ),
    Script(
        "babygpt_sample_with_kvcache.py", USE, "KV cache", "开关 `use_kv_cache`，文字一样，快慢不同", name="sampler",
        before="v12", measured=False,
    ),
    Script(
        "modern/babygpt_v13_whole_poems.py", MODERN, "每段从一首的开头读起", before="v11", bound=35,
        touches="FeedForward Head MultiHeadAttention estimate_loss training", page=True, label="整首",
    ),
    Script(
        "modern/babygpt_v14_sdpa.py", MODERN, "SDPA：打分到加权求和，一个函数算完", before="v13", bound=28,
        touches="Head MultiHeadAttention", label="SDPA",
    ),
    Script(
        "modern/babygpt_v15_rms_norm.py", MODERN, "RMSNorm，去掉偏置", before="v14", bound=14,
        touches="BabyGPT Block FeedForward MultiHeadAttention", label="RMSNorm",
    ),
    Script(
        "modern/babygpt_v16_rope.py", MODERN,
        "旋转位置编码（[看了哪里](../docs/attention_v16.svg)：一行是正在读的字，␣ 空格，／ 换行）", before="v15",
        bound=13, touches="BabyGPT MultiHeadAttention rotate", page=True, label="RoPE", shown=(SAMPLES, FILM),
        reads="浣溪沙 苏轼\n山下兰芽短浸",
    ),
    Script(
        "modern/babygpt_v17_swiglu.py", MODERN, "带门的前馈", before="v16", bound=12, touches="FeedForward",
        label="SwiGLU",
    ),
    Script(
        "modern/babygpt_v18_qk_norm.py", MODERN, "q、k 先归一", before="v17", bound=6, touches="MultiHeadAttention",
        label="QK-norm",
    ),
    Script(
        "modern/babygpt_v19_kv_cache.py", MODERN, "KV cache，写完就停", before="v18", bound=34,
        touches="BabyGPT Block MultiHeadAttention generate rotate", same_as="v18", measured=False,
    ),
    Script(
        "modern/babygpt_v20_gqa.py", MODERN, "几个头共用一份 k、v", before="v19", bound=13,
        touches="MultiHeadAttention", label="GQA",
    ),
    Script(
        "modern/babygpt_v21_tied.py", MODERN, "嵌入和 lm_head 共用", before="v20", bound=2, touches="BabyGPT",
        page=True, label="共用词表",
    ),
    Script(
        "modern/babygpt_v22_muon.py", MODERN, "Muon 优化器", before="v21", bound=21, touches="orthogonalize training",
        page=True, label="Muon",
    ),
    Script(
        "modern/babygpt_v23_ddp.py", MODERN, "数据并行，bf16，compile", before="v22", bound=22,
        touches="sampling training", same_as="v22", measured=False, side=True,
    ),
    Script(
        "modern/babygpt_v24_base.py", MODERN, "真跑一回，存下 base.pth", before="v22", bound=40, touches="training",
        saves="base.pth", page=True, label="底座", shown=(STAGES, SAMPLES, RUNG, FILM, NEIGHBOURS, FIRST_SCREEN),
    ),
    Script(
        "modern/babygpt_v25_think.py", AFTER, "先想后写：句号前的字，先写下它押哪一部，再写它", before="v24", bound=20,
        touches="sampling say think training", saves="think.pth", page=True, label="先想",
        shown=(STAGES, SAMPLES, RUNG),
    ),
    Script(
        "modern/babygpt_v26_sft.py", AFTER, "指令微调：看“要求 → 词”，只学词", before="v25", bound=54,
        touches="ask get_batch sampling training", base="v25", saves="sft.pth", page=True, label="SFT",
        shown=(STAGES, SAMPLES, RUNG),
    ),
    Script(
        "modern/babygpt_v27_lora.py", AFTER, "LoRA：原来的权重不动，只学窄窄的一条", before="v26", bound=61,
        touches="LoRA ask estimate_loss orthogonalize sampling training", base="v26", saves="lora.pth", side=True,
        label="LoRA",
    ),
    Script(
        "modern/babygpt_v28_best_of_n.py", AFTER, "验证器：写 16 首，程序挑最好的，不训练", before="v26", bound=137,
        touches="ask estimate_loss get_batch judge orthogonalize sampling shape training write", base="v26",
        measured=False, label="挑",
    ),
    Script(
        "modern/babygpt_v29_reject.py", AFTER, "拒绝采样：挑出来的最好的，拿来再学", before="v28", bound=63,
        touches="examine sampling training write", base="v26", saves="reject.pth", label="拒绝采样",
        shown=(STAGES, SAMPLES),
    ),
    Script(
        "modern/babygpt_v30_dpo.py", AFTER, "DPO：最好的和最差的比，让好的更可能", before="v29", bound=17,
        touches="training", base="v26", saves="dpo.pth", side=True, label="DPO",
    ),
    Script(
        "modern/babygpt_v31_grpo.py", AFTER, "GRPO：每一首都算数，看它比全组的平均好多少", before="v29", bound=6,
        touches="training", base="v26", saves="grpo.pth", page=True, label="GRPO", shown=(STAGES, SAMPLES, RUNG),
    ),
    Script(
        "modern/babygpt_v32_process_reward.py", AFTER, "过程奖励：想的、韵字，一处一处打分", before="v31", bound=25,
        touches="credit training", base="v26", saves="process.pth", page=True, label="过程奖励",
        shown=(STAGES, SAMPLES, RUNG, FIRST_SCREEN),
    ),
    Script("modern/babygpt_write.py", USE, "写词：挑手边最好的权重，照你的要求写", name="write", measured=False),
]
# fmt: on

BY_ID = {script.id: script for script in COURSE}
BY_FILE = {script.file: script for script in COURSE}
V = {script.number: script.file for script in COURSE if script.number}  # 第几版 → 文件


def script(name):
    """短名（v3）、文件名或路径 → 表里的那一行（Script）；没有就抛 KeyError。"""
    return BY_ID.get(name) or {Path(file).name: one for file, one in BY_FILE.items()}[Path(name).name]


def files(*parts, **wanted):
    """这几段里的脚本，按课程的次序：[文件名, …]。wanted：某一栏要等于什么，比如 page=True、measured=True。"""
    return [
        one.file
        for one in COURSE
        if (not parts or one.part in parts) and all(getattr(one, key) == value for key, value in wanted.items())
    ]


def shown(place):
    """登在 place 的脚本：[文件名, …]。"""
    return [one.file for one in COURSE if place in one.shown]


def since(name):
    """从短名 name 起，同一段路上各版的号码：[int, …]；一样零件装上之后，后面的都有。"""
    first = BY_ID[name]
    return [one.number for one in COURSE if one.part == first.part and one.number >= first.number]


def base_of(file):
    """接着谁存下的权重学（Script）；从头学的是 None。"""
    return BY_ID[BY_FILE[file].base] if BY_FILE[file].base else None


def heirs(file):
    """接着 file 存下的权重学的：[Script, …]。"""
    return [one for one in COURSE if one.base == BY_FILE[file].id]


def measured_as(file):
    """数用谁的（文件名）：训练一模一样的，用那一份的，别的用自己的。"""
    same = BY_FILE[file].same_as
    return BY_ID[same].file if same else file


MEASURED = files(measured=True)  # 要量的
LAST = files(AFTER, side=False)[-1]  # 最后一版：随仓库发的权重就是它学的
SAMPLER, WRITER = BY_ID["sampler"].file, BY_ID["write"].file
