"""笔记本上的竞速：一份脚本照样跑到底，独占所有的核，给它写的词打分，打印它在 docs/speedrun.md 里的那一行。

用法：
    python tools/speedrun.py modern/babygpt_v24_base.py        # 改了再跑，比一比
    python tools/speedrun.py --record v24                      # 记进 docs/speedrun.json；写文档：python tools/render.py

规矩在 docs/speedrun.md。时间是从敲下命令到跑完（存下权重、采样）的秒数；打分不算在里面。
"""

import argparse

import course
import form
import records
import runner
import variants

SCORES = ("attested", "tone", "rhyme", "repeated", "rare", "poem_loss")


def measure(file, seed):
    """跑 file，打分 → 记录（dict）：seconds 是秒，各项分数见 form.py。"""
    result = runner.run(file, seed, threads=records.CORES, poems=form.SAMPLES)
    kept = {key: result["form"].get(key) for key in SCORES}
    place = {"date": records.today(), "machine": records.machine()}
    return {"script": file, "stamp": runner.stamp(file), "seed": seed, "seconds": result["wall_s"], **kept, **place}


def line(row):
    """记录（dict）→ Markdown 表里的一行（str）。"""
    share = lambda value: "" if value is None else course.percent(value)  # noqa: E731
    cells = [f"`{row['script']}`", f"{row['seconds']:.0f} 秒", *(share(row[key]) for key in SCORES[:-1])]
    cells += [f"{row['poem_loss']:.2f}", f"{row['machine']['cores']} 核", f"种子 {row['seed']}", row["date"]]
    return f"| {' | '.join(cells)} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = variants.known(course.files(course.FIRST, course.MODERN))
    parser.add_argument("script", type=known, metavar="脚本", help="文件名或 v24 这样的短名")
    parser.add_argument("--seed", type=int, default=runner.FIRST_SEED, help="种子，从 42 起")
    parser.add_argument("--record", action="store_true", help="记进 docs/speedrun.json")
    arguments = parser.parse_args()
    records.need("torch")
    row = runner.finish(measure, arguments.script, arguments.seed)
    if arguments.record:
        records.write(records.SPEEDRUN, {"rows": [*records.read(records.SPEEDRUN).get("rows", []), row]})
    print(line(row))


if __name__ == "__main__":
    main()
