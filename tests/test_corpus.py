"""ci.txt：一个字节都不能变，每首词都读得出，名句都在；清洗的每条规则都有例子。"""

import collections
import hashlib
import re
import sys

import pytest

import build_ci
import course
import helpers

SHA256 = "c1dc841b782b87beffae2a10c13cffa1e8bf0667385888d28206b1fc4ee73dcd"
HUAJIAN = "237077cc7aeb2f0c967eb79c218dec874e75abf6b774283abd92cf1050460a19"
FAMOUS = """
春花秋月何时了 问君能有几多愁 小楼昨夜又东风 无言独上西楼 剪不断 林花谢了春红 帘外雨潺潺 流水落花春去也 独自莫凭栏
大江东去，浪淘尽 明月几时有，把酒问青天 但愿人长久 十年生死两茫茫 老夫聊发少年狂 竹杖芒鞋轻胜马 人有悲欢离合
寻寻觅觅，冷冷清清 凄凄惨惨戚戚 应是绿肥红瘦 莫道不消魂 此情无计可消除 物是人非事事休
怒发冲冠 壮志饥餐胡虏肉 众里寻他千百度 东风夜放花千树 醉里挑灯看剑 稻花香里说丰年 少年不识愁滋味 青山遮不住
衣带渐宽终不悔 执手相看泪眼 今宵酒醒何处 多情自古伤离别 无可奈何花落去 似曾相识燕归来 昨夜西风凋碧树
驿外断桥边 零落成泥碾作尘 红酥手 二十四桥仍在 云破月来花弄影 纤云弄巧 雾失楼台
""".split()


@pytest.fixture(scope="module")
def text():
    return (course.ROOT / "ci.txt").read_bytes().decode()


def test_sha256(text):
    assert hashlib.sha256(text.encode()).hexdigest() == SHA256


def test_huajian(text):
    """《花间集》：一个字节都不能变；字都在 ci.txt 里，没有一首是 ci.txt 里有的。"""
    huajian = (course.ROOT / "modern" / "huajian.txt").read_bytes().decode()
    assert hashlib.sha256(huajian.encode()).hexdigest() == HUAJIAN
    assert set(huajian) <= set(text) and all(" 花间\n" in poem for poem in huajian[:-2].split("\n\n"))
    bodies = {poem.split("\n", 1)[1] for poem in text[:-2].split("\n\n")}
    assert not bodies & {poem.split("\n", 1)[1] for poem in huajian[:-2].split("\n\n")}


def test_huajian_keeps_what_is_known():
    found = build_ci.huajian([record(LONG), record(LONG.replace("一", "千"))], LONG + " 浣溪沙花间\n")
    assert found == f"浣溪沙 花间\n{LONG}\n\n"


def test_format(text):
    assert "\r" not in text and text.endswith("\n\n")
    poems = text[:-2].split("\n\n")
    assert len(poems) == 19544
    hashes = [hashlib.sha256((poem + "\n\n").encode()).hexdigest() for poem in poems]
    assert hashes == sorted(hashes)
    for poem in poems:
        header, *lines = poem.split("\n")
        assert build_ci.HEADER.fullmatch(header), header
        assert lines and all(build_ci.BODY.fullmatch(line) for line in lines), poem
        assert len(re.sub("[，。、]", "", "".join(lines))) >= 16, poem
    assert len({poem.split("\n", 1)[1].replace("\n", "") for poem in poems}) == len(poems)


def test_famous_lines_survived(text):
    assert [line for line in FAMOUS if line not in text] == []


def record(*paragraphs, rhythmic="浣溪沙", author="某人"):
    return {"rhythmic": rhythmic, "author": author, "paragraphs": list(paragraphs)}


LONG = "一二三四五六七八九十，一二三四五六七八九十。"


def test_clean_rules():
    counts = collections.Counter()
    header, lines = build_ci.clean(
        record("“问君能有几多愁？”　恰似：一江春水！", "", "《向》；东流。", rhythmic="忆秦娥・其二", author="李煜12"),
        counts,
    )
    assert header == "忆秦娥·其二 李煜"
    assert lines == ["问君能有几多愁。恰似，一江春水。", "向，东流。"]
    assert counts["？！ → 。"] == 2 and counts["；： → ，"] == 2 and counts["去掉引号、书名号、全角空格"] == 5


@pytest.mark.parametrize(
    "bad, reason",
    [
        (record(LONG + "□"), "弃：正文有缺字、乱码或注"),
        (record(LONG + "(缺)"), "弃：正文有缺字、乱码或注"),
        (record(LONG, author="无名氏□"), "弃：词牌或作者有缺字、乱码"),
        (record("一二三四五，六七八九十。"), "弃：残篇，不足 16 字"),
    ],
    ids=["hole", "note", "author", "short"],
)
def test_dropped(bad, reason):
    text, counts = build_ci.build([record(LONG), bad])
    assert counts[reason] == 1 and counts["留下的词"] == 1
    assert text == f"浣溪沙 某人\n{LONG}\n\n"


def test_repeats_are_dropped_and_order_does_not_matter():
    other = record(LONG.replace("一", "千"))
    again = record(LONG, author="另一人")
    text, counts = build_ci.build([record(LONG), other, again])
    assert counts["弃：正文重复"] == 1 and counts["留下的词"] == 2
    assert text == build_ci.build([other, record(LONG)])[0]


def test_wrong_tarball_is_refused(tmp_path):
    fake = tmp_path / "chinese-poetry-2.0.1.tgz"
    fake.write_bytes(b"not the package")
    before = (course.ROOT / "ci.txt").read_bytes()
    result = helpers.call(sys.executable, course.ROOT / "tools" / "build_ci.py", fake)
    helpers.assert_one_line(result, "sha512")
    assert (course.ROOT / "ci.txt").read_bytes() == before
