"""学得久一点，押韵会不会自己冒出来？拿 v24 的模型加上 Dropout，学许多遍，边学边量，记到 docs/emerge.json。

用法：
    python tools/emerge.py    # 学 STEPS 步，2 核 CPU 上占一个核，约一个半小时；中断了再跑，接着来
画成图：python tools/render.py

每 EVERY 步量一次没学过的整首词（exam.poems 里押一部的）：写到第二个韵脚起，模型给该押的那一部多少概率（right）；
同样的地方，给别的词押的那些部多少概率（chance，平均），两样一样高，就是碰运气。
loss_ends、loss_rest 是韵脚和别的字的平均 loss，nat/字。
每 WRITE 步写 20 个词牌各 POEMS 首，量押韵（form.py）。v24 的代码变了，接着学的权重就不再用，从头来。
"""

import argparse
import collections
import math
import re
import time

import course
import form
import records
import runner
import variants
from course import V

STEPS, EVERY, WRITE, POEMS, DROPOUT, SEED = 14_000, 500, 2_000, 10, 0.2, 42
COOL = 0.2  # 学习率先热身，一直不变，最后两成步子里慢慢减到 0
BASE = V[24]
CHANGE = variants.Variant(
    variants.change(
        swapped=[
            *(
                (old, f"F.dropout({old}, {DROPOUT}, self.training)")
                for old in ("self.attention(self.ln1(x), start)", "self.feed_forward(self.ln2(x))")
            ),
            ("x = self.token_embedding(idx)", f"x = F.dropout(self.token_embedding(idx), {DROPOUT}, self.training)"),
        ],
        max_iters=STEPS,
    )
)  # 各 Block 的两路、嵌入之后加上 Dropout


def source():
    """v24 训练之前的源码（str），加上 Dropout。"""
    return CHANGE.apply(course.source(BASE)).split("# ---------- 训练 ----------")[0]


def stamp():
    """这一回的指纹（[str, str]）：v24 的，改动的。"""
    return variants.stamp(BASE, CHANGE)


def state():
    """学到一半的权重存在哪里（Path）。"""
    return runner.CHECKPOINTS / f"emerge-{runner.digest(repr(stamp()))}.pth"


def stale():
    """没量过，或者量过之后 v24 又改了：[Stale]；都没有就是 []。"""
    record = records.read(records.EMERGE)
    if record.get("stamp") == stamp():
        return []
    return [records.Stale("docs/emerge.json", "没量过，或者 v24 改了", "python tools/emerge.py", record.get("seconds"))]


def build():
    """跑完 source()，返回它的全局变量（dict）。"""
    space = {"__name__": "__main__", "__file__": str(course.ROOT / BASE)}
    exec(compile(source(), BASE, "exec"), space)
    return space


def questions(space, yun):
    """没学过的、押一部的整首词：[(编号 (1, L), 各韵脚是第几个字 [int, …], 押第几部), …]；韵脚从第二个算起。"""
    import torch

    import exam

    found = []
    for poem in exam.poems(space["text"]):
        ends = [match.start() for match in re.finditer(".。", poem)]
        rhyme = yun.main_rhyme([poem[k] for k in ends])
        right = sum(rhyme in yun.rhymes.get(poem[k], ()) for k in ends)
        if len(ends) > 1 and right >= 0.8 * len(ends) and len(poem) <= space["block_size"]:
            kept = [k for k in ends[1:] if rhyme in yun.rhymes.get(poem[k], ())]
            found.append((torch.tensor([space["tokenizer"].encode(poem)]), kept, rhyme))
    return found


def probe(model, asked, members):
    """members (部数, V)：哪一部有哪些字。返回 {"right", "chance", "loss_ends", "loss_rest"}，见模块的说明。"""
    import torch
    import torch.nn.functional as F

    share = collections.Counter(rhyme for _, _, rhyme in asked)
    marginal = torch.tensor([share[k] / len(asked) for k in range(len(members))])  # 各部占几成，(部数,)
    right, chance, ends, rest = [], [], [], []
    for ids, places, rhyme in asked:
        with torch.no_grad():
            logits, _ = model(ids[:, :-1], ids[:, 1:])  # (1, L-1, V)
        losses = F.cross_entropy(logits[0], ids[0, 1:], reduction="none")  # (L-1,)
        before = [k - 1 for k in places]  # 读到哪个字时，猜的是韵脚
        mass = F.softmax(logits[0, before], dim=-1) @ members.T  # (韵脚数, 部数)
        right += mass[:, rhyme].tolist()
        chance += (mass @ marginal).tolist()
        ends += losses[before].tolist()
        losses[before] = math.nan
        rest += losses[~losses.isnan()].tolist()
    mean = lambda values: round(sum(values) / len(values), 4)  # noqa: E731
    return {"right": mean(right), "chance": mean(chance), "loss_ends": mean(ends), "loss_rest": mean(rest)}


def bases(space, asked, members):
    """v24 三个种子的底座，一样地量：[probe 的返回值, …]；没有权重的先训练。"""
    import torch

    found = []
    for seed in range(SEED, SEED + 3):
        model = space["BabyGPT"]()
        model.load_state_dict(torch.load(runner.weights(BASE, seed), weights_only=True)["model"])
        found.append(probe(model.eval(), asked, members))
    return found


def train():
    """学到 STEPS 步，每次评估都存盘：权重、优化器、随机数的状态、量到的点。"""
    import torch

    path, space = state(), build()
    forms = form.Forms(space["text"])
    yun = forms.templates.yun
    chars = space["tokenizer"].chars
    members = torch.tensor([[float(k in yun.rhymes.get(ch, ())) for ch in chars] for k in range(20)])  # 第 1–19 部
    asked = questions(space, yun)
    torch.manual_seed(SEED)
    model = space["BabyGPT"]()
    momenta = {p: torch.zeros_like(p) for p in model.blocks.parameters() if p.ndim == 2}
    optimizer = torch.optim.AdamW(
        [p for p in model.parameters() if p not in momenta], lr=space["learning_rate"], fused=True
    )
    space["model"] = model
    begin, points, spent = 0, [], 0.0
    if path.exists():
        saved = torch.load(path, weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        for p, momentum in zip(momenta.values(), saved["momenta"]):
            p.copy_(momentum)
        torch.set_rng_state(saved["random"])
        begin, points, spent = saved["step"], saved["points"], saved["seconds"]
    started = time.perf_counter()
    for step in range(begin, STEPS + 1):
        if step % EVERY == 0 and not (points and points[-1]["step"] == step):
            model.eval()
            losses = space["estimate_loss"]()
            point = {"step": step, "train_loss": round(losses["train"], 4), "val_loss": round(losses["val"], 4)}
            model.eval()
            point |= probe(model, asked, members)
            if step % WRITE == 0 and step:
                random = torch.get_rng_state()
                scores = form.score_model(forms, model, space["tokenizer"], count=POEMS)
                point |= {key: scores[key] for key in ("attested", "rhyme", "tone", "repeated", "distinct", "copied")}
                torch.set_rng_state(random)
            model.train()
            points.append(point)
            elapsed = time.perf_counter() - started
            left = f"{elapsed / (step - begin) * (STEPS - step) / 60:.0f} 分钟" if step > begin else "？"
            print(point, f"已用 {spent + elapsed:.0f} 秒，还需约 {left}", flush=True)
            saved = {
                "step": step,
                "points": points,
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "momenta": list(momenta.values()),
                "random": torch.get_rng_state(),
                "seconds": spent + elapsed,
            }
            path.parent.mkdir(exist_ok=True)
            torch.save(saved, path.with_suffix(".tmp"))
            path.with_suffix(".tmp").replace(path)
        if step == STEPS:
            break
        pace = min(1, (step + 1) / 100, (STEPS - step) / (COOL * STEPS))
        optimizer.param_groups[0]["lr"] = space["learning_rate"] * pace
        starts = space["poem_starts"]["train"]
        x, y = space["get_batch"](space["train_data"], starts[torch.randint(len(starts), (space["batch_size"],))])
        _, loss = model(x, y)
        model.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():  # v24 的 Muon
            muon = space["muon_learning_rate"] * pace
            for p, momentum in momenta.items():
                momentum.lerp_(p.grad, 0.05)
                direction = space["orthogonalize"](p.grad.lerp(momentum, 0.95))
                p.mul_(1 - 0.1 * muon).sub_(muon * 0.2 * max(p.shape) ** 0.5 * direction)
    records.write(
        records.EMERGE,
        {
            "stamp": stamp(),
            "date": records.today(),
            "machine": records.machine(),
            "seconds": round(spent + time.perf_counter() - started),
            "steps": STEPS,
            "dropout": DROPOUT,
            "points": points,
            "base": bases(space, asked, members),
        },
    )


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    records.need("torch")
    runner.finish(train)
    print("量完了。写文档、画图：python tools/render.py")


if __name__ == "__main__":
    main()
