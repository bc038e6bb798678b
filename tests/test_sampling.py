"""导出的工具照网页那样抽字（sampling.py）：随机数、名次和网页的一样。"""

import math

import pytest

import sampling


def test_the_page_draws_the_same_numbers():
    """page/src/sampling.ts 的 uniform 在 Node 里算出的，乘 2**32。"""
    expected = {
        (42, 0): 3234020025,
        (42, 1): 551753067,
        (42, 69): 3151695854,
        (0, 0): 3460648043,
        (7, 123456): 1085191377,
        (2**31 - 1, 3): 2109243646,
    }
    assert {asked: sampling.uniform(*asked) * 2**32 for asked in expected} == expected


@pytest.mark.parametrize("u, expected", [(0.5, 2), (0.54, 2), (0.55, 1), (0.8, 1), (0.83, 0), (0.92, 3), (0.99, 3)])
def test_the_page_chooses_the_same(u, expected):
    """概率 1/11、3/11、6/11、1/11：answer 在 Node 里选的；一样大的按编号。"""
    assert sampling.chosen([0, math.log(3), math.log(6), 0], u) == expected


def test_writes_until_the_blank_line():
    """看得见的只有窗口里的；写到空行，或者写满了，就停。"""
    chars, seen = "\n春江花", []

    def score(ids):
        seen.append("".join(chars[k] for k in ids))
        return [50.0 * (k == (ids[-1] + 1) % 4 if len(seen) < 4 else k == 0) for k in range(4)]

    assert sampling.write(score, chars, "江春", 3, 42, 10) == "江花\n\n"
    assert seen == ["江春", "江春江", "春江花", "江花\n"]
    assert sampling.write(lambda ids: [0.0, 50.0, 0.0, 0.0], chars, "\n\n", 3, 42, 5) == "春" * 5
