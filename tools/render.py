"""不用训练的，都从记录重写一遍：两份 README、docs/*.md（templates/ 里的模板），各脚本的“预期”，图，网页的数据。

用法：
    python tools/render.py            # 重写；什么变了，一行一个
    python tools/render.py --check    # 不写，有不一样的就逐个列出，退出码 1

README、docs/*.md 别直接改：改 templates/ 里的那一份。里面量到的数都从记录里取，写成 {{ … }}；论文里的、解释单位的、
设置的数，一处一处登在 templates/literals.txt。文档字符串里量到的数，登在 templates/docstrings.txt，和脚本对。
"""

import argparse
import ast
import functools
import json
import math
import re
import statistics

import course
import export_page
import records
import results
import runner
import speedrun
from course import AFTER, BASELINE, FIRST, MODERN, ROOT, V

TEMPLATES = ROOT / "tools" / "templates"
EXPECTATION = re.compile(r"预期：\d+ 核 CPU 约 [\d?]+ (?:秒|分钟)(?:，种子 42 的验证 loss 约 [\d.?]+)?")
LINES = 4  # 样文只登头几行


# ---------- 模板里用的 ----------
def decimal(value, digits=2):
    """数 → 几位小数；没有就是一横；大得离谱（飞了）的，写成 1.2e+13。"""
    return "—" if value is None else f"{value:.{digits}f}" if abs(value) < 100 else f"{value:.1e}"


def signed(value, digits=2):
    """差别 → 带正负号的小数；四舍五入成 0 的写 +0.00。"""
    return f"{round(value, digits) + 0.0:+.{digits}f}"


def tenths(value):
    """0 到 1 的数 → 几成、几成半（就近的半成）：0.64 → 六成半。"""
    halves = round(value * 20)
    return "零一二三四五六七八九十"[halves // 2] + "成" + "半" * (halves % 2)


def when(text, *holds):
    """说法 text，只在记录撑得住（holds 都为真）时才给；不然抛 ValueError：记录变了，话也要改。"""
    if not all(holds):
        raise ValueError(f"记录变了，“{text}”不再成立，请改模板")
    return text


def numbers(values):
    """几个数 → “1.37、0.06、0.007”（str）。"""
    return "、".join(
        f"{value:.2g}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:.0f}" for value in values
    )


def head(text, lines=LINES):
    """样文的头几行，放在 Markdown 表格的一格里。"""
    return "<br>".join(text.split("\n")[:lines])


def quote(text, lines=LINES):
    """text 的头几行，写成 Markdown 的引文。"""
    return "\n".join(f"> {line}<br>" for line in text.split("\n")[:lines])


def setting(name, key):
    """脚本（短名）“超参数”那一段里 key 的值；不是字面值就抛 ValueError。"""
    settings = re.split(runner.SETTINGS, course.source(course.script(name).file), maxsplit=1)[2].split(
        "\n# ----------", 1
    )[0]
    return ast.literal_eval(re.findall(rf"^ *{key} = ([^#\n]*?)(?=  #|$)", settings, re.M)[-1])


class Records:
    """所有的记录，和从里面取数的办法；模板里直接用它的方法名。"""

    def __init__(self):
        self.results, self.answers, self.ablation = (
            results.load(),
            records.read(records.ANSWERS),
            records.read(records.ABLATION),
        )
        self.tried, self.emerge, self.bench, self.page, self.speedrun = map(
            records.read, (records.TRIED, records.EMERGE, records.BENCH, records.PAGE, records.SPEEDRUN)
        )
        self.baselines = self.results.get("baselines", {})

    def measured(self, files):
        """files 里量过的：[文件名, …]。"""
        return results.kept(self.results, files)

    def runs(self, name):
        """一份脚本（短名、文件名）的几次运行：[dict, …]。"""
        return results.runs(self.results, course.script(name).file)

    def first(self, name):
        """种子 42 的那一次（dict）。"""
        return results.first(self.results, course.script(name).file)

    def summary(self, name):
        """各种子的汇总（dict，见 results.summary）。"""
        return results.summary(self.results, course.script(name).file)

    def mean(self, name, *keys):
        """各种子打的分里，顺着 keys 找到的数的平均：mean("v31", "practised", "attested")。"""
        return results.mean_form(self.results, course.script(name).file, *keys)

    def each(self, name, *keys):
        """同上，一个种子一个：[float, …]。"""
        return results.scores(self.results, course.script(name).file, *keys)

    def gains(self, name, before, *keys):
        """同上，比同一个种子的 before 高多少：[float, …]。"""
        pairs = zip(self.each(name, *keys), self.each(before, *keys), strict=True)
        return [after - before for after, before in pairs]

    def error(self, name, *keys):
        """同上，种子之间的标准误（float），不到两个种子是 None。"""
        return results.standard_error(self.results, course.script(name).file, *keys)

    def cores(self, files):
        return results.cores(self.results, files)

    def seeds(self, files):
        """files 各有几个种子：“3”，不一样的是“1–3”（str）。"""
        found = sorted({len(self.runs(file)) for file in files})
        return "–".join(map(str, sorted({found[0], found[-1]}))) if found else "0"

    def answer(self, name, label=None):
        """“试试”“自测”的一次运行（dict）；没有 label 就是不改的，种子 42 的那一次。"""
        return self.answers[course.script(name).file][label]["runs"][0] if label else self.first(name)

    def loss(self, name, label=None, digits=2):
        """验证 loss（str）；没有 label 就是不改的，种子 42 的那一次。"""
        return decimal(self.answer(name, label)["val_loss"], digits)

    def more(self, name, label):
        """变体比不改的（种子 42）高多少（str，带正负号）。"""
        return f"{self.answer(name, label)['val_loss'] - self.first(name)['val_loss']:+.2f}"

    def fall(self, name, label=None):
        """第 0 步的验证 loss 到最好的（str）。"""
        run = self.answer(name, label)
        return f"{run['curve'][0]['val_loss']:.2f} → {run['best_val_loss']:.2f}"

    def notes(self, name, label):
        """跑完之后打印的（str）。"""
        return self.answer(name, label)["notes"].strip()

    def parameters(self, name):
        """参数个数（int）。"""
        return self.first(name)["parameters"]

    def sampled(self):
        """采样器写的：{"bytes": …, "texts": {标签: 文字}}。"""
        return json.loads(self.notes("v12", "采样器"))

    def ablated(self, name):
        """从一份脚本里拆：[(概念, 平均验证 loss, 比完整的高多少, 平均格律), …]，头一行是完整的；loss 单位 nat/字，
        发散了的是 inf。
        """
        full, found = self.summary(name), []
        for concept, entry in [("完整", None), *self.ablation[course.script(name).file].items()]:
            runs = entry["runs"] if entry else self.runs(name)
            loss = statistics.mean(run["val_loss"] for run in runs)
            if loss > self.baselines["uniform"]:
                loss = math.inf
            scores = (
                {key: statistics.mean(run["form"][key] for run in runs) for key in results.FORM}
                if entry
                else full["form"]
            )
            found.append((concept, loss, loss - full["val_loss"], scores))
        return found

    def forms(self, files):
        """{脚本名: [各种子打的分（dict）, …]}，没量过的不要。"""
        return {file: [run["form"] for run in self.runs(file)] for file in self.measured(files)}


@functools.cache
def environment():
    """读 templates/ 的 Jinja 环境：上面的几样，课程的表，都直接用得上。"""
    import jinja2

    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    found.filters |= {
        "pct": course.percent,
        "dec": decimal,
        "signed": signed,
        "tenths": tenths,
        "when": when,
        "head": head,
        "quote": quote,
        "numbers": numbers,
    }
    kept = Records()
    found.globals |= {name: getattr(kept, name) for name in dir(kept) if not name.startswith("_")}
    found.globals |= {
        "COURSE": course.COURSE,
        "script": course.script,
        "files": course.files,
        "shown": course.shown,
        "V": V,
        "BASELINE": BASELINE,
        "FIRST": FIRST,
        "MODERN": MODERN,
        "AFTER": AFTER,
        "TWIN": course.TWIN,
        "USE": course.USE,
        "setting": setting,
        "speedrun_line": speedrun.line,
        "json": json.loads,
        "math": math,
        "FEW": results.FEW,
        "float": float,
        "zip": zip,
        "sum": sum,
        "min": min,
        "max": max,
        "len": len,
        "set": set,
        "range": range,
        "statistics": statistics,
        "corpus": course.corpus,
        "answered": lambda row: (TEMPLATES / "answers" / f"{row.id}.md").exists(),
    }
    return found


# ---------- 写什么 ----------
def attempt(makers, faults):
    """makers：{路径: 写它的函数}；返回 {路径: 写出来的}。

    写不出的（记录里没有，或者 when 不成立）：给了 faults（list），往里添一句，别的照写；是 None 就照样抛错。
    """
    import jinja2

    found = {}
    for path, make in makers.items():
        try:
            found[path] = make()
        except (ValueError, LookupError, TypeError, StopIteration, jinja2.TemplateError) as error:
            if faults is None:
                raise
            faults.append(f"{path}：写不出，{error or '记录里缺它要的'}")
    return found


def documents(faults=None):
    """由模板写出的文档：{相对仓库根目录的路径（str）: 全文（str）}。faults 见 attempt。"""
    templates = [
        environment().get_template(name)
        for name in environment().list_templates(["md"])
        if not name.startswith("answers/")
    ]
    return attempt({template.name: template.render for template in templates}, faults)


def docstring(row, kept):
    """换上“预期”的脚本（源码，str）；没有这句话的，抛 ValueError。"""
    text, count = EXPECTATION.subn("预期：" + results.expectation(kept, row.file), course.source(row.file), count=1)
    if count != 1:
        raise ValueError("文档字符串里没有“预期：2 核 CPU 约 ? 秒”")
    return text


def docstrings(faults=None):
    """换上“预期”的各份脚本：{文件名: 源码（str）}，没量过的不在内。faults 见 attempt。"""
    kept = results.load()
    rows = [
        row for row in course.COURSE if (row.measured or row.same_as and not row.side) and results.runs(kept, row.file)
    ]
    return attempt({row.file: functools.partial(docstring, row, kept) for row in rows}, faults)


def pictures(faults=None):
    """由记录画出的图：{相对仓库根目录的路径（str）: SVG（bytes）}；字体不同，就一张也不画。faults 见 attempt。"""
    import plot  # 画图要 matplotlib，别的不用

    if not plot.same_font():
        print("这台机器没有画图用的那个字体（Debian 12 的 fonts-noto-cjk），图没有重画，也没有比。")
        return {}
    kept = Records()
    bigram = kept.baselines["bigram"]
    runs = lambda files: {file: kept.runs(file) for file in kept.measured(files)}  # noqa: E731
    modern = [
        file
        for file in course.MEASURED
        if course.BY_FILE[file].part == MODERN or course.STEPS in course.BY_FILE[file].shown
    ]
    spread = {"v7，没训练": ("v7", "差多远"), "v6，没训练": ("v6", "差多远"), "v6，训练完": ("v6", "训练之后，差多远")}
    return attempt(
        {
            f"docs/{name}.svg": make
            for name, make in {
                "loss_curves": lambda: plot.loss_curves(runs(course.shown(course.CURVES)), bigram),
                "val_loss": lambda: plot.val_loss(runs(course.files(FIRST, measured=True)), bigram),
                "v11": lambda: plot.two_losses(*runs(course.shown(course.PAIR)).items()),
                "modern": lambda: plot.modern(kept.forms(modern), kept.baselines),
                "stages": lambda: plot.stages(kept.forms(course.shown(course.STAGES)), kept.baselines),
                "contrast": lambda: plot.contrast(*contrasted(kept), kept.baselines["form_of_real_poems"]),
                "ablation": lambda: plot.ablation(
                    {file: kept.ablated(file)[1:] for file in kept.ablation if course.BY_FILE[file].part == FIRST}
                ),
                "spread": lambda: plot.spread(
                    {label: json.loads(kept.notes(*one))["spread"] for label, one in spread.items()}
                ),
                "emerge": lambda: plot.emerge(kept.emerge),
            }.items()
        },
        faults,
    )


def contrasted(kept):
    """画 contrast 的点：先前的不想的、今天的先想的，试过的 v32（docs/tried.json）、各版；各 [(说法, 分数), …]。"""
    old, drafts = (kept.tried["noted"][k]["values"] for k in (7, 9))
    without = [("指令微调", old["sft"]), ("GRPO，分数里加押韵", old["grpo_with_rhyme"])]

    def stages(*names):
        return [(name, {key: kept.mean(name, key) for key in ("rhyme", "repeated", "rare")}) for name in names]

    shown = [row for row in map(course.script, course.shown(course.STAGES)) if row.saves]
    learned = [row.id for row in shown if row.base]  # 接着 think.pth、sft.pth 学的
    thinking = [row.id for row in shown if not row.base] + learned[-1:]
    return without, stages(*thinking), [(row["label"], row) for row in drafts], stages(*learned)


def rendered(faults=None):
    """该是什么样：{相对仓库根目录的路径（str）: 内容（bytes）}。faults 见 attempt。"""
    texts = {**documents(faults), **docstrings(faults)}
    return {**{path: text.encode() for path, text in texts.items()}, **pictures(faults)}


def stale(faults=None):
    """和记录对不上的文件：[Stale, …]。faults 见 attempt。"""
    return [
        records.Stale(path, "和记录、模板对不上", "python tools/render.py", 5.0)
        for path, content in rendered(faults).items()
        if not (ROOT / path).exists() or (ROOT / path).read_bytes() != content
    ]


# ---------- 没有出处的数 ----------
# 数，和“六成半”“三倍”这样的说法
FIGURE = re.compile(r"\d[\d,.]*\d%?|\d%?|[一二三四五六七八九十百千万两半]+(?:成半?|倍|秒|分钟|小时)")
# 不是量到的：文件名、代码、链接、版本号
OUTSIDE = re.compile(
    r"[\w/]+\.py\b|```.*?```|`[^`\n]*`|\]\([^)]*\)|https?://\S+|(?<![\w.])v\d+(?:–v\d+)?|<[^>]*>|\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}",
    re.S,
)


def sections(text):
    """“## 文件”下面一行一处“- 一段话”的清单（str）→ {文件: [一段话, …]}。"""
    found = {}
    for line in text.splitlines():
        if line.startswith("## "):
            found[line[3:]] = current = []
        elif line.startswith("- "):
            current.append(line[2:])
    return found


def literals():
    """templates/literals.txt：{文件: [不是量到的、带数的一段, …]}。"""
    return sections((TEMPLATES / "literals.txt").read_text(encoding="utf-8"))


def claims():
    """templates/docstrings.txt：{脚本: [文档字符串里该有的一段, …]}，量到的数已经填上。"""
    found = sections(environment().get_template("docstrings.txt").render())
    return {course.script(name).file: sentences for name, sentences in found.items()}


def unclaimed(text, known):
    """text（str）里，不在 known（[str, …]）的任一句里、也不是代码链接的数：[数前后的一段, …]。"""
    free = bytearray(b"\1" * len(text))
    for match in OUTSIDE.finditer(text):
        free[match.start() : match.end()] = bytes(len(match[0]))
    for sentence in known:
        for match in re.finditer(re.escape(sentence), text):
            free[match.start() : match.end()] = bytes(len(match[0]))
    return [
        text[max(0, m.start() - 12) : m.end() + 12].replace("\n", " ")
        for m in FIGURE.finditer(text)
        if any(free[m.start() : m.end()])
    ]


def faults_in(name, text, known, claimed=()):
    """文件 name 的文字 text 里：没有出处的数，该有而没有的话（claimed），登了却不在那里的（known）：[一句话, …]。"""
    return [
        *(f"{name}：该有“{one}”" for one in claimed if one not in text),
        *(f"{name}：“…{one}…”没有出处" for one in unclaimed(text, [*known, *claimed])),
        *(f"literals.txt：{name} 里没有“{one}”" for one in known if one not in text),
    ]


def joined(source):
    """脚本源码（str）→ 文档字符串，各行连起来，不算“预期”那一句（render 自己写）。"""
    doc = EXPECTATION.sub("", ast.get_docstring(ast.parse(source)))
    return " ".join(line.strip() for line in doc.split("\n"))


def without_source():
    """模板、文档字符串里没有出处的数，和登了却不在那里的：[一句话, …]。"""
    known, found = literals(), []
    for name in environment().list_templates(["md"]):
        found += faults_in(name, (TEMPLATES / name).read_text(encoding="utf-8"), known.get(name, []))
    for claimed in attempt({"docstrings.txt": claims}, found).values():
        for row in course.COURSE:
            text = joined(course.source(row.file))
            found += faults_in(row.file, text, known.get(row.file, []), claimed.get(row.file, []))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="只看，不写")
    arguments = parser.parse_args()
    records.need("jinja2", "matplotlib")
    faults = []
    if arguments.check:
        faults = [*map(str, stale(faults)), *faults, *without_source()]
    else:
        for path, content in rendered(faults).items():
            if records.write_bytes(ROOT / path, content):
                print(path)
        for path in export_page.update(export_page.PUBLIC, []):
            print(path.relative_to(ROOT))
    print(*faults, sep="\n", end="\n" if faults else "")
    raise SystemExit(1 if faults else 0)


if __name__ == "__main__":
    main()
