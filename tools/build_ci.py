"""从 npm 包 chinese-poetry 2.0.1 生成语料 ci.txt，和 v27 学的《花间集》，逐字节可复现。

用法：
    python tools/build_ci.py                    # 用 npm pack 取包（约 85 MB）
    python tools/build_ci.py 某处/chinese-poetry-2.0.1.tgz

来源：npm 包 chinese-poetry（MIT 许可；诗词原文属公有领域）。
读 songci/ 的 22 个文件（全宋词）和 wudaishici/nantang/（南唐词），写到仓库根目录的 ci.txt；读 wudaishici/huajianji/
（花间集，晚唐五代），作者一律写“花间”，字都在 ci.txt 里的，写到 modern/huajian.txt。
"""

import argparse
import base64
import collections
import hashlib
import json
import re
import subprocess
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "chinese-poetry@2.0.1"
# npm 登记处为这个版本公布的 sha512（`npm view chinese-poetry@2.0.1 dist.integrity`）
INTEGRITY = "sha512-KtYARvV7CWNtax0na9+Jn6PlhGgSoid7PWyDzXI4KsCEm2odZcqEQyval5koaLygZnM/EQ3lfJ//25K8p3uHNg=="
MEMBERS = [f"package/dist/songci/ci.song.{n}.json" for n in range(0, 22000, 1000)]
MEMBERS.append("package/dist/wudaishici/nantang/poetrys.json")
HUAJIAN = [f"package/dist/wudaishici/huajianji/huajianji-{n}-juan.json" for n in [*range(1, 10), "x"]]
ROOT = Path(__file__).resolve().parent.parent

HAN = r"〇\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
HEADER = re.compile(f"[{HAN}]+(?:·[{HAN}]+)* [{HAN}]+")
BODY = re.compile(f"[{HAN}，。、]+")
MIN_HAN = 16  # 最短的词牌“十六字令”正好 16 个字
FULL_STOPS, COMMAS, REMOVED = "？！", "；：", "“”‘’「」『』《》〈〉\u3000"
PUNCTUATION = str.maketrans({c: "。" for c in FULL_STOPS} | {c: "，" for c in COMMAS} | {c: None for c in REMOVED})


def check_integrity(tarball):
    """核对 tarball（Path）的 sha512；不符时抛 ValueError。"""
    with open(tarball, "rb") as file:
        digest = hashlib.file_digest(file, "sha512").digest()
    found = "sha512-" + base64.b64encode(digest).decode()
    if found != INTEGRITY:
        raise ValueError(f"{tarball} 不是 {PACKAGE}：sha512 应为 {INTEGRITY}，实为 {found}")


def read_records(tarball, members=MEMBERS):
    """按固定顺序读出包里 members 这几个文件的词，返回 dict 的列表（rhythmic、author、paragraphs）。"""
    with tarfile.open(tarball) as archive:
        return [record for name in members for record in json.load(archive.extractfile(name))]


def clean(record, counts):
    """一条记录 → (题行, [句, …])；每条规则改动的字符数记入 counts（Counter）。"""

    def punctuate(text):
        counts["？！ → 。"] += sum(text.count(c) for c in FULL_STOPS)
        counts["；： → ，"] += sum(text.count(c) for c in COMMAS)
        counts["去掉引号、书名号、全角空格"] += sum(text.count(c) for c in REMOVED)
        return text.translate(PUNCTUATION)

    title = punctuate(record["rhythmic"])
    counts["词牌里的 ・ → ·"] += title.count("・")
    author = record["author"].rstrip("0123456789")
    counts["作者名后的编号去掉"] += author != record["author"]
    sentences = [punctuate(paragraph) for paragraph in record["paragraphs"]]
    return f"{title.replace('・', '·')} {author}", [s for s in sentences if s]


def build(records):
    """清洗、去重、排序；返回 (ci.txt 的全文, 各规则的计数 Counter)。

    按每首词文本的 SHA-256 排序：源数据按作者和年代排，照那个次序，最后 10% 就成了另一种语言。
    """
    counts = collections.Counter()
    poems, bodies = [], set()
    for record in records:
        header, sentences = clean(record, counts)
        body = "".join(sentences)
        if not BODY.fullmatch(body):
            counts["弃：正文有缺字、乱码或注"] += 1
        elif not HEADER.fullmatch(header):
            counts["弃：词牌或作者有缺字、乱码"] += 1
        elif len(re.sub("[，。、]", "", body)) < MIN_HAN:
            counts["弃：残篇，不足 16 字"] += 1
        elif body in bodies:
            counts["弃：正文重复"] += 1
        else:
            bodies.add(body)
            poems.append("\n".join([header, *sentences]) + "\n\n")
    poems.sort(key=lambda poem: hashlib.sha256(poem.encode()).hexdigest())
    counts["留下的词"] = len(poems)
    return "".join(poems), counts


def huajian(records, text):
    """《花间集》的记录 → modern/huajian.txt 的全文；text 是 ci.txt 的全文，有它没有的字的不要。"""
    found, _ = build([{**record, "author": "花间"} for record in records])
    return "".join(poem + "\n\n" for poem in found.split("\n\n")[:-1] if set(poem) <= set(text))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "tarball", nargs="?", type=Path, metavar="chinese-poetry-2.0.1.tgz", help="不写就用 npm pack 取"
    )
    tarball = parser.parse_args().tarball
    with tempfile.TemporaryDirectory() as folder:
        if tarball is None:
            subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True)
            tarball = next(Path(folder).glob("*.tgz"))
        try:
            check_integrity(tarball)
            records, others = read_records(tarball), read_records(tarball, HUAJIAN)
        except (OSError, ValueError) as error:
            raise SystemExit(str(error)) from None
    text, counts = build(records)
    (ROOT / "ci.txt").write_bytes(text.encode())
    (ROOT / "modern" / "huajian.txt").write_bytes(huajian(others, text).encode())
    print(f"读入 {len(records)} 首")
    for rule, count in counts.items():
        print(f"{rule}：{count}")
    print(f"ci.txt：{len(text)} 个字符，{len(set(text))} 种，sha256 {hashlib.sha256(text.encode()).hexdigest()}")


if __name__ == "__main__":
    main()
