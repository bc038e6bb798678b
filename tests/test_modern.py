"""第二段路每一版的概念，用行为来证明。"""

import copy
import inspect
import math
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

import course
import export_hf
import helpers
from course import ROOT, V, since

ALL = since("v13")  # 第二段路到底座的各版
CHECKED = helpers.one_each(map(V.get, ALL), helpers.checks)  # 查错的那一段一字不差的，只试一份
BIG = dict(n_embed=32, n_head=4, n_kv_head=2)
NARROW = dict(n_embed=20, n_head=4, n_kv_head=2, head_size=16, rope_theta=1000000)
QWEN3 = dict(n_embed=1024, n_head=16, n_kv_head=8, head_size=128, n_layer=1)  # Qwen3-0.6B 的比例


@pytest.fixture
def version(loaded):
    """version(n, **hyper)：第 n 版的小模型。"""
    return lambda number, **hyper: loaded(V[number], **hyper)


def some_idx(namespace, B=2, T=16, seed=0):
    return torch.randint(namespace["vocab_size"], (B, T), generator=torch.Generator().manual_seed(seed))


def all_logits(namespace, idx):
    """(B, T) -> (B, T, V)"""
    with torch.no_grad():
        return namespace["model"](idx, idx)[0]


def attend(namespace, module, x):
    """注意力模块的输出；v19 起多一个参数，None 就是不用缓存。"""
    with torch.no_grad():
        return module(x, None) if "start" in inspect.signature(module.forward).parameters else module(x)


@pytest.mark.parametrize("number", ALL)
def test_sees_the_past_and_not_the_future(version, number):
    namespace = version(number, **BIG)
    idx = some_idx(namespace)
    before = all_logits(namespace, idx)
    for t in (0, 5, 15):
        changed = idx.clone()
        changed[:, t] = (changed[:, t] + 1) % namespace["vocab_size"]
        after = all_logits(namespace, changed)
        torch.testing.assert_close(after[:, :t], before[:, :t], rtol=0, atol=1e-6)
        assert not torch.allclose(after[:, 15], before[:, 15])


@pytest.mark.parametrize("number", ALL)
def test_last_logits_are_the_last_of_all(version, number):
    namespace = version(number, **BIG)
    idx = some_idx(namespace)
    torch.testing.assert_close(namespace["model"](idx)[0], all_logits(namespace, idx)[:, -1])


class TestWholePoems:
    def test_rows_start_where_a_poem_starts(self, version):
        namespace = version(13)
        for split, data in (("train", namespace["train_data"]), ("val", namespace["val_data"])):
            starts = namespace["poem_starts"][split]
            text = namespace["tokenizer"].decode(data.tolist())
            blanks = [k + 2 for k in range(len(text)) if text[k : k + 2] == "\n\n" and k + 2 < len(text) - 16]
            assert starts.tolist() == blanks and len(blanks) > 10
            namespace["get_batch"](data, starts[-1:])  # 最后一首后面，字还够

    def test_training_and_exam_use_them(self, tmp_path):
        script = helpers.changed(
            helpers.tiny(V[13], tmp_path, max_iters=3),
            ("def get_batch", "seen = []\n\ndef get_batch"),
            ("    return data[index]", "    seen.append((data, starts))\n    return data[index]"),
        )
        namespace = helpers.load(script)
        for data, starts in namespace["seen"]:
            split = "train" if data is namespace["train_data"] else "val"
            assert set(starts.tolist()) <= set(namespace["poem_starts"][split].tolist())

    def test_exam_is_even_and_never_changes(self, version, monkeypatch):
        namespace = version(13, eval_iters=2)
        seen, get_batch = [], namespace["get_batch"]
        monkeypatch.setitem(namespace, "get_batch", lambda data, starts: seen.append(starts) or get_batch(data, starts))
        state = torch.get_rng_state()
        assert namespace["estimate_loss"]() == namespace["estimate_loss"]()
        assert torch.equal(torch.get_rng_state(), state)
        train = torch.cat(seen[:2])
        every = namespace["poem_starts"]["train"]
        assert train.tolist() == [every[k * len(every) // 64].item() for k in range(64)]

    @pytest.mark.parametrize("name", CHECKED)
    def test_texts_of_another_shape_are_counted(self, name, tmp_path):
        """一行一篇、没有空行、题目和正文之间空着、只有一篇：说找到几篇，几篇有题目有正文，不悄悄地学下去。"""
        texts = {
            "春江潮水连海平\n" * 90: (1, 1),
            "春江\n\n" + "潮水连海平\n" * 90: (2, 1),
            "春江潮水连海平\n\n" * 90: (90, 0),
            "春江\n\n潮水连海平\n海上明月\n\n" * 45: (90, 45),
        }
        for corpus, (found, whole) in texts.items():
            message = helpers.complaint(helpers.tiny(name, tmp_path, corpus=corpus, prompts=["春"]))
            assert f"有 {found} 篇，{whole} 篇有题目有正文" in message and "空一行" in message

    @pytest.mark.parametrize("name", CHECKED)
    def test_blank_lines_may_be_many_or_not_quite_blank(self, name, tmp_path):
        """多空一两行、空行里有空格、开头有空行、Windows 的换行：都读成一样的。"""
        poem = "春江　张若虚\n潮水连海平\n"
        texts = [(poem + blank) * 40 for blank in ("\n", "\n\n", " \n", "　\n\t\n")]
        texts += ["\n \n" + texts[0], texts[0].replace("\n", "\r\n")]
        loaded = [helpers.load(helpers.tiny(name, tmp_path, corpus=text, prompts=["春"])) for text in texts]
        assert len({space["text"] for space in loaded}) == 1
        assert len(loaded[0]["poem_starts"]["train"]) > 20

    @pytest.mark.slow
    def test_an_english_text(self, tmp_path):
        """照 README 说的三行写成的英文：200 篇，从头学到写。"""
        lines = "the river runs to the sea\nand the moon rises over it\n"
        text = "".join(f"Song {k} by A Poet\n{lines}\n" for k in range(200))
        script = helpers.tiny(V[22], tmp_path, corpus=text, prompts=["Song "], max_iters=20, eval_interval=10)
        assert helpers.samples(helpers.load(script)["stdout"])[0].startswith("Song ")

    def test_no_dropout_is_left(self, version):
        model = version(13)["model"].train()
        assert not [m for m in model.modules() if isinstance(m, torch.nn.Dropout)] and "dropout" not in version(13)


def v13_as_v14(v13, v14):
    """v13 各头的矩阵上下叠起来，放进 v14。"""
    weights = v13["model"].state_dict()
    merged = {key: value for key, value in weights.items() if ".heads." not in key}
    for layer in range(v13["n_layer"]):
        for part in ("query", "key", "value"):
            heads = [weights[f"blocks.{layer}.attention.heads.{k}.{part}.weight"] for k in range(v13["n_head"])]
            merged[f"blocks.{layer}.attention.{part}.weight"] = torch.cat(heads)
    model = v14["BabyGPT"]()
    model.load_state_dict(merged)
    return model


def test_v14_is_v13(version):
    v13, v14 = version(13, **BIG), version(14, **BIG)
    idx = some_idx(v13)
    model = v13_as_v14(v13, v14)
    for T in (1, 7, 16):
        with torch.no_grad():
            torch.testing.assert_close(model(idx[:, :T], idx[:, :T])[0], all_logits(v13, idx[:, :T]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("number", since("v15"))
def test_rms_norm_and_no_biases(version, number):
    model = version(number)["model"]
    assert not [name for name, _ in model.named_parameters() if name.endswith("bias")]
    x = 3 * torch.randn(2, 5, 16) + 1
    out = copy.deepcopy(model.blocks[0].ln1)
    out.weight.data.fill_(1)
    torch.testing.assert_close(out(x), x / x.pow(2).mean(-1, keepdim=True).sqrt())
    assert not torch.allclose(out(x).mean(-1), torch.zeros(2, 5), atol=1e-3), "不减平均"


class TestRope:
    def rotate(self, namespace, x):
        rotate = namespace["rotate"]
        return rotate(x, 0) if rotate.__code__.co_argcount == 2 else rotate(x)

    @pytest.mark.parametrize("number", since("v16"))
    def test_only_distance_counts(self, version, number):
        namespace = version(number, **BIG)
        q, k = torch.randn(8), torch.randn(8)
        q, k = (self.rotate(namespace, x.expand(1, 1, 16, 8))[0, 0] for x in (q, k))  # (T, hs)
        scores = q @ k.T
        for distance in range(-15, 16):
            diagonal = scores.diagonal(distance)
            torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), rtol=0, atol=1e-4)
        assert scores[0].std() > 0.01, "远近不同，打分不同"

    @pytest.mark.parametrize("number", since("v16"))
    def test_norms_are_kept(self, version, number):
        x = torch.randn(2, 4, 16, 8)
        torch.testing.assert_close(self.rotate(version(number, **BIG), x).norm(dim=-1), x.norm(dim=-1))

    def test_against_complex_numbers(self, version):
        """第 i 个和第 i + hs/2 个数当成一个复数，乘上 e^(i·位置·rope_theta^(−2i/hs))。"""
        x = torch.randn(1, 1, 16, 8)
        for theta in (10000, 50):
            turn = torch.arange(16.0)[:, None] * theta ** (-torch.arange(4.0) / 4)
            turned = torch.complex(x[..., :4], x[..., 4:]) * torch.polar(torch.ones_like(turn), turn)
            ours = self.rotate(version(16, **BIG, rope_theta=theta), x)
            torch.testing.assert_close(ours, torch.cat([turned.real, turned.imag], -1))

    def test_shifting_a_text_changes_no_logit(self, version, monkeypatch):
        namespace = version(16, **BIG)
        idx = some_idx(namespace)
        before = all_logits(namespace, idx)
        step = namespace["frequencies"]
        monkeypatch.setitem(namespace, "angles", (torch.arange(16)[:, None] + 10) * step)
        torch.testing.assert_close(all_logits(namespace, idx), before, rtol=0, atol=1e-4)
        monkeypatch.setitem(namespace, "angles", 2 * torch.arange(16)[:, None] * step)
        assert not torch.allclose(all_logits(namespace, idx), before, atol=1e-3), "间隔变了，打分要变"

    @pytest.mark.parametrize("name", [name for name in CHECKED if course.BY_FILE[name].number in since("v16")])
    def test_odd_heads(self, name, tmp_path):
        assert "偶数" in helpers.complaint(helpers.tiny(name, tmp_path, n_embed=6, n_head=2, head_size=3))


def test_swiglu(version):
    feed_forward = version(17, n_embed=48)["model"].blocks[0].feed_forward
    x = torch.randn(2, 3, 48)
    up = feed_forward.up(x)
    gate = feed_forward.gate(x)
    torch.testing.assert_close(feed_forward(x), feed_forward.down(gate * gate.sigmoid() * up))
    before = version(16, n_embed=48)["model"].blocks[0].feed_forward
    assert len({sum(p.numel() for p in one.parameters()) for one in (before, feed_forward)}) == 1, "参数一样多"


@pytest.mark.parametrize("number", since("v18"))
def test_qk_norm(version, number):
    """q、k 放大多少倍，都一样。"""
    namespace = version(number, **BIG)
    attention = copy.deepcopy(namespace["model"].blocks[0].attention)
    x = torch.randn(2, 16, 32)
    before = attend(namespace, attention, x)
    with torch.no_grad():
        attention.query.weight *= 100
        attention.key.weight *= 0.1
    torch.testing.assert_close(attend(namespace, attention, x), before, rtol=1e-2, atol=1e-3)
    assert attention.q_norm.weight.shape == attention.k_norm.weight.shape == (8,), "每个头单独归一"


def test_before_qk_norm_it_mattered(version):
    namespace = version(17, **BIG)
    attention = copy.deepcopy(namespace["model"].blocks[0].attention)
    x = torch.randn(2, 16, 32)
    before = attend(namespace, attention, x)
    with torch.no_grad():
        attention.query.weight *= 100
    assert not torch.allclose(attend(namespace, attention, x), before, atol=1e-2)


class TestGqa:
    def test_equals_full_attention_with_repeated_heads(self, version):
        v19, v20 = version(19, n_embed=32, n_head=4), version(20, **BIG)
        weights = dict(v20["model"].state_dict())
        for key in list(weights):
            if ".key." in key or ".value." in key:
                weights[key] = weights[key].view(2, 8, 32).repeat_interleave(2, dim=0).reshape(32, 32)
        model = v19["BabyGPT"]()
        model.load_state_dict(weights)
        idx = some_idx(v20)
        torch.testing.assert_close(model(idx, idx)[0], all_logits(v20, idx), rtol=0, atol=1e-5)

    def test_with_as_many_it_is_v19(self, version):
        hyper = dict(n_embed=32, n_head=4, max_iters=5)
        a, b = version(19, **hyper), version(20, **hyper, n_kv_head=4)
        assert helpers.losses(a) == helpers.losses(b)

    def test_must_divide(self, tmp_path):
        for value in (3, 8):
            assert "n_kv_head 整除" in helpers.complaint(helpers.tiny(V[20], tmp_path, n_head=4, n_kv_head=value))

    def test_cache_shrinks_with_the_shares(self, version):
        """写过字，缓存有多大，正比于 k、v 的份数。"""
        sizes = {}
        for share in (4, 2, 1):
            model = version(20, **{**BIG, "n_kv_head": share})["model"]
            model.generate(torch.zeros(3, 2, dtype=torch.long), 2)
            sizes[share] = model.blocks[0].attention.cache.numel()
        assert sizes[4] == 2 * sizes[2] == 4 * sizes[1]

    @pytest.mark.parametrize("number", since("v20"))
    def test_heads_may_be_any_width(self, version, number):
        """n_head × head_size 不必等于 n_embed；整除不了也行。"""
        namespace = version(number, n_embed=20, n_head=3, n_kv_head=1, head_size=16)
        attention = namespace["model"].blocks[0].attention
        assert attention.query.weight.shape == (48, 20) and attention.proj.weight.shape == (20, 48)
        assert attend(namespace, attention, torch.randn(2, 16, 20)).shape == (2, 16, 20)


class TestTied:
    @pytest.mark.parametrize("number", since("v21"))
    def test_one_tensor(self, version, number):
        model = version(number)["model"]
        assert model.lm_head.weight is model.token_embedding.weight
        assert not {"lm_head.weight", "token_embedding.weight"} <= dict(model.named_parameters()).keys()

    def test_gradients_from_both_uses(self, version):
        namespace = version(21)
        model = copy.deepcopy(namespace["model"])
        idx = torch.tensor([[1, 2, 3]])
        model(idx, torch.tensor([[2, 3, 4]]))[1].backward()
        tied = model.token_embedding.weight.grad.clone()
        apart = version(20)["BabyGPT"]()
        apart.load_state_dict(model.state_dict())
        apart(idx, torch.tensor([[2, 3, 4]]))[1].backward()
        a, b = apart.token_embedding.weight.grad, apart.lm_head.weight.grad
        assert a.abs().sum() > 0 and b.abs().sum() > 0
        torch.testing.assert_close(tied, a + b)

    @pytest.mark.parametrize("number", since("v21"))
    def test_starts_near_chance(self, version, number):
        namespace = version(number, n_embed=128, n_head=4)
        assert abs(helpers.steps(namespace["stdout"])[0][3] - math.log(namespace["vocab_size"])) < 0.25


class TestMuon:
    @pytest.mark.parametrize("number", since("v22"))
    def test_only_the_blocks_matrices(self, version, number):
        namespace = version(number, max_iters=2)
        model, muon = namespace["model"], {id(p) for p in namespace["momenta"]}
        adamw = {id(p) for group in namespace["optimizer"].param_groups for p in group["params"]}
        assert muon == {id(p) for p in model.blocks.parameters() if p.ndim == 2}
        assert muon | adamw == {id(p) for p in model.parameters()} and not muon & adamw

    @pytest.mark.parametrize("shape", [(8, 8), (24, 8), (8, 24)], ids="{0[0]}x{0[1]}".format)
    def test_singular_values_come_near_one_and_directions_stay(self, version, shape):
        x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        out = version(22)["orthogonalize"](x)
        assert out.shape == x.shape
        values = torch.linalg.svdvals(out)
        assert 0.6 < values.min() and values.max() < 1.3
        U, _, Vh = torch.linalg.svd(x, full_matrices=False)
        inner = U.T @ out @ Vh.T
        torch.testing.assert_close(inner, torch.diag(inner.diag()), rtol=0, atol=1e-4)

    @pytest.mark.parametrize("name", helpers.one_each(map(V.get, since("v22")), helpers.training))
    def test_moves_as_torchs_muon_does(self, tmp_path, name):
        """喂一样的梯度，和 torch.optim.Muon 一路走得一样；它用 bf16 算，所以差一点。学习率的预热和衰减也对。"""
        script = helpers.tiny(name, tmp_path, max_iters=130, eval_interval=1000)
        helpers.changed(
            script,
            (
                "    optimizer.step()\n",
                """    if step == 0:
        origin = [p.detach().clone() for p in momenta]
        shadow = [nn.Parameter(p.clone()) for p in origin]
        reference = torch.optim.Muon(shadow, momentum=MOMENTUM, adjust_lr_fn="match_rms_adamw")
    reference.param_groups[0]["lr"] = muon_learning_rate * warmup * decay
    for p, q in zip(momenta, shadow):
        q.grad = p.grad.clone()
    reference.step()
    optimizer.step()
""".replace("MOMENTUM", "0.9" if name == V[24] else "0.95"),
            ),
        )
        namespace = helpers.load(script)
        for p, q, start in zip(namespace["momenta"], namespace["shadow"], namespace["origin"], strict=True):
            assert (p - q).norm() < 0.05 * (q - start).norm()


class TestCache:
    @pytest.fixture(params=[19, 22])
    def namespace(self, version, request):
        return version(request.param, **BIG)

    def test_logits_are_the_same_at_every_step(self, namespace):
        model, idx = namespace["model"], some_idx(namespace, B=3)
        full = all_logits(namespace, idx)
        with torch.no_grad():
            for prompt in (1, 4):
                out = model(idx[:, :prompt], start=0)[0]
                torch.testing.assert_close(out, full[:, prompt - 1], rtol=0, atol=1e-5)
                for t in range(prompt, 16):
                    out = model(idx[:, t : t + 1], start=t)[0]
                    torch.testing.assert_close(out, full[:, t], rtol=0, atol=1e-5)

    def test_writes_what_v18_writes(self, version):
        """同样的权重、同样的随机数：窗口满之前，一字不差；v19 写到空行就停。"""
        v18, namespace = version(18, **BIG), version(19, **BIG)
        model = v18["BabyGPT"]()
        model.load_state_dict(namespace["model"].state_dict())
        idx = some_idx(namespace, B=3, T=2)
        torch.manual_seed(1)
        a = model.generate(idx, 14)
        torch.manual_seed(1)
        b = namespace["model"].generate(idx, 14)
        assert torch.equal(a[:, : b.shape[1]], b), "（这几行里没有空行）"

    def test_bytes(self, namespace):
        namespace["model"].generate(some_idx(namespace, B=3, T=2), 3)
        cache = namespace["model"].blocks[0].attention.cache
        assert cache.shape == (2, 3, namespace.get("n_kv_head", 4), 16, 8)

    def test_ragged_ends(self, namespace, monkeypatch):
        """几行各在各的地方写完：写完的补换行，都写完就停。"""
        newline = namespace["tokenizer"].stoi["\n"]
        script = [[5, newline, newline, 7, 7, 7], [newline, newline, 8, 8, 8, 8], [6, 6, newline, 6, newline, newline]]
        model = namespace["model"]
        steps = iter(range(6))

        def forward(idx, start=None):
            t = next(steps)
            logits = torch.full((3, namespace["vocab_size"]), -1e9)
            for row in range(3):
                logits[row, script[row][t]] = 0
            return logits, None

        monkeypatch.setattr(model, "forward", forward)
        out = model.generate(torch.full((3, 2), 9), 50)[:, 2:].tolist()
        assert out == [[5, newline, newline] + [newline] * 3, [newline, newline] + [newline] * 4, script[2]]

    def test_window_full(self, namespace):
        """写过了窗口：留下最近一半，从头读；照着做一遍，一样。"""
        model, idx = namespace["model"], some_idx(namespace, B=2, T=3)
        torch.manual_seed(3)
        out = model.generate(idx, 40)
        torch.manual_seed(3)
        first, expected = 0, idx
        while expected.shape[1] < out.shape[1]:
            if expected.shape[1] - first > 16:
                first = expected.shape[1] - 8
            probs = F.softmax(all_logits(namespace, expected[:, first:])[:, -1], dim=-1)
            expected = torch.cat([expected, torch.multinomial(probs, 1)], dim=1)
        assert out.shape[1] == 43 and torch.equal(out, expected)

    def test_prompt_longer_than_the_window(self, namespace):
        idx = some_idx(namespace, B=2, T=40)
        out = namespace["model"].generate(idx, 3)
        assert out.shape == (2, 43) and torch.equal(out[:, :40], idx)

    @pytest.mark.parametrize("before, number", [(18, 19), (22, 23)])
    def test_training_is_the_same_to_the_bit(self, version, before, number):
        hyper = dict(max_iters=12, eval_interval=5)
        a, b = version(before, **hyper), version(number, **hyper)
        assert helpers.losses(a) == helpers.losses(b)


class TestDdp:
    def script(self, folder):
        """学 20 步的 v23，放在 folder：第 0 步的梯度，各进程存一份。"""
        script = helpers.tiny(V[23], folder, max_iters=20, eval_interval=5)
        return helpers.changed(
            script,
            (
                "    optimizer.step()",
                """    if step == 0:
        torch.save([p.grad for p in model.parameters()], Path(__file__).with_name(f'grad{rank}.pt'))
    optimizer.step()""",
            ),
        )

    @pytest.mark.slow
    def test_two_processes_learn_what_one_learns(self, tmp_path):
        one, two = self.script(tmp_path / "a"), self.script(tmp_path / "b")
        alone = helpers.steps(helpers.load(one)["stdout"])
        launch = "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", 2
        result = helpers.call(sys.executable, *launch, two, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        together = helpers.steps(result.stdout)
        assert len(alone) == len(together) == 5, "只有一个进程打印"
        for left, right in zip(alone, together):
            assert left[0] == right[0] and left[2:4] == pytest.approx(right[2:4], abs=2e-3)
        whole = torch.load(one.with_name("grad0.pt"))
        for rank in range(2):
            for x, y in zip(whole, torch.load(two.with_name(f"grad{rank}.pt"))):
                torch.testing.assert_close(x, y, rtol=1e-4, atol=1e-6)

    def test_every_process_picks_its_gpu_first(self):
        """先选好自己的 GPU，"cuda" 上的东西（数据、角度）才都在它上面。"""
        source = course.source(V[23])
        assert source.index("torch.cuda.set_device") < source.index("\ndevice = ") < source.index("device=device")

    def test_rows_must_split_evenly(self, tmp_path, monkeypatch):
        monkeypatch.setenv("WORLD_SIZE", "3")
        assert "平分给 WORLD_SIZE 个进程" in helpers.complaint(helpers.tiny(V[23], tmp_path))

    def test_more_processes_than_gpus(self, tmp_path, monkeypatch):
        monkeypatch.setenv("LOCAL_RANK", "1")
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        assert "GPU 不够" in helpers.complaint(helpers.tiny(V[23], tmp_path))

    @pytest.mark.parametrize("processes, device", [(1, "mps"), (2, "cpu")])
    def test_on_a_mac_several_processes_use_the_cpu(self, tmp_path, monkeypatch, processes, device):
        """gloo 不会在 MPS 上传数。只跑到超参数那一段。"""
        monkeypatch.setenv("WORLD_SIZE", str(processes))
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
        source = course.source(V[23]).split("# ---------- 数据")[0]
        space = {"__name__": "__main__", "__file__": str(tmp_path / "script.py")}
        exec(compile(source, V[23], "exec"), space)
        assert space["device"] == device


class TestBase:
    def test_checkpoint(self, tmp_path):
        script = helpers.tiny(V[24], tmp_path, max_iters=10, eval_interval=5)
        namespace = helpers.load(script)
        saved = torch.load(script.with_name("base.pth"), weights_only=True)
        assert saved.keys() == {"config", "chars", "model"} and saved["chars"] == namespace["tokenizer"].chars
        assert saved["config"] == dict(
            block_size=16, n_embed=16, n_head=2, n_kv_head=1, head_size=8, n_layer=2, rope_theta=500
        )
        for key, value in namespace["model"].state_dict().items():
            assert torch.equal(saved["model"][key], value)
        assert {p.name for p in script.parent.iterdir()} == {script.name, "base.pth"}
        weights = saved["model"]
        assert weights["lm_head.weight"].data_ptr() == weights["token_embedding.weight"].data_ptr(), "共用的只存一份"
        parameters = sum(p.numel() for p in namespace["model"].parameters())
        assert script.with_name("base.pth").stat().st_size < 4 * parameters + 60000

    def test_every_poem_once_before_any_twice(self, tmp_path):
        script = helpers.changed(
            helpers.tiny(V[24], tmp_path, max_iters=400, eval_interval=1000, block_size=15, batch_size=3),
            ("start_time =", "seen = []\nstart_time ="),
            ("    logits, loss = model(x, y)  # (B, T, V), ()", "    seen.append((starts.tolist(), x))\n    continue"),
        )
        namespace = helpers.load(script)
        drawn = [start for starts, _ in namespace["seen"] for start in starts]
        every = sorted(namespace["poem_starts"]["train"].tolist())
        assert len(drawn) > 2 * len(every)
        for first in range(0, len(drawn) - len(every), len(every)):
            assert sorted(drawn[first : first + len(every)]) == every
        assert drawn[: len(every)] != drawn[len(every) : 2 * len(every)], "每遍的次序不同"
        data = namespace["train_data"]
        for step, (starts, x) in enumerate(namespace["seen"]):
            assert x.shape == ((6, 8) if step < 200 else (3, 15)), "前一半步子，首数加倍，只学前半"
            assert torch.equal(x[0], data[starts[0] : starts[0] + x.shape[1]])

    def test_old_file_survives_a_full_disk(self, tmp_path, monkeypatch):
        script = helpers.tiny(V[24], tmp_path)
        script.with_name("base.pth").write_bytes(b"old")

        def full(content, path):
            Path(path).write_bytes(b"half")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(torch, "save", full)
        namespace = helpers.load(script)
        assert script.with_name("base.pth").read_bytes() == b"old" and "没存成" in namespace["stdout"]
        assert len(helpers.samples(namespace["stdout"])) == 2, "照样采样"


class TestQwen3:
    @pytest.mark.parametrize(
        "number, sizes",
        [*((number, sizes) for number in since("v21") for sizes in (BIG, NARROW)), (21, QWEN3)],
        ids=lambda value: f"{value['n_embed']}x{value['n_head']}" if isinstance(value, dict) else f"v{value}",
    )
    def test_logits(self, version, number, sizes):
        """权重搬进 transformers 的 Qwen3，打分一样；n_head × head_size 不等于 n_embed 的也一样。"""
        namespace = version(number, **sizes)
        theirs = export_hf.qwen3(namespace, namespace["vocab_size"], namespace["model"].state_dict())
        encoded = torch.tensor([namespace["tokenizer"].encode(namespace["text"][k : k + 16]) for k in (0, 100, 5000)])
        for idx in (some_idx(namespace, B=3), encoded):
            for T in (1, 9, 16):
                with torch.no_grad():
                    out = theirs(idx[:, :T]).logits
                torch.testing.assert_close(out, all_logits(namespace, idx[:, :T]), rtol=0, atol=1e-4)

    @pytest.mark.slow
    def test_exported_folder(self, tmp_path):
        """不联网读回来，编码一样，贪心写的一样。"""
        import transformers

        script = helpers.tiny(V[24], tmp_path, **BIG, max_iters=30, learning_rate=1e-2, block_size=32)
        namespace = helpers.load(script)
        command = sys.executable, ROOT / "tools" / "export_hf.py", script.with_name("base.pth"), tmp_path / "out"
        result = helpers.call(*command, env=helpers.environment(HF_HUB_OFFLINE="1"))
        assert result.returncode == 0, result.stderr
        theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out")
        tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
        text = namespace["text"][:300]
        ids = tokenizer(text)["input_ids"]
        assert ids == namespace["tokenizer"].encode(text) and tokenizer.decode(ids) == text
        with pytest.raises(Exception, match="Missing"):
            tokenizer("春滿")  # 没学过的字：不悄悄当成别的
        start = torch.tensor([namespace["tokenizer"].encode("浣溪沙 ")])
        mine = start
        for _ in range(20):
            mine = torch.cat([mine, namespace["model"](mine)[0].argmax(-1, keepdim=True)], dim=1)
        settings = dict(max_new_tokens=20, do_sample=False, pad_token_id=0)
        out = theirs.generate(start, attention_mask=torch.ones_like(start), **settings)
        assert torch.equal(out, mine)

    @pytest.mark.slow
    def test_no_checkpoint(self, tmp_path):
        result = helpers.call(sys.executable, ROOT / "tools" / "export_hf.py", "没有.pth", tmp_path, cwd=tmp_path)
        helpers.assert_one_line(result, "babygpt_v24_base.py")

    @pytest.mark.slow
    def test_an_adapter_or_a_file_in_the_way(self, tmp_path):
        namespace = helpers.load(helpers.tiny(V[24], tmp_path))
        base, lora, taken = tmp_path / "modern" / "base.pth", tmp_path / "lora.pth", tmp_path / "taken"
        saved = torch.load(base, weights_only=True)
        torch.save({**saved, "model": {"blocks.0.attention.query.narrow.weight": torch.zeros(2, 2)}}, lora)
        taken.write_text("文件", encoding="utf-8")
        for checkpoint, words in ((lora, "窄路"), (base, "写不进")):
            result = helpers.call(sys.executable, ROOT / "tools" / "export_hf.py", checkpoint, taken, cwd=tmp_path)
            helpers.assert_one_line(result, words)
        assert namespace["path"] == base and taken.read_text(encoding="utf-8") == "文件"
