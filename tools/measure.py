"""把脚本真跑一遍，记下它们打印的 loss、速度和样文，给它们的模型打分，存到 docs/results.json。

用法：
    python tools/measure.py                     # 所有脚本，每份 3 个种子；中断了再跑，接着来
    python tools/measure.py --seeds 1 v9        # 文件名、短名都行
    python tools/measure.py --rescore v24       # 尺改了：权重还在 checkpoints/ 的，不训练，只重新打分
    python tools/measure.py --unchanged-since COMMIT  # 改的与训练无关？证明了，记录就留着
量完了，python tools/render.py 把数写进文档、画成图；哪些过时了，python tools/check.py 说。

只改种子，别的一字不动。种子 42 独占所有核跑，用时和速度以它为准；其余种子每核一个并排跑，只取 loss。
改了代码（注释和文档字符串不算）的脚本，和接着它学的，旧的结果作废，重新量。改的若只是检查、打印之类，
用 --unchanged-since：拿 COMMIT 里量过的那份和现在的这份，在同一台机器上各训练几十步，loss 和样文一位不差，
就在所有的记录里换上新的指纹。
"""

import argparse
import concurrent.futures
import math
import subprocess

import course
import form
import records
import results
import runner
import variants
from course import AFTER, ROOT, TRAIN

RECORDED = [records.DOCS, ROOT / "page" / "public"]  # 指纹记在这里的 JSON 和图里


def baselines():
    """不学任何参数的几条线（dict，nat/字，在 block_size 32 的同一份考题上）：瞎猜、字频、二元计数（整个训练集）。"""
    import torch

    text = course.corpus()
    stoi = {ch: i for i, ch in enumerate(sorted(set(text)))}
    data = torch.tensor([stoi[ch] for ch in text])
    train, val = data[: int(len(data) * TRAIN)], data[int(len(data) * TRAIN) :]
    V, T = len(stoi), 32

    def counting(train, val, k):
        """在 train 上数，在 val 上考，二元计数里掺 k 份字频 → (只数字频的 loss, 二元计数的 loss)。"""
        n = 40 * (512 // T)
        index = (torch.arange(n) * (len(val) - T) // n)[:, None] + torch.arange(T)
        i, j = val[index], val[index + 1]
        count = torch.bincount(train, minlength=V)
        frequency = (count + 1) / (len(train) + V)
        pairs = torch.bincount(train[:-1] * V + train[1:], minlength=V * V)
        bigram = (pairs[i * V + j] + k * frequency[j]) / (count[i] + k)
        return -frequency[j].log().mean().item(), -bigram.log().mean().item()

    most = int(len(train) * TRAIN)  # k 在训练文本的最后一成上挑，不看验证集
    k = min((50, 100, 200, 500, 1000), key=lambda k: counting(train[:most], train[most:], k)[1])
    unigram, bigram = counting(train, val, k)
    return {
        "uniform": round(math.log(V), 4),
        "unigram": round(unigram, 4),
        "bigram": round(bigram, 4),
        "bigram_k": k,
        "form_of_real_poems": (forms := form.Forms(text)).ceiling(),
        "form_of_random_characters": forms.floor(),
    }


def missing(measured, files, seeds):
    """还缺的：[(脚本名, 种子), …]；过时的、尺上缺了项目的旧结果先从 measured 里扔掉。"""
    todo = []
    for file in files:
        if measured["scripts"].get(file, {}).get("stamp") != runner.stamp(file):
            measured["scripts"][file] = {"stamp": runner.stamp(file), "runs": []}
        runs = measured["scripts"][file]["runs"]
        runs[:] = [run for run in runs if results.complete(file, run)]
        done = {run["seed"] for run in runs}
        todo += [(file, seed) for seed in range(runner.FIRST_SEED, runner.FIRST_SEED + seeds) if seed not in done]
    return todo


def measure(measured, files, seeds):
    """量还缺的：files 里每份脚本 seeds 个种子；每量完一次就存盘。"""
    todo = missing(measured, files, seeds)
    measured["baselines"] = baselines()
    results.save(measured)
    progress = runner.Progress(len(todo))

    def one(job, threads):
        file, seed = job
        row = course.BY_FILE[file]
        wanted = course.heirs(file) or row.page and seed == runner.FIRST_SEED  # 后面要用的权重才留
        result = runner.run(file, seed, threads, keep=runner.checkpoint(file, seed) if wanted else None)
        with progress.lock:
            measured["scripts"][file]["runs"].append(
                {key: value for key, value in result.items() if key not in ("stdout", "notes")}
            )
            results.save(measured)
            progress.print(f"{file} 种子 {seed}：{runner.outcome(result)}")

    for job in todo:
        if job[1] == runner.FIRST_SEED:
            one(job, records.CORES)
    others = [job for job in todo if job[1] != runner.FIRST_SEED]
    chained = {file for file in course.MEASURED if course.base_of(file) or course.heirs(file)}
    alone = [[job] for job in others if job[0] not in chained]
    seeds = sorted({seed for _, seed in others})
    chains = [
        [job for job in others if job[0] in chained and job[1] == seed] for seed in seeds
    ]  # 一个种子一条链，按次序
    with concurrent.futures.ThreadPoolExecutor(records.CORES) as pool:
        list(pool.map(lambda jobs: [one(job, 1) for job in jobs], [*alone, *chains]))


def rescore(measured, files):
    """files 里量过的，权重还在的，重新打分，存盘；权重不在的不动，说一句。"""
    import torch

    import watch

    measured["baselines"] = baselines()
    for file in files:
        for run in results.runs(measured, file):
            path = runner.checkpoint(file, run["seed"])
            if not path.exists():
                print(f"{file} 种子 {run['seed']}：没有权重，没有重新打分")
                continue
            namespace = watch.untrained(file)
            namespace["model"].load_state_dict(torch.load(path, weights_only=True)["model"])
            run["form"] = form.score(namespace, file)
            results.save(measured)
            print(f"{file} 种子 {run['seed']}：{runner.outcome(run)}", flush=True)


def learned(file, source):
    """让源码 source 训练几十步，返回它学到的：每次评估的 loss、参数个数、样文；不训练的脚本，就是它打印的全部。"""
    briefly = dict(max_iters=60, eval_interval=20, max_new_tokens=20)
    if course.BY_FILE[file].part == AFTER:  # 练的是自己写的词，短调得写得完
        briefly = dict(max_iters=3, eval_interval=3, eval_iters=4, max_new_tokens=60)
    result = runner.run(file, change=lambda text: runner.set_hyperparameters(text, **briefly), poems=0, source=source)
    losses = [(point["step"], point["train_loss"], point["val_loss"]) for point in result["curve"]]
    return (losses, result["parameters"], result["samples"]) if losses or result["samples"] else result["stdout"]


def at(commit, file):
    """提交 commit 里的 file（str）；那时还没有就是 None。"""
    shown = subprocess.run(["git", "show", f"{commit}:{file}"], cwd=ROOT, capture_output=True, encoding="utf-8")
    return shown.stdout if shown.returncode == 0 else None


def restamp(old, new):
    """指纹 old（str）换成 new：记录里、图里、权重的文件名里。"""
    for folder in RECORDED:
        for path in (*folder.glob("*.json"), *folder.glob("*.svg")):
            content = path.read_bytes()
            if old.encode() in content:
                records.write_bytes(path, content.replace(old.encode(), new.encode()))
    for path in runner.CHECKPOINTS.glob(f"**/*-{old}.pth"):
        path.rename(path.with_name(path.name.replace(old, new)))


def unchanged_since(commit, files):
    """files 里改过的脚本，和提交 commit 里量过的那份比；一位不差的，所有的记录换上新的指纹，接着它学的也换。
    返回换了的（[文件名]）。
    """
    before = {row.file: text for row in course.COURSE if (text := at(commit, row.file)) is not None}
    earlier = {file: runner.fingerprint_of(text) for file, text in before.items()}
    same, proven = [], set()  # proven：和 commit 里的一样（没改，或证明了），接着学的也是
    for file in before:  # 按课程的次序：接着谁学的，排在它后面
        base = course.base_of(file)
        if base and base.file not in proven:
            continue
        if earlier[file] != runner.fingerprint(file):
            if file not in files:
                continue
            if learned(file, before[file]) != learned(file, course.source(file)):
                print(f"{file}：和 {commit} 里的学得不一样，要重量", flush=True)
                continue
            same.append(file)
            print(f"{file}：和 {commit} 里的一位不差", flush=True)
        proven.add(file)
        old, new = runner.stamp(file, earlier), runner.stamp(file)
        if old != new:
            restamp(old, new)
    return same


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "scripts", nargs="*", type=variants.known(course.BY_FILE), metavar="脚本", help="文件名或短名；不写就是全部"
    )
    parser.add_argument("--seeds", type=int, default=3, help="量几个种子，从 42 起")
    parser.add_argument("--rescore", action="store_true", help="不训练，拿 checkpoints/ 里的权重重新打分")
    parser.add_argument("--unchanged-since", metavar="COMMIT", help="和这个提交里的比，训练一位不差的，记录留着")
    arguments = parser.parse_args()
    records.need("torch")
    if arguments.unchanged_since:
        runner.finish(unchanged_since, arguments.unchanged_since, arguments.scripts or list(course.BY_FILE))
        return
    if unmeasured := [file for file in arguments.scripts if file not in course.MEASURED]:
        parser.error(f"{'、'.join(unmeasured)} 不量（tools/course.py）")
    if arguments.rescore:
        rescore(results.load(), arguments.scripts or course.MEASURED)
        return
    runner.finish(measure, results.load(), arguments.scripts or course.MEASURED, arguments.seeds)
    print("量完了。写文档、画图：python tools/render.py")


if __name__ == "__main__":
    main()
