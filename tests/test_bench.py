"""比快慢的工具跑得起来，比的确实是同一个模型、同样多步；采样器的缓存开关真的传到了。"""

import pytest
import torch

import helpers  # 先于 bench：它把 tools/ 放进了 sys.path
import bench


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(bench, "REPEATS", 1)
    monkeypatch.setattr(bench, "TRAIN_STEPS", 4)


def test_median():
    monkey = iter([(1, 10), (3, 30), (2, 20)])
    bench.REPEATS = 3
    assert bench.median(lambda: next(monkey)) == (2, 20)
    numbers = iter([5, 1, 3])
    assert bench.median(lambda: next(numbers)) == 3


def test_usual_way_trains_the_same_model(tmp_path, monkeypatch):
    steps = []
    step = torch.optim.AdamW.step
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda self: steps.append(self) or step(self))
    speeds = bench.usual(tmp_path), bench.ours(tmp_path)
    assert all(speed > 0 and wall > 0 for speed, wall in speeds)
    usual, ours = steps[:4], steps[4:]
    assert len(ours) == 4 and {o.defaults["fused"] for o in usual} == {None} and {o.defaults["fused"] for o in ours} == {True}
    shapes = [[tuple(p.shape) for p in o.param_groups[0]["params"]] for o in (usual[0], ours[0])]
    assert shapes[0] == shapes[1]


def test_operations_per_character(loaded):
    """手算一遍：V=词表、C=128、T=64、4 层。"""
    hyper = dict(n_embed=128, block_size=64, n_layer=4, n_head=4)
    namespace = loaded(helpers.V[11], **hyper)
    matrices = 4 * (3 * 128 * 128 + 128 * 128 + 2 * 4 * 128 * 128) + namespace["vocab_size"] * 128
    assert bench.operations(namespace) == 6 * matrices + 12 * 4 * 64 * 128


def test_sampler_with_random_weights(tmp_path):
    namespace = bench.sampler(tmp_path, 16, n_embed=16, n_head=2, n_layer=1)
    lengths = []
    namespace["model"].token_embedding.register_forward_hook(lambda m, args, out: lengths.append(args[0].shape[1]))
    times = bench.stamps(namespace, 15, True)
    assert lengths == [1] * 15 and len(times) == 15 and times == sorted(times)
    lengths.clear()
    bench.stamps(namespace, 15, False)
    assert lengths == list(range(1, 16))


def test_operations_count_a_tied_head(loaded):
    """词表共用一个矩阵，最后打分那一遍照样要算。"""
    hyper = dict(n_embed=32, n_head=4, n_kv_head=2, block_size=16, n_layer=2)
    tied, untied = (bench.operations(loaded(helpers.V[number], **hyper)) for number in (20, 19))
    assert tied == untied


def test_muon_and_ddp_tables(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "edit", lambda name, folder, **hyper: helpers.edit(name, folder, **{**helpers.TINY, **hyper, "max_iters": 2}))
    both = bench.muon_update(tmp_path)
    assert len(both) == 2 and all(ms > 0 for ms in both)
    assert "| 只有 AVX2 |" in bench.muon_table(tmp_path)
    assert "torchrun" in bench.ddp_table(tmp_path)
