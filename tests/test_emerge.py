"""押韵的长跑（tools/emerge.py）：断了接着学，和一口气学完一位不差；量的那个概率对得上手算。"""

import pytest
import torch

import emerge
import records
import runner
from helpers import set_hyperparameters


@pytest.fixture(scope="module")
def small():
    """小模型的源码（str）。"""
    return set_hyperparameters(
        emerge.source(), n_embed=16, n_head=2, n_kv_head=1, n_layer=1, batch_size=2, eval_iters=2
    )


@pytest.fixture
def run(small, tmp_path, monkeypatch):
    """run(folder, fail_at=None)：接着 folder 里的权重学 6 步，每 2 步量一次；量第 fail_at 次时断掉。返回记录。"""
    monkeypatch.setattr(emerge, "source", lambda: small)
    monkeypatch.setattr(emerge, "questions", lambda space, yun, real=emerge.questions: real(space, yun)[:5])
    monkeypatch.setattr(emerge, "bases", lambda *_: [])
    for name, value in (("STEPS", 6), ("EVERY", 2), ("WRITE", 4), ("POEMS", 1)):
        monkeypatch.setattr(emerge, name, value)
    monkeypatch.setattr(
        emerge.form,
        "score_model",
        lambda *args, **kwargs: dict.fromkeys(
            ("attested", "rhyme", "tone", "repeated", "distinct", "copied"), torch.rand(()).item()
        ),
    )  # 用了随机数，接着学的也得一样

    def run(folder, fail_at=None):
        (tmp_path / folder).mkdir(exist_ok=True)
        monkeypatch.setattr(runner, "CHECKPOINTS", tmp_path / folder)
        monkeypatch.setattr(records, "EMERGE", tmp_path / folder / "emerge.json")
        calls = []

        def probe(*args, real=PROBE):
            calls.append(1)
            if len(calls) == fail_at:
                raise KeyboardInterrupt
            return real(*args)

        monkeypatch.setattr(emerge, "probe", probe)
        emerge.train()
        return records.read(records.EMERGE)

    return run


PROBE = emerge.probe


@pytest.mark.slow
def test_continues_where_it_was_cut(run):
    whole = run("whole")
    assert whole["base"] == []
    whole = whole["points"]
    with pytest.raises(KeyboardInterrupt):
        run("cut", fail_at=3)
    assert run("cut")["points"] == whole
    assert [point["step"] for point in whole] == [0, 2, 4, 6] and [("rhyme" in point) for point in whole] == [
        False,
        False,
        True,
        False,
    ]


def test_what_was_learned_by_other_code_is_not_used(run, monkeypatch):
    """学的代码变了，记录过时，学到一半的权重也不再用。"""
    run("one")
    assert emerge.stale() == [] and emerge.state().exists()
    monkeypatch.setattr(emerge, "CHANGE", emerge.variants.Variant(emerge.variants.change(max_iters=7)))
    assert "v24 改了" in str(emerge.stale()[0]) and not emerge.state().exists()
    records.EMERGE.unlink()
    assert "没量过" in str(emerge.stale()[0])


def test_probe_by_hand():
    """三部，各三个字：只写一部、瞎猜、跟着前一个韵脚。"""
    members = torch.zeros(3, 10)
    for k in range(3):
        members[k, 3 * k : 3 * k + 3] = 1
    ids, other = torch.tensor([[9, 0, 9, 1]]), torch.tensor([[9, 3, 9, 4]])
    asked = [(ids, [3], 0), (ids, [3], 0), (other, [3], 1)]  # 韵脚是第 3 个字；押第 0、0、1 部

    def model(scores):
        return lambda x, y: (scores.expand(1, x.shape[1], 10), None)

    got = emerge.probe(model(torch.tensor([0.0] * 3 + [-1e9] * 7)), asked, members)  # 只写第 0 部
    assert got["right"] == pytest.approx(2 / 3, abs=1e-3) and got["chance"] == pytest.approx(2 / 3, abs=1e-3)
    got = emerge.probe(model(torch.zeros(10)), asked, members)
    assert got["right"] == got["chance"] == pytest.approx(0.3) and got["loss_ends"] == got[
        "loss_rest"
    ] == pytest.approx(2.3026, abs=1e-4)

    def perfect(x, y):
        scores = torch.full((1, x.shape[1], 10), -1e9)
        scores[0, :, 3 * int(x[0, 1] // 3) : 3 * int(x[0, 1] // 3) + 3] = 0  # 跟着前一个韵脚
        return scores, None

    got = emerge.probe(perfect, asked, members)
    assert got["right"] == 1 and got["chance"] == pytest.approx((2 / 3 * 2 + 1 / 3) / 3, abs=1e-3)


def test_questions_are_rhymed_poems(loaded_yun):
    space, yun = loaded_yun
    asked = emerge.questions(space, yun)
    decode, rhymes = space["tokenizer"].decode, yun.rhymes
    assert len(asked) > 100
    for ids, places, rhyme in asked:
        text = decode(ids[0].tolist())
        assert places and all(text[k + 1] == "。" and rhyme in rhymes[text[k]] for k in places)
        assert (
            places[0] > text.index("。") and text.count("\n\n") == 1 and text not in space["text"][: space["n_train"]]
        )


@pytest.fixture(scope="module")
def loaded_yun(small):
    real, emerge.source = emerge.source, lambda: small
    try:
        space = emerge.build()
    finally:
        emerge.source = real
    return space, emerge.form.Forms(space["text"]).templates.yun


def test_the_record_is_whole():
    record = records.read(records.EMERGE)
    assert [point["step"] for point in record["points"]] == list(range(0, record["steps"] + 1, emerge.EVERY))
    assert all(0 <= point[key] <= 1 for point in record["points"] for key in ("right", "chance"))
    assert emerge.stale() == []
