"""整首的考题：拿没学过的词，从第一个字读到篇末的空行，平均每个字多少 nat。哪个模型都能考，两条路放在一张表里比。

两份考题，都在没学过的 10% 里均匀地挑：poem_loss 是 POEMS 首整词；row_loss 是 modern/ 各版自己的考题，ROWS 行，
每行从一首的头一个字起，一直读 ROW 个字，读进下一首。模型一次看不了那么长的，窗口一个字一个字地往后滑。
"""

import itertools
import re

import torch
import torch.nn.functional as F

from course import TRAIN

POEMS, ROWS, ROW = 400, 160, 128
WHOLE, REQUESTS = 160, 40
BATCH = 256  # 滑的时候一批几个窗口


def evenly(items, count):
    """items（list）里均匀地挑 count 个；不够就全要。"""
    return [items[k * len(items) // count] for k in range(count)] if len(items) > count else items


def poems(text):
    """没学过的整词：[从题目到篇末两个换行（str）, …]，切口上的那首不要。"""
    cut = int(len(text) * TRAIN)
    held_out = re.split("(?<=\n\n)", text[text.index("\n\n", cut) + 2 :])
    return evenly([poem for poem in held_out if poem.endswith("\n\n")], POEMS)


def rows(text):
    """modern/ 各版 block_size = ROW 时的考题：[ROW + 1 个字（str）, …]，和脚本里的 estimate_loss 一样地挑。"""
    cut = int(len(text) * TRAIN)
    starts = [blank.end() for blank in re.finditer("\n\n", text[: -ROW - 1]) if blank.start() >= cut]
    return [text[start : start + ROW + 1] for start in (starts[k * len(starts) // ROWS] for k in range(ROWS))]


@torch.no_grad()
def loss(model, tokenizer, texts, window, device="cpu"):
    """texts（[str, …]）除了各段的第一个字，平均每个字的 −ln 概率（float，nat/字）。

    model 是脚本里的那种：model(idx, targets) 的第二个结果是平均 loss，
    model(idx) 的第一个是最后一个字之后的打分 (B, V)。
    window：模型最多看几个字。不能直接调用的（数出来的二元模型）只看一个字，没有窗口。
    """
    call = model if callable(model) else lambda idx, targets: (None, model.loss(idx, targets))
    total, count, windows, answers = 0.0, 0, [], []
    for text in texts:
        ids = torch.tensor(tokenizer.encode(text), device=device)  # (L,)
        head = min(window, len(ids) - 1) if callable(model) else len(ids) - 1
        total += call(ids[None, :head], ids[None, 1 : head + 1])[1].item() * head
        count += len(ids) - 1
        for end in range(head + 1, len(ids)):
            windows.append(ids[end - window : end])  # (window,)
            answers.append(ids[end])
    for k in range(0, len(windows), BATCH):
        logits = call(torch.stack(windows[k : k + BATCH]))[0]  # (≤BATCH, window) -> (≤BATCH, V)
        total += F.cross_entropy(logits, torch.stack(answers[k : k + BATCH]), reduction="sum").item()
    return total / count


@torch.no_grad()
def body_loss(text, model, tokenizer, device="cpu", think=None):
    """全文 text 里没学过的整首词，给了题头，正文（连同篇末的空行）平均每个真字多少 nat（float）。

    think：脚本里的 think，一首词 → 添上想的，想的也要花 nat，算在真字头上。只考添上之后 WHOLE 字装得下的，各版一样。
    model 的 targets 里，-100 不算。
    """
    total = count = 0
    for poem in poems(text):
        if len(poem) + poem.count("。") > WHOLE:
            continue
        header, body = (think(poem[:-2]) + "\n\n" if think else poem).split("\n", 1)
        given, ids = tokenizer.encode(f"{header}\n"), tokenizer.encode(body)
        idx = torch.tensor([given + ids], device=device)  # (1, L)
        targets = idx[:, 1:].clone()  # (1, L-1)
        targets[:, : len(given) - 1] = -100
        total += model(idx[:, :-1], targets)[1].item() * len(ids)
        count += len(poem) - len(header) - 1
    return round(total / count, 4)


def losses(text, model, tokenizer, window, device="cpu", think=None):
    """全文 text 里没学过的部分的考题（dict，nat/字）：row_loss、poem_loss 要想的没有，body_loss 窗口够大的才有。"""
    found = {} if think else {"row_loss": round(loss(model, tokenizer, rows(text), window, device), 4)}
    if not think:
        found["poem_loss"] = round(loss(model, tokenizer, poems(text), window, device), 4)
    if window >= WHOLE and callable(model):
        found["body_loss"] = body_loss(text, model, tokenizer, device, think)
    return found


def requests(text, tunes, think):
    """REQUESTS 条要求，照没学过的、只押一部的词写：[(写给模型的题头（str）, 要哪一部（int）, 藏头（str）), …]。"""
    found = []
    for poem in evenly([poem for poem in poems(text) if poem.split(" ")[0] in tunes], 4 * REQUESTS):
        header, *lines = poem.strip().split("\n")
        parts, heads = set(re.findall("[①-⑲]", think(poem))), "".join(line[0] for line in lines)
        if len(parts) == 1:
            found.append((f"{max(parts)} 藏头{heads}\n{header}\n", ord(max(parts)) - ord("①") + 1, heads))
    return evenly(found, REQUESTS)


def obeyed(asked, bodies, yun):
    """照要求 asked（见 requests）写的正文 bodies（[str, …]）：{"asked": 句号前的字押了几成, "heads": 藏头对了几成}。"""
    ends = [(part, ch) for (_, part, _), body in zip(asked, bodies) for ch in re.findall("(.)。", body)]
    heads = [
        (want, line[:1])
        for (_, _, heads), body in zip(asked, bodies)
        for want, line in itertools.zip_longest(heads, body.split("\n")[: len(heads)], fillvalue="")
    ]
    return {
        "asked": round(sum(part in yun.rhymes.get(ch, ()) for part, ch in ends) / max(1, len(ends)), 4),
        "heads": round(sum(want == ch for want, ch in heads) / len(heads), 4),
    }
