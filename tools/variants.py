"""改一处，量一次：从一份脚本改出几份变体，照样训练到底，记下结果。ablate.py 拆概念、answers.py 答“试试”，都用它。

记录是 JSON：{脚本名: {变体名: {"stamp": [脚本的指纹, 改动的指纹], "runs": [一次运行的 dict, …]}}}。
脚本或改动变了，那个变体就要重量；measure.py --unchanged-since 证明脚本的改动与训练无关时，换上新的指纹（confirm）。
"""

import ast
import difflib
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Callable

import measure
from scripts import ROOT, set_hyperparameters, without_docstrings

RECORDS = [ROOT / "docs" / "ablation.json", ROOT / "docs" / "answers.json"]


def swap(source, old, new):
    """source 里的 old 换成 new；old 必须恰好出现一次，否则抛 ValueError：脚本改了，这里也要跟着改。"""
    if source.count(old) != 1:
        raise ValueError(f"该出现一次，出现了 {source.count(old)} 次：{old!r}")
    return source.replace(old, new)


def change(dropped=(), swapped=(), then="", **hyper):
    """一个改源码的函数：删掉含有 dropped 里各段文字的那一行，换掉 swapped 里的各对 (旧, 新)，再改超参数。

    then：跑完之后接着跑的代码，它打印的东西记在结果的 notes 里。
    """

    def apply(source):
        for text in dropped:
            line = next((line for line in source.splitlines(True) if text in line), text)
            source = swap(source, line, "")
        for old, new in swapped:
            source = swap(source, old, new)
        return set_hyperparameters(source, **hyper) + (f"\nprint({measure.NOTES!r})\n{then}" if then else "")

    return apply


@dataclass(frozen=True)
class Variant:
    """一种改法：apply 改源码（str → str）；poems 是打格律分时每个词牌写几首，0 就不打。"""

    apply: Callable
    poems: int = 0


def stamp(name, variant):
    """[脚本 name 的指纹, 这种改法动了哪些代码行的指纹]。"""
    source = (ROOT / name).read_text(encoding="utf-8")
    before, after = (ast.unparse(without_docstrings(text)).split("\n") for text in (source, variant.apply(source)))
    blocks = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    edit = [(before[a:b], after[c:d]) for kind, a, b, c, d in blocks if kind != "equal"]
    return [measure.fingerprint(name), hashlib.sha256(repr(edit).encode()).hexdigest()[:16]]


def load(path):
    """path（Path）里的记录；还没有就是空的。"""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def confirm(name, old, new, paths=None):
    """脚本 name 的指纹由 old 变成 new，而训练一位不差：它的变体也跟着换指纹。"""
    for path in paths or RECORDS:
        record = load(path)
        for entry in record.get(name, {}).values():
            if entry["stamp"][0] == old:
                entry["stamp"][0] = new
        if record:
            measure.write_json(path, record)


def stale(record, variants):
    """过时的、没量过的：[(脚本名, 变体名), …]。variants：{脚本名: {变体名: Variant}}。"""
    return [
        (name, label) for name, labels in variants.items() for label, variant in labels.items()
        if record.get(name, {}).get(label, {}).get("stamp") != stamp(name, variant) or not record[name][label]["runs"]
    ]


def missing(record, variants, seeds=1):
    """还没量的：[(脚本名, 变体名, 种子), …]；过时的旧结果先从 record 里扔掉。"""
    for name, label in stale(record, variants):
        record.setdefault(name, {})[label] = {"stamp": stamp(name, variants[name][label]), "runs": []}
    return [
        (name, label, seed) for name, labels in variants.items() for label in labels for seed in measure.seeds_from_first(seeds)
        if seed not in {run["seed"] for run in record[name][label]["runs"]}
    ]


KEPT = (
    "seed", "date", "train_loss", "val_loss", "best_val_loss", "tokens_per_s", "wall_s", "parameters", "form", "curve", "samples",
    "notes",
)


def run(path, variants, names, seeds=1):
    """names 里的脚本，缺的变体每核一个并排量；每量完一次就存到 path（Path）。"""
    wanted = {name: variants[name] for name in names}
    record = load(path)
    progress = measure.Progress(todo := missing(record, wanted, seeds))

    def one(name, label, seed):
        variant = variants[name][label]
        result = measure.run(name, seed, threads=1, change=variant.apply, poems=variant.poems)
        with progress.lock:
            record[name][label]["runs"].append({key: result[key] for key in KEPT if result.get(key) is not None})
            ordered = {n: {k: record[n][k] for k in variants[n] if k in record[n]} for n in variants if n in record}
            measure.write_json(path, ordered)
            progress.print(f"{name}：{label}，种子 {seed}", result)

    with ThreadPoolExecutor(measure.CORES) as pool:
        list(pool.map(lambda job: one(*job), todo))
    return load(path)
