"""平仄和押韵：从训练的 90% 里归纳每个词牌的谱，给写出来的词打分。韵书是 modern/yun.txt。

谱：TUNES 个词牌，每种至少 ATTESTED 首用过的句长序列各一张。一个位置上，只有一种声调的字里，
至少 FIXED 都是平（或都是仄），就定为平（或仄）。
两句的末字，多半的词都押在一起的，连成一组：该押的位置就是各组，换韵的词牌（菩萨蛮）有几组。一组的韵部，是它的
末字最常落进的那一部。一个字几种读音，对上一种就算；韵书里没有的字不算。
韵部有宽有窄：部是词林正韵的 19 部，平、上去不分；韵是词人押的，一部里平声、上去各是一韵，入声自有五部。
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


def main(groups):
    """各字落进的部（[集合, …]）里最常见的那一部，一样多取小的；没有就是 None。"""
    counts = collections.Counter(one for group in groups for one in group)
    return min(counts, key=lambda one: (-counts[one], one), default=None)


class Yun:
    """韵书：tones[字] 是平、仄的集合，rhymes[字] 是 1–19 部的集合，strict[字] 是韵（“平2”“仄2”）的集合。"""

    def __init__(self, text=None):
        self.tones, self.rhymes, self.strict = {}, {}, {}
        for line in (text or YUN.read_text(encoding="utf-8")).splitlines():
            character, *readings = line.split(" ")
            self.tones[character] = {"平" if reading[0] == "平" else "仄" for reading in readings}
            self.rhymes[character] = {int(reading[1:]) for reading in readings}
            self.strict[character] = {("平" if reading[0] == "平" else "仄") + reading[1:] for reading in readings}

    def main_rhyme(self, last):
        """一串末字（[str, …]）最常落进的部（int，一样多取小的）；一个都不认得就是 None。"""
        return main(self.rhymes[character] for character in last if character in self.rhymes)


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
        """该押韵的是第几个字，押在一起的一组：[[int, …], …]；只有一处的不算。"""
        rhymes, groups = self.yun.rhymes, []
        for k in ends(sequence):
            together = lambda j: sum(bool(rhymes.get(one[j], set()) & rhymes.get(one[k], set())) for one in bodies)  # noqa: E731, B023
            near = [group for group in groups if max(map(together, group)) > len(bodies) / 2]
            groups = [group for group in groups if group not in near] + [sum(near, []) + [k]]
        return sorted(group for group in groups if len(group) > 1)

    def get(self, tune, sequence):
        return self.found.get((tune, sequence))

    def score(self, tune, sequence, body):
        """一首 → (平仄对了几处, 定了平仄的有几处, 押在同一部的几处, 押在同一韵的几处, 该押的几处)；没有谱的是 None。
        韵书里没有的不算。
        """
        template = self.get(tune, sequence)
        if template is None:
            return None
        text = characters(body)
        fixed = [(self.yun.tones[c], want) for c, want in zip(text, template[0]) if want and c in self.yun.tones]
        groups = [[text[k] for k in group if text[k] in self.yun.rhymes] for group in template[1]]
        hits = lambda book: sum(main(map(book.get, group)) in book[c] for group in groups for c in group)  # noqa: E731
        return (
            sum(want in tone for tone, want in fixed),
            len(fixed),
            hits(self.yun.rhymes),
            hits(self.yun.strict),
            sum(map(len, groups)),
        )

    def ends(self, tune, sequence, body):
        """一首里该押韵的末字（str）；没有谱的是 ""。"""
        template = self.get(tune, sequence)
        text = characters(body)
        return "".join(text[k] for k in sorted(sum(template[1], []))) if template else ""


def entropy(items):
    """items 里各种值的占比的熵（float，nat）：都一样是 0，k 种一样多是 ln k；空的是 0。"""
    counts = collections.Counter(items)
    return -sum(n / len(items) * math.log(n / len(items)) for n in counts.values()) if counts else 0.0


def pairs(body):
    """正文（str）里一句之内挨着的两个字：[str, …]。"""
    return [clause[k : k + 2] for clause in re.split("[，。、\\s]", body) for k in range(len(clause) - 1)]


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
