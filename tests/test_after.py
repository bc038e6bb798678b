"""底座之后（v25 起）：先想后写、听要求、LoRA、挑、自己教自己，用行为来证明。小模型，接着同一份 think.pth、sft.pth。"""

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
from helpers import SMALL, changed, poems, prepared

ALL = course.files(AFTER)
HEIRS = [name for name in ALL if base_of(name)]
LEARNING = [V[29], V[30], V[31], V[32]]  # 学自己写的
YUN = prosody.Yun()


@pytest.fixture(scope="module")
def namespace(tmp_path_factory, checkpoints):
    """namespace(n)：跑完的第 n 版的全局变量，一版只跑一次。"""
    cache = {}

    def get(number):
        if number not in cache:
            cache[number] = helpers.load(prepared(V[number], tmp_path_factory.mktemp(f"v{number}"), checkpoints))
        return cache[number]

    return get


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_runs_from_anywhere_and_repeats_itself(name, tmp_path, checkpoints):
    """在子进程里、从别处跑一遍，再在本进程里跑一遍：字一样，不靠集合的次序（每个进程都不同）。"""
    script = prepared(name, tmp_path, checkpoints, max_iters=2, eval_interval=1)
    before, elsewhere = set(script.parent.iterdir()), tmp_path / "elsewhere"
    elsewhere.mkdir()
    result = helpers.run(script, elsewhere, env=helpers.environment(PYTHONHASHSEED="0"))
    assert result.returncode == 0 and result.stderr == "", result.stderr
    saved = course.BY_FILE[name].saves
    assert set(script.parent.iterdir()) - before == ({script.with_name(saved)} if saved else set())
    assert not list(elsewhere.iterdir())
    outputs = result.stdout, helpers.load(script)["stdout"]
    assert len({re.sub(r"[\d,]+ tokens/s|(已用|还需) [\d?]+ 秒", "", output) for output in outputs}) == 1
    assert result.stdout.count("\nstep ") + result.stdout.startswith("step ") == (0 if name == V[28] else 3)
    assert helpers.samples(result.stdout)[0].startswith("浣溪沙 苏轼\n")
    assert not re.search("[①-⑲]", helpers.samples(result.stdout)[0])


@pytest.mark.parametrize("name", HEIRS)
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
        for missing in (script.with_name("yun.txt"), tmp_path / "ci.txt"):
            missing.unlink()
            assert missing.name in helpers.complaint(script)

    def test_another_corpus(self, name, tmp_path, checkpoints):
        assert "从 v25 起重新运行" in helpers.complaint(prepared(name, tmp_path, checkpoints, corpus=poems() + "㶉"))

    def test_settings(self, name, tmp_path, checkpoints):
        assert "prompts" in helpers.complaint(prepared(name, tmp_path, checkpoints, prompts="春"))
        assert "😀" in helpers.complaint(prepared(name, tmp_path, checkpoints, prompts=["浣溪沙 😀\n"]))


@pytest.mark.parametrize("name", [name for name in ALL if course.BY_FILE[name].saves])
def test_old_file_survives_a_full_disk(name, tmp_path, checkpoints, monkeypatch):
    script = prepared(name, tmp_path, checkpoints)
    target = script.with_name(course.BY_FILE[name].saves)
    target.write_bytes(b"old")

    def full(content, path):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    stdout = helpers.load(script)["stdout"]
    assert target.read_bytes() == b"old" and "没存成" in stdout and helpers.samples(stdout)


@pytest.mark.parametrize("name", [V[25], V[26], V[27], *LEARNING])
def test_learning_rate_too_high_is_one_sentence(name, tmp_path, checkpoints):
    """模型里成了 nan：不管是评估、还是练到一半要写词时才碰上，都是一句话，不报一屏错。"""
    script = prepared(name, tmp_path, checkpoints, learning_rate=1e30, max_iters=30, eval_interval=10)
    assert "learning_rate 太大" in helpers.complaint(script)


@pytest.mark.parametrize("name", [V[28], *LEARNING])
def test_a_group_needs_two(name, tmp_path, checkpoints):
    assert "group_size" in helpers.complaint(prepared(name, tmp_path, checkpoints, group_size=1))


@pytest.mark.parametrize("name", LEARNING)
def test_practises_no_more_tunes_than_there_are(name, tmp_path, checkpoints):
    """loss 除以 batch_size：抽不出那么多词牌，步子就不声不响地小了。"""
    assert "词牌数" in helpers.complaint(prepared(name, tmp_path, checkpoints, batch_size=1000))


@pytest.mark.parametrize("prompt", ["浣溪沙\n", "⑦\n浣溪沙\n", "春江 苏轼\n"])
def test_best_of_n_needs_a_tune(prompt, tmp_path, checkpoints):
    """判句长要知道词牌：写了一分钟才报错，就白等了。"""
    assert "词牌" in helpers.complaint(prepared(V[28], tmp_path, checkpoints, prompts=[prompt]))


class TestThink:
    def test_every_full_stop_is_thought_of(self, namespace):
        """每个句号前都先想了，想的就是那个字在的一部；去掉想的，一字不差。"""
        think, say = namespace(25)["think"], namespace(25)["say"]
        text = course.corpus()
        for poem in text[:100000].split("\n\n")[:-1]:
            thought = think(poem)
            assert say(thought) == poem
            ends = re.findall("([①-⑲]?)(.)。", thought)
            assert len(ends) == poem.count("。")
            assert all(
                ord(part) - ord("①") + 1 in YUN.rhymes[ch] if part else ch not in YUN.rhymes for part, ch in ends
            )

    def test_the_reading_that_rhymes(self, namespace):
        """街在第五、第十部：押哪一部，看别的韵脚；一样多，取前面的一部。"""
        think = namespace(25)["think"]
        assert think("题\n街。花。家。") == "题\n⑩街。⑩花。⑩家。"
        assert think("题\n街。天。") == "题\n⑤街。⑦天。"

    def test_headers_are_left_alone(self, namespace):
        assert namespace(25)["think"]("浣溪沙 苏轼\n春，江").startswith("浣溪沙 苏轼\n春，江")


class TestSft:
    def test_the_mask_to_the_token(self, namespace):
        """一个字一个字地对：要求、题头一个也不学，正文和篇末的空行一个也不漏，y 恰好是 x 的下一个字。"""
        space = namespace(26)
        x, y = space["get_batch"](space["train_data"], space["poem_starts"]["train"])
        decode = space["tokenizer"].decode
        kinds = set()
        for ids, targets in zip(x, y):
            text, given = decode(ids.tolist()), set()
            for poem in re.finditer(r"(?:^|(?<=\n\n))(?:[①-⑲藏].*(?:\n|$))?(?:\S+(?: .*)?(?:\n|$))?", text):
                given |= set(range(poem.start(), poem.end()))
                kinds.add(text[poem.start()] in "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲藏")
            for k, target in enumerate(targets.tolist()[:-1]):
                assert target == (-100 if k + 1 in given else ids[k + 1]), (text, k)
        assert kinds == {True, False}, "有要求的、没有的都出现过"

    def test_requests_are_the_poems(self, namespace):
        """要求和它下面的那首词对得上：押的几部一部不多不少，藏头是各行的头一个字。"""
        text = namespace(26)["text"]
        found = re.findall(r"(?<=\n\n)([①-⑲]*) ?(藏头(.*))?\n(?:浣溪沙|鹧鸪天|西江月) .*\n((?:.+\n)*)\n", text)
        assert len(found) > 20
        for parts, _, heads, body in found:
            if parts:
                assert parts == "".join(dict.fromkeys(re.findall("[①-⑲]", body)))
            assert all(head == row[0] for head, row in zip(heads, body.split("\n"))) and len(heads) <= body.count("\n")

    def test_starts_as_the_base(self, namespace, checkpoints):
        base = torch.load(checkpoints / "think.pth", weights_only=True)
        assert namespace(26)["tokenizer"].chars == base["chars"]
        for key, value in namespace(26)["model"].state_dict().items():
            assert torch.equal(value, base["model"][key]), "一步没学，就是底座"

    def test_losses_fall_and_the_file_is_whole(self, tmp_path, checkpoints):
        script = prepared(V[26], tmp_path, checkpoints, max_iters=40, eval_interval=40, learning_rate=1e-2)
        space = helpers.load(script)
        table = helpers.steps(space["stdout"])
        assert table[-1][3] < table[0][3]
        saved = torch.load(script.with_name("sft.pth"), weights_only=True)
        assert saved["chars"] == space["tokenizer"].chars and saved["config"]["block_size"] == SMALL["block_size"]
        for key, value in space["model"].state_dict().items():
            assert torch.equal(saved["model"][key], value)


class TestLora:
    def test_nothing_at_first(self, namespace):
        linear = torch.nn.Linear(16, 8, bias=False)
        lora, x = namespace(27)["LoRA"](linear), torch.randn(3, 5, 16)
        assert torch.equal(lora(x), linear(x))
        torch.nn.init.normal_(lora.widen.weight)
        merged = linear.weight + lora.widen.weight @ lora.narrow.weight
        torch.testing.assert_close(lora(x), F.linear(x, merged), rtol=0, atol=1e-4)

    def test_only_adapters_learn_and_only_they_are_saved(self, tmp_path, checkpoints):
        script = prepared(V[27], tmp_path, checkpoints, max_iters=10, learning_rate=1e-2)
        space = helpers.load(script)
        base = torch.load(checkpoints / "sft.pth", weights_only=True)["model"]
        saved = torch.load(script.with_name("lora.pth"), weights_only=True)["model"]
        assert saved and all(re.search(r"\.(narrow|widen)\.weight$", key) for key in saved)
        for key, value in space["model"].state_dict().items():
            frozen = key.replace(".linear.", ".")
            assert torch.equal(value, saved[key] if key in saved else base[frozen]), key
        assert sum(value.abs().sum() > 0 for key, value in saved.items() if "widen" in key) > 10


BODY = "春山秋月夜风寒。\n水满花香云满山。\n"


class TestVerifier:
    def test_by_hand(self, namespace):
        space = namespace(28)
        judge, tune = space["judge"], "浣溪沙"
        real = next(p for p in space["text"].split("\n\n") if f"{tune} " in p)
        body = real[re.search(rf"{tune} .*\n", real).end() :]
        assert judge(tune, body + "\n\n")[:2] == (1, 1)
        assert judge(tune, body)[:2] == (1, 0), "没写完"
        assert judge(tune, "天" + body + "\n\n")[0] == 0, "头一句就多了一个字"
        clauses = len(form.shape(space["say"](body)))
        assert judge(tune, body + "天。\n\n")[:2] == (clauses / (clauses + 1), 0)
        assert judge(tune, "") == judge(tune, "\n\n") == (0, 0, 0)

    def test_rhyme_by_hand(self, namespace):
        rhyme = lambda body: namespace(28)["judge"]("浣溪沙", body)[2]  # noqa: E731
        assert rhyme("江。窗。双。") == 1 and rhyme("江。窗。天。山。") == 1, "换韵的也行"
        assert rhyme("江。天。双。") == 0, "隔开的不算"
        assert rhyme("江。江。江。") == pytest.approx(1 / 3), "重复的不算"

    def test_shape_is_the_rulers(self, namespace):
        for body in (BODY, "问别来、几许离愁，但只觉。\n天。"):
            assert namespace(28)["shape"](body.replace("寒", "⑦寒").strip()) == form.shape(body)

    def test_keeps_the_best(self, tmp_path, checkpoints):
        script = prepared(V[28], tmp_path, checkpoints, group_size=16)
        changed(script, ("return right / max(1, len(lengths))", 'return body.count("春"), 0, 0  #'))
        space = helpers.load(script)
        written = space["write"]("浣溪沙 苏轼\n", 64)[1]
        mean = sum(space["say"](one).count("春") for one in written) / 64
        assert helpers.samples(space["stdout"])[0].count("春") > mean

    def test_pass_at_k(self, tmp_path, checkpoints):
        script = prepared(V[28], tmp_path, checkpoints, group_size=16)
        changed(script, ("perfect = [", "perfect = [4, 0]\n_ = ["))
        found = [float(one) for one in re.findall(r"pass@\d+：(\d+)%", helpers.load(script)["stdout"])]
        all_missed = math.prod((12 - k) / (16 - k) for k in range(4))
        assert found == [12, round(100 * (1 - (all_missed + 1) / 2)), 50]


def trained(number, folder, checkpoints, score='float(answer.count("春"))', **hyper):
    """打分换成 score（Python 表达式）的第 number 版的全局变量：seen 是各组的分，gradients 是各步的梯度。"""
    hyper = dict(eval_interval=100, max_iters=1, group_size=8, batch_size=2) | hyper
    step = "    optimizer.step()\n"
    script = changed(
        prepared(V[number], folder, checkpoints, **hyper),
        (f"sum(judge(tune, answer){'[:2]' * (number == 32)}) for answer in answers", f"{score} for answer in answers"),
        ("        loss.backward()\n", "        loss.backward()\n        seen.append(scores)\n"),
        (step, f"    gradients.append([p.grad.clone() for p in model.parameters()])\n{step}"),
        ("start_time =", "seen, gradients = [], []\nstart_time ="),
    )
    return helpers.load(script)


@pytest.mark.parametrize("number", [29, 30, 31, 32])
class TestLearning:
    def test_held_out_tunes_are_never_practised(self, number, namespace):
        space = namespace(number)
        assert set(space["practised"]) | set(space["tunes"][2::3]) == set(space["tunes"])
        assert not set(space["practised"]) & set(space["tunes"][2::3]) and space["tunes"][2::3]

    def test_solves_a_toy_problem(self, number, tmp_path, checkpoints):
        """头一个字写“春江花”之一就给 1 分：学几十步，几乎总写它们。"""
        hyper = dict(max_iters=60, learning_rate=1e-2, max_new_tokens=2, group_size=32)
        scores = trained(number, tmp_path, checkpoints, "float(say(answer)[:1] in '春江花')", **hyper)["seen"]
        means = [one.mean().item() for one in scores]
        assert sum(means[-4:]) / 4 > 0.8 > 0.6 > sum(means[:4]) / 4

    def test_only_what_it_wrote(self, number, tmp_path, checkpoints):
        """要求、题头、写完之后补的换行，都不学。"""
        space = trained(number, tmp_path, checkpoints)
        y, question = space["y"], space["question"]
        assert (y[:, : len(question) - 1] == -100).all() and (y[:, len(question) - 1] >= 0).all()
        for row in space["idx"][:, 1:].masked_fill(y < 0, space["tokenizer"].stoi["春"]):
            assert "\n\n\n" not in space["tokenizer"].decode(row.tolist())


def test_reject_learns_only_the_best(tmp_path, checkpoints):
    space = trained(29, tmp_path, checkpoints)
    assert torch.equal(space["weights"] == 1, space["scores"] == space["scores"].max())


def test_dpo_starts_at_ln_2(tmp_path, checkpoints):
    space = trained(30, tmp_path, checkpoints)
    assert space["loss"].item() * 2 == pytest.approx(math.log(2), abs=1e-3)


@pytest.mark.parametrize("number", [30, 31])
def test_a_group_without_variance_teaches_nothing(number, tmp_path, checkpoints):
    for one in trained(number, tmp_path, checkpoints, "1.0")["gradients"][0]:
        assert one.abs().max() < 1e-7


def test_grpo_advantages_sum_to_zero(tmp_path, checkpoints):
    space = trained(31, tmp_path, checkpoints)
    assert space["advantages"].sum().abs() < 1e-4 and any(g.abs().max() > 0 for g in space["gradients"][0])


class TestProcessReward:
    def test_credit_by_hand(self, namespace):
        answer = "春①风。花①东。月②江。夜②窗。水⑦江。"
        marks = namespace(32)["credit"](answer)
        places = [k for k, ch in enumerate(answer) if ch in "①②⑦"]
        assert [marks[k].item() for k in places] == [1, 1, 1, 1, 0], "想的，和上一个、下一个一样就行"
        assert [marks[k + 1].item() for k in places] == [1, 1, 1, 1, 0], "江不在第七部，也用过"
        assert marks.isnan().sum() == len(answer) - 2 * len(places), "别的字不打分"

    def test_the_reference_does_not_move(self, tmp_path, checkpoints):
        space = trained(32, tmp_path, checkpoints, max_iters=3, learning_rate=1e-2)
        base = torch.load(checkpoints / "sft.pth", weights_only=True)["model"]
        assert all(torch.equal(value, base[key]) for key, value in space["ref_model"].state_dict().items())
        assert any(not torch.equal(value, base[key]) for key, value in space["model"].state_dict().items())
