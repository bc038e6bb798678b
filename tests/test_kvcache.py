"""KV cache：快是快，一个数、一个字都不能变。"""

import re
import signal

import pytest
import torch
import torch.nn.functional as F

import helpers
from course import SAMPLER, V

BLOCK = 16


@pytest.fixture(scope="module")
def sampler(tmp_path_factory):
    """小模型训练几步，存成 model.pth，再由采样器读出来；返回采样器的全局变量。"""
    folder = tmp_path_factory.mktemp("sampler")
    helpers.load(helpers.tiny(V[12], folder, block_size=BLOCK, max_iters=20, eval_interval=20))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("builtins.input", lambda prompt: "")
        namespace = helpers.load(helpers.edit(SAMPLER, folder))
    namespace["folder"] = folder
    return namespace


@pytest.fixture
def settings(sampler, monkeypatch):
    """settings(use_kv_cache=…, temperature=…)：改采样器的设置，测试完还原。"""

    def change(**values):
        for name, value in values.items():
            monkeypatch.setitem(sampler, name, value)

    return change


def prompts(sampler, B, T):
    """(B, T)"""
    return torch.randint(sampler["vocab_size"], (B, T), generator=torch.Generator().manual_seed(3))


def generate(sampler, idx, max_new_tokens, seed=42):
    """(B, max_new_tokens)"""
    torch.manual_seed(seed)
    return torch.cat(list(sampler["model"].generate(idx, max_new_tokens)), dim=1)


def reference(loaded, sampler, idx, max_new_tokens, seed=42):
    """没有缓存的 v12 模型，照同一条“满了就留一半”的规矩生成；返回 (每步的 logits, (B, max_new_tokens))。"""
    namespace = loaded(V[12], block_size=BLOCK)
    model = namespace["BabyGPT"]().eval()
    model.load_state_dict(sampler["model"].state_dict())
    torch.manual_seed(seed)
    window, written, steps = idx, [], []
    with torch.no_grad():
        for _ in range(max_new_tokens):
            if window.shape[1] > BLOCK:
                window = window[:, -(BLOCK // 2) :]
            logits = model(window)[0]
            steps.append(logits)
            written.append(torch.multinomial(F.softmax(logits, dim=-1), num_samples=1))
            window = torch.cat([window, written[-1]], dim=1)
    return steps, torch.cat(written, dim=1)


CASES = [(1, 1), (3, 1), (1, 5), (4, 5), (1, BLOCK), (3, BLOCK), (1, BLOCK + 1), (2, 3 * BLOCK)]


@pytest.mark.parametrize("B, T", CASES, ids=[f"B{B}-T{T}" for B, T in CASES])
@pytest.mark.parametrize("use_kv_cache", [True, False], ids=["cache", "no-cache"])
def test_text_and_logits_equal_the_uncached_reference(loaded, sampler, settings, monkeypatch, B, T, use_kv_cache):
    settings(use_kv_cache=use_kv_cache)
    seen = []
    hook = sampler["model"].register_forward_hook(lambda module, args, out: seen.append(out.clone()))
    idx = prompts(sampler, B, T)
    try:
        text = generate(sampler, idx, 60)
    finally:
        hook.remove()
    steps, expected = reference(loaded, sampler, idx, 60)
    assert len(seen) == len(steps) == 60
    for got, want in zip(seen, steps):
        torch.testing.assert_close(got, want, rtol=0, atol=1e-5)
    assert torch.equal(text, expected)


@pytest.mark.parametrize("temperature, top_k", [(0.7, None), (1.5, 5), (0, None), (1.0, 1), (1.0, 10**6)])
def test_cache_on_and_off_write_the_same(sampler, settings, temperature, top_k):
    settings(temperature=temperature, top_k=top_k)
    idx = prompts(sampler, 2, 3)
    settings(use_kv_cache=True)
    on = generate(sampler, idx, 50)
    settings(use_kv_cache=False)
    assert torch.equal(generate(sampler, idx, 50), on)


def test_cache_computes_only_the_new_character(sampler, settings):
    lengths = []
    hook = sampler["model"].token_embedding.register_forward_hook(lambda m, args, out: lengths.append(args[0].shape[1]))
    try:
        settings(use_kv_cache=True)
        generate(sampler, prompts(sampler, 1, 5), 30)
        cached, lengths[:] = list(lengths), []
        settings(use_kv_cache=False)
        generate(sampler, prompts(sampler, 1, 5), 30)
    finally:
        hook.remove()
    # 读 5 个字的开头，之后一次一个；窗口满 16 个，第 17 个来时重读最近 8 个
    assert cached == [5] + [1] * 11 + [8] + [1] * 8 + [8] + [1] * 8
    assert lengths == list(range(5, 17)) + list(range(8, 17)) + list(range(8, 17))


def test_memory_does_not_grow(sampler, settings):
    settings(use_kv_cache=True)
    head = sampler["model"].blocks[0].attention.heads[0]
    longest = 0
    for _ in sampler["model"].generate(prompts(sampler, 1, 100), 200):
        longest = max(longest, head.cache[0].shape[1])
    assert longest == BLOCK


def test_a_new_prompt_forgets_the_old_one(sampler, settings):
    settings(use_kv_cache=True)
    idx = prompts(sampler, 1, 4)
    first = generate(sampler, idx, 10)
    generate(sampler, prompts(sampler, 3, 9), 4)
    assert torch.equal(generate(sampler, idx, 10), first)


def test_temperature_zero_takes_the_most_likely(loaded, sampler, settings):
    settings(temperature=0)
    idx = prompts(sampler, 1, 4)
    with torch.no_grad():
        best = sampler["model"](idx).argmax(-1)
    assert generate(sampler, idx, 1)[0, 0] == best[0]


def test_top_k_keeps_the_k_most_likely(sampler, settings):
    settings(top_k=3)
    idx = prompts(sampler, 1, 4)
    with torch.no_grad():
        allowed = set(sampler["model"](idx).topk(3).indices[0].tolist())
    drawn = set(generate(sampler, idx.expand(500, -1), 1).flatten().tolist())
    assert drawn == allowed


@pytest.mark.slow
def test_session_with_piped_input(sampler):
    """开头、不认得的字、另起一行、空行之后的不读；每段都先写出开头，再续 max_new_tokens 个字，再报速度。"""
    script = helpers.edit(SAMPLER, sampler["folder"], max_new_tokens=7)
    result = helpers.run(script, sampler["folder"].parent, input="春\n😀春\n春\\n人\n\n人\n")
    assert result.returncode == 0 and result.stderr == ""
    answers = result.stdout.split("请输入开头：")[1:]
    assert len(answers) == 4
    text, speed = answers[0].rsplit("\n", 2)[:2]
    assert text.startswith("春") and len(text) == 8 and speed.endswith("字/秒）")
    assert "😀" in answers[1] and answers[1].count("\n") == 1 and "春" not in answers[1]
    assert answers[2].startswith("春\n人")


def test_the_same_seed_writes_the_same_with_the_cache_on_and_off(sampler, monkeypatch):
    texts = set()
    for use_kv_cache in (True, False):
        lines = iter(["春", "人", ""])
        monkeypatch.setattr("builtins.input", lambda prompt: next(lines))
        script = helpers.edit(SAMPLER, sampler["folder"], max_new_tokens=40, use_kv_cache=use_kv_cache)
        written = helpers.load(script)["stdout"].splitlines(True)
        assert sum("字/秒" in line for line in written) == 2
        texts.add("".join(line for line in written if "字/秒" not in line))
    assert len(texts) == 1


@pytest.fixture
def damaged(sampler, tmp_path):
    """damaged(change)：把好的 model.pth 抄一份，用 change(path) 弄坏；返回旁边的采样器脚本。"""

    def make(change):
        script = helpers.edit(SAMPLER, tmp_path)
        path = tmp_path / "model.pth"
        path.write_bytes((sampler["folder"] / "model.pth").read_bytes())
        change(path)
        return script

    return make


def resave(path, edit):
    checkpoint = torch.load(path, weights_only=True)
    edit(checkpoint)
    torch.save(checkpoint, path)


class NotOurs:
    pass


DAMAGE = {
    "gone": lambda p: p.unlink(),
    "torn": lambda p: p.write_bytes(p.read_bytes()[:5000]),
    "empty": lambda p: p.write_bytes(b""),
    "text": lambda p: p.write_text("不是模型", encoding="utf-8"),
    "other-keys": lambda p: torch.save({"weights": 1}, p),
    "list": lambda p: torch.save([1, 2], p),
    "code": lambda p: torch.save(NotOurs(), p),
    "no-n_layer": lambda p: resave(p, lambda c: c["config"].pop("n_layer")),
    "other-n_layer": lambda p: resave(p, lambda c: c["config"].update(n_layer=5)),
    "other-n_embed": lambda p: resave(p, lambda c: c["config"].update(n_embed=32)),
    "block_size-text": lambda p: resave(p, lambda c: c["config"].update(block_size="很长")),
    "char-missing": lambda p: resave(p, lambda c: c["chars"].pop()),
    "chars-numbers": lambda p: resave(p, lambda c: c.update(chars=[1, 2, 3])),
    "weight-missing": lambda p: resave(p, lambda c: c["model"].pop("lm_head.weight")),
}


@pytest.mark.parametrize("change", DAMAGE)
def test_bad_model_file_is_one_line(damaged, change):
    message = helpers.complaint(damaged(DAMAGE[change]))
    assert "model.pth" in message and "babygpt_v12_wandb.py" in message


@pytest.mark.slow
def test_no_model_file(damaged):
    script = damaged(lambda path: path.unlink())
    result = helpers.run(script, script.parent.parent, input="春\n")
    helpers.assert_one_line(result, "model.pth", "python babygpt_v12_wandb.py")
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_piped_text_from_windows(sampler):
    """BOM 和 \\r\\n：不当成生字，也不当成开头的一部分；只有 \\r\\n 的一行是空行，就此结束。"""
    script = helpers.edit(SAMPLER, sampler["folder"], max_new_tokens=7)
    result = helpers.run(script, input="\ufeff春\r\n人\r\n\r\n春\r\n".encode(), encoding=None)
    answers = result.stdout.decode().replace("\r\n", "\n").split("请输入开头：")[1:]
    assert result.returncode == 0 and result.stderr == b"" and len(answers) == 3
    assert [answer[0] for answer in answers[:2]] == ["春", "人"] and "词表" not in result.stdout.decode()


@pytest.mark.parametrize(
    "setting, values",
    [("max_new_tokens", (-1, "200", 1.5, None)), ("top_k", (-1, 0, "10", 2.5)), ("temperature", (-1, "1", None))],
    ids=["max_new_tokens", "top_k", "temperature"],
)
def test_settings_that_make_no_sense(sampler, setting, values):
    for value in values:
        message = helpers.complaint(helpers.edit(SAMPLER, sampler["folder"], **{setting: value}))
        assert re.match(f"{setting} = .* 不行", message)


def test_a_temperature_that_is_no_number(sampler):
    script = helpers.edit(SAMPLER, sampler["folder"])
    helpers.changed(script, ("temperature = 1.0", 'temperature = float("nan")'))
    assert helpers.complaint(script).startswith("temperature = nan 不行")


@pytest.mark.slow
def test_characters_the_terminal_lacks(sampler, tmp_path):
    """GBK 的终端：“㶉”打印成问号，别的照打。"""
    script = helpers.edit(SAMPLER, tmp_path, max_new_tokens=7)
    checkpoint = torch.load(sampler["folder"] / "model.pth", weights_only=True)
    checkpoint["chars"] = sorted([*checkpoint["chars"][:-1], "㶉"])  # 采样器也按次序编号
    checkpoint["model"]["lm_head.bias"][checkpoint["chars"].index("㶉")] = 1e9  # 只写“㶉”
    torch.save(checkpoint, tmp_path / "model.pth")
    env = helpers.environment(PYTHONIOENCODING="gbk", PYTHONUTF8="0")
    result = helpers.run(script, input="春\n".encode("gbk"), encoding=None, env=env)
    assert result.returncode == 0 and result.stderr == b""
    assert "春???????" in result.stdout.decode("gbk")


@pytest.mark.slow
def test_head_ends_quietly(sampler, start):
    script = helpers.edit(SAMPLER, sampler["folder"], max_new_tokens=10**6)
    process = start(script)
    process.stdin.write("春\n".encode())
    process.stdin.flush()
    assert process.stdout.read(30)
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait(timeout=helpers.LIMIT) == -signal.SIGPIPE
    process.stdin.close()
