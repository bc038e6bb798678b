"""数数的模型：和最笨的数法对得上；纯 Python 版和张量版对得上；概率是概率。"""

import math
from collections import Counter

import pytest
import torch

import helpers
from course import BASELINE, BY_ID, V, files

SIMPLEST = files(BASELINE)[0]
PLAIN, TORCH = BY_ID["simplebigrammodel"].file, BY_ID["bigram"].file


def as_counter(transition):
    return Counter({(i, j): n for i, row in enumerate(transition) for j, n in row.items()})


def test_simplemodel_counts_every_pair(loaded):
    namespace = loaded(SIMPLEST)
    train = helpers.CORPUS[: int(len(helpers.CORPUS) * 0.9)]
    ids = [namespace["stoi"][ch] for ch in train]
    assert as_counter(namespace["transition"]) == Counter(zip(ids, ids[1:]))


def test_simplemodel_samples_in_proportion(tmp_path):
    script = helpers.edit(SIMPLEST, tmp_path, corpus="甲乙甲乙甲乙甲丙" * 100, prompts=["甲"], max_new_tokens=8000)
    text = helpers.samples(helpers.load(script)["stdout"])[0]
    share = text.count("甲乙") / text.count("甲")
    assert set(text) == set("甲乙丙") and abs(share - 0.75) < 0.03


def test_simplemodel_survives_a_character_nothing_follows(tmp_path):
    """“末”只在训练部分的最后出现一次：后面没有字，也得写得下去。"""
    script = helpers.edit(SIMPLEST, tmp_path, corpus="甲乙" * 44 + "丙末" + "甲乙" * 5, prompts=["末"])
    assert len(helpers.samples(helpers.load(script)["stdout"])[0]) == 101


@pytest.fixture(params=[PLAIN, TORCH], ids=["plain", "torch"])
def bigram(request, loaded):
    return loaded(request.param)


def fresh(namespace):
    """刚出生的模型，和一个把列表变成它要的样子的函数。"""
    convert = (lambda rows: rows) if isinstance(namespace["data"], list) else torch.tensor
    return namespace["BigramLanguageModel"](), convert


def random_batches(namespace, count=20):
    """[(x, y), …]，嵌套列表，形状 (4, 16)。"""
    generator = torch.Generator().manual_seed(1)
    data = list(map(int, namespace["train_data"]))
    batches = []
    for _ in range(count):
        starts = torch.randint(len(data) - 16, (4,), generator=generator).tolist()
        batches.append(([data[s : s + 16] for s in starts], [data[s + 1 : s + 17] for s in starts]))
    return batches


def table(model, vocab_size):
    """(V, V) 的次数表，int64。"""
    if isinstance(model.transition, torch.Tensor):
        return model.transition.long()
    dense = torch.zeros(vocab_size, vocab_size, dtype=torch.long)
    for i, row in enumerate(model.transition):
        for j, n in row.items():
            dense[i, j] = n
    return dense


def test_counts_against_brute_force(bigram):
    model, convert = fresh(bigram)
    expected = Counter()
    for x, y in random_batches(bigram):
        model.learn(convert(x), convert(y))
        expected.update((i, j) for xs, ys in zip(x, y) for i, j in zip(xs, ys))
    counts = table(model, bigram["vocab_size"])
    assert Counter({(i, j): int(counts[i, j]) for i, j in counts.nonzero().tolist()}) == expected
    assert list(map(int, model.count)) == counts.sum(1).tolist()


def test_torch_and_pure_python_agree(loaded):
    plain, fast = loaded(PLAIN), loaded(TORCH)
    a, b = plain["BigramLanguageModel"](), fast["BigramLanguageModel"]()
    batches = random_batches(plain)
    for x, y in batches:
        a.learn(x, y)
        b.learn(torch.tensor(x), torch.tensor(y))
    assert torch.equal(table(a, plain["vocab_size"]), table(b, fast["vocab_size"]))
    x, y = batches[0]
    assert a.forward(x, y)[1] == pytest.approx(b.forward(torch.tensor(x), torch.tensor(y))[1].item(), rel=1e-5)
    torch.testing.assert_close(torch.tensor(a.forward(x)[0]), b.forward(torch.tensor(x))[0])


def test_probabilities(bigram):
    """哪怕只学过一批，每一行概率也加得到 1，没有一个是 0；公式和注释里写的一样。"""
    model, convert = fresh(bigram)
    (x, y), vocab_size, k = random_batches(bigram, 1)[0], bigram["vocab_size"], bigram["backoff"]
    model.learn(convert(x), convert(y))
    probs = torch.as_tensor(model.forward(convert(x))[0], dtype=torch.float64)
    assert probs.shape == (4, vocab_size) and (probs > 0).all()
    torch.testing.assert_close(probs.sum(-1), torch.ones(4, dtype=torch.float64), rtol=0, atol=1e-5)
    i, j = x[0][-1], y[0][-1]
    unigram = Counter(ch for row in x for ch in row)
    pairs = Counter(p for xs, ys in zip(x, y) for p in zip(xs, ys))
    expected = (pairs[i, j] + k * (unigram[j] + 1) / (64 + vocab_size)) / (unigram[i] + k)
    assert probs[0, j].item() == pytest.approx(expected, rel=1e-5)
    mean = (
        -sum(
            count * math.log((count + k * (unigram[j] + 1) / (64 + vocab_size)) / (unigram[i] + k))
            for (i, j), count in pairs.items()
        )
        / 64
    )
    assert float(model.forward(convert(x), convert(y))[1]) == pytest.approx(mean, rel=1e-5)


def test_generate_batches(bigram):
    model, convert = fresh(bigram)
    prompt = [[1, 2, 3], [4, 5, 6]]
    out = model.generate(convert(prompt), 7)
    rows = [list(map(int, row)) for row in out]
    assert [len(row) for row in rows] == [10, 10] and [row[:3] for row in rows] == prompt


def test_untrained_model_scores_ln_v(bigram):
    first = helpers.steps(bigram["stdout"])[0]
    assert first[2] == first[3] == pytest.approx(math.log(bigram["vocab_size"]), abs=1e-4)


def test_same_windows_as_the_neural_models(loaded):
    """基线和 v1 考的是同一份卷子。"""
    plain, neural = loaded(PLAIN), loaded(V[1])
    seen = []
    for namespace in (plain, neural):
        get_batch, starts = namespace["get_batch"], []
        namespace["get_batch"] = lambda data, s: starts.extend(map(int, s)) or get_batch(data, s)
        namespace["estimate_loss"]()
        namespace["get_batch"] = get_batch
        seen.append(starts)
    assert seen[0] == seen[1]
