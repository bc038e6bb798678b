"""每个注意力头在看什么：拿没学过的文字量，看得出来的才写一句。

逐个试下面的样子（PATTERNS）：一种样子是“读到这个字时，该看哪几个位置”。一个头在一种样子上的分，是它放在这些位置上的
注意力，各处平均。几种样子在一处指着同一个位置的（上一个字恰好是句号），这一处不算：分不出它看的是哪一样。窗口头
EARLY 个位置也不算，看得见的太少。

一种样子占到 MASS，又是别的样子在同样这些处的 AHEAD 倍、平均着看的 SHARE 倍，才算数；至少要有 PLACES 处。
先看所有的处；都不算数的，再一种一种看 MOMENTS 里的时候。一组里有一个占了大半的（NEAR），就说那一个。
"""

import re

import course

# 一句话：“读到这里，多半在看……”；“……的时候，多半在看……”
PATTERNS = {
    "self": "正在读的这个字自己",
    "previous": "上一个字",
    "second": "往前数第二个字",
    "third": "往前数第三个字",
    "first": "窗口里的头一个字",
    "ask": "要求的那一行",
    "tune": "这一首的词牌名",
    "space": "题头里的空格：这一首从哪儿起",
    "author": "这一首的作者",
    "break": "上一个换行",
    "mark": "上一个标点",
    "stop": "上一个句号",
    "rhyme": "上一个韵字",
    "rhymes": "前面的各个韵字",
    "thought": "上一次想的是哪一部",
    "thoughts": "前面几次想的是哪一部",
    "above": "上一行同一个位置的字",
    "same": "前面出现过的同一个字",
    "after": "前面出现过的同一个字，后面跟的那个字",
}
MOMENTS = {"think": "要想押哪一部", "rhyme": "要写韵字", "line": "刚起一行"}
WIDER = {"rhyme": "rhymes", "thought": "thoughts"}  # 一个，和包着它的一组
TEXTS, EARLY, PLACES = 80, 12, 100
MASS, AHEAD, SHARE, NEAR = 0.5, 1.5, 3, 0.8
SYMBOL = re.compile("[①-⑲]")
HEADER = re.compile(r"(?:\A|(?<=\n\n))(?P<ask>(?:(?:[①-⑲]|藏头).*\n)?)(?P<tune>\S+)(?P<space> )(?P<author>\S+)\n")


def texts(namespace, whole):
    """没学过的文字里，均匀地取 TEXTS 段（str），最多窗口那么长：whole 的是整首，从头起；不然随便从哪儿起。"""
    text, size = namespace["text"], namespace["block_size"]
    held_out = text[int(len(text) * course.TRAIN) :]
    if whole:
        found = [f"{poem}\n\n"[:size] for poem in held_out.split("\n\n")[1:-1] if len(poem) > 2 * EARLY]
    else:
        found = [held_out[k : k + size] for k in range(len(held_out) - size)]
    return [found[k * len(found) // TEXTS] for k in range(TEXTS)]


def last(found, before):
    """found（[int, …]，从小到大）里，最后一个小于 before 的；没有就是空的：[int] 或 []。"""
    return [k for k in found if k < before][-1:]


def looks(text, whole):
    """一段文字，各种样子在各处看哪几个位置：{样子: [[位置, …], …]}，没有的是空的。whole：从题头起。"""
    every, rhyme = range(len(text)), [k.start() for k in re.finditer("(?<!\n).(?=。)", text)]
    breaks, marks, stops, thoughts = (
        [k.start() for k in re.finditer(one, text)] for one in ("\n", "[，。、]", "。", "[①-⑲]")
    )
    found = {
        "self": [[q] for q in every],
        **{name: [[q - n] * (q >= n) for q in every] for n, name in ((1, "previous"), (2, "second"), (3, "third"))},
        **{name: [last(at, q) for q in every] for name, at in (("break", breaks), ("mark", marks), ("stop", stops))},
        "rhyme": [last(rhyme, max(last(stops, q), default=0)) for q in every],
        "rhymes": [[k for k in rhyme if k + 1 < q] for q in every],
        "thought": [last(thoughts, q) for q in every],
        "thoughts": [[k for k in thoughts if k < q] for q in every],
        "same": [[k for k in range(q) if text[k] == text[q]] for q in every],
        "after": [[k + 1 for k in range(q - 1) if text[k] == text[q]] for q in every],
        "above": [],
        **{name: [[]] * len(text) for name in HEADER.groupindex},
    }
    for q in every:
        *_, earlier, start = -1, -1, *(k for k in breaks if k < q)
        k = earlier + q - start
        found["above"].append([k] * (-1 <= earlier < k < start))
    if not whole:
        found["first"] = [[0] for _ in every]
    headers = [one for one in HEADER.finditer(text) if whole or one.start()]  # 半路读起的，开头的题头不全
    for header, end in zip(headers, [*(one.start() for one in headers[1:]), len(text)]):
        for name in HEADER.groupindex:
            at = list(range(*header.span(name)))
            found[name][header.end() : end] = [at] * (end - header.end())
    return found


def moments(text):
    """各种时候在哪几处：{时候: {位置, …}}。处是正在读的字，要写的是它后面的。"""
    return {
        "think": {k.start() - 1 for k in SYMBOL.finditer(text)},
        "rhyme": {k.start() - 1 for k in re.finditer(".(?=。)", text)},
        "line": {k.start() for k in re.finditer("\n", text)},
    }


def related(one, other):
    """两种样子，一种就是另一种里的一个。"""
    return WIDER.get(one) == other or WIDER.get(other) == one


def measure(run, encode, found, whole):
    """run（见 export_page.onnx_runner）读各段 found：{时候或 None: {样子: (几处, {样子: 分}, 平均着看的分)}}，
    里面那个 {样子: 分} 是在外面那种样子的各处，各个样子的分 (层数, 头数)。
    """
    import torch

    totals = {}
    for text in found:
        attention = run(torch.tensor([encode(text)]))["attention"].double()  # (层数, 头数, T, T)
        T, where = len(text), looks(text, whole)
        masks = torch.zeros(len(where), T, T, dtype=torch.double)  # (样子, T, T)
        for mask, places in zip(masks, where.values()):
            for q, at in enumerate(places):
                mask[q, at] = 1
        mass = torch.einsum("lhqk,pqk->pqlh", attention, masks)
        share = masks.sum(-1) / torch.arange(1, T + 1)  # (样子, T)
        clash = torch.einsum("pqk,rqk->prq", masks, masks) > 0  # 两种样子指着同一个位置
        for p, one in enumerate(where):
            others = [r for r, other in enumerate(where) if r != p and not related(one, other)]
            clear = masks[p].any(-1) & ~clash[p, others].any(0)  # (T,)
            clear[:EARLY] = False
            for when, at in {None: range(T), **moments(text)}.items():
                queries = [q for q in at if q >= 0 and clear[q]]
                count, sums, shares = totals.setdefault((when, one), (0, 0, 0))
                totals[when, one] = (
                    count + len(queries),
                    sums + mass[:, queries].sum(1),
                    shares + share[p, queries].sum().item(),
                )
    names = list(where)
    scores = {}
    for (when, one), (count, sums, shares) in totals.items():
        if count >= PLACES:
            scores.setdefault(when, {})[one] = count, dict(zip(names, sums / count)), shares / count
    return scores


def caption(scores, layer, head):
    """一个头（scores 见 measure）：{"pattern", "mass"}，只在一种时候才这样的再加 "when"；看不出来的是 None。"""
    for whens in ((None,), tuple(MOMENTS)):
        found = {}
        for when in whens:
            for one, (_, sums, share) in scores.get(when, {}).items():
                mass = {other: value[layer, head].item() for other, value in sums.items()}
                rest = max(value for other, value in mass.items() if other != one and not related(one, other))
                if mass[one] >= max(MASS, AHEAD * rest, SHARE * share):
                    found[when, one] = mass[one]
        if found:
            (when, one), mass = max(found.items(), key=lambda item: item[1])
            for narrow in (key for key, wide in WIDER.items() if wide == one):
                if found.get((when, narrow), 0) >= NEAR * mass:
                    one, mass = narrow, found[when, narrow]
            return {"pattern": one, "mass": round(mass, 2)} | ({"when": when} if when else {})
    return None


def captions(run, trained, layers, heads):
    """一版的各个头：[[caption, …], …]，一层一行。run：它压过的模型，见 export_page.onnx_runner。"""
    whole = course.BY_FILE[trained.name].part != course.FIRST  # v13 起，每段从一首的开头读起
    scores = measure(run, trained.tokenizer.encode, texts(trained.namespace, whole), whole)
    return [[caption(scores, layer, head) for head in range(heads)] for layer in range(layers)]
