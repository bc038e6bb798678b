"""一版怎样一步步学会的：照脚本训练一遍，每次评估存一份权重，各接着同一个开头写一段。

训练一字不改，随机数也不多用一个，打印的 loss 就是不存的时候的。抽字的随机数是定死的（sampling.py）：一份和一份不同，
差的只是权重。
"""

import tempfile
from pathlib import Path

import course
import runner
import sampling

HEADER, OPENING = "浣溪沙 苏轼\n", "春江"  # 从一首的开头学起的，加上题头
SEED, LENGTH, TOP = 42, 40, 5  # 一段最多几个字；下一个字列几名


def opening(name):
    """脚本 name 接着写的（dict）。"""
    whole = course.BY_FILE[name].part != course.FIRST
    return {"opening": HEADER * whole + OPENING, "seed": SEED}


def kept_along(source, folder):
    """脚本的源码（str）→ 每次评估在 folder（Path）里存一份权重的源码：<第几步>.pth。"""
    title = "# ---------- 训练"
    assert source.count(title) == 1
    return source.replace(
        title,
        f"""def estimate_loss(estimate=estimate_loss):
    torch.save(model.state_dict(), f"{folder.as_posix()}/{{step}}.pth")
    return estimate()

{title}""",
    )


def frame(trained, point, start):
    """一步（point 是曲线上的一点）的样子（dict）：loss，下一个字的前 TOP 名，写的一段。start：见 opening。"""
    import torch

    chars, window = trained.tokenizer.chars, trained.block_size

    @torch.no_grad()
    def score(ids):
        return trained.model(torch.tensor([ids]))[0][0].tolist()

    probabilities = torch.tensor(score(trained.tokenizer.encode(start["opening"]))).softmax(0)  # (V,)
    values, index = probabilities.topk(TOP)
    return {
        **{key: point[key] for key in ("step", "train_loss", "val_loss")},
        "top": [[chars[k], round(p, 4)] for k, p in zip(index.tolist(), values.tolist())],
        "text": sampling.write(score, chars, start["opening"], window, start["seed"], LENGTH),
    }


def shots(name):
    """照脚本 name 训练一遍，单线程：[(曲线上的一点, 那时的权重), …]。"""
    import torch

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        change = lambda source: kept_along(runner.set_hyperparameters(source, device="cpu"), folder)  # noqa: E731
        curve = runner.run(name, threads=1, change=change, poems=0)["curve"]
        return [(point, torch.load(folder / f"{point['step']}.pth", weights_only=True)) for point in curve]


def film(name, shots):
    """films/<id>.json 的内容（dict）。shots：见上。"""
    import watch

    trained, start, frames = watch.Trained(name, watch.untrained(name)), opening(name), []
    for point, weights in shots:
        trained.model.load_state_dict(weights)
        frames.append(frame(trained, point, start))
    return {**start, "frames": frames}
