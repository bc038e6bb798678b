"""改一处，量一次：从一份脚本改出几份变体，照样训练到底，记下结果。拆概念、答“试试”、试没有采用的，都用它。

记录是 JSON：{脚本名: {变体名: {"stamp": [脚本的指纹, 改动的指纹], "runs": [一次运行的 dict, …]}}}。
脚本（连同它接着学的那几份）或改动变了，那个变体就要重量；measure.py --unchanged-since 证明脚本的改动与训练无关时，
换上新的指纹。
记的若是当天的脚本（Experiment.dated），脚本后来改了不用重量。
"""

import argparse
import difflib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import course
import records
import results
import runner


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
        return runner.set_hyperparameters(source, **hyper) + (f"\nprint({runner.NOTES!r})\n{then}" if then else "")

    apply.digest = runner.digest(repr((dropped, swapped, then, hyper)))  # 改动自己的指纹，不看改的是哪份脚本
    return apply


@dataclass(frozen=True)
class Variant:
    """一种改法：apply 改源码（str → str）；poems 是打格律分时每个词牌写几首，0 就不打。"""

    apply: Callable
    poems: int = 0


@dataclass(frozen=True)
class Experiment:
    """一组改法：记在哪个文件（Path），各脚本有哪些（{脚本名: {变体名: Variant}}），由哪个工具量。

    key：记在文件里的哪一项，空的是整个文件。dated：记的是当天的脚本，后来改了不算过时，也不再添种子；去掉了的变体，记录
    留着。
    """

    path: Path
    variants: dict
    tool: str
    key: str = ""
    dated: bool = False

    def load(self):
        """记录（dict）；还没有就是空的。"""
        content = records.read(self.path)
        return content.get(self.key, {}) if self.key else content

    def save(self, record):
        """写记录（dict），脚本、变体照声明的次序；文件里别的项不动。"""
        kept = {}
        for file in [*(file for file in self.variants if file in record), *record]:
            labels = [*self.variants.get(file, record[file]), *(record[file] if self.dated else ())]
            kept[file] = {label: record[file][label] for label in labels if label in record[file]}
        records.write(self.path, {**records.read(self.path), self.key: kept} if self.key else kept)


def stamp(file, variant, dated=False):
    """[脚本 file 的指纹, 这种改法动了哪些代码行的指纹]；dated：后一个是改动自己的，脚本怎么改都不变。"""
    if dated:
        return [runner.stamp(file), variant.apply.digest]
    source = course.source(file)
    before, after = map(runner.code_lines, (source, variant.apply(source)))
    blocks = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    edit = [(list(before[a:b]), list(after[c:d])) for kind, a, b, c, d in blocks if kind != "equal"]
    return [runner.stamp(file), runner.digest(repr(edit))]


def outdated(record, variants, dated=False):
    """过时的、没量过的：[(脚本名, 变体名), …]。variants：{脚本名: {变体名: Variant}}；dated：见 Experiment。"""

    def fresh(file, label, variant):
        entry = record.get(file, {}).get(label, {"stamp": [], "runs": []})
        return entry["runs"] and entry["stamp"][dated:] == stamp(file, variant, dated)[dated:]

    return [
        (file, label) for file, labels in variants.items() for label in labels if not fresh(file, label, labels[label])
    ]


def stale(experiment):
    """一组改法里要重量的：[Stale, …]。用时照上次的；没量过，照脚本自己单线程的。"""
    record, measured, found = experiment.load(), results.load(), []
    for file, label in outdated(record, experiment.variants, experiment.dated):
        runs = (
            record.get(file, {}).get(label, {}).get("runs")
            or [run for run in results.runs(measured, file) if not run["alone"]][:1]
        )
        command = f"python tools/{experiment.tool}.py {file}"
        found.append(records.Stale(f"{file}，{label}", "要重量", command, sum(run["wall_s"] for run in runs) or None))
    return found


def missing(record, variants, seeds=1, dated=False):
    """还没量的：[(脚本名, 变体名, 种子), …]；过时的旧结果先从 record 里扔掉。dated：见 Experiment。"""
    for file, label in outdated(record, variants, dated):
        record.setdefault(file, {})[label] = {"stamp": stamp(file, variants[file][label], dated), "runs": []}
    return [
        (file, label, seed)
        for file, labels in variants.items()
        for label in labels
        if record[file][label]["stamp"][0] == runner.stamp(file)  # 记的是当天的脚本，别的种子不能用后来的
        for seed in range(runner.FIRST_SEED, runner.FIRST_SEED + seeds)
        if seed not in {run["seed"] for run in record[file][label]["runs"]}
    ]


DROPPED = {"alone", "peak_memory_mb", "stdout"}  # 一次运行里，不留的


def run(experiment, files=None, seeds=1):
    """files 里的脚本（不给是全部），缺的变体每核一个并排量；每量完一次就存。返回记录（dict）。"""
    record = experiment.load()
    chosen = {file: experiment.variants[file] for file in files or experiment.variants}
    todo = missing(record, chosen, seeds, experiment.dated)
    progress = runner.Progress(len(todo))
    for file, seed in sorted({(file, seed) for file, _, seed in todo}):  # 并排之前，先有接着学的权重
        if base := course.base_of(file):
            runner.weights(base.file, seed)

    def one(file, label, seed):
        variant = experiment.variants[file][label]
        result = runner.run(file, seed, threads=1, change=variant.apply, poems=variant.poems)
        with progress.lock:
            record[file][label]["runs"].append(
                {key: value for key, value in result.items() if value is not None and key not in DROPPED}
            )
            experiment.save(record)
            progress.print(f"{file}：{label}，种子 {seed}：{runner.outcome(result)}")

    with ThreadPoolExecutor(records.CORES) as pool:
        list(pool.map(lambda job: one(*job), todo))
    return experiment.load()


def main(doc, experiment):
    """几个工具共用的命令行：缺什么量什么。doc 是工具的说明。"""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "scripts",
        nargs="*",
        type=known(experiment.variants),
        metavar="脚本",
        help="文件名或 v3 这样的短名；不写就是全部",
    )
    parser.add_argument("--seeds", type=int, default=1, help="量几个种子，从 42 起")
    arguments = parser.parse_args()
    records.need("torch")
    runner.finish(run, experiment, arguments.scripts, arguments.seeds)
    print("量完了。写文档、画图：python tools/render.py")


def known(files):
    """命令行里的脚本名：短名、文件名都行，要在 files 里；返回文件名。"""

    def find(name):
        try:
            file = course.script(name).file
        except KeyError:
            file = name
        if file not in files:
            names = "、".join(course.BY_FILE[one].id for one in files)
            raise argparse.ArgumentTypeError(f"没有“{name}”，有 {names}" if names else "现在一个也没有")
        return file

    return find
