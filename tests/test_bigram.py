"""数数的模型：和最笨的数法对得上；纯 Python 版和张量版对得上；概率是概率。"""

import math
from collections import Counter

import pytest
import torch

import helpers
from course import BASELINE, BY_ID, V, files

SIMPLEST = files(BASELINE)[0]
PLAIN, TORCH = BY_ID["simplebigrammodel"].file, BY_ID["bigram"].file


def test_simplemodel_counts_every_pair(loaded):
    """首尾相接，一对不漏。"""
    counted = {(ch, after): n for ch, row in loaded(SIMPLEST)["transition"].items() for after, n in row.items()}
    assert counted == Counter(zip(helpers.CORPUS, helpers.CORPUS[1:] + helpers.CORPUS[0]))


def test_simplemodel_samples_in_proportion(tmp_path):
    script = helpers.edit(SIMPLEST, tmp_path, corpus="甲乙甲乙甲乙甲丙" * 100, prompts=["甲"], max_new_tokens=8000)
    text = helpers.samples(helpers.load(script)["stdout"])[0]
    share = text.count("甲乙") / text.count("甲")
    assert set(text) == set("甲乙丙") and abs(share - 0.75) < 0.03


def test_simplemodel_survives_a_character_nothing_follows(tmp_path):
    """“末”只在最后出现一次：后面没有字，也得写得下去。"""
    script = helpers.edit(SIMPLEST, tmp_path, corpus="甲乙" * 44 + "丙末", prompts=["末"])
    assert len(helpers.samples(helpers.load(script)["stdout"])[0]) == 101


@pytest.fixture(params=[PLAIN, TORCH], ids=["plain", "torch"])
def bigram(request, loaded):
    return loaded(request.param)


def fresh(namespace):
    """刚出生的模型，和一个把列表变成它要的样子的函数。"""
    convert = (lambda rows: rows) if isinstance(namespace["train_data"], list) else torch.tensor
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


def probabilities(namespace, model, i):
    """字 i 后面是各种字的概率：(V,)，float64。"""
    V = namespace["vocab_size"]
    if isinstance(model.transition, torch.Tensor):
        return model.prob(torch.tensor([[i]]), torch.arange(V))[0].double()
    return torch.tensor([model.prob(i, j) for j in range(V)], dtype=torch.float64)


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
    assert a.loss(x, y) == pytest.approx(b.loss(torch.tensor(x), torch.tensor(y)).item(), rel=1e-5)
    torch.testing.assert_close(probabilities(plain, a, 7), probabilities(fast, b, 7), check_dtype=False)


def test_probabilities(bigram):
    """哪怕只学过一批，每一行概率也加得到 1，没有一个是 0；公式和注释里写的一样。"""
    model, convert = fresh(bigram)
    (x, y), vocab_size, k = random_batches(bigram, 1)[0], bigram["vocab_size"], bigram["interpolation"]
    model.learn(convert(x), convert(y))
    i, j = x[0][-1], y[0][-1]
    for one in (i, *(row[-1] for row in x[1:])):
        probs = probabilities(bigram, model, one)
        assert probs.shape == (vocab_size,) and (probs > 0).all() and probs.sum().item() == pytest.approx(1, abs=1e-5)
    probs = probabilities(bigram, model, i)
    unigram = Counter(ch for row in x for ch in row)
    pairs = Counter(p for xs, ys in zip(x, y) for p in zip(xs, ys))
    expected = (pairs[i, j] + k * (unigram[j] + 1) / (64 + vocab_size)) / (unigram[i] + k)
    assert probs[j].item() == pytest.approx(expected, rel=1e-5)
    mean = (
        -sum(
            count * math.log((count + k * (unigram[j] + 1) / (64 + vocab_size)) / (unigram[i] + k))
            for (i, j), count in pairs.items()
        )
        / 64
    )
    assert float(model.loss(convert(x), convert(y))) == pytest.approx(mean, rel=1e-5)


def test_generate_goes_on_from_the_prompt(bigram):
    model, convert = fresh(bigram)
    if isinstance(model.transition, torch.Tensor):
        [written] = model.generate(convert([[1, 2, 3]]), 7).tolist()
    else:
        written = model.generate([1, 2, 3], 7)
    assert len(written) == 10 and written[:3] == [1, 2, 3]


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
