"""拆概念：拆的就是那一个，拆得干净；表和记下的数对得上。"""

import pytest
import torch
import torch.nn as nn

import ablate
import course
import helpers
import runner
from course import V
from helpers import set_hyperparameters


@pytest.fixture
def ablated(tmp_path, corpus):
    """ablated(脚本名, 概念, **hyper)：拆掉概念的小模型跑完之后的全局变量。"""

    def get(name, concept, **hyper):
        source = set_hyperparameters(course.source(name), **{**helpers.TINY, "dropout": 0.2, **hyper})
        changed = set_hyperparameters(ablate.VARIANTS[name][concept].apply(source), max_iters=hyper.get("max_iters", 0))
        namespace = helpers.load(runner.write_script(name, changed, tmp_path, corpus))
        namespace["model"].eval()
        return namespace

    return get


CASES = [(name, concept) for name, concepts in ablate.VARIANTS.items() for concept in concepts]


@pytest.mark.parametrize("name, concept", CASES)
def test_runs_to_the_end_and_every_parameter_learns(ablated, name, concept):
    namespace = ablated(name, concept, max_iters=2, dropout=0.0)
    helpers.assert_trained(namespace["stdout"], 2)
    assert all(p.grad is not None for p in namespace["model"].parameters()), "拆剩的零件该一起拿走"


@pytest.mark.parametrize("name", [V[10], V[11]])
def test_what_is_gone(ablated, name):
    idx = torch.randint(50, (1, 16), generator=torch.Generator().manual_seed(0))
    shuffled = torch.cat([idx[:, :-1].flip(1), idx[:, -1:]], dim=1)
    model = ablated(name, "位置编码（v2）", n_layer=1)["model"]
    torch.testing.assert_close(model(shuffled)[0], model(idx)[0])  # 一层、没有位置：前文打乱了也看不出

    heads = ablated(name, "多头（v4）")["model"].blocks[0].attention.heads
    assert [head.key.out_features for head in heads] == [16]

    assert not any("feed_forward" in key for key in ablated(name, "前馈（v5）")["model"].state_dict())

    block = ablated(name, "残差（v7）")["model"].blocks[0]
    for parameter in [*block.attention.parameters(), *block.feed_forward.parameters()]:
        nn.init.zeros_(parameter)
    assert (block(torch.randn(1, 16, 16)) == 0).all()

    block = ablated(name, "投影（v8）")["model"].blocks[0]
    assert not hasattr(block.attention, "proj")
    linears = [(m.in_features, m.out_features) for m in block.feed_forward.modules() if isinstance(m, nn.Linear)]
    assert linears == [(16, 64), (64, 16)], "前馈不是 v8 的事"

    assert not any(isinstance(m, nn.LayerNorm) for m in ablated(name, "层归一化（v9）")["model"].modules())


def test_dropout(ablated):
    def rates(namespace):
        return {m.p for m in namespace["model"].modules() if isinstance(m, nn.Dropout)}

    assert rates(ablated(V[10], "Dropout（v10）")) == {0.0}
    assert rates(ablated(V[11], "Dropout 0.1（本来没有，加上）")) == {0.1}


def test_what_changes_in_the_second_arc(ablated):
    """位置表起步多大、有没有；偏置、归一化各换一样；从哪儿读起。"""
    small = ablated(V[15], "位置表从小数起步（标准差 0.02）")["model"].position_embedding.weight
    assert 0.01 < small.std() < 0.03
    assert not hasattr(ablated(V[15], "没有位置")["model"], "position_embedding")
    biased, layered = (ablated(V[15], label)["model"] for label in ("只换归一化，偏置留着", "只去偏置，归一化不换"))
    assert biased.lm_head.bias is not None and isinstance(biased.ln_f, nn.RMSNorm)
    assert layered.lm_head.bias is None and isinstance(layered.ln_f, nn.LayerNorm)
    namespace = ablated(V[13], "照 v11，随便从哪儿读起", max_iters=2)
    assert not set(namespace["starts"].tolist()) <= set(namespace["poem_starts"]["train"].tolist())
    assert ablated(V[21], "权重衰减 0.2")["optimizer"].param_groups[0]["weight_decay"] == 0.2
    for number in (21, 22):
        weight = ablated(V[number], "嵌入的标准差 0.088", n_embed=64)["model"].lm_head.weight
        assert 0.08 < weight.std() < 0.096


def test_what_v11_owes_to_its_schedule(ablated):
    """拆掉学习率的安排：一直是同一个数；换上 v10 的大小：模型就是 v10 那么大，安排还在。"""
    hyper = dict(learning_rate=1e-3, max_iters=3)
    assert ablated(V[11], "学习率不变（没有预热和衰减）", **hyper)["optimizer"].param_groups[0]["lr"] == 1e-3

    source = ablate.VARIANTS[V[11]]["v10 的大小和步数，有预热和衰减"].apply(course.source(V[11]))
    ten = course.source(V[10])
    for line in ten.split("# ---------- 超参数")[1].split("# ---------- 数据")[0].split("\n"):
        if (
            line.split(" = ")[0]
            in "batch_size block_size n_embed n_head n_layer dropout learning_rate max_iters".split()
        ):
            key, value = line.split("  #")[0].split(" = ")
            assert source.count(f"\n{key} = {float(value) if '.' in value or 'e' in value else value}") >= 1, line
    assert "warmup = " in source
