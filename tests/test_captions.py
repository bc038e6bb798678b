"""每个注意力头一句话（captions.py）：样子指着哪里，编出来的头说得对，看不出来的不说。"""

import torch

import captions

POEM = "浣溪沙 苏轼\n春江花月夜，人②归。\n春风来，又③迟。\n花落"


def at(text, name, place, whole=True):
    """样子 name 在 place 处指着的字（str）。"""
    return "".join(text[k] for k in captions.looks(text, whole)[name][place])


def test_where_the_patterns_look():
    end = len(POEM) - 1  # 正在读“落”
    expected = dict(self="落", previous="花", second="\n", third="。", break_="\n", mark="。", stop="。", rhyme="迟")
    expected |= dict(
        rhymes="归迟", thought="③", thoughts="②③", tune="浣溪沙", space=" ", author="苏轼", ask="", same=""
    )
    for name, chars in expected.items():
        assert at(POEM, name.rstrip("_"), end) == chars, name
    looks = captions.looks(POEM, True)
    assert looks["break"][end] == [POEM.rindex("\n")] and looks["above"][end] == [POEM.index("风来")]
    flower = end - 1
    assert at(POEM, "same", flower) == "花" and at(POEM, "after", flower) == "月"
    assert at(POEM, "tune", 3) == "", "题头没读完，不算"
    assert at(POEM, "rhyme", POEM.index("归") + 2) == "归" and at(POEM, "rhyme", POEM.index("归") + 1) == ""
    asked = "② 藏头春\n" + POEM
    assert at(asked, "ask", len(asked) - 1) == "② 藏头春\n" and at(asked, "tune", len(asked) - 1) == "浣溪沙"


def test_pieces_have_a_first_character_and_headers_of_their_own():
    text = "沙 苏轼\n春江。\n\n蝶恋花 柳永\n伫倚危楼"
    assert at(text, "tune", 6, whole=False) == "", "读起的地方，题头不全"
    assert at(text, "tune", len(text) - 1, whole=False) == "蝶恋花" and at(text, "first", 9, whole=False) == "沙"
    assert "first" not in captions.looks(text, True)


def test_moments():
    found = captions.moments(POEM)
    reading = {when: "".join(POEM[k] for k in sorted(places)) for when, places in found.items()}
    assert reading == {"think": "人又", "rhyme": "②③", "line": "\n\n\n"}


def tuned(*names, share=0.8, only=None):
    """编出来的模型（像 onnx_runner 给的）：第 k 个头把 share 的注意力放在样子 names[k] 的位置上，别的平摊。

    only：只在这种时候这样。
    """

    def run(idx):
        text = "".join(map(chr, idx[0].tolist()))
        looks, T = captions.looks(text, True), len(text)
        even = torch.ones(T, T).tril() / torch.arange(1, T + 1)[:, None]
        attention = even.repeat(1, len(names), 1, 1)
        for head, name in enumerate(names):
            for q in captions.moments(text)[only] if only else range(T):
                if places := looks[name][q]:
                    attention[0, head, q] *= 1 - share
                    attention[0, head, q, places] += share / len(places)
        return {"attention": attention}

    return run


def texts():
    """几十首编出来的：句子长短不一，字不重样，样子之间才分得开。"""
    chars = iter(map(chr, range(0x4E00, 0x9000)))
    take = lambda n: "".join(next(chars) for _ in range(n))  # noqa: E731
    line = lambda k: f"{take(6 + k % 3)}，{take(1 + k % 2)}②{take(1)}。\n"  # noqa: E731
    return [f"浣溪沙 苏轼\n{''.join(line(k + j) for j in range(5))}\n" for k in range(24)]


def said(*names, **how):
    """编出来的模型（见 tuned）的各个头，说的话。"""
    scores = captions.measure(tuned(*names, **how), lambda text: list(map(ord, text)), texts(), True)
    return [captions.caption(scores, 0, head) for head in range(len(names))]


def test_heads_made_to_look_are_found():
    """一组里占了大半的那一个，说的是它，不是一组。"""
    names = ["previous", "tune", "break", "rhyme", "thought", "thoughts", "space", "third", "above", "stop", "mark"]
    found = said(*names)
    assert [one and one["pattern"] for one in found] == names
    assert all(0.8 <= one["mass"] <= 0.95 and "when" not in one for one in found)


def test_nothing_is_said_when_it_does_not_show():
    assert said("previous", "mark", share=0.35) == [None, None]


def test_a_head_that_looks_only_at_times():
    for when in captions.MOMENTS:
        [found] = said("tune", only=when)
        assert found["when"] == when and found["pattern"] == "tune" and found["mass"] >= 0.8


def test_words_for_every_pattern():
    kinds = {key for whole in (True, False) for key in captions.looks(POEM, whole)}
    assert kinds == captions.PATTERNS.keys() and captions.moments(POEM).keys() == captions.MOMENTS.keys()
    assert set(captions.WIDER) | set(captions.WIDER.values()) <= kinds
