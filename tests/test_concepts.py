"""每一版的概念，用行为来证明：它看得到什么、看不到什么、多出来的那一块做了什么。"""

import ast
import copy
import math
import re

import pytest
import torch
import torch.nn as nn

import course
import helpers
from course import V, since

ALL = since("v1")  # 第一段路的各版
ATTENTION, HEADS, FEED_FORWARD, BLOCKS = since("v3"), since("v4"), since("v5"), since("v6")


@pytest.fixture
def version(loaded):
    """version(n, **hyper)：第 n 版的小模型，评估模式。"""

    def get(number, **hyper):
        namespace = loaded(V[number], **hyper)
        namespace["model"].eval()
        return namespace

    return get


def logits_at_every_position(namespace, idx):
    """(B, T) -> (B, T, V)"""
    with torch.no_grad():
        return namespace["model"](idx, idx)[0]


def random_idx(namespace, B=2, T=16):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(namespace["vocab_size"], (B, T), generator=generator)


def other(idx, vocab_size):
    return (idx + 1) % vocab_size


def attention_of(namespace):
    """模型里的第一个注意力模块。"""
    model = namespace["model"]
    return model.blocks[0].attention if hasattr(model, "blocks") else model.attention


def head_of(namespace):
    attention = attention_of(namespace)
    return attention.heads[0] if hasattr(attention, "heads") else attention


class Constant(nn.Module):
    """不管输入 (B, T, C) 是什么，都输出 value，形状 (B, T, width)。"""

    def __init__(self, value, width):
        super().__init__()
        self.value, self.width = value, width

    def forward(self, x):
        return torch.full((*x.shape[:2], self.width), float(self.value))


class OneHot(nn.Module):
    """第 t 个位置输出第 t 个单位向量：注意力的输出于是就是权重本身，(B, T, T)。"""

    def forward(self, x):
        return torch.eye(x.shape[1]).expand(x.shape[0], -1, -1)


@pytest.mark.parametrize("number", ALL)
def test_shapes_and_loss(version, number):
    namespace = version(number)
    idx = random_idx(namespace)
    with torch.no_grad():
        logits, loss = namespace["model"](idx, other(idx, namespace["vocab_size"]))
        last, none = namespace["model"](idx)
    assert logits.shape == (2, 16, namespace["vocab_size"]) and last.shape == (2, namespace["vocab_size"])
    assert none is None
    torch.testing.assert_close(last, logits[:, -1])
    expected = -logits.log_softmax(-1).gather(-1, other(idx, namespace["vocab_size"])[..., None]).mean()
    torch.testing.assert_close(loss, expected)


def test_v1_reads_the_last_character_only(version):
    namespace = version(1)
    idx = random_idx(namespace)
    changed = other(idx, namespace["vocab_size"])
    changed[:, -1] = idx[:, -1]
    torch.testing.assert_close(namespace["model"](changed)[0], namespace["model"](idx)[0], rtol=0, atol=0)
    torch.testing.assert_close(namespace["model"](idx[:, -1:])[0], namespace["model"](idx)[0])


def test_v2_reads_the_position_too_but_no_other_character(version):
    namespace = version(2)
    idx = random_idx(namespace)
    changed = other(idx, namespace["vocab_size"])
    changed[:, -1] = idx[:, -1]
    torch.testing.assert_close(namespace["model"](changed)[0], namespace["model"](idx)[0], rtol=0, atol=0)
    assert not torch.allclose(namespace["model"](idx[:, -1:])[0], namespace["model"](idx)[0])


@pytest.mark.parametrize("number", ATTENTION)
def test_causal(version, number):
    namespace = version(number)
    idx = random_idx(namespace)
    before = logits_at_every_position(namespace, idx)
    for t in range(1, 16):
        changed = idx.clone()
        changed[:, t:] = other(idx[:, t:], namespace["vocab_size"])
        after = logits_at_every_position(namespace, changed)
        torch.testing.assert_close(after[:, :t], before[:, :t], rtol=0, atol=1e-6)
        assert not torch.allclose(after[:, t], before[:, t])


@pytest.mark.parametrize("number", ATTENTION)
def test_reads_every_earlier_character(version, number):
    namespace = version(number)
    idx = random_idx(namespace)
    before = namespace["model"](idx)[0]
    for t in range(15):
        changed = idx.clone()
        changed[:, t] = other(idx[:, t], namespace["vocab_size"])
        assert not torch.equal(namespace["model"](changed)[0], before), f"最后一个字没看到第 {t} 个字"


@pytest.mark.parametrize("number", ATTENTION)
def test_attention_weights(version, number, monkeypatch):
    namespace = version(number)
    head = head_of(namespace)
    x = torch.randn(2, 16, namespace["n_embed"])
    monkeypatch.setitem(head._modules, "value", OneHot())
    with torch.no_grad():
        weights = head(x)  # (B, T, T)
        scores = head.query(x) @ head.key(x).transpose(1, 2) / math.sqrt(head.key.out_features)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 16))
    assert (weights.triu(1) == 0).all() and (weights.tril() > 0).sum() == 2 * 16 * 17 / 2
    expected = scores.masked_fill(torch.ones(16, 16).triu(1).bool(), -math.inf).softmax(-1)
    torch.testing.assert_close(weights, expected)


@pytest.mark.parametrize("number", ATTENTION)
def test_mask_is_a_buffer(version, number):
    head = head_of(version(number))
    assert len(dict(head.named_buffers())) == 1
    assert {name for name, _ in head.named_parameters()} == {"query.weight", "key.weight", "value.weight"}


@pytest.mark.parametrize("number", HEADS)
def test_heads_are_concatenated(version, number, monkeypatch):
    namespace = version(number, n_head=4)
    attention = attention_of(namespace)
    size = namespace["n_embed"] // 4
    assert [head.key.out_features for head in attention.heads] == [size] * 4
    monkeypatch.setitem(attention._modules, "heads", nn.ModuleList(Constant(i, size) for i in range(4)))
    if number in since("v8"):
        monkeypatch.setitem(attention._modules, "proj", nn.Identity())
    out = attention(torch.randn(2, 16, namespace["n_embed"]))
    assert out[0, 0].tolist() == [float(i) for i in range(4) for _ in range(size)]


def test_v8_only_adds_the_projection(version):
    """把 v8 的 proj 换成恒等，权重抄过去，就是 v7。"""
    a, b = copy.deepcopy(version(7)["model"]), copy.deepcopy(version(8)["model"])
    weights = {key: value for key, value in b.state_dict().items() if ".proj." not in key}
    shapes = [{key: value.shape for key, value in one.items()} for one in (a.state_dict(), weights)]
    assert shapes[0] == shapes[1]
    a.load_state_dict(weights)
    for block in b.blocks:
        nn.init.eye_(block.attention.proj.weight)
        nn.init.zeros_(block.attention.proj.bias)
    idx = random_idx(version(7))
    torch.testing.assert_close(a(idx)[0], b(idx)[0])


def test_without_the_projection_a_head_writes_its_own_numbers_only(version, monkeypatch):
    for number, spread in ((7, 8), (8, 16)):
        attention = version(number)["Block"]().attention
        x = torch.randn(1, 4, 16)
        before = attention(x)
        with torch.no_grad():
            attention.heads[0].value.weight.zero_()
        moved = (attention(x) != before).any(dim=1).any(dim=0)
        assert moved.sum() == spread and moved[:8].all()


@pytest.mark.parametrize("number", FEED_FORWARD)
def test_feed_forward_thinks_alone(version, number):
    model = version(number)["model"]
    feed_forward = model.blocks[0].feed_forward if number in BLOCKS else model.feed_forward
    x = torch.randn(2, 16, 16)
    changed = x.clone()
    changed[:, 3] += 1
    a, b = feed_forward(x), feed_forward(changed)
    assert a.shape == x.shape
    same = torch.arange(16) != 3
    torch.testing.assert_close(a[:, same], b[:, same], rtol=0, atol=1e-6)
    assert not torch.allclose(a[:, 3], b[:, 3])
    assert not torch.allclose(feed_forward(2 * x) - feed_forward(0 * x), 2 * (a - feed_forward(0 * x))), "没有非线性"
    hidden = [m.out_features for m in feed_forward.modules() if isinstance(m, nn.Linear)]
    assert hidden == [64, 16]


@pytest.mark.parametrize("number", BLOCKS)
def test_blocks_are_stacked(version, number):
    for n_layer in (1, 3):
        blocks = version(number, n_layer=n_layer)["model"].blocks
        assert len(blocks) == n_layer
        assert len({id(p) for block in blocks for p in block.parameters()}) == len(list(blocks.parameters()))


@pytest.mark.parametrize("number", BLOCKS)
def test_block_with_zeroed_sublayers(version, number, monkeypatch):
    namespace = version(number)
    block = namespace["Block"]().eval()
    with torch.no_grad():
        for sublayer in (block.attention, block.feed_forward):
            for parameter in sublayer.parameters():
                parameter.zero_()
        x = torch.randn(2, 16, namespace["n_embed"])
        out = block(x)
    if number in since("v7"):
        assert torch.equal(out, x), "有残差：两个子层都不说话时，原样放行"
    else:
        assert (out == 0).all(), "没有残差：子层不说话，什么都没了"


@pytest.mark.parametrize("number", since("v9"))
def test_layer_norm(version, number):
    namespace = version(number)
    model = namespace["model"]
    inputs = {}
    block = model.blocks[0]
    watched = {"attention": block.attention, "feed_forward": block.feed_forward, "lm_head": model.lm_head}
    hooks = [
        module.register_forward_pre_hook(lambda module, args, name=name: inputs.update({name: args[0]}))
        for name, module in watched.items()
    ]
    logits_at_every_position(namespace, random_idx(namespace))
    for hook in hooks:
        hook.remove()
    for name in watched:  # 进这三处之前，每个位置的向量都归一过（刚初始化，缩放为 1、平移为 0）
        torch.testing.assert_close(inputs[name].mean(-1), torch.zeros(2, 16), rtol=0, atol=1e-5)
        torch.testing.assert_close(inputs[name].var(-1, correction=0), torch.ones(2, 16), rtol=0, atol=1e-2)


@pytest.mark.parametrize("number", since("v10"))
def test_dropout_acts_in_training_only(version, number):
    namespace = version(number, dropout=0.5)
    x = torch.randn(2, 16, namespace["n_embed"])
    block = namespace["Block"]()
    for module in (block.attention.heads[0], block.attention, block.feed_forward):
        module.eval()
        assert torch.equal(module(x), module(x))
        module.train()
        assert not torch.equal(module(x), module(x))
    for head in block.attention.heads:  # 头里不丢，投影之后照样丢
        head.eval()
    assert not torch.equal(block.attention(x), block.attention(x))


def test_dropout_hits_the_attention_weights(version, monkeypatch):
    head = version(10, dropout=0.5)["Head"](16)
    monkeypatch.setitem(head._modules, "value", OneHot())
    weights = head.train()(torch.randn(2, 16, 16))
    dropped = (weights == 0) & torch.ones(16, 16).tril().bool()
    assert 0.25 < dropped.sum() / (2 * 16 * 17 / 2) < 0.75


def test_no_dropout_before_v10(version):
    model = version(9)["model"].train()
    idx = torch.zeros(1, 8, dtype=torch.long)
    assert torch.equal(model(idx)[0], model(idx)[0])


@pytest.mark.parametrize("number", ALL)
def test_generate(version, number):
    namespace = version(number)
    prompt = random_idx(namespace, B=3, T=4)
    out = namespace["model"].generate(prompt, 30)  # 4 + 30 > block_size
    assert out.shape == (3, 34) and torch.equal(out[:, :4], prompt)
    assert out.max() < namespace["vocab_size"]
    long = random_idx(namespace, T=40)
    assert torch.equal(namespace["model"].generate(long, 2)[:, :40], long)


@pytest.mark.parametrize("number", ALL)
def test_generate_draws_from_the_models_distribution(version, number):
    namespace = version(number)
    idx = random_idx(namespace, B=1, T=4)
    with torch.no_grad():
        probs = namespace["model"](idx)[0].softmax(-1)[0]
    drawn = namespace["model"].generate(idx.expand(4000, -1), 1)[:, -1]
    top = probs.topk(3).indices
    counts = torch.stack([(drawn == i).sum() for i in top]) / 4000
    torch.testing.assert_close(counts, probs[top], rtol=0, atol=0.05)


@pytest.mark.parametrize("number", [1, *since("v10")])
def test_estimate_loss(loaded, number):
    namespace = loaded(V[number], dropout=0.5)
    namespace["model"].train()
    state = torch.get_rng_state()
    first, second = namespace["estimate_loss"](), namespace["estimate_loss"]()
    assert first == second and set(first) == {"train", "val"}, "同一个模型，两次评估要一模一样"
    assert torch.equal(torch.get_rng_state(), state), "评估不许动随机数"
    assert namespace["model"].training
    assert all(p.grad is None for p in namespace["model"].parameters())


@pytest.mark.parametrize("block_size", [8, 32, 64, 256])
def test_estimate_loss_covers_the_whole_split_evenly(loaded, monkeypatch, block_size):
    namespace = loaded(V[1], block_size=block_size, eval_iters=40)
    seen = []
    get_batch = namespace["get_batch"]
    monkeypatch.setitem(namespace, "get_batch", lambda data, starts: seen.append(starts) or get_batch(data, starts))
    namespace["estimate_loss"]()
    train, val = torch.cat(seen[:40]), torch.cat(seen[40:])
    for starts, data in [(train, namespace["train_data"]), (val, namespace["val_data"])]:
        gaps = starts.diff()
        assert starts[0] == 0 and gaps.max() - gaps.min() <= 1
        assert len(data) - block_size - gaps.max() - 1 <= starts[-1] < len(data) - block_size
        assert len(starts) * block_size == 40 * 512
    assert len(seen) == 80 and len({len(starts) for starts in seen}) == 1


def test_get_batch(loaded):
    namespace = loaded(V[1])
    starts = torch.tensor([0, 5, 1000])
    x, y = namespace["get_batch"](namespace["train_data"], starts)
    for row, start in enumerate(starts.tolist()):
        assert torch.equal(x[row], namespace["train_data"][start : start + 16])
        assert torch.equal(y[row], namespace["train_data"][start + 1 : start + 17])


@pytest.mark.parametrize("number", [1, *since("v10")])
def test_equal_seeds_give_equal_runs_bit_for_bit(loaded, number):
    hyper = dict(max_iters=20, eval_interval=10, dropout=0.1)
    a, b = loaded(V[number], **hyper), loaded(V[number], **hyper, prompts=["春江", "往事"])
    assert a is not b
    assert helpers.losses(a) == helpers.losses(b)
    assert helpers.samples(a["stdout"]) == helpers.samples(b["stdout"])
    for left, right in zip(a["model"].parameters(), b["model"].parameters()):
        assert torch.equal(left, right)


def test_v11_is_v10_when_the_hyperparameters_are(loaded):
    """v11 只改超参数：学习率一样时（第 0 步之前），loss 分毫不差。"""
    a, b = loaded(V[10], learning_rate=1e-3, dropout=0.1), loaded(V[11], learning_rate=1e-3, dropout=0.1)
    assert helpers.losses(a)[0] == helpers.losses(b)[0]


def test_v6_with_one_layer_is_v5(loaded):
    hyper = dict(max_iters=20, eval_interval=10)
    a, b = loaded(V[5], **hyper), loaded(V[6], **hyper, n_layer=1)
    assert helpers.losses(a) == helpers.losses(b)


def test_stacked_blocks_make_all_characters_alike_unless_added(loaded):
    """v6 训练不动的原因：没有残差，过一层，字与字的差别就小一大截；有残差，不小。"""

    def spread(number):
        namespace = loaded(V[number], n_embed=96, n_head=6, n_layer=3)
        model, h = namespace["model"].eval(), torch.randn(1, 16, 96)
        found = []
        for block in model.blocks:
            before, h = h, block(h)
            found.append((h.flatten(0, 1).std(0).mean() / before.flatten(0, 1).std(0).mean()).item())
        return found

    assert max(spread(6)) < 0.3 and min(spread(7)) > 0.95


def test_one_layer_without_positions_sees_a_bag_of_characters(loaded):
    namespace = loaded(V[3])
    model = copy.deepcopy(namespace["model"]).eval()
    with torch.no_grad():
        model.position_embedding.weight.zero_()
    idx = random_idx(namespace, B=1)
    shuffled = torch.cat([idx[:, :-1].flip(1), idx[:, -1:]], dim=1)
    torch.testing.assert_close(model(shuffled)[0], model(idx)[0])


def test_v10_without_dropout_is_v9(loaded):
    hyper = dict(max_iters=20, eval_interval=10)
    a, b = loaded(V[9], **hyper), loaded(V[10], **hyper, dropout=0.0)
    assert helpers.losses(a) == helpers.losses(b)


def test_v11_schedule(loaded):
    namespace = loaded(V[11], learning_rate=1e-3, max_iters=150, eval_interval=1000)
    last = namespace["optimizer"].param_groups[0]["lr"]
    assert last == pytest.approx(1e-3 * 0.5 * (1 + math.cos(math.pi * 149 / 150)))
    early = loaded(V[11], learning_rate=1e-3, max_iters=50, eval_interval=1000)["optimizer"].param_groups[0]["lr"]
    assert early == pytest.approx(1e-3 * 0.5 * 0.5 * (1 + math.cos(math.pi * 49 / 50)))


@pytest.mark.parametrize("number", [11, 24])
def test_the_larger_sizes_in_the_docstring_fit(number):
    """“试试”里那套大的：照抄就能用，名字都是这份脚本的超参数，头数也配得上。"""
    source, larger = course.source(V[number]), {}
    lines = re.findall(r"^[a-z_, ]+ = [\d., e-]+$", ast.get_docstring(ast.parse(source)), re.M)
    exec("\n".join(lines), {}, larger)
    settings = helpers.section(V[number], "超参数")
    assert len(lines) == 2 and all(f"\n{name} = " in settings for name in larger)
    assert larger["n_head"] % larger.get("n_kv_head", 1) == 0 and larger["n_embed"] % larger["n_head"] == 0
