"""平仄和押韵：从训练的 90% 里归纳每个词牌的谱，给写出来的词打分。韵书是 modern/yun.txt。

谱：TUNES 个词牌，每种至少 ATTESTED 首用过的句长序列各一张。一个位置上，只有一种声调的字里，
至少 FIXED 都是平（或都是仄），就定为平（或仄）。
一首的韵部，是它各句末字最常落进的那一部；一句的末字，多半的词都落在自己的韵部里，就算该押韵。中途换韵的词牌（菩萨蛮），
押在第一种韵上的不到一半，就没有该押的位置，不量。一个字几种读音，对上一种就算；韵书里没有的字不算。
"""

import collections
import math
import re

from course import ROOT

FIXED, ATTESTED = 0.85, 10
YUN = ROOT / "modern" / "yun.txt"


def characters(body):
    """正文（str）→ 去掉标点和换行的字（str）。"""
    return re.sub("[，。、\\s]", "", body)


def ends(sequence):
    """句长序列 ((字数, 第几行), …) → 各句的末字是全首的第几个字：[int, …]。"""
    found, position = [], -1
    for length, _ in sequence:
        position += length
        found.append(position)
    return found


class Yun:
    """韵书：tones[字] 是平、仄的集合，rhymes[字] 是 1–19 部的集合。"""

    def __init__(self, text=None):
        self.tones, self.rhymes = {}, {}
        for line in (text or YUN.read_text(encoding="utf-8")).splitlines():
            character, *readings = line.split(" ")
            self.tones[character] = {"平" if reading[0] == "平" else "仄" for reading in readings}
            self.rhymes[character] = {int(reading[1:]) for reading in readings}

    def main_rhyme(self, last):
        """一串末字（[str, …]）最常落进的部（int，一样多取小的）；一个都不认得就是 None。"""
        counts = collections.Counter(rhyme for character in last for rhyme in self.rhymes.get(character, ()))
        return min(counts, key=lambda rhyme: (-counts[rhyme], rhyme), default=None)


class Templates:
    """谱。poems：[(词牌, 句长序列, 正文), …]，训练集里的。
    get(词牌, 句长序列) → (各位置的平仄, 该押韵的是第几个字) 或 None。
    """

    def __init__(self, yun, poems):
        self.yun, self.found = yun, {}
        groups = collections.defaultdict(list)
        for tune, sequence, body in poems:
            groups[tune, sequence].append(characters(body))
        for (tune, sequence), bodies in groups.items():
            if len(bodies) >= ATTESTED:
                self.found[tune, sequence] = (self.tones(bodies), self.rhyming(sequence, bodies))

    def tones(self, bodies):
        """同一种句长序列的正文（[str, …]，没有标点）→ 每个位置“平”“仄”或 None（可平可仄）。"""
        wanted = []
        for column in zip(*bodies):
            sure = [tone for character in column if len(tone := self.yun.tones.get(character, ())) == 1]
            level = sum("平" in tone for tone in sure) / max(1, len(sure))
            wanted.append("平" if sure and level >= FIXED else "仄" if sure and level <= 1 - FIXED else None)
        return wanted

    def rhyming(self, sequence, bodies):
        """该押韵的是第几个字：[int, …]；只有一处的不算。"""
        positions = ends(sequence)
        hits = collections.Counter()
        for body in bodies:
            rhyme = self.yun.main_rhyme([body[k] for k in positions])
            hits.update(k for k in positions if rhyme in self.yun.rhymes.get(body[k], ()))
        found = [k for k in positions if hits[k] > len(bodies) / 2]
        return found if len(found) > 1 else []

    def get(self, tune, sequence):
        return self.found.get((tune, sequence))

    def score(self, tune, sequence, body):
        """一首 → (平仄对了几处, 定了平仄的有几处, 押在同一部的几处, 该押的几处)；没有谱的是 None。韵书里没有的不算。"""
        template = self.get(tune, sequence)
        if template is None:
            return None
        text = characters(body)
        fixed = [(self.yun.tones[c], want) for c, want in zip(text, template[0]) if want and c in self.yun.tones]
        last = [text[k] for k in template[1] if text[k] in self.yun.rhymes]
        rhyme = self.yun.main_rhyme(last)
        return (
            sum(want in tone for tone, want in fixed),
            len(fixed),
            sum(rhyme in self.yun.rhymes[c] for c in last),
            len(last),
        )

    def ends(self, tune, sequence, body):
        """一首里该押韵的末字（str）；没有谱的是 ""。"""
        template = self.get(tune, sequence)
        text = characters(body)
        return "".join(text[k] for k in template[1]) if template else ""


def entropy(items):
    """items 里各种值的占比的熵（float，nat）：都一样是 0，k 种一样多是 ln k；空的是 0。"""
    counts = collections.Counter(items)
    return -sum(n / len(items) * math.log(n / len(items)) for n in counts.values()) if counts else 0.0


RUN = 12


class Copies:
    """训练集里的正文（[str, …]）连着 RUN 个字的各段；copied(正文)：有没有连着 RUN 个字和哪一首一模一样，不算标点。"""

    def __init__(self, bodies):
        self.runs = {hash(run) for body in bodies for run in self.split(body)}

    @staticmethod
    def split(body):
        text = characters(body)
        return [text[k : k + RUN] for k in range(len(text) - RUN + 1)]

    def copied(self, body):
        return any(hash(run) in self.runs for run in self.split(body))


def variety(body):
    """不同的字占全部字的几成（float，0 到 1），不算标点；空的是 0。"""
    text = characters(body)
    return len(set(text)) / max(1, len(text))
