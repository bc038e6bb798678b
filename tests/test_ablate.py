"""拆概念：拆的就是那一个，拆得干净；表和记下的数对得上。"""

import pytest
import torch
import torch.nn as nn

import helpers  # 先于 ablate：它把 tools/ 放进了 sys.path
import ablate
import measure
from helpers import ROOT, V
from scripts import set_hyperparameters


@pytest.fixture
def ablated(tmp_path, corpus):
    """ablated(脚本名, 概念, **hyper)：拆掉概念的小模型跑完之后的全局变量。"""

    def get(name, concept, **hyper):
        source = set_hyperparameters((ROOT / name).read_text(encoding="utf-8"), **{**helpers.TINY, "dropout": 0.2, **hyper})
        script = tmp_path / name
        script.write_text(ablate.VARIANTS[name][concept](source), encoding="utf-8")
        (tmp_path / "ci.txt").write_text(corpus, encoding="utf-8")
        namespace = helpers.load(script)
        namespace["model"].eval()
        return namespace

    return get


CASES = [(name, concept) for name, concepts in ablate.VARIANTS.items() for concept in concepts]


@pytest.mark.parametrize("name, concept", CASES)
def test_runs_to_the_end_and_every_parameter_learns(ablated, name, concept):
    namespace = ablated(name, concept, max_iters=2, dropout=0.0)
    helpers.assert_trained(namespace["stdout"], 2)
    assert all(p.grad is not None for p in namespace["model"].parameters()), "拆剩的零件该一起拿走"


@pytest.mark.parametrize("name", ablate.FULL)
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
    assert [(m.in_features, m.out_features) for m in block.feed_forward.modules() if isinstance(m, nn.Linear)] == [(16, 16)]

    assert not any(isinstance(m, nn.LayerNorm) for m in ablated(name, "层归一化（v9）")["model"].modules())


def test_dropout(ablated):
    def rates(namespace):
        return {m.p for m in namespace["model"].modules() if isinstance(m, nn.Dropout)}

    assert rates(ablated(V[10], "Dropout（v10）")) == {0.0}
    assert rates(ablated(V[11], "Dropout 0.1（本来没有，加上）")) == {0.1}


def test_a_script_that_changed_is_noticed():
    with pytest.raises(ValueError, match="出现了 0 次"):
        ablate.change(swapped=[("x = x + 2", "x")])("x = x + 1")
    with pytest.raises(ValueError, match="出现了 2 次"):
        ablate.change(swapped=[("x", "y")])("x = x")
    with pytest.raises(ValueError, match="出现了 0 次"):
        ablate.change(["self.proj = "])("x = 1\n")


def test_resumes_with_what_is_missing():
    ablation = {}
    everything = ablate.missing(ablation, [V[10]], 2)
    assert everything == [(V[10], concept, seed) for concept in ablate.VARIANTS[V[10]] for seed in (42, 43)]
    ablation[V[10]]["variants"]["多头（v4）"].append({"seed": 43})
    assert set(everything) - set(ablate.missing(ablation, [V[10]], 2)) == {(V[10], "多头（v4）", 43)}
    ablation[V[10]]["fingerprint"] = "改过了"
    assert ablate.missing(ablation, [V[10]], 2) == everything


def test_recorded_ablation_is_current_and_in_the_table():
    ablation, results = ablate.load(), measure.load()
    for name, entry in ablation.items():
        assert entry["fingerprint"] == measure.fingerprint(name), f"{name} 改过了，请运行 python tools/ablate.py {name}"
        assert set(entry["variants"]) <= set(ablate.VARIANTS[name])
    assert (ROOT / "docs" / "ablation.md").read_text(encoding="utf-8") == ablate.table(ablation, results)
