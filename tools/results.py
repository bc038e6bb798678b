"""读 docs/results.json：各脚本三个种子的 loss、速度、格律，怎样汇总。这里只读、只算，量的是 measure.py。"""

import statistics

import course
import records
import runner
from course import AFTER, MODERN, RULER

FORM = ("ended", "attested", "prefix")
# 底座之后要的（没有整首的两份题）；听要求的再加几样
AFTER_FORM = tuple("repeated entropy rare strict pairs body_loss kept".split())
OBEYS = tuple("held_out practised asked heads".split())
# 两段路的那张表要的；第一段路的别的只有头三样
WHOLE = (*FORM, *"tone rhyme copied distinct poem_loss row_loss".split())
FEW = 0.05  # 合律的占不到这么多（400 首里不到 20 首），平仄和押韵不登


def load():
    """docs/results.json 的内容；还没有就是空的。"""
    return records.read(records.RESULTS, {"scripts": {}})


def save(results):
    """写 docs/results.json，脚本按课程的次序，种子从小到大。"""
    results["scripts"] = {file: results["scripts"][file] for file in course.MEASURED if file in results["scripts"]}
    for entry in results["scripts"].values():
        entry["runs"].sort(key=lambda run: run["seed"])
    records.write(records.RESULTS, results)


def runs(results, file):
    """脚本 file 量过的几次：[dict, …]；没量过是 []。训练和别的一模一样的，用那一份的。"""
    return results["scripts"].get(course.measured_as(file), {}).get("runs", [])


def first(results, file):
    """种子 42 的那一次（dict）：读者照着跑，看到的就是它。"""
    return next(run for run in runs(results, file) if run["seed"] == runner.FIRST_SEED)


def kept(results, files):
    """files 里量过的：[文件名, …]。"""
    return [file for file in files if runs(results, file)]


def complete(file, run):
    """脚本 file 的这一次运行（dict），尺上该有的都有了吗。两段路的那张表里没有的，老记录就行。"""
    row = course.BY_FILE[file]
    if row.part == AFTER:
        return all(key in run["form"] for key in (*AFTER_FORM, *(OBEYS if row.base else ())))
    return not (row.part == MODERN or RULER in row.shown) or all(key in run["form"] for key in WHOLE)


def stale(results):
    """量过之后又改了的（自己，或者它接着学的），和还没量过的：[Stale, …]。"""
    found = []
    for file in course.MEASURED:
        entry = results["scripts"].get(file, {})
        if not entry.get("runs"):
            reason = "还没量过"
        elif entry["stamp"] != runner.stamp(file):
            reason = "量过之后又改了" if course.base_of(file) is None else "量过之后又改了，或者它接着学的改了"
        elif not all(complete(file, run) for run in entry["runs"]):
            reason = "尺上添了新的项目"
        else:
            continue
        found.append(records.Stale(file, reason, f"python tools/measure.py {file}", seconds(results, file)))
    return found


def seconds(results, file):
    """照上次的用时，全部种子重量一遍要几秒（float）：种子 42 独占，别的每核一个；没量过是 None。"""
    spent = {True: 0.0, False: 0.0}
    for run in runs(results, file):
        spent[run["alone"]] += run["wall_s"]
    return spent[True] + spent[False] / records.CORES or None


def training_seconds(file):
    """有了权重就不用训练：0；没有，照上次的用时，连它接着学的，要几秒（float）；没量过是 None。"""
    if runner.checkpoint(file).exists():
        return 0.0
    base, spent = (
        course.base_of(file),
        [run["wall_s"] for run in runs(load(), file) if run["seed"] == runner.FIRST_SEED],
    )
    before = training_seconds(base.file) if base else 0.0
    return spent[0] + before if spent and before is not None else None


def mean_or_none(values):
    """有数的几个的平均；都没有就是 None。"""
    found = [value for value in values if value is not None]
    return statistics.mean(found) if found else None


def summary(results, file):
    """一份脚本的汇总（dict）：各种子的平均 loss、最大最小之差、格律的平均分，独占时的用时（秒，中位数）和速度。"""
    measured = runs(results, file)
    losses = [run["val_loss"] for run in measured if "val_loss" in run]  # 强化学习没有 loss 可比
    alone = [run for run in measured if run["alone"]]
    forms = [run["form"] for run in measured if run["form"]]
    return {
        "train_loss": mean_or_none([run.get("train_loss") for run in measured]),
        "val_loss": mean_or_none(losses),
        "spread": max(losses) - min(losses) if losses else None,
        "seeds": len(measured),
        "wall_s": statistics.median(run["wall_s"] for run in alone),
        "tokens_per_s": statistics.median(run.get("tokens_per_s", 0) for run in alone),
        "parameters": measured[0]["parameters"],
        "form": {key: mean_or_none(one.get(key) for one in forms) for key in WHOLE} if forms else None,
    }


def scores(results, file, *keys):
    """各种子打的分里，顺着 keys 找到的那个数：[float 或 None, …]。"""

    def dig(value):
        for key in keys:
            value = (value or {}).get(key)
        return value

    return [dig(run["form"]) for run in runs(results, file)]


def mean_form(results, file, *keys):
    """scores 的平均（float）；都没有就是 None。"""
    return mean_or_none(scores(results, file, *keys))


def standard_error(results, file, *keys):
    """scores 的标准误（float）：种子之间的标准差除以 √种子数；不到两个种子是 None。"""
    found = [value for value in scores(results, file, *keys) if value is not None]
    return statistics.stdev(found) / len(found) ** 0.5 if len(found) > 1 else None


def cores(results, files):
    """files 都是在几核的机器上独占量的：“2”，不一样的是“2–4”（str）。"""
    found = sorted({run["machine"]["cores"] for file in files for run in runs(results, file) if run["alone"]})
    return "–".join(map(str, found))


def expectation(results, file):
    """文档字符串里“预期”的那句话：独占时的用时，种子 42 打印的 loss（有的话）。"""
    wall = summary(results, file)["wall_s"]
    step = 1 if wall < 10 else 5
    duration = f"{wall / 60:.0f} 分钟" if wall > 240 else f"{step * round(wall / step)} 秒"
    loss = first(results, file).get("val_loss")
    return f"{cores(results, [file])} 核 CPU 约 {duration}" + (f"，种子 42 的验证 loss 约 {loss:.2f}" if loss else "")
