"""网页的数据（export_page.py）和看注意力的钩子（watch.py、look.py）：小模型，行为和 PyTorch、和别的工具对得上。"""

import copy
import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

import captions
import course
import export_page
import film
import form
import helpers
import look
import prosody
import records
import results
import runner
import sampling
import watch
from course import AFTER, BY_FILE, BY_ID, FIRST, MODERN, ROOT, V, source
from helpers import CORPUS


def numbers(names, *words):
    """names（文件名）里，源码里有没有 words 这几样都相同的，只留头一份：[第几版, …]。"""
    return [
        BY_FILE[name].number
        for name in helpers.one_each(names, lambda name: tuple(word in source(name) for word in words))
    ]


PARTS = ("class Head", "self.heads", "scaled_dot_product_attention", "n_kv_head", "cache")  # 注意力的几种写法
LAYERED = "self.blocks"  # 有几层，才有 lens
EXPORTED = numbers(course.files(page=True), *PARTS, LAYERED, "base = torch.load")
POINT = {"step": 0, "train_loss": 8.5, "val_loss": 8.75}  # 曲线上的一点
SIZES = dict(block_size=40, n_head=4, n_kv_head=2)  # 头多些、看得远些：头的次序、各头的 mask 才比得出来


@pytest.fixture(scope="module")
def tiny(loaded, checkpoints, tmp_path_factory):
    """tiny(n)：第 n 版的小模型（watch.Trained），没有训练；接着别的学的，旁边放着那一份存下的。"""
    cache = {}

    def get(number):
        if not course.base_of(V[number]):
            return watch.Trained(V[number], loaded(V[number], **SIZES))
        if number not in cache:
            folder = tmp_path_factory.mktemp(f"v{number}")
            script = helpers.prepared(V[number], folder, checkpoints, max_iters=0, max_new_tokens=0)
            cache[number] = watch.Trained(V[number], helpers.load(script))
        return cache[number]

    return get


@pytest.fixture(scope="module")
def onnx_of(tiny):
    """onnx_of(n)：第 n 版的小模型导出的 ONNX，没有压过；只导出一次。"""
    cache = {}

    def get(number):
        if number not in cache:
            trained = tiny(number)
            cache[number] = export_page.to_onnx(trained.watched, trained.block_size)
        return cache[number]

    return get


def text_of(trained, length):
    """小模型没学过的文字里的一段，(1, length)。"""
    return max(export_page.contexts(trained.namespace), key=lambda idx: idx.shape[1])[:, :length]


class TestWatch:
    @pytest.mark.parametrize("number", numbers(course.files(FIRST, MODERN, blind=""), *PARTS))
    def test_the_weights_seen_are_the_weights_used(self, tiny, number):
        """看着和不看，打分一样；每一行加起来是 1，未来是 0；改末字，前面的行不变。"""
        trained = tiny(number)
        for T in (1, 7, trained.block_size):
            idx = text_of(trained, T)
            with torch.no_grad():
                found = trained.watched(idx)
                attention = found["attention"]
                torch.testing.assert_close(found["logits"], trained.model(idx)[0], rtol=0, atol=1e-5)
                other = trained.watched(torch.cat([idx[:, :-1], (idx[:, -1:] + 1) % 100], dim=1))["attention"]
            layers = trained.namespace.get("n_layer", 1)
            assert attention.shape == (layers, trained.namespace.get("n_head", 1), T, T)
            torch.testing.assert_close(attention.sum(-1), torch.ones(attention.shape[:3]))
            assert not attention.triu(1).any() and (attention.tril() > 0).any()
            torch.testing.assert_close(other[..., :-1, :], attention[..., :-1, :], rtol=0, atol=1e-6)

    def test_layers_and_heads_are_in_order(self, tiny):
        """第 l 层第 h 个头的那一张，真是它算的：把它的 query 置 0，它看谁都一样重，前面的头、层都不变。"""
        trained = tiny(11)
        changed = watch.Trained(trained.name, {**trained.namespace, "model": copy.deepcopy(trained.model)})
        changed.model.blocks[1].attention.heads[0].query.weight.data.zero_()
        idx = text_of(trained, 8)
        with torch.no_grad():
            before, after = trained.watched(idx)["attention"], changed.watched(idx)["attention"]
        even = torch.ones(8, 8).tril() / torch.arange(1, 9)[:, None]
        torch.testing.assert_close(after[1, 0], even)
        assert not torch.allclose(before[1, 0], even, atol=1e-3)
        assert torch.equal(before[0], after[0]) and torch.equal(before[1, 1], after[1, 1])

    def test_nothing_to_see_before_v3(self, tiny):
        assert tiny(1).watched(text_of(tiny(1), 5)).keys() == {"logits"}

    @pytest.mark.parametrize("number", numbers(course.files(FIRST, MODERN, blind=""), *PARTS, LAYERED))
    def test_a_head_is_switched_off(self, tiny, number):
        """关掉一个头，和它出来以后才换成 0 的一样；记下的注意力没变；都开着，和不说一样；每个头都真有用。"""
        trained = tiny(number)
        idx, n_head = text_of(trained, 9), trained.namespace.get("n_head", 1)
        with torch.no_grad():
            whole = trained.watched(idx)
            on = torch.ones(whole["attention"].shape[:2])
            torch.testing.assert_close(trained.watched(idx, heads=on), whole)
            for layer, head in ((0, 0), (len(on) - 1, n_head - 1), (len(on) - 1, n_head // 2)):
                heads = on.clone()
                heads[layer, head] = 0
                found = trained.watched(idx, heads=heads)
                with watch.silent(trained.model, layer, head, n_head):
                    expected = trained.model(idx)[0]
                torch.testing.assert_close(found["logits"], expected, rtol=0, atol=1e-5)
                assert not torch.allclose(found["logits"], whole["logits"], atol=1e-4)
                torch.testing.assert_close(found["attention"][layer], whole["attention"][layer])
            assert torch.equal(trained.model(idx)[0], trained.model(idx)[0]), "silent 拿掉了它的钩子"
            torch.testing.assert_close(trained.model(idx)[0], whole["logits"], rtol=0, atol=1e-5)

    @pytest.mark.parametrize("number", numbers(course.files(FIRST, MODERN), LAYERED, "self.ln_f"))
    def test_the_lens_is_a_shallower_model(self, tiny, number):
        """lens 的第 l 行，是只留头 l 层的模型的打分；末一行就是 logits 的；问的是 at 的最后一个位置。"""
        trained = tiny(number)
        idx, at = text_of(trained, 9), torch.tensor([8, 0, 4])
        with torch.no_grad():
            found, every = trained.watched(idx, at), trained.model(idx, idx)[0][0]
            torch.testing.assert_close(found["logits"], every[at], rtol=0, atol=1e-5)
            assert ("lens" in found) == (LAYERED in source(V[number]))
            if "lens" in found:
                torch.testing.assert_close(found["lens"][-1], found["logits"][-1], rtol=0, atol=1e-5)
                assert len(found["lens"]) == trained.namespace["n_layer"] + 1
                for layers, row in enumerate(found["lens"]):
                    with watch.shallow(trained.model, layers):
                        torch.testing.assert_close(row, trained.model(idx[:, :5])[0][0], rtol=0, atol=1e-5)

    def test_functions_are_put_back(self):
        before = F.softmax, F.scaled_dot_product_attention
        with pytest.raises(TypeError), watch.attention_seen():
            F.scaled_dot_product_attention(*torch.ones(3, 1, 1, 2, 4), dropout_p=0.1)  # 不认识的用法，报错，不瞎算
        assert (F.softmax, F.scaled_dot_product_attention) == before

    def test_nearest(self, tiny):
        trained = tiny(1)
        vectors = trained.model.token_embedding.weight.detach()
        among = watch.common(trained.namespace["text"], 50)
        assert len(among) == 50 and trained.namespace["text"].count(among[0]) >= trained.namespace["text"].count(
            among[1]
        )
        [(ch, pairs)] = watch.nearest(trained, [among[3]], among, 5).items()
        assert ch == among[3] and len(pairs) == 5 and ch not in dict(pairs)
        place = trained.tokenizer.stoi
        cosines = {
            one: F.cosine_similarity(vectors[place[ch]], vectors[place[one]], dim=0).item()
            for one in among
            if one != ch
        }
        assert [one for one, _ in pairs] == sorted(cosines, key=lambda one: -cosines[one])[:5]
        assert dict(pairs) == pytest.approx({one: cosines[one] for one, _ in pairs}, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("number", EXPORTED)
class TestOnnx:
    def test_names_shapes_and_values(self, tiny, onnx_of, number):
        """名字、形状照约定；压过之前和 PyTorch 一样，压过之后注意力照样行和为 1、不看未来；一个字、最多的字都行。"""
        trained, model = tiny(number), onnx_of(number)
        sees, layered = not BY_FILE[V[number]].blind, LAYERED in source(V[number])
        assert [one.name for one in model.graph.input] == ["idx", "at", *["heads"] * sees]
        names = ["logits", *["lens"] * layered, *["attention"] * sees]
        assert [one.name for one in model.graph.output] == names
        whole, small = export_page.onnx_runner(model), export_page.onnx_runner(export_page.packed(model, "int8"))
        for T in (1, 2, trained.block_size):
            idx = text_of(trained, T)
            with torch.no_grad():
                ours = trained.model(idx)[0]
            found = whole(idx)
            assert found["logits"].shape == (1, len(trained.tokenizer.chars))
            torch.testing.assert_close(found["logits"], ours, rtol=0, atol=1e-4)
            shape = trained.namespace.get("n_layer", 1), trained.namespace.get("n_head", 1), T, T
            for one in [run["attention"] for run in (found, small(idx)) if sees]:
                assert one.shape == shape and not one.triu(1).any()
                torch.testing.assert_close(one.sum(-1), torch.ones(one.shape[:3]))
            at, heads = torch.tensor([T - 1, T // 2, 0, T // 3]), torch.ones(shape[:2])
            heads[0, -1] = 0
            asked = (idx, at, heads) if sees else (idx, at)
            with torch.no_grad():
                expected = trained.watched(*asked)
            torch.testing.assert_close(whole(*asked), expected, rtol=0, atol=1e-4)
            assert expected["logits"].shape == (4, len(trained.tokenizer.chars))

    def test_packed_and_tidy(self, tiny, onnx_of, number):
        """8 位的 KL 在界内；词表只在不共用时存两份；大的矩阵一个不漏地压了；里面没有这台机器的路径。"""
        import onnx

        trained = tiny(number)
        small, kind, kl = export_page.pack(trained, onnx_of(number))
        assert kind == "int8" and 0 <= kl <= export_page.BOUND
        parameters = sum(p.numel() for p in trained.model.parameters())
        tensors = [tensor for tensor in small.graph.initializer if len(tensor.dims) == 2 and 1 not in tensor.dims]
        for tensor in tensors:
            assert tensor.data_type != onnx.TensorProto.FLOAT or tensor.dims[0] * tensor.dims[1] < export_page.SMALL, (
                tensor.name
            )
        table = [len(trained.tokenizer.chars), trained.namespace["n_embed"]]
        assert len([tensor for tensor in tensors if list(tensor.dims) == table]) == (
            1 if "self.lm_head.weight = " in source(V[number]) else 2
        )
        content = small.SerializeToString()
        assert len(content) < 2 * parameters + 60_000
        assert str(ROOT).encode() not in content and b"site-packages" not in content and b".py" not in content
        masks = [tensor for tensor in tensors if tensor.data_type == onnx.TensorProto.BOOL]
        assert len(masks) == (1 if "class Head" in source(V[number]) else 0), "各头的 mask 一样，只存一份"

    def test_only_parameters_are_packed(self, tiny, onnx_of, number, monkeypatch):
        """再小的矩阵也压的话：每个矩阵参数都压了，参数以外的（RoPE 的角度）一个不动。"""
        monkeypatch.setattr(export_page, "SMALL", 0)
        small = export_page.packed(onnx_of(number), "int8")
        matrices = {p.data_ptr() for p in tiny(number).model.parameters() if p.ndim == 2}
        assert sum(tensor.name.endswith(".packed") for tensor in small.graph.initializer) == len(matrices)


class TestPacking:
    @pytest.fixture(scope="class")
    @classmethod
    def outlier(cls, tiny):
        """outlier(size)：v1 的小模型和它的 ONNX；嵌入的头一维大到 size、又用不着，8 位的比例全给了它，别的维就没了。"""

        def get(size):
            found = watch.Trained(V[1], {**tiny(1).namespace, "model": copy.deepcopy(tiny(1).model)})
            found.model.token_embedding.weight.data[:, 0] = size
            found.model.lm_head.weight.data[:, 0] = 0
            return found, export_page.to_onnx(found.watched, found.block_size)

        return get

    def test_falls_back_to_16_bits(self, outlier):
        trained, model = outlier(1e4)
        found = export_page.contexts(trained.namespace)
        eight = export_page.onnx_runner(export_page.packed(model, "int8"))
        assert export_page.divergence(trained.model, eight, found) > export_page.BOUND
        small, kind, kl = export_page.pack(trained, model)
        assert kind == "fp16" and kl <= export_page.BOUND
        assert export_page.divergence(trained.model, export_page.onnx_runner(small), found) == pytest.approx(
            kl, abs=1e-6
        )

    def test_refuses_when_both_are_off(self, outlier):
        with pytest.raises(RuntimeError, match="KL"):
            export_page.pack(*outlier(1e6))

    def test_divergence_is_the_mean_kl(self):
        torch.manual_seed(0)
        ours, theirs = torch.randn(2, 1, 7), torch.randn(2, 1, 7)
        found = [torch.tensor([[0]]), torch.tensor([[1]])]
        measured = export_page.divergence(
            lambda idx: (ours[idx.item()], None), lambda idx: {"logits": theirs[idx.item()]}, found
        )
        expected = F.kl_div(theirs.flatten(0, 1).log_softmax(-1), ours.flatten(0, 1).softmax(-1), reduction="batchmean")
        assert measured == pytest.approx(expected.item(), abs=1e-6)

    def test_refuses_what_is_not_the_model(self, tiny):
        """错一样输出，at、heads 少听一样，都看得出来。"""
        trained = tiny(11)
        found, right = export_page.contexts(trained.namespace, 3), trained.watched
        export_page.verify(trained.watched, right, found)
        wrong = [
            *(
                lambda *asked, name=name: {**(one := right(*asked)), name: one[name] + 0.01}
                for name in ("logits", "lens", "attention")
            ),
            lambda idx, at, heads=None: right(idx, at.flip(0), heads),
            lambda idx, at, heads=None: right(idx, at),
            lambda idx, at, heads=None: right(idx, at, None if heads is None else heads.flip(1)),
        ]
        for run in wrong:
            with pytest.raises(RuntimeError, match="不一样"):
                export_page.verify(trained.watched, run, found)

    @pytest.mark.parametrize("number", numbers(course.files(page=True), "poem_starts", "base = torch.load"))
    def test_compared_on_text_it_has_not_learnt(self, tiny, number):
        trained = tiny(number)
        found = export_page.contexts(trained.namespace)
        text = trained.namespace["text"]
        held_out = text[int(len(text) * course.TRAIN) :]
        texts = [trained.tokenizer.decode(idx[0].tolist()) for idx in found]
        assert len(found) >= 200 and all(text in held_out for text in texts)
        assert {len(text) for text in texts} >= {1, trained.block_size} and max(map(len, texts)) == trained.block_size

    def test_answers_for_the_page(self, tiny):
        trained = tiny(3)
        for opening, best in export_page.answers(trained).items():
            idx = torch.tensor([trained.tokenizer.encode(opening)])
            with torch.no_grad():
                probabilities = trained.model(idx, idx)[0][0, -1].softmax(-1)
            expected = [
                (trained.tokenizer.chars[k], probabilities[k].item())
                for k in probabilities.argsort(descending=True)[:5]
            ]
            assert [ch for ch, _ in best] == [ch for ch, _ in expected]
            assert [p for _, p in best] == pytest.approx([p for _, p in expected], abs=1e-5)

    def test_too_big(self, tiny, monkeypatch):
        monkeypatch.setattr(export_page, "MODEL_BYTES", 1000)
        with pytest.raises(RuntimeError, match="1,000"):
            export_page.export(tiny(1))


@pytest.fixture(scope="module")
def exports(tiny):
    """v1、v3 的小模型，导出一次：{脚本名: (ONNX 的字节, course.json 里的 model)}。"""
    return {V[number]: export_page.export(tiny(number)) for number in (1, 3)}


@pytest.fixture
def site(tiny, exports, loaded, tmp_path, monkeypatch):
    """只有 v1、v3 两个小模型，v1 怎样学会的一份网页数据：(放数据的文件夹, 放脚本的文件夹)，脚本可以改。"""
    scripts, public = tmp_path / "scripts", tmp_path / "public"
    for name in export_page.COURSE:
        helpers.edit(name, scripts)
    shutil.copy(course.BY_FILE[course.WRITER].path, scripts / course.WRITER)
    monkeypatch.setattr(course, "ROOT", scripts)
    monkeypatch.setattr(export_page, "WITH_MODEL", [V[1], V[3]])
    monkeypatch.setattr(course, "corpus", lambda: CORPUS)
    monkeypatch.setattr(watch, "trained", lambda name, short=None: tiny(course.BY_FILE[name].number))
    monkeypatch.setattr(watch, "counted", loaded)
    monkeypatch.setattr(watch, "untrained", lambda name: tiny(course.BY_FILE[name].number).namespace)
    monkeypatch.setattr(export_page, "FILM", [V[1]])
    monkeypatch.setattr(film, "shots", lambda name: [(POINT, watch.untrained(name)["model"].state_dict())])
    monkeypatch.setattr(export_page, "export", lambda trained: exports[trained.name])
    export_page.update(public, [export_page.BIGRAM, V[1], V[3]])
    export_page.shoot(public, [V[1]])
    return public, scripts


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize("key", export_page.exported(export_page.PUBLIC))
def test_the_models_on_the_page(key):
    """提交了的模型：进出的名字和 course.json 里写的对得上；一个字也读得了；关掉所有的头，就变了。"""
    import onnx

    one = export_page.exported(export_page.PUBLIC)[key]
    model = onnx.load(export_page.PUBLIC / one["file"])
    assert [tensor.name for tensor in model.graph.input] == ["idx", "at", *["heads"] * (one["heads"] > 0)]
    run, T = export_page.onnx_runner(model), one["block_size"]
    idx = torch.arange(T)[None] * 7 % one["vocab"]
    found = run(idx, torch.tensor([T - 1, 0]))
    assert found["logits"].shape == (2, one["vocab"])
    torch.testing.assert_close(found["logits"][1], run(idx[:, :1])["logits"][0], rtol=0, atol=1e-4)
    assert ("lens" in found) == one["lens"] and ("attention" in found) == (one["heads"] > 0)
    if one["lens"]:
        assert found["lens"].shape == (one["layers"] + 1, one["vocab"])
        torch.testing.assert_close(found["lens"][-1], found["logits"][1], rtol=0, atol=1e-4)
    if one["heads"]:
        off = torch.zeros(one["layers"], one["heads"])
        assert found["attention"].shape == (*off.shape, T, T)
        assert not torch.allclose(run(idx, heads=off)["logits"], found["logits"][:1], atol=1e-2)
    assert [len(row) for row in one["captions"]] == [one["heads"]] * one["layers"]
    said = [caption for row in one["captions"] for caption in row if caption]
    assert all(
        caption["pattern"] in captions.PATTERNS and caption.get("when", "line") in captions.MOMENTS for caption in said
    )


class TestFirstScreen:
    def test_the_packed_model_writes(self, tiny, exports):
        """照着压过的模型的打分，一个字一个字抽出来的。"""
        trained, (content, _) = tiny(3), exports[V[3]]
        import onnx

        run, written = export_page.onnx_runner(onnx.load_model_from_string(content)), ""
        for position in range(export_page.LENGTH):
            idx = torch.tensor([trained.tokenizer.encode((export_page.OPENING["opening"] + written)[-40:])])
            probabilities = run(idx)["logits"][0].double().softmax(0)
            values, order = probabilities.sort(descending=True)
            rank = (values.cumsum(0) <= sampling.uniform(42, position)).sum().item()
            written += trained.tokenizer.chars[order[rank]]
            if written.endswith("\n\n"):
                break
        assert export_page.first_text_of_model(trained, content) == written

    def test_the_counts_write(self, loaded):
        """只看一个字：每个字都是它前面那个字的概率里抽的。"""
        namespace = loaded(export_page.BIGRAM, max_iters=50)
        model, tokenizer = namespace["model"], namespace["tokenizer"]
        text = export_page.first_text_of_counts(namespace)
        assert len(text) == export_page.LENGTH or text.endswith("\n\n")
        for position, (before, ch) in enumerate(zip(export_page.OPENING["opening"][-1] + text, text)):
            i, j = (torch.tensor(tokenizer.encode(one)) for one in (before, ch))
            every = model.prob(i, torch.arange(len(tokenizer.chars))).double()
            u, p = sampling.uniform(42, position), model.prob(i, j).item()
            assert every[every > p + 1e-9].sum() <= u + 1e-6 and u <= every[every >= p - 1e-9].sum() + 1e-6


class TestStale:
    def test_fresh(self, site):
        public, _ = site
        assert export_page.stale(public) == []
        manifest = json.loads((public / "manifest.json").read_text(encoding="utf-8"))
        files = {path.relative_to(public).as_posix() for path in public.rglob("*.*")} - {"manifest.json"}
        assert (
            set(manifest["files"])
            == files
            >= {"models/v1.onnx", "models/v3.onnx", "films/v1.json", "course.json", "answers.json", "first.json"}
        )
        assert all((public / file).stat().st_size == one["bytes"] for file, one in manifest["files"].items())

    def test_same_bytes_again(self, site, tiny, exports, monkeypatch):
        monkeypatch.undo()
        assert export_page.export(tiny(3)) == exports[V[3]]

    def test_nothing_is_written_twice(self, site):
        public, _ = site
        files = lambda: {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in public.rglob("*.*")}  # noqa: E731
        before = files()
        export_page.update(public, [V[3]])
        assert files() == before

    def test_code_changed(self, site):
        """改了代码：模型要重新导出，只重写数据掩不住；重新导出就好了。"""
        public, scripts = site
        edit(scripts / V[3], "T = x.shape[1]", "T = x.size(1)")
        found = [str(one) for one in export_page.stale(public)]
        assert (
            len(found) == 2 and V[3] in found[0] and "--only v3" in found[0] and found[1].startswith("versions/v3.json")
        )
        export_page.update(public, [])
        assert [str(one) for one in export_page.stale(public)] == found[:1]
        export_page.update(public, [V[3]])
        assert export_page.stale(public) == []

    def test_words_changed(self, site):
        """只改注释、说明：模型不用动，网页上的字要重写。"""
        public, scripts = site
        edit(scripts / V[3], '"""v3：自注意力', '"""v3：改了说明')
        assert [one.what for one in export_page.stale(public)] == ["course.json", "versions/v3.json"]
        export_page.update(public, [])
        assert export_page.stale(public) == []
        assert records.read(public / "course.json")["versions"][3]["title"] == "改了说明"

    def test_files_damaged(self, site):
        public, _ = site
        model, near = public / "models" / "v3.onnx", public / "neighbours.json"
        model.write_bytes(model.read_bytes()[:1000])
        near.unlink()
        found = [str(one) for one in export_page.stale(public)]
        assert (
            len(found) == 2
            and "neighbours.json：不见了" in found[1] + found[0]
            and "models/v3.onnx：和导出的不一样" in found[0] + found[1]
        )
        model.unlink()
        assert any(V[3] in str(one) and "还没有导出" in str(one) for one in export_page.stale(public))
        export_page.reference(public).unlink()
        assert any("reference.json" in str(one) for one in export_page.stale(public))
        (public / "manifest.json").write_text("{", encoding="utf-8")
        assert len(export_page.stale(public)) == 1

    def test_results_changed(self, site, monkeypatch):
        public, _ = site
        measured = copy.deepcopy(results.load())
        for run in results.runs(measured, V[14]):
            run["val_loss"] += 0.1
        monkeypatch.setattr(results, "load", lambda: measured)
        assert [one.what for one in export_page.stale(public)] == ["course.json"]

    def test_one_version_at_a_time(self, site, monkeypatch):
        """--only：别的版本留着上次的；不在单子上的，文件也删掉。"""
        public, _ = site
        before = export_page.exported(public)
        export_page.update(public, [V[1]])
        assert export_page.exported(public) == before and set(before) == {"v1", "v3"}
        monkeypatch.setattr(export_page, "WITH_MODEL", [V[1]])
        export_page.update(public, [])
        assert set(export_page.exported(public)) == {"v1"} and not (public / "models" / "v3.onnx").exists()

    def test_the_first_screen(self, site, tiny, loaded):
        """没有模型也看得到的几段：就是各版的模型、数出来的二元模型写的；开头换了，代码改了，要重写，别的留着。"""
        public, scripts = site
        first = records.read(public / "first.json")
        assert {key: first[key] for key in ("opening", "seed")} == export_page.OPENING
        assert [one["id"] for one in first["texts"]] == ["bigram", "v3"]
        edit(scripts / export_page.BIGRAM, "self.count[i] + interpolation", "interpolation + self.count[i]")
        [stale] = [one for one in export_page.stale(public) if one.what == export_page.BIGRAM]
        assert stale.command.endswith("--only bigram")
        export_page.update(public, [])
        assert [one.what for one in export_page.stale(public)] == [export_page.BIGRAM]
        export_page.update(public, [export_page.BIGRAM])
        assert export_page.stale(public) == [] and records.read(public / "first.json") == first

    def test_the_first_screen_has_another_opening(self, site, monkeypatch):
        public, _ = site
        monkeypatch.setitem(export_page.OPENING, "opening", "浣溪沙 苏轼\n")
        assert [one.what for one in export_page.stale(public)] == [export_page.BIGRAM, V[3]]
        export_page.update(public, [V[3]])
        assert [one["id"] for one in records.read(public / "first.json")["texts"]] == ["v3"]

    def test_films(self, site, monkeypatch):
        """代码改了，开头换了，没有了，都过时；重做一版，别的不动；不在单子上的删掉。"""
        public, scripts = site
        assert records.read(public / "films" / "v1.json") == film.film(V[1], film.shots(V[1]))
        edit(scripts / V[1], "learning_rate = 3e-3", "learning_rate = 4e-3")
        before = export_page.stale(public)
        export_page.update(public, [V[1]])
        [stale] = export_page.stale(public)
        assert stale.what == "films/v1.json" and stale.command.endswith("--film v1") and len(before) == 3
        export_page.shoot(public, [V[1]])
        assert export_page.stale(public) == []
        with monkeypatch.context() as patch:
            patch.setattr(film, "OPENING", "往事")
            assert [one.what for one in export_page.stale(public)] == ["films/v1.json"]
        monkeypatch.setattr(export_page, "FILM", [V[3]])
        export_page.update(public, [])
        assert [one.what for one in export_page.stale(public)] == ["films/v3.json"]
        assert not (public / "films" / "v1.json").exists()

    def test_short_trainings_are_not_for_readers(self, site):
        public, _ = site
        export_page.update(public, [V[1], V[3]], short=60)
        export_page.update(public, [V[3]])
        for _ in range(2):
            [one] = export_page.stale(public)
            assert one.what == V[1] and one.reason == "只训练了几步"
            export_page.update(public, [])

    def test_check_needs_neither_torch_nor_onnx(self, site):
        public, _ = site
        code = (
            "import sys, pathlib\n"
            "for name in ('torch', 'onnx', 'onnxruntime', 'matplotlib'): sys.modules[name] = None\n"
            f"import export_page\nprint(*export_page.stale(pathlib.Path({str(public)!r})), sep='\\n')"
        )
        result = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT / "tools",
            capture_output=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        )
        assert (
            result.returncode == 0 and result.stderr == "" and "modern/babygpt_v24_base.py：还没有导出" in result.stdout
        )


class TestContents:
    @pytest.fixture(scope="class")
    @classmethod
    def contents(cls):
        return {
            file: json.loads(export_page.encoded(content))
            for file, content in export_page.documents(results.load(), {}).items()
        }

    def test_course(self, contents):
        data = contents["course.json"]
        text = (ROOT / "ci.txt").read_text(encoding="utf-8")
        assert list(data["chars"]) == sorted(set(text)) and data["tunes"] == form.Forms(text).tunes
        versions = {one["id"]: one for one in data["versions"]}
        assert (
            list(versions)
            == ["bigram", *(f"v{n}" for n in V)]
            == [course.BY_FILE[name].id for name in export_page.COURSE]
        )
        assert [one["script"] for one in data["versions"]] == export_page.COURSE
        assert all(one["before"] == (BY_ID[key].before if key != "bigram" else None) for key, one in versions.items())
        assert all(data[key] in versions for key in ("first", "contrast")) and set(data["rungs"]) <= set(versions)
        assert versions["v3"]["title"] == "自注意力" and versions["v3"]["doc"].startswith("v3：自注意力。")
        assert {key: one["same_as"] for key, one in versions.items() if "same_as" in one} == {
            row.id: row.same_as for row in course.COURSE if row.same_as
        }
        assert versions["v11"]["val_loss"] == pytest.approx(results.first(results.load(), V[11])["val_loss"], abs=1e-4)
        assert versions["v12"]["val_loss"] == versions["v11"]["val_loss"]
        assert versions["v3"]["form"]["attested"] < results.FEW and versions["v3"]["form"]["tone"] is None
        details = contents["versions/v3.json"]
        assert details["code"] == (ROOT / V[3]).read_text(encoding="utf-8") and details["curve"][-1]["step"] == 3000
        assert [sample[:2] for sample in details["samples"]] == ["春江", "往事"]

    def test_block_sizes_are_the_scripts(self):
        for name in export_page.COURSE:
            settings = {}
            exec(
                (ROOT / name)
                .read_text(encoding="utf-8")
                .split("# ---------- 数据")[0]
                .replace('"cuda" if', '"cpu" if'),
                settings,
            )
            assert export_page.block_size(name) == settings["block_size"], name

    def test_a_version_not_measured_yet(self):
        measured = copy.deepcopy(results.load())
        del measured["scripts"][V[32]]
        one = export_page.entry(V[32], measured, None)
        assert one["val_loss"] is None and one["form"] is None and export_page.details(V[32], measured)["curve"] == []

    def test_the_symbols_are_all_there_is_besides_the_characters(self):
        """网页照编码排的词表，就是脚本的。"""
        chars = watch.untrained(V[25])["tokenizer"].chars
        assert chars == sorted({*course.corpus(), *export_page.symbols()})

    def test_prosody_is_the_rulers(self, contents):
        """只用 prosody.json 里的韵书和谱，给没学过的真词打分，和 prosody.py 打的一样。"""
        readings, templates = (contents["prosody.json"][key] for key in ("readings", "templates"))
        forms = form.corpus_forms()
        assert {(tune, tuple(map(tuple, one["shape"]))) for tune in templates for one in templates[tune]} == set(
            forms.templates.found
        )
        assert list(templates) == forms.tunes
        tones = lambda ch: {"平" if one[0] == "平" else "仄" for one in readings[ch].split(" ")}  # noqa: E731
        rhymes = lambda ch: {int(one[1:]) for one in readings[ch].split(" ")}  # noqa: E731
        compared = 0
        for tune, body in forms.held_out:
            score = forms.templates.score(tune, form.shape(body), body)
            [one] = [one for one in templates[tune] if tuple(map(tuple, one["shape"])) == form.shape(body)] or [None]
            assert (score is None) == (one is None)
            if one is None:
                continue
            text = re.sub("[，。、\n]", "", body)
            fixed = [
                want in tones(ch) for ch, want in zip(text, one["tones"], strict=True) if want != "·" and ch in readings
            ]
            groups = [[rhymes(text[k]) for k in group if text[k] in readings] for group in one["rhymes"]]
            together = sum(max(sum(number in end for end in ends) for number in range(1, 20)) for ends in groups)
            assert (sum(fixed), len(fixed), together, sum(map(len, groups))) == (*score[:3], score[4])
            compared += 1
        assert compared > 500
        for tune in templates:
            counts = [one["count"] for one in templates[tune]]
            assert counts == sorted(counts, reverse=True) and min(counts, default=prosody.ATTESTED) >= prosody.ATTESTED

    def test_every_number_is_valid_json(self):
        assert json.loads(export_page.encoded({"a": [1.5, None], "词": "江"})) == {"a": [1.5, None], "词": "江"}

    def test_answers(self, contents):
        """说了“答案在 docs/answers.md”的，都有；一条不少，也没有网页认不得的。"""
        found, document = contents["answers.json"], (records.DOCS / "answers.md").read_text(encoding="utf-8")
        shown = [BY_FILE[name].id for name in export_page.COURSE]
        assert set(found) == {key for key in shown if "答案在 docs/answers.md" in source(BY_ID[key].file)}
        sections = {name: text for name, text in re.findall("^## `(.+)`\n((?s:.*?))(?=^## |\\Z)", document, re.M)}
        for key, parts in found.items():
            section = sections[BY_ID[key].file]
            assert len(parts) == section.count("<details>") > 0
            for one in parts:
                assert (
                    f"<summary>{one['title']}</summary>" in section
                    and one["text"].split("\n")[0].split("[")[0] in section
                )
                for link in re.findall(r"\]\((.*?)\)", one["text"]):
                    assert link.startswith("https:") or (ROOT / link).exists(), link
        assert "<" not in re.sub("`.*?`|```.*?```| < ", "", json.dumps(found, ensure_ascii=False))


class TestFilm:
    @pytest.fixture(scope="class")
    @classmethod
    def wrapped(cls, tmp_path_factory):
        """v10 的小模型，一边学一边存：(脚本的全局变量, 存在哪里)。"""
        folder = tmp_path_factory.mktemp("film")
        script = helpers.tiny(V[10], folder, max_iters=20, eval_interval=10)
        script.write_text(film.kept_along(script.read_text(encoding="utf-8"), folder), encoding="utf-8")
        return helpers.load(script), folder

    def test_training_is_the_same(self, wrapped, loaded):
        """存不存，loss、写的一字不差；每次评估一份，最后一份就是学好的，各份不同。"""
        namespace, folder = wrapped
        plain = loaded(V[10], max_iters=20, eval_interval=10)
        assert helpers.losses(namespace) == helpers.losses(plain)
        assert helpers.samples(namespace["stdout"]) == helpers.samples(plain["stdout"])
        kept = {int(path.stem): torch.load(path) for path in folder.glob("*.pth")}
        assert sorted(kept) == [0, 10, 20]
        key = "lm_head.weight"
        assert torch.equal(kept[20][key], plain["model"].state_dict()[key])
        assert not torch.equal(kept[0][key], kept[10][key]) and not torch.equal(kept[10][key], kept[20][key])

    def test_frames(self, wrapped, monkeypatch):
        """各步的头几名、写的一段，是那一步的权重算的。"""
        namespace, folder = wrapped
        monkeypatch.setattr(watch, "untrained", lambda name: namespace)
        shots = [({**POINT, "step": step}, torch.load(folder / f"{step}.pth")) for step in (0, 20)]
        found = film.film(V[10], shots)
        assert found["opening"] == "春江" and [frame["step"] for frame in found["frames"]] == [0, 20]
        tokenizer, model = namespace["tokenizer"], namespace["model"]
        for (_, weights), frame in zip(shots, found["frames"]):
            model.load_state_dict(weights)
            with torch.no_grad():
                probabilities = model(torch.tensor([tokenizer.encode("春江")]))[0][0].softmax(0)
            assert [ch for ch, _ in frame["top"]] == [tokenizer.chars[k] for k in probabilities.topk(5).indices]
            assert frame["top"][0][1] == pytest.approx(probabilities.max().item(), abs=1e-4)
            assert frame["val_loss"] == POINT["val_loss"] and 0 < len(frame["text"]) <= film.LENGTH
        assert found["frames"][0]["text"] != found["frames"][1]["text"]

    def test_whole_poems_start_from_a_title(self):
        assert film.opening(V[11])["opening"] == "春江" and film.opening(V[13])["opening"] == "浣溪沙 苏轼\n春江"

    @pytest.mark.slow
    def test_a_script_is_run(self, tmp_path, monkeypatch):
        """脚本在子进程里跑完，曲线上一点一份权重。"""
        settings = {**helpers.TINY, "max_iters": 4, "eval_interval": 2, "max_new_tokens": 1}
        script = helpers.edit(V[2], tmp_path, **settings)
        monkeypatch.setattr(course, "ROOT", tmp_path)
        shots = film.shots(V[2])
        assert [point["step"] for point, _ in shots] == [0, 2, 4]
        expected = helpers.load(script)["model"].state_dict()
        torch.testing.assert_close(shots[-1][1], expected)


class TestKept:
    def test_whose_weights(self):
        """表里写的，就是脚本里读的、写的那个文件。"""
        for row in course.COURSE:
            text = course.source(row.file)
            read = re.findall(r'torch\.load\(Path\(__file__\)\.with_name\("(\w+\.pth)"\)', text) if row.number else []
            written = (
                re.findall(r'^\w+ = Path\(__file__\)\.with_name\("(\w+\.pth)"\)', text, re.M) if row.number else []
            )
            assert read == ([BY_ID[row.base].saves] if row.base else []) and written == (
                [row.saves] if row.saves else []
            ), row.file

    def test_a_change_upstream_counts(self, tmp_path, monkeypatch):
        names = [*course.files(AFTER), V[3]]
        for name in names:
            helpers.edit(name, tmp_path)
        monkeypatch.setattr(course, "ROOT", tmp_path)
        before = {name: runner.stamp(name) for name in names}
        edit(tmp_path / V[25], "max_iters = 2800", "max_iters = 2801")
        assert [name for name in names if runner.stamp(name) != before[name]] == names[:-1]
        assert runner.checkpoint(V[26]) != runner.checkpoint(V[26], earlier={V[25]: before[V[25]]}), (
            "权重的文件名里有整条链的指纹"
        )

    @pytest.mark.slow
    def test_trained_once(self, tmp_path, monkeypatch):
        """跑一遍脚本，留下它的权重；再要，就不跑了；代码一改，又要跑。"""
        script = helpers.edit(V[2], tmp_path, **{**helpers.TINY, "max_iters": 3, "max_new_tokens": 1})
        monkeypatch.setattr(course, "ROOT", tmp_path)
        monkeypatch.setattr(runner, "CHECKPOINTS", tmp_path / "kept")
        trained = watch.trained(V[2])
        expected = helpers.load(script)["model"].state_dict()
        assert not trained.model.training
        for key, value in trained.model.state_dict().items():
            torch.testing.assert_close(value, expected[key])
        with monkeypatch.context() as patch:
            patch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("又训练了一遍"))
            runner.weights(V[2])
        edit(script, "torch.manual_seed(42)", "torch.manual_seed(42)\nraise SystemExit('坏了')")
        with pytest.raises(RuntimeError, match="坏了"):
            runner.weights(V[2])


class TestLook:
    def test_next_characters(self, tiny):
        trained = tiny(3)
        text = trained.namespace["text"][:10]
        probabilities, attention = look.seen(trained, text)
        with torch.no_grad():
            expected = trained.model(torch.tensor([trained.tokenizer.encode(text)]))[0].softmax(-1)[0]
        torch.testing.assert_close(probabilities, expected)
        assert attention.shape == (1, 1, 10, 10) and look.seen(tiny(1), text)[1] is None

    def test_bad_input(self, tiny):
        trained = tiny(3)
        for text, word in (("", "没有文字"), ("春😀", "😀")):
            with pytest.raises(SystemExit, match=word):
                look.readable(trained, text)
        assert look.readable(trained, "春\\n" * 20) == "春\n" * (trained.block_size // 2)
        with pytest.raises(SystemExit, match="v99"):
            look.find("v99")
        assert look.find("v3") == look.find(V[3]) == look.find(f"./{V[3]}") == V[3] and look.find("v19") == V[18]

    def test_prints_and_draws(self, tiny, tmp_path, monkeypatch, capsys):
        pytest.importorskip("matplotlib")
        import plot

        try:
            plot.style()
        except RuntimeError:  # 没装中文字体的机器上也要测
            monkeypatch.setattr(plot, "style", lambda: None)
        trained, path = tiny(11), tmp_path / "a.svg"
        text = trained.namespace["text"][:6]
        look.show(trained, text, path)
        output = capsys.readouterr().out
        best = trained.tokenizer.chars[look.seen(trained, text)[0].argmax()]
        assert f"下一个字：{look.LABELS.get(best, best)} " in output and text[-1] in output
        image = path.read_text(encoding="utf-8")
        assert image.count("<image") >= trained.namespace["n_layer"] * trained.namespace["n_head"]
        look.show(tiny(1), text, tmp_path / "b.svg")
        assert "没有注意力" in capsys.readouterr().out and not (tmp_path / "b.svg").exists()

    def test_stale_pictures(self, tmp_path, monkeypatch):
        monkeypatch.setattr(look, "picture", lambda name: tmp_path / f"{course.BY_FILE[name].id}.svg")
        assert len(look.stale()) == len(look.PICTURES)
        for name in look.PICTURES:
            look.picture(name).write_text(f"<svg><desc>{look.mark(name)}</desc></svg>", encoding="utf-8")
        assert look.stale() == []
        monkeypatch.setitem(look.PICTURES, V[3], "换了一句")
        assert len(look.stale()) == 1 and "v3" in str(look.stale()[0])
