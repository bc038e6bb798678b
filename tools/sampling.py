"""照网页那样抽下一个字（page/src/sampling.ts 的 uniform、answer，一处不差）：温度 1，不限名次，随机数由种子和位置定下。

同一个种子、同一个位置，哪一版、训练到哪一步，用的都是同一个随机数：写得不一样，差的只是模型。
"""

import math
from itertools import accumulate


def uniform(seed, position):
    """种子和位置（写的第几个字，从 0 数）定下的一个数，[0, 1)。"""
    h = (seed + 1) * 0x9E3779B1 + (position + 1) * 0x85EBCA77 & 0xFFFFFFFF
    for multiplier in (0x21F0AAAD, 0x735A2D97):
        h = (h ^ h >> 16) * multiplier & 0xFFFFFFFF
        h ^= h >> 15
    return h / 2**32


def chosen(scores, u):
    """打分（[float, …]，V 个）里抽中的编号（int）：概率从大到小排成一条，一样的按编号，看 u 落在谁的一段。"""
    order = sorted(range(len(scores)), key=lambda k: (-scores[k], k))
    weights = [math.exp(scores[k] - scores[order[0]]) for k in order]
    *_, total = accumulate(weights)
    passed = (rank for rank, end in enumerate(accumulate(weight / total for weight in weights)) if end > u)
    return order[next(passed, len(order) - 1)]


def write(score, chars, opening, window, seed, most):
    """接着 opening（str）写：到空行为止，或者写满 most 个字；返回写的（str），空行也在里面。

    score：编号（[int, …]，最多 window 个）→ 下一个字的打分（[float, …]）；chars：编号 → 字。
    """
    ids, written = [chars.index(ch) for ch in opening], ""
    while len(written) < most and not written.endswith("\n\n"):
        ids.append(chosen(score(ids[-window:]), uniform(seed, len(written))))
        written += chars[ids[-1]]
    return written
