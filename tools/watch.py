"""看见模型里面：取来一份脚本训练好的模型，截下每一层、每个头的注意力权重，每一层出来的向量；脚本一字不改。

注意力权重都出自 PyTorch 的两个函数之一：F.softmax（到 v13，一个头调用一次）和 F.scaled_dot_product_attention（v14 起，
一层一次）。
前向的时候把它们换掉，经过的权重就看得见，也关得掉；v19 起的缓存用不着，整段一次读完（start 是 None）。
"""

import collections
import contextlib
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F

import course
import runner

BEFORE_TRAINING = re.compile(r"\A.*?^# ---------- 训练.*?^model = .*?\n", re.M | re.S)  # 一直到造出模型的那一行


@dataclass
class Trained:
    """一份脚本训练好的模型：name 是脚本名，namespace 是它造出模型之后的全局变量，model 在评估模式。"""

    name: str
    namespace: dict

    @property
    def model(self):
        return self.namespace["model"].eval()

    @property
    def tokenizer(self):
        return self.namespace["tokenizer"]

    @property
    def block_size(self):
        """最多看几个字（int）。"""
        return self.namespace["block_size"]

    @property
    def watched(self):
        """包着模型的 Watched；v3 只有一个头，没有 n_head。"""
        return Watched(self.model, self.namespace.get("n_head", 1)).eval()


def untrained(name, short=None):
    """脚本 name 跑到造出模型为止的全局变量（dict）：不训练，也不考试；有 GPU 也用 CPU 的那套数。"""
    text = runner.set_hyperparameters(course.source(name), device="cpu")
    with tempfile.TemporaryDirectory() as place:
        return runner.load(runner.lay_out(name, BEFORE_TRAINING.match(text)[0], Path(place), short=short))


def trained(name, short=None):
    """脚本 name 训练好的模型（Trained）；没有存下的权重就先训练，short 见 runner.weights。"""
    name = course.measured_as(name)
    weights = torch.load(runner.weights(name, short=short), weights_only=True)["model"]
    found = Trained(name, untrained(name, short))
    found.model.load_state_dict(weights)
    return found


@contextlib.contextmanager
def attention_seen(heads=None):
    """在里面跑前向，经过的注意力权重依次记进给出的 list，各 (B, 1 或 n_head, T, T)。

    heads：各头乘几 (层数, 头数)，0 就是关掉；记下的是没乘过的。
    """
    seen, originals = [], (F.softmax, F.scaled_dot_product_attention)

    def keep(weights):  # (B, 这一次的头数, T, T)
        first = sum(one.shape[1] for one in seen)  # 前面有几个头
        seen.append(weights)
        return weights if heads is None else weights * heads.flatten()[first : first + weights.shape[1], None, None]

    def softmax(scores, dim):
        # 不能调原来的 F.softmax：torch.onnx 导出时，它会转回到这里
        return keep(scores.softmax(dim)[:, None])[:, 0]  # (B, T, T) -> (B, 1, T, T) -> (B, T, T)

    def attention(q, k, v, is_causal=False, enable_gqa=False):
        if enable_gqa:  # 一份 k、v 由几个头共用：(B, n_kv_head, T, hs) -> (B, n_head, T, hs)
            k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], dim=1) for x in (k, v))
        scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5  # (B, n_head, T, T)
        if is_causal:
            scores = scores.masked_fill(torch.ones_like(scores[0, 0], dtype=torch.bool).triu(1), float("-inf"))
        return keep(scores.softmax(-1)) @ v

    F.softmax, F.scaled_dot_product_attention = softmax, attention
    try:
        yield seen
    finally:
        F.softmax, F.scaled_dot_product_attention = originals


class Watched(torch.nn.Module):
    """包着脚本的模型。(1, T) 的编号进，几样东西出（{名字: tensor}）：

    logits (P, V)：at (P,) 里的各个位置，下一个字的打分；不给 at，就是末一个位置。
    lens (层数 + 1, V)：at 的最后一个位置，进第一层的、各层出来的向量，也照出口那样归一、打分；有 blocks 的才有。
    attention (层数, 头数, T, T)：注意力的权重；有注意力的才有。heads (层数, 头数)：是 0 的头关掉，输出全是 0。
    """

    def __init__(self, model, n_head):
        super().__init__()
        self.model, self.n_head = model, n_head

    def forward(self, idx, at=None, heads=None):
        model, T, passed = self.model, idx.shape[1], []  # passed：各层的 (进来的, 出去的)，各 (1, T, C)
        at = torch.tensor([T - 1]) if at is None else at
        with contextlib.ExitStack() as stack:
            for block in getattr(model, "blocks", ()):
                stack.enter_context(block.register_forward_hook(lambda _, x, out: passed.append((x[0], out))))
            # 只给要的位置打分：(1, T, C) -> (P, C) -> (P, V) -> (1, P, V)
            stack.enter_context(model.lm_head.register_forward_pre_hook(lambda _, x: x[0][0, at]))
            stack.enter_context(model.lm_head.register_forward_hook(lambda _, x, out: out[None]))
            seen = stack.enter_context(attention_seen(heads))
            logits, _ = model(idx, idx[:, at])  # 给了 targets，才每个位置都打分；loss 用不着
        found = {"logits": logits[0]}
        if passed:
            x = torch.stack([passed[0][0], *(out for _, out in passed)])[:, 0, at[-1]]  # (层数 + 1, C)
            found["lens"] = model.lm_head(model.ln_f(x) if hasattr(model, "ln_f") else x)
        if seen:
            found["attention"] = torch.cat(seen, dim=1).view(-1, self.n_head, T, T)
        return found


@contextlib.contextmanager
def silent(model, layer, head, n_head):
    """在里面跑前向，第 layer 层第 head 个头的输出是 0：不动权重，改的是它出来以后的。用来和 Watched 的 heads 对。"""
    attention = (model.blocks[layer] if hasattr(model, "blocks") else model).attention
    if hasattr(attention, "query") and hasattr(attention, "proj"):  # 各头拼成一个 (B, T, n_head × hs)
        on = (torch.arange(n_head) != head).repeat_interleave(attention.proj.in_features // n_head)
        handle = attention.proj.register_forward_pre_hook(lambda _, x: x[0] * on)
    else:
        one = attention.heads[head] if hasattr(attention, "heads") else attention
        handle = one.register_forward_hook(lambda _, x, out: out * 0)
    with handle:
        yield


@contextlib.contextmanager
def shallow(model, layers):
    """在里面跑前向，只有头 layers 层：出口的打分，就该是 Watched 的 lens 里的那一行。"""
    blocks = model.blocks
    model.blocks = blocks[:layers]
    try:
        yield
    finally:
        model.blocks = blocks


def common(text, count):
    """语料 text 里最常见的 count 个汉字：[字, …]，一样多的按编码排。"""
    counts = collections.Counter(ch for ch in text if "\u4e00" <= ch <= "\u9fff")
    return sorted(counts, key=lambda ch: (-counts[ch], ch))[:count]


def nearest(trained, wanted, among, count):
    """wanted（[字, …]）在 trained 的嵌入里，各自和 among 里的哪 count 个字最近，不算自己：{字: [(字, 余弦), …]}，
    近的在前。
    """
    vectors = trained.model.token_embedding.weight.detach()
    rows = lambda chars: F.normalize(vectors[trained.tokenizer.encode(chars)], dim=1)  # noqa: E731
    cosines = rows(wanted) @ rows(among).T  # (wanted, among)
    found = {}
    for ch, row in zip(wanted, cosines):
        order = [k for k in row.argsort(descending=True, stable=True)[: count + 1].tolist() if among[k] != ch]
        found[ch] = [(among[k], row[k].item()) for k in order[:count]]
    return found
