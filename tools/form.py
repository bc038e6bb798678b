"""词的格律：词牌定下了一首词有几句、每句几个字。模型写的，守不守？

用法：
    python tools/form.py babygpt_v9_layer_norm.py    # 把脚本跑完，再给它的模型打分
    python tools/form.py --ceiling                   # 给没学过的 10% 里的真词打分，是上限；句长照真词、字乱填的，是下限

从训练的 90% 里学：每个词牌出现过哪些句长序列。再取最常见的 20 个词牌，每个让模型写 20 首：
给它“词牌 作者”加换行（作者是真写过这个词牌的），写到空行为止。分数：
    ended     自己收了尾（写出了空行）的占几成
    attested  整首的句长序列，这个词牌在训练集里出现过的占几成
    prefix    从头数起，写对了多长：和出现过的序列最长的公共开头，占整首的几成，各首平均
    tone      句长合了一种常见的谱（prosody.py）的词里，定了平仄的位置，对了几成；一首都没有就是 None
    rhyme     同上，该押韵的末字，落在同一部的占几成；换韵的词牌，一组一组地算
    strict    同上，落在同一韵（一部里平声、上去分开）的占几成
    copied    有连着 12 个字和训练集一样（不算标点）的占几成
    distinct  一首里不同的字占几成，各首平均
    pairs     一句里挨着的两个字，训练集里也这样挨着过的占几成：像不像话，粗粗的一把尺
    repeated  该押韵的末字里，重复用前面用过的字的占几成，各首平均
    entropy   各首押的是哪一部，占比的熵（nat）：总押那一两部，就小
    rare      该押韵的末字里，训练集一万个韵脚里不到一个的字（USUAL）占几成：躲进没人用的字里押韵，就大
写之前先想的（v25 起），先把想的（①–⑲）去掉再打分；kept 是想的哪一部，就写那一部的占几成，thoughts 是一首想几回。
再考整首的题（exam.py）：body_loss、poem_loss、row_loss；想的那些记号也要花 nat，一样算在真字头上，没有后两样。
听要求的（v26 起）另有 asked（要哪一部，句号前的字押了几成）、heads（要藏头，藏对了几成）；held_out 是 v29 起没练过的
六个词牌的 attested、prefix、tone、rhyme、distinct，practised 是其余的。
"""

import argparse
import collections
import functools
import json
import os
import random
import re
import resource
import runpy
import sys
import time
from pathlib import Path

import course
import prosody
import records
from course import TRAIN, corpus

TUNES, SAMPLES = 20, 20
MAX_NEW_TOKENS = 200  # 这 20 个词牌里，训练集最长的一首 168 字，连标点和换行
USUAL = 1e-4  # 占训练集韵脚的这么多，才算常用的韵字
SIZES = ("block_size", "n_embed", "n_head", "n_kv_head", "head_size", "n_layer", "rope_theta")  # 存权重时，连这些一起存
CHUNK = 20  # 每写这么多字看一次，写完了的不再往下写


def shape(body):
    """一首词的正文（str）→ 句长序列：((字数, 第几行), …)，在“，。、”和换行处断开，不算标点。"""
    sequence = []
    for row, line in enumerate(body.strip("\n").split("\n")):
        for mark in "，。、":
            line = line.replace(mark, " ")
        sequence += [(len(clause), row) for clause in line.split()]
    return tuple(sequence)


class Forms:
    """text（整个 ci.txt）的前 90% 里，最常见的 TUNES 个词牌各有哪些句长序列、哪些作者。"""

    def __init__(self, text):
        cut = int(len(text) * TRAIN)
        # 切口可能落在一首词中间：那一首两边都不要
        train, held_out = (
            self.poems(part) for part in (text[: text.rindex("\n\n", 0, cut)], text[text.index("\n\n", cut) + 2 :])
        )
        self.tunes = [tune for tune, _ in collections.Counter(tune for tune, _, _ in train).most_common(TUNES)]
        self.authors = collections.defaultdict(list)
        self.attested = collections.defaultdict(set)
        self.prefixes = collections.defaultdict(set)
        for tune, author, body in train:
            sequence = shape(body)
            self.authors[tune].append(author)
            self.attested[tune].add(sequence)
            self.prefixes[tune].update(sequence[: n + 1] for n in range(len(sequence)))
        self.held_out = [(tune, body) for tune, _, body in held_out if tune in self.tunes]
        wanted = [(tune, shape(body), body) for tune, _, body in train if tune in self.tunes]
        self.templates = prosody.Templates(prosody.Yun(), wanted)
        ends = collections.Counter("".join(self.templates.ends(*one) for one in wanted))
        self.usual = {character for character, count in ends.items() if count >= USUAL * ends.total()}
        self.training = [body for _, _, body in train]
        self.known = prosody.characters("".join(self.training))
        self.neighbours = {pair for body in self.training for pair in prosody.pairs(body)}

    @functools.cached_property
    def copies(self):
        """训练集里有没有过：prosody.Copies（要一两百 MB 内存，用到才建）。"""
        return prosody.Copies(self.training)

    @staticmethod
    def poems(text):
        """[(词牌, 作者, 正文), …]"""
        found = []
        for poem in text.strip("\n").split("\n\n"):
            header, body = poem.split("\n", 1)
            found.append((*header.split(" "), body))
        return found

    def score(self, tune, body, ended=True):
        """写了词牌 tune 的一篇 body → (自己收尾, 句长序列出现过, 写对的开头占几成)，各在 0 到 1 之间。"""
        sequence = shape(body)
        right = 0
        while right < len(sequence) and sequence[: right + 1] in self.prefixes[tune]:
            right += 1
        return float(ended), float(ended and sequence in self.attested[tune]), right / max(1, len(sequence))

    def summary(self, written):
        """written：[(词牌, 正文, 自己收了尾没有), …] → 平均分（dict）。"""
        scores = [self.score(*one) for one in written]
        scores = [
            (*score, self.copies.copied(body), prosody.variety(body)) for score, (_, body, _) in zip(scores, written)
        ]
        pairs = [pair for _, body, _ in written for pair in prosody.pairs(body)]
        return (
            {
                name: round(sum(score[k] for score in scores) / len(scores), 4)
                for k, name in enumerate(("ended", "attested", "prefix", "copied", "distinct"))
            }
            | self.prosody([(tune, body) for tune, body, ended in written if ended])
            | {"pairs": round(sum(pair in self.neighbours for pair in pairs) / max(1, len(pairs)), 4)}
            | {"poems": len(scores)}
        )

    def prosody(self, written):
        """written：[(词牌, 正文), …] → 韵律的六样（dict，名字见模块的说明）；没有一首有谱可对的是 None。"""
        found = [one for tune, body in written if (one := self.templates.score(tune, shape(body), body))]
        right, fixed, rhymed, strict, ends = (sum(column) for column in zip(*found, (0, 0, 0, 0, 0)))
        last = [one for tune, body in written if (one := self.templates.ends(tune, shape(body), body))]
        return {
            "tone": round(right / fixed, 4) if fixed else None,
            "rhyme": round(rhymed / ends, 4) if ends else None,
            "strict": round(strict / ends, 4) if ends else None,
            "repeated": round(sum(1 - len(set(one)) / len(one) for one in last) / len(last), 4) if last else None,
            "entropy": round(prosody.entropy([self.templates.yun.main_rhyme(one) for one in last]), 4)
            if last
            else None,
            "rare": round(sum(ch not in self.usual for one in last for ch in one) / sum(map(len, last)), 4)
            if last
            else None,
        }

    def ceiling(self):
        """没学过的真词的分数：真人也常用训练集里没出现过的变体，所以到不了 1。"""
        return self.summary([(tune, body, True) for tune, body in self.held_out])

    def floor(self):
        """真词的句长里，填上按字频随机抽的字：平仄和押韵的下限。"""
        chosen = random.Random(42)
        fill = lambda body: re.sub("[^，。、\n]", lambda _: chosen.choice(self.known), body)  # noqa: E731
        return self.summary([(tune, fill(body), True) for tune, body in self.held_out])


def corpus_forms():
    """仓库里的 ci.txt 的 Forms。"""
    return Forms(corpus())


def write(model, tokenizer, prompts, device, seed=42):
    """让 model 接着 prompts（[str, …]）各写一首；返回 [(正文, 自己收了尾没有), …]，和 prompts 同序。

    model 要有脚本里那样的 generate：(B, T) 的编号和字数进，(B, T + 字数) 出。
    """
    import torch

    torch.manual_seed(seed)
    written = {}
    for length in sorted({len(prompt) for prompt in prompts}):  # 同样长的开头放一批
        rows = [k for k, prompt in enumerate(prompts) if len(prompt) == length]
        idx = torch.tensor([tokenizer.encode(prompts[k]) for k in rows], device=device)  # (B, T)
        for _ in range(0, MAX_NEW_TOKENS, CHUNK):
            idx = model.generate(idx, CHUNK)  # (B, T) -> (B, T+CHUNK)
            texts = [tokenizer.decode(row[length:].tolist()) for row in idx]
            written.update(zip(rows, texts))
            going = [k for k, text in enumerate(texts) if "\n\n" not in text]
            if not going:
                break
            rows, idx = [rows[k] for k in going], idx[going]
    return [(written[k].split("\n\n")[0], "\n\n" in written[k]) for k in range(len(prompts))]


def say(text):
    """模型写的（str）→ 去掉想的：①–⑲。"""
    return re.sub("[①-⑲]", "", text)


def score_model(forms, model, tokenizer, device="cpu", count=SAMPLES, text=None, window=None, think=None, obeys=False):
    """让模型每个词牌写 count 首，返回平均分（dict，见 Forms.summary）和头一个词牌的头三首（examples）。

    给了全文 text 和模型最多看几个字 window，就再考整首的题（exam.losses）。think：脚本里的 think，一首词 → 添上想的；
    不想的是 None。obeys：听不听要求，听的再考 asked、heads（exam.obeyed）。
    """
    import exam

    chosen = random.Random(42)
    tunes = [tune for tune in forms.tunes for _ in range(count)]
    prompts = [f"{tune} {chosen.choice(forms.authors[tune])}\n" for tune in tunes]
    training = getattr(model, "training", False)
    if hasattr(model, "eval"):
        model.eval()
    poems = write(model, tokenizer, prompts, device)
    written = [(tune, say(body), ended) for tune, (body, ended) in zip(tunes, poems)]
    scores = forms.summary(written)
    if think:
        thoughts = [one for body, _ in poems for one in re.findall("([①-⑲])(.)", body)]
        kept = sum(ord(symbol) - ord("①") + 1 in forms.templates.yun.rhymes.get(ch, ()) for symbol, ch in thoughts)
        scores |= {"kept": round(kept / max(1, len(thoughts)), 4), "thoughts": round(len(thoughts) / len(poems), 2)}
    if obeys:
        for name, held_out in (("held_out", True), ("practised", False)):
            part = forms.summary([one for one in written if (one[0] in forms.tunes[2::3]) == held_out])
            scores[name] = {key: part[key] for key in ("attested", "prefix", "tone", "rhyme", "distinct")}
        requests = exam.requests(text, forms.tunes, think)
        answers = write(model, tokenizer, [request for request, *_ in requests], device)
        scores |= exam.obeyed(requests, [say(body) for body, _ in answers], forms.templates.yun)
    if text:
        scores |= exam.losses(text, model, tokenizer, window, device, think)
    if training:
        model.train()
    return scores | {"examples": [prompt + body for prompt, (body, _) in zip(prompts[:3], poems)]}


def score(namespace, file, count=SAMPLES):
    """跑完的脚本 file（它的全局变量 namespace）→ 平均分（dict，见 score_model）。"""
    text = corpus()
    model, tokenizer, device, window = (namespace[key] for key in ("model", "tokenizer", "device", "block_size"))
    think, obeys = namespace.get("think"), bool(course.script(file).base)
    return score_model(Forms(text), model, tokenizer, device, count, text, window, think, obeys)


def peak_memory_mb():
    """本进程用过的内存峰值（int，MiB）。Linux 的 ru_maxrss 会从父进程那里接着算，所以另读 VmHWM。"""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 2**20  # macOS 的单位是字节


def keep(namespace, path):
    """把跑完的脚本（它的全局变量）的权重、词表和大小写到 path（Path）：先写旁边再换名。"""
    import torch

    config = {key: namespace[key] for key in SIZES if key in namespace}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    torch.save(
        {"config": config, "chars": namespace["tokenizer"].chars, "model": namespace["model"].state_dict()}, temporary
    )
    os.replace(temporary, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("script", nargs="?", type=Path, metavar="脚本")
    parser.add_argument("--ceiling", action="store_true")
    parser.add_argument("--count", type=int, default=SAMPLES, metavar="首", help="每个词牌写几首，0 就不打分")
    parser.add_argument("--json", type=Path, metavar="文件", help="把分数、脚本跑完的时刻、内存峰值、机器写到这里")
    parser.add_argument("--keep", type=Path, metavar="文件", help="把学好的权重、词表和大小存到这里")
    arguments = parser.parse_args()
    if arguments.ceiling or not arguments.script:
        print(
            json.dumps(
                {"真词": (forms := corpus_forms()).ceiling(), "乱填": forms.floor()}, ensure_ascii=False, indent=1
            )
        )
        return
    namespace = runpy.run_path(str(arguments.script), run_name="__main__")
    sys.stdout.flush()
    finished = time.time()  # 打分之前：用时和内存只算脚本自己的
    peak = peak_memory_mb()
    if arguments.keep and str(namespace.get("device", "cpu")) == "cpu":  # 换了设备，换了一套数，不是同一个模型
        keep(namespace, arguments.keep)
    scores = None
    if "device" in namespace and arguments.count:  # 纯 Python 的基线不收张量；它的张量版是同一个模型
        scores = score(namespace, arguments.script.name, arguments.count)
    if arguments.json:
        report = {
            "finished": finished,
            "peak_memory_mb": peak,
            "form": scores,
            "machine": records.machine(namespace.get("device", "cpu")),
        }
        arguments.json.write_text(json.dumps(report, ensure_ascii=False), encoding="utf-8")
    else:
        print(json.dumps(scores, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
