"""底座之后（v25 起）：听要求、LoRA、DPO、GRPO、过程奖励，用行为来证明。小模型，接着同一份 base.pth、sft.pth。"""

import math
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

import course
import form
import helpers
import prosody
from course import AFTER, V, base_of
from helpers import SMALL, changed, poems

ALL = course.files(AFTER)


def prepared(file, folder, checkpoints, **hyper):
    """同 helpers.prepared；小模型一首也写不合律，DPO 就改成词里有“春”就算好，照样分得出好坏。"""
    script = helpers.prepared(file, folder, checkpoints, **hyper)
    good = 'return "\\n\\n" in answer and header.split()[:1] == [tune] and shape(body) in shapes[tune]'
    return changed(script, (good, 'return "春" in answer')) if file == V[27] else script


@pytest.fixture
def version(tmp_path, checkpoints):
    """version(n, **hyper)：跑完的第 n 版的全局变量。"""
    return lambda number, **hyper: helpers.load(prepared(V[number], tmp_path, checkpoints, **hyper))


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_runs_from_anywhere_and_repeats_itself(name, tmp_path, checkpoints):
    """在子进程里、从别处跑一遍，再在本进程里跑一遍：字一样，不靠集合的次序（每个进程都不同）。"""
    script = prepared(name, tmp_path, checkpoints, max_iters=2, eval_interval=1)
    before, elsewhere = set(script.parent.iterdir()), tmp_path / "elsewhere"
    elsewhere.mkdir()
    result = helpers.run(script, elsewhere, env=helpers.environment(PYTHONHASHSEED="0"))
    assert result.returncode == 0 and result.stderr == "", result.stderr
    assert set(script.parent.iterdir()) - before == {script.with_name(course.BY_FILE[name].saves)}
    assert not list(elsewhere.iterdir())
    outputs = result.stdout, helpers.load(script)["stdout"]
    assert len({re.sub(r"[\d,]+ tokens/s|(已用|还需) [\d?]+ 秒", "", output) for output in outputs}) == 1
    assert len(helpers.steps(result.stdout)) == 3 and "合律" in result.stdout
    assert helpers.samples(result.stdout)[0].startswith("〈浣溪沙〉")


@pytest.mark.parametrize("name", ALL)
class TestBadInput:
    """一句中文，说该做什么。"""

    def test_files(self, name, tmp_path, checkpoints):
        base = base_of(name)
        script = prepared(name, tmp_path, checkpoints)
        weights = script.with_name(base.saves)
        for torn in (weights.read_bytes()[:1000], b"", None):
            weights.write_bytes(torn) if torn is not None else weights.unlink()
            message = helpers.complaint(script)
            assert base.saves in message and f"请先运行 python {base.file}" in message
        torch.save({"别的": 1}, weights)
        assert base.saves in helpers.complaint(script)
        script.with_name("yun.txt").unlink()
        assert "yun.txt" in helpers.complaint(script)
        (tmp_path / "ci.txt").unlink()
        assert "ci.txt" in helpers.complaint(script)

    def test_another_corpus(self, name, tmp_path, checkpoints):
        assert "从 v24 起重新运行" in helpers.complaint(prepared(name, tmp_path, checkpoints, corpus=poems() + "㶉"))

    def test_settings(self, name, tmp_path, checkpoints):
        for key, value in dict(batch_size=0, prompts="春", train_data_ratio=90).items():
            assert key in helpers.complaint(prepared(name, tmp_path, checkpoints, **{key: value}))
        assert "😀" in helpers.complaint(prepared(name, tmp_path, checkpoints, prompts=["〈😀〉"]))

    def test_no_room_to_learn(self, name, tmp_path, checkpoints):
        """一段全是要求，没有一个要学的字：不训练。"""
        assert "改大 block_size" in helpers.complaint(prepared(name, tmp_path, checkpoints, block_size=3))

    def test_old_file_survives_a_full_disk(self, name, tmp_path, checkpoints, monkeypatch):
        script = prepared(name, tmp_path, checkpoints)
        target = script.with_name(course.BY_FILE[name].saves)
        target.write_bytes(b"old")

        def full(content, path):
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(torch, "save", full)
        namespace = helpers.load(script)
        assert target.read_bytes() == b"old" and "没存成" in namespace["stdout"]
        assert helpers.samples(namespace["stdout"])


class TestSft:
    @pytest.fixture(scope="class")
    @classmethod
    def namespace(cls, tmp_path_factory, checkpoints):
        return helpers.load(prepared(V[25], tmp_path_factory.mktemp("sft"), checkpoints))

    def test_the_mask_to_the_token(self, namespace):
        """从第一对起，一个字一个字地对：要求一个也不学，答案一个也不漏，y 恰好是 x 的下一个字。"""
        data, starts = namespace["train_data"], namespace["poem_starts"]["train"]
        x, y = namespace["get_batch"](data, starts)
        decode = namespace["tokenizer"].decode
        for row, (ids, targets) in enumerate(zip(x, y)):
            text = decode(ids.tolist())
            learned = "".join("＿" if t < 0 else decode([t]) for t in targets.tolist())
            inside = False
            for k in range(len(text) - 1):
                inside = text[k] == "〈" or inside and text[k] != "〉"
                following = text[k + 1]
                assert learned[k] == ("＿" if inside or following == "〈" else following), (row, k)

    def test_labels_are_the_poems(self, namespace):
        """要求和它后面的那首词对得上：词牌、藏头、韵部（另一份代码算的）。"""
        yun = prosody.Yun()
        text = namespace["tokenizer"].decode(namespace["train_data"][0].tolist())
        pairs = re.findall("〈(.*?)〉(.*?)\n(.*?)\n\n", text, re.S)
        assert len(pairs) == len(namespace["train_poems"]) > 20
        seen = set()
        for question, header, body in pairs:
            for want in filter(None, question.split(" ")):
                if want.startswith("韵"):
                    ends = re.findall("(.)。", body)
                    number = "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲".index(want[1]) + 1
                    assert sum(number in yun.rhymes[ch] for ch in ends) >= 0.8 * len(ends)
                elif want.startswith("藏头"):
                    rows = body.split("\n")
                    assert 1 <= len(want) - 2 <= len(rows) and all(row[0] == ch for ch, row in zip(want[2:], rows))
                else:
                    assert want == header.split(" ")[0]
                seen.add(want[0])
        assert len(seen) >= 4, "三样都出现过"

    def test_ties_go_the_same_way_every_time(self, namespace):
        """一个字在两部里：先看哪一部，不能由集合的次序（每次运行都不同）来定。"""
        rhymes = namespace["rhymes"]
        both = next(ch for ch, names in rhymes.items() if len(names) == 2)
        assert all(isinstance(names, list) and names == sorted(names) for names in rhymes.values())
        assert namespace["rhyme"](f"春{both}。\n花{both}。") == rhymes[both][0]

    def test_shape_is_the_rulers(self, namespace):
        for _, _, body in namespace["train_poems"]:
            assert namespace["shape"](body) == form.shape(body)
        assert namespace["shape"]("问别来、几许离愁，但只觉。\n天。") == form.shape("问别来、几许离愁，但只觉。\n天。")

    def test_judge(self, namespace):
        tune, header, body = namespace["train_poems"][0]
        judge = namespace["judge"]
        assert judge(tune, f"{header}\n{body}\n\n")
        first, rest = body.split("\n", 1)
        for wrong in (
            f"{header}\n{body}",
            f"{header}\n{first[:-1]}天。\n{rest}\n\n",
            f"{header}\n{first}\n\n",
            "",
            "\n\n",
            f"别的 苏轼\n{body}\n\n",
            body + "\n\n",
        ):
            assert not judge(tune, wrong), wrong

    def test_starts_as_the_base(self, tmp_path, checkpoints, namespace):
        """没学之前，老的字和底座的打分一样；新记号各不相同。"""
        fresh = helpers.load(prepared(V[25], tmp_path, checkpoints))
        base = torch.load(checkpoints / "base.pth", weights_only=True)
        old = len(base["chars"])
        assert fresh["tokenizer"].chars[:old] == base["chars"] and set("〈〉①⑲韵藏头 ") <= set(fresh["tokenizer"].chars)
        weight = fresh["model"].lm_head.weight
        assert torch.equal(weight[:old], base["model"]["lm_head.weight"])
        assert weight.data_ptr() == fresh["model"].token_embedding.weight.data_ptr()
        assert len({tuple(row.tolist()) for row in weight[old:]}) == len(weight) - old >= 21

    def test_losses_fall_and_the_file_is_whole(self, tmp_path, checkpoints):
        script = prepared(V[25], tmp_path, checkpoints, max_iters=40, eval_interval=40, learning_rate=1e-2)
        namespace = helpers.load(script)
        table = helpers.steps(namespace["stdout"])
        assert table[-1][3] < table[0][3]
        saved = torch.load(script.with_name("sft.pth"), weights_only=True)
        assert saved["chars"] == namespace["tokenizer"].chars and saved["config"]["block_size"] == SMALL["block_size"]
        for key, value in namespace["model"].state_dict().items():
            assert torch.equal(saved["model"][key], value)


class TestLora:
    @pytest.fixture(scope="class")
    @classmethod
    def namespace(cls, tmp_path_factory, checkpoints):
        folder = tmp_path_factory.mktemp("lora")
        return helpers.load(prepared(V[26], folder, checkpoints, max_iters=10, learning_rate=1e-2))

    def linear(self, namespace):
        torch.manual_seed(0)
        return torch.nn.Linear(16, 8, bias=False)

    def test_identity_at_first_and_merged_exactly(self, namespace):
        linear = self.linear(namespace)
        lora, x = namespace["LoRA"](linear), torch.randn(3, 5, 16)
        torch.testing.assert_close(lora(x), linear(x), rtol=0, atol=0)
        torch.nn.init.normal_(lora.widen.weight)
        before = lora(x)
        assert not torch.allclose(before, linear(x))
        torch.testing.assert_close(lora.merged()(x), before, rtol=0, atol=1e-5)

    def test_only_adapters_learn(self, namespace, checkpoints):
        """学完合并回去：模型只在 Block 的 Linear 上变了；存下的只有窄路，拿它们能拼回同一个模型。"""
        base = torch.load(checkpoints / "sft.pth", weights_only=True)["model"]
        saved = torch.load(Path(namespace["__file__"]).with_name("lora.pth"), weights_only=True)["model"]
        assert saved and all(key.endswith(("narrow.weight", "widen.weight")) for key in saved)
        moved = 0
        for key, value in namespace["model"].state_dict().items():
            path = key.removesuffix(".weight")
            if f"{path}.narrow.weight" in saved:
                merged = base[key] + saved[f"{path}.widen.weight"] @ saved[f"{path}.narrow.weight"]
                torch.testing.assert_close(value, merged, rtol=0, atol=1e-6)
                moved += not torch.equal(value, base[key])
            else:
                assert torch.equal(value, base[key]), key
        assert moved == 7 * 2, "每层 7 个 Linear"

    def test_only_the_poets_poems(self, namespace):
        text = namespace["tokenizer"].decode(namespace["train_data"][0].tolist())
        assert "苏轼" in text and "柳永" not in text
        assert "只学其中" in namespace["stdout"]

    def test_unknown_poet(self, tmp_path, checkpoints):
        with pytest.raises(SystemExit, match="要几百篇"):
            helpers.load(prepared(V[26], tmp_path, checkpoints, poet="李白"))


def answer_only_is_right(namespace):
    tokenizer = namespace["tokenizer"]
    # 一首写完了，后面是补的；一首没写完
    question, answers = "〈西江月〉", ["西江月 苏轼\n春。\n\n\n\n", "西江月 苏轼\n春江花月夜风"]
    idx = torch.tensor([tokenizer.encode(question + answer) for answer in answers])
    y = namespace["answer_only"](question, idx, answers)
    learned = ["".join(tokenizer.decode([t]) for t in row.tolist() if t >= 0) for row in y]
    assert learned == ["西江月 苏轼\n春。\n\n", answers[1]], "篇末的空行要学，往后补的不学"
    assert (y[:, : len(question) - 1] == -100).all() and (y[:, len(question) - 1] >= 0).all()


class TestDpo:
    @pytest.fixture(scope="class")
    @classmethod
    def namespace(cls, tmp_path_factory, checkpoints):
        namespace = helpers.load(prepared(V[27], tmp_path_factory.mktemp("dpo"), checkpoints))
        return {**namespace, "preferences": namespace["make_preferences"]()}

    def test_answer_only(self, namespace):
        answer_only_is_right(namespace)

    def test_log_prob_by_hand(self, namespace):
        idx, y, _ = namespace["preferences"][0]
        model = namespace["model"]
        with torch.no_grad():
            logits = model(idx[:, :-1], y)[0].log_softmax(-1)
            for row in range(2):
                by_hand = sum(logits[row, t, y[row, t]].item() for t in range(y.shape[1]) if y[row, t] >= 0)
                assert namespace["log_prob"](idx, y)[row].item() == pytest.approx(by_hand, rel=1e-4)

    def test_padding_is_not_learned(self, namespace):
        """没写完的，补到一样长的那些换行不能算它写的。"""
        assert all((y >= 0).sum(1).max() <= SMALL["max_new_tokens"] for _, y, _ in namespace["preferences"])

    def test_pairs_are_good_and_bad(self, namespace):
        for idx, _, _ in namespace["preferences"]:
            answers = [namespace["tokenizer"].decode(row.tolist()).split("〉", 1)[1] for row in idx]
            assert [namespace["judge"]("", answer) for answer in answers] == [True, False]

    def test_loss_starts_at_ln_2_and_its_gradient(self, namespace):
        """还没学：loss 是 ln 2，好的那首的 ln P 的梯度是 -β/2，坏的是 +β/2。"""
        idx, y, reference = [torch.cat(column) for column in zip(*namespace["preferences"][:3])]
        with torch.no_grad():
            gain = (namespace["log_prob"](idx, y) - reference).requires_grad_()
        assert gain.abs().max() < 1e-3
        beta = namespace["beta"]
        loss = -F.logsigmoid(beta * (gain[::2] - gain[1::2])).mean()
        assert loss.item() == pytest.approx(math.log(2), abs=1e-3)
        loss.backward()
        torch.testing.assert_close(gain.grad[::2] * 3, torch.full((3,), -beta / 2), rtol=1e-2, atol=0)
        torch.testing.assert_close(gain.grad[1::2] * 3, torch.full((3,), beta / 2), rtol=1e-2, atol=0)

    def test_learning_widens_the_gap(self, tmp_path, checkpoints):
        script = prepared(V[27], tmp_path, checkpoints, max_iters=12, eval_interval=12, learning_rate=3e-3)
        assert helpers.load(script)["loss"].item() < 0.6

    def test_nothing_to_compare(self, tmp_path, checkpoints):
        script = changed(prepared(V[27], tmp_path, checkpoints, max_iters=1), ('return "春" in answer', "return False"))
        with pytest.raises(SystemExit, match="配不成一好一坏"):
            helpers.load(script)


class TestGrpo:
    @pytest.fixture(scope="class")
    @classmethod
    def namespace(cls, tmp_path_factory, checkpoints):
        return helpers.load(prepared(V[28], tmp_path_factory.mktemp("grpo"), checkpoints))

    def test_answer_only(self, namespace):
        answer_only_is_right(namespace)

    def test_rewards_by_hand(self, namespace):
        tune, header, body = namespace["train_poems"][0]
        reward = namespace["reward"]
        clauses = len(form.shape(body))
        assert reward(tune, f"{header}\n{body}\n\n") == 2
        assert reward(tune, f"{header}\n{body}") == 1, "没写完"
        assert reward(tune, f"{header}\n{body}天。\n\n") < 2
        assert reward(tune, f"{header}\n天{body}\n\n") == 0, "头一句就多了一个字"
        first = body.split("\n")[0]
        right = len(form.shape(first))
        assert reward(tune, f"{header}\n{first}\n天。\n\n") == pytest.approx(right / (right + 1))
        assert reward(tune, "") == reward(tune, "\n\n") == reward(tune, f"别的 人\n{body}\n\n") == 0 and clauses > 1

    def test_held_out_tunes_are_never_practised(self, namespace):
        assert not set(namespace["practised"]) & set(namespace["held_out"]) and namespace["held_out"]

    def trained(self, tmp_path, checkpoints, reward, **hyper):
        """打分换成 reward（Python 表达式）的 v28 的全局变量：seen 是各组的 (得分, 优势)，gradients 是各步的梯度。"""
        hyper = dict(eval_interval=100, max_iters=1, group_size=8, batch_size=2) | hyper
        step = "    optimizer.step()\n"
        return helpers.load(
            changed(
                prepared(V[28], tmp_path, checkpoints, **hyper),
                ("(header.split()[:1] == [tune]) * right / max(1, len(lengths)) + judge(tune, answer)", reward),
                ("        loss.backward()\n", "        loss.backward()\n        seen.append((rewards, advantages))\n"),
                (step, f"    gradients.append([p.grad.clone() for p in model.parameters()])\n{step}"),
                ("best, best_form = None", "seen, gradients = [], []\nbest, best_form = None"),
            )
        )

    def test_advantages_sum_to_zero(self, tmp_path, checkpoints):
        namespace = self.trained(tmp_path, checkpoints, "float(answer.count('春'))")
        assert len(namespace["seen"]) == 2
        for rewards, advantages in namespace["seen"]:
            assert advantages.sum().abs() < 1e-4 and rewards.std() > 0
            torch.testing.assert_close(advantages, rewards - rewards.mean())
        assert any(g.abs().max() > 0 for g in namespace["gradients"][0])

    def test_a_group_without_variance_teaches_nothing(self, tmp_path, checkpoints):
        namespace = self.trained(tmp_path, checkpoints, "1.0")
        assert all(g.abs().max() < 1e-7 for g in namespace["gradients"][0]) and namespace["flat"] == 2

    def test_solves_a_toy_problem(self, tmp_path, checkpoints):
        """头一个字写“春江花”之一就给 1 分：学几十步，几乎总写它们。"""
        hyper = dict(max_iters=60, learning_rate=1e-2, max_new_tokens=2, group_size=32)
        namespace = self.trained(tmp_path, checkpoints, "float(answer[:1] in '春江花')", **hyper)
        rewards = [rewards.mean().item() for rewards, _ in namespace["seen"]]
        assert sum(rewards[-4:]) / 4 > 0.9 > 0.5 > sum(rewards[:4]) / 4


class TestProcessReward:
    ONE_RHYME = 'return name if count >= 0.8 * len(ends) else ""', 'return rhymes["天"][0]'  # 都当押“天”那一部
    USED_TOO = ".scatter(1, used, False)", ""  # 小语料只有二十来个字，都用过了：用过的也给分

    @staticmethod
    def batch(namespace, data, starts):
        """从 starts 起的一批：读的、学的、该押哪部，各 (B, T)，和脚本的训练里一样取。"""
        index = starts[:, None] + 1 + torch.arange(namespace["block_size"])
        return *namespace["get_batch"](data, starts), data[2, index]

    @pytest.fixture(scope="class")
    @classmethod
    def namespace(cls, tmp_path_factory, checkpoints):
        return helpers.load(prepared(V[29], tmp_path_factory.mktemp("process"), checkpoints))

    def test_marks_by_hand(self, namespace):
        mark, rhyme = namespace["mark"], namespace["rhyme"]
        body = "春风，花江。\n山、天窗。\n水双。"  # 江、窗、双同部
        number = namespace["symbols"].index(rhyme(body))
        ends = [k - 1 for k, ch in enumerate(body) if ch == "。"]
        assert len(ends) == 3 and [body[k] for k in ends] == ["江", "窗", "双"]
        tune, held = namespace["common"][0], namespace["held_out"][0]
        assert mark(True, tune, body) == [number if k in ends else -1 for k in range(len(body))]
        free = [number if k in ends[1:] else -1 for k in range(len(body))]
        assert mark(False, tune, body) == free, "没要哪一部，头一个韵脚随它"
        assert mark(True, held, body) == [-2 if k in ends else -1 for k in range(len(body))], "留着考的词牌，韵脚跳过"
        for body in ("春江。\n风月。\n花心。", "春江", ""):  # 押的不是一部；一个韵脚也没有
            assert rhyme(body) == "" and mark(True, tune, body) == [-1] * len(body)

    def test_every_mark_stands_before_a_full_stop(self, namespace):
        """数据里的三行对得齐：记号下面的字，后面都是句号；题目、要求、没练的词牌里一个也没有。"""
        tokenizer, symbols, rhymes = (namespace[key] for key in ("tokenizer", "symbols", "rhymes"))
        poem = lambda tune, author, ends: (tune, f"{tune} {author}", "。\n".join(ends) + "。")  # noqa: E731
        tune = next(t for t in namespace["common"] if t not in namespace["held_out"])
        ends = ["春江", "风窗", "花双"]
        poems = [poem(tune, "苏轼", ends), poem(namespace["held_out"][0], "柳永", ends)]
        namespace["tokenizer"].stoi.update({ch: 0 for ch in "窗双" if ch not in tokenizer.stoi})
        seen = set()
        for _ in range(20):
            data, starts = namespace["make_pairs"](poems * 10)
            _, y, marks = self.batch(namespace, data, starts)
            rows, places = (marks[:, :-1] >= 0).nonzero(as_tuple=True)
            assert len(rows) and (y[rows, places + 1] == tokenizer.stoi["。"]).all(), "记号和要学的字对齐"
            ids, answers, marks = data
            places = (marks >= 0).nonzero()[:, 0]
            assert (ids[places + 1] == tokenizer.stoi["。"]).all() and (answers[places] == ids[places]).all()
            marked = {symbols[k] for k in marks[places].tolist()}
            assert marked == {namespace["rhyme"](poems[0][2])} <= set(rhymes["江"])
            text = tokenizer.decode(ids.tolist())
            pairs = text.split("〈")[1:]
            offset = 0
            for k, pair in enumerate(pairs):
                here = ((places >= offset) & (places < offset + len(pair) + 1)).sum().item()
                asked = "韵" in pair.split("〉")[0]
                assert here == (0 if k % 2 else 3 if asked else 2)
                seen.add(here)
                offset += len(pair) + 1
        assert seen == {0, 2, 3}

    def test_best_probs_by_hand(self, namespace):
        """韵脚上，押得上又没用过的各乘 e^bonus，再归一；别处一字不动。"""
        x, y = namespace["get_batch"](namespace["train_data"], namespace["poem_starts"]["train"][:2])
        V_, symbols, tokenizer = len(namespace["tokenizer"].chars), namespace["symbols"], namespace["tokenizer"]
        name = namespace["rhymes"]["江"][0]
        marks = torch.full_like(y, -1)
        marks[1, 9] = symbols.index(name)
        got = namespace["best_probs"](x, y, marks)
        with torch.no_grad():
            before = namespace["reference"](x, y)[0].softmax(-1)
        untouched = marks < 0
        torch.testing.assert_close(got[untouched], before[untouched])
        used = set(tokenizer.decode(x[1, :10].tolist()).split("〉")[-1])
        chars = tokenizer.chars
        right = [name in namespace["rhymes"].get(chars[k], ()) and chars[k] not in used for k in range(V_)]
        assert 0 < sum(right) < V_
        weight = before[1, 9] * torch.tensor([math.exp(namespace["bonus"]) if one else 1.0 for one in right])
        torch.testing.assert_close(got[1, 9], weight / weight.sum())

    def test_used_characters_get_nothing(self, namespace):
        """这一首里写过的字，再写就不给分：后面才写的、上一首写的不算。"""
        tokenizer, symbols = namespace["tokenizer"], namespace["symbols"]
        same = [ch for ch in tokenizer.chars if namespace["rhymes"]["天"][0] in namespace["rhymes"].get(ch, ())]
        one, other = same[:2]
        T = namespace["block_size"]
        x = torch.tensor([tokenizer.encode((one + "，" * 5 + other + "，" * T)[:T])])
        marks = torch.full_like(x, -1)
        marks[0, 3] = symbols.index(namespace["rhymes"]["天"][0])
        got = namespace["best_probs"](x, x, marks)[0, 3].log()
        with torch.no_grad():
            gain = got - namespace["reference"](x, x)[0][0, 3].log_softmax(-1)
        gap = lambda a, b: (gain[tokenizer.stoi[a]] - gain[tokenizer.stoi[b]]).item()  # noqa: E731
        assert gap(one, "，") == pytest.approx(0, abs=1e-4), "用过的"
        assert gap(other, "，") == pytest.approx(namespace["bonus"], abs=1e-3), "后面才写的"
        x[0, 1] = tokenizer.stoi["〉"]  # 上一首里写过的，不算
        got = namespace["best_probs"](x, x, marks)[0, 3].log()
        with torch.no_grad():
            gain = got - namespace["reference"](x, x)[0][0, 3].log_softmax(-1)
        assert gap(one, "，") == pytest.approx(namespace["bonus"], abs=1e-3)

    def test_credit_lands_on_the_rhymes_and_nowhere_else(self, tmp_path, checkpoints):
        """起步时模型就是起点：别处学的正是它自己，打分上的梯度是 0；韵脚上的不是。"""
        script = changed(
            prepared(V[29], tmp_path, checkpoints, rhyme_iters=1, max_iters=0, batch_size=32),
            self.ONE_RHYME,
            self.USED_TOO,
            ("loss.backward()\n    rhyme_optimizer", "logits.retain_grad()\n    loss.backward()\n    rhyme_optimizer"),
        )
        namespace = helpers.load(script)
        marks, size = namespace["marks"], namespace["logits"].grad.abs().amax(-1)  # (B, T)
        assert (marks >= 0).sum() > 5 and size[marks >= 0].min() > 1e-4 and size[marks < 0].max() < 1e-6

    def test_held_out_rhymes_are_skipped(self, tmp_path, checkpoints):
        """留着考的词牌，韵脚上不管学成什么样，loss 都一样：既不教押，也不教不押。"""
        losses = []
        for change in ("", ".index_put((marks == -2,), torch.tensor(1e3))"):
            script = prepared(V[29], tmp_path, checkpoints, rhyme_iters=1, max_iters=0, batch_size=32)
            changed(script, self.ONE_RHYME, ('reduction="none").view_as(y)', f'reduction="none").view_as(y){change}'))
            namespace = helpers.load(script)
            losses.append(namespace["loss"].item())
        assert losses[0] == losses[1] and (namespace["marks"] == -2).sum() > 5

    def test_no_rhyme_at_all(self, tmp_path, checkpoints):
        """一个韵脚也没有的语料：照样跑完，loss 是个数。"""
        script = prepared(V[29], tmp_path, checkpoints, rhyme_iters=3, max_iters=0)
        changed(script, (self.ONE_RHYME[0], 'return ""'))
        assert math.isfinite(helpers.load(script)["loss"].item())

    def test_learns_to_rhyme(self, tmp_path, checkpoints):
        """逗号后的字都要押“天”那一部：学一会儿，那一部的概率涨上去，起点不动。"""
        script = changed(
            prepared(V[29], tmp_path, checkpoints, rhyme_iters=150, rhyme_learning_rate=1e-2, max_iters=0),
            self.ONE_RHYME,
            self.USED_TOO,
            ('re.finditer(".。", body)', 're.finditer("(?<=，).", body)'),  # 小模型数不清句长，换个认得出的地方
        )
        namespace = helpers.load(script)
        y, marks, logits, goal = (namespace[key] for key in ("y", "marks", "logits", "goal"))  # 最后一步的
        each = -(goal * logits.log_softmax(-1)).sum(-1)  # (B, T)
        expected = each[(y >= 0) & (marks == -1)].mean() + each[marks >= 0].mean()
        assert namespace["loss"].item() == pytest.approx(expected.item(), rel=1e-4)
        x, y, marks = self.batch(namespace, namespace["val_data"], namespace["poem_starts"]["val"][:4])
        right = namespace["members"][namespace["symbols"].index(namespace["rhymes"]["天"][0])]
        with torch.no_grad():
            probs = [namespace[key](x, y)[0].softmax(-1)[marks >= 0] for key in ("reference", "model")]
        before, after = (each[:, right].sum(-1).mean() for each in probs)
        assert after > before + 0.2
        start = torch.load(script.with_name("grpo.pth"), weights_only=True)["model"]
        assert all(torch.equal(value, start[key]) for key, value in namespace["reference"].state_dict().items())


@pytest.mark.parametrize("name", ALL)
def test_learning_rate_too_high_is_one_sentence(name, tmp_path, checkpoints):
    """模型里成了 nan：不管是评估、还是练到一半要写词时才碰上，都是一句话，不报一屏错。"""
    script = prepared(name, tmp_path, checkpoints, learning_rate=1e30, max_iters=30, eval_interval=10)
    assert "learning_rate 太大" in helpers.complaint(script)


@pytest.mark.parametrize("number", [28, 29])
def test_a_group_needs_two(number, tmp_path, checkpoints):
    assert "group_size" in helpers.complaint(prepared(V[number], tmp_path, checkpoints, group_size=1))


def test_may_skip_the_rhymes(version):
    assert math.isfinite(version(29, rhyme_iters=0, max_iters=0)["losses"]["val"])


def test_fewer_tunes_than_the_exam_wants(version):
    """换了自己的文本，“词牌”只有两种，没有留着考的：照样跑完。"""
    namespace = version(25, corpus=poems().replace("鹧鸪天 ", "浣溪沙 ") + "鹧鸪\n天\n\n", max_iters=0)
    assert namespace["held_out"] == [] and namespace["figures"]["那六个"] == 0


@pytest.mark.slow
def test_needs_the_base_first(tmp_path):
    """刚克隆下来就跑：一句话，说先跑哪一份；各版说得对不对，见 TestBadInput。"""
    helpers.assert_one_line(helpers.run(helpers.tiny(ALL[0], tmp_path), tmp_path), "请先运行 python modern/")
