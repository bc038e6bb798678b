"""v12：没账号、没网、没终端也要跑完；记下的数读得回来；Ctrl-C、断电都不丢模型。"""

import json
import os
import resource
import shlex
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from wandb.proto import wandb_internal_pb2

import helpers
from course import SAMPLER, V
from helpers import LIMIT

SMALL = dict(n_layer=1, dropout=0.1, max_new_tokens=6, max_iters=40, eval_interval=10)
OFF = helpers.environment(WANDB_MODE="disabled")


def small(folder, **hyper):
    """v12 的小模型，放在 folder；返回脚本的 Path。"""
    return helpers.tiny(V[12], folder, **{**SMALL, **hyper})


@pytest.fixture
def script(tmp_path):
    return small(tmp_path)


def read_wandb_file(path):
    """读出一次运行的 .wandb 文件：[Record, …]。

    格式是 LevelDB 的日志：文件头 7 字节，之后每 32 KiB 一块，块里每段是 crc(4) 长度(2) 类型(1) 数据，
    类型 1 整条、2 开头、3 中间、4 结尾。出处：github.com/google/leveldb/blob/main/doc/log_format.md
    """
    raw = path.read_bytes()
    assert raw[:4] == b":W&B"
    records, pending, at = [], b"", 7
    while at + 7 <= len(raw):
        if 32768 - at % 32768 < 7:  # 块尾放不下一个段头，是填充
            at += 32768 - at % 32768
            continue
        length, kind = struct.unpack("<HB", raw[at + 4 : at + 7])
        if kind == 0:
            break
        pending += raw[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            records.append(wandb_internal_pb2.Record.FromString(pending))
            pending = b""
    return records


def logged(folder):
    """folder 里唯一一次离线运行：(history 的 [dict, …], config 的 dict, 是否正常收尾)。"""
    (file,) = folder.glob("wandb/offline-run-*/*.wandb")
    history, config, finished = [], {}, False
    for record in read_wandb_file(file):
        kind = record.WhichOneof("record_type")
        if kind == "history":
            row = {}
            for item in record.history.item:
                *outer, last = item.nested_key or [item.key]
                where = row.setdefault(outer[0], {}) if outer else row
                where[last] = json.loads(item.value_json)
            history.append(row)
        elif kind == "run":
            config.update({u.key: json.loads(u.value_json) for u in record.run.config.update})
        elif kind == "exit":
            finished = record.exit.exit_code == 0
    return history, config, finished


@pytest.mark.slow
def test_offline_without_keys_or_stdin(tmp_path):
    script = small(tmp_path / "有 空格")
    result = helpers.run(script, script.parent, input=None, stdin=subprocess.DEVNULL)
    assert result.returncode == 0, result.stderr
    (line,) = [line for line in result.stdout.splitlines() if "wandb login" in line]  # 说一声：只记在本地，怎样上传
    command = shlex.split(line.split("再：")[1])
    assert command[:2] == ["wandb", "sync"] and list(Path(command[2]).glob("*.wandb")) and len(command) == 3
    assert "wandb sync" not in result.stderr, "wandb 自己打印的那句没有引号"

    history, config, finished = logged(script.parent)
    assert finished
    chosen = {**helpers.TINY, **SMALL}
    hyper = "batch_size block_size n_embed n_head n_layer dropout max_iters".split()
    assert {k: config[k] for k in hyper} == {k: chosen[k] for k in hyper} and "learning_rate" in config
    printed = helpers.steps(result.stdout)
    assert [row["_step"] for row in history] == [row[0] for row in printed] == [0, 10, 20, 30, 40]
    assert history[0]["tokens_per_s"] == 0 and all(row["tokens_per_s"] > 0 for row in history[1:])
    for row, (_, _, train, val, _) in zip(history, printed):
        assert row["train"] == pytest.approx(train, abs=1e-4) and row["val"] == pytest.approx(val, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["disabled ", " offline\t"], ids=str.strip)
def test_wandb_mode_is_respected_even_with_spaces(script, mode):
    result = helpers.run(script, script.parent, env=helpers.environment(WANDB_MODE=mode))
    assert result.returncode == 0
    assert ("wandb sync" in result.stdout) == (script.parent / "wandb").exists() == ("offline" in mode)
    assert len(helpers.samples(result.stdout)) == 2


@pytest.mark.slow
def test_wandb_disabled_in_this_folder_is_respected(script):
    """wandb disabled 这条命令写下的设置。"""
    settings = script.parent / "wandb" / "settings"
    settings.parent.mkdir()
    settings.write_text("[default]\nmode = disabled\n")
    result = helpers.run(script, script.parent)
    assert result.returncode == 0
    assert [path.name for path in settings.parent.iterdir()] == ["settings"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "extra, words",
    [
        (dict(WANDB_MODE="ofline"), "ofline"),
        (dict(WANDB_MODE=""), "WANDB_MODE"),
        (dict(WANDB_API_KEY="abc"), "API key"),
    ],
    ids=["misspelt", "empty", "bad-key"],
)
def test_what_is_wrong_with_wandb_comes_first(script, extra, words):
    result = helpers.run(script, script.parent, env=helpers.environment(**extra))
    helpers.assert_one_line(result, "wandb 启动失败：", "WANDB_MODE=disabled", words)
    assert helpers.steps(result.stdout) == []


@pytest.mark.slow
def test_a_file_called_wandb_is_in_the_way(script):
    (script.parent / "wandb").write_text("")
    helpers.assert_one_line(helpers.run(script, script.parent), "wandb 启动失败：", "Not a directory")


@pytest.fixture
def train(start):
    """train(script, **extra)：像终端那样，在自己的进程组里训练；打印出 until 就返回 (Popen, 已打印的)。extra：环境。"""

    def begin(*script, until="step     0", folder=None, **extra):
        process = start(
            *script,
            cwd=folder or script[0].parent,
            stdin=subprocess.DEVNULL,
            encoding="utf-8",
            env=helpers.environment(**extra),
            start_new_session=True,
        )
        head = ""
        while until not in head:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            head += line
        return process, head

    return begin


@pytest.mark.slow
def test_waiting_for_the_server_is_said(script, train):
    """有钥匙，连不上服务器：几秒之内说在等什么；照它说的按 Ctrl-C，一句话停下。"""
    _, head = train(script, until="WANDB_MODE=offline", WANDB_API_KEY="0" * 40, WANDB_BASE_URL="http://127.0.0.1:9")
    assert "online 要等服务器" in head


@pytest.fixture
def wandb_mode(monkeypatch):
    """wandb_mode(mode)：环境变量和设置文件合起来，wandb 认为是 mode；返回传给 wandb.init 的参数列表，init 一律失败。"""
    import wandb

    def pretend(mode, logged_in, error=wandb.Error("没有网")):
        seen = []

        def init(**settings):
            seen.append(settings)
            raise error

        monkeypatch.delenv("WANDB_MODE", raising=False)
        monkeypatch.setattr(wandb, "setup", lambda: SimpleNamespace(settings=SimpleNamespace(mode=mode)))
        monkeypatch.setattr(wandb, "login", lambda **settings: settings["prompt"] is False and logged_in)
        monkeypatch.setattr(wandb, "init", init)
        return seen

    return pretend


@pytest.mark.parametrize(
    "mode, logged_in, expected",
    [
        ("online", True, "online"),
        ("online", False, "offline"),
        ("offline", True, "offline"),
        ("disabled", False, "disabled"),
    ],
)
def test_a_login_is_respected(script, wandb_mode, mode, logged_in, expected):
    """有钥匙、没设 WANDB_MODE：不替读者改成离线。"""
    seen = wandb_mode(mode, logged_in)
    assert helpers.complaint(script).startswith("wandb 启动失败：没有网")
    assert [settings["mode"] for settings in seen] == [expected]


def test_ctrl_c_while_waiting_is_one_sentence(script, wandb_mode):
    wandb_mode("online", True, KeyboardInterrupt())
    assert helpers.complaint(script).startswith("wandb 启动失败：没等到服务器")


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["disabled", "offline"])
def test_a_user_without_a_home(script, mode):
    """uid 不在 passwd 里、HOME 也没有：一句话，说该设 HOME；照做就好了。"""
    site = script.parent / "site"
    site.mkdir()
    lost = "import pwd\n\ndef getpwuid(uid):\n    raise KeyError(uid)\n\npwd.getpwuid = getpwuid\n"
    (site / "sitecustomize.py").write_text(lost)
    env = {**helpers.environment(WANDB_MODE=mode), "PYTHONPATH": str(site)}
    homeless = {key: value for key, value in env.items() if key != "HOME"}
    helpers.assert_one_line(helpers.run(script, script.parent, env=homeless), "home directory", "设 HOME")
    result = helpers.run(script, script.parent, env={**env, "HOME": str(script.parent)})
    assert result.returncode == 0 and len(helpers.samples(result.stdout)) == 2


@pytest.mark.slow
@pytest.mark.parametrize("leftover", ["", "folder", "broken"], ids=lambda leftover: leftover or "missing")
def test_wandb_missing_or_broken(script, leftover):
    """没装 wandb；旁边也许还有以前留下的 wandb/ 文件夹，会被当成空包；或者装了，import 出错：要说是什么错。"""
    package = script.parent / "wandb"
    if leftover == "folder":
        (package / "offline-run-1").mkdir(parents=True)
    if leftover == "broken":
        package.mkdir()
        (package / "__init__.py").write_text("import libfoo\n")
    hide = script.parent / "hide.py"
    hide.write_text(
        "import importlib.machinery, runpy, sys\n"
        f"sys.path = [{str(script.parent)!r}] + sys.path[1:]\n"
        "real = importlib.machinery.PathFinder.find_spec\n"
        "def find(name, path=None, target=None):\n"
        f"    return real(name, [{str(script.parent)!r}] if name == 'wandb' else path, target)\n"
        "importlib.machinery.PathFinder.find_spec = find\n"
        f"runpy.run_path({str(script)!r}, run_name='__main__')\n"
    )
    result = helpers.run(hide, script.parent)
    reason = {"": "No module named 'wandb'", "broken": "libfoo"}.get(leftover, "wandb")
    helpers.assert_one_line(result, "pip install wandb==", reason)
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_sigint_saves_samples_and_finishes(tmp_path, train):
    process, head = train(small(tmp_path, max_iters=10**6, eval_interval=50))
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=LIMIT)
    out = head + out
    assert process.returncode == 0, err
    assert "Ctrl-C" in out and "Traceback" not in err
    last = helpers.steps(out)[-1]
    assert last[0] == last[1] < 10**6, "最后一行就是停下的那一步"
    assert [len(text) for text in helpers.samples(out)] == [8, 8]
    checkpoint = torch.load(tmp_path / "model.pth", weights_only=True)
    assert set(checkpoint) == {"config", "chars", "model"}
    history, _, finished = logged(tmp_path)
    assert finished and history[-1]["_step"] == last[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("builtins.input", lambda prompt: "")
        helpers.load(helpers.edit(SAMPLER, tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("interrupt", [True, False], ids=["ctrl-c", "head"])
def test_a_broken_pipe_loses_nothing(tmp_path, train, interrupt):
    """| tee log 时按 Ctrl-C，tee 也死了；| head 看够了就走：照样保存、收尾，没有 traceback。"""
    process, _ = train(small(tmp_path, max_iters=10**6 if interrupt else 60, eval_interval=20))
    process.stdout.close()
    if interrupt:
        time.sleep(0.5)
        os.killpg(process.pid, signal.SIGINT)
    stderr = process.stderr.read()
    assert process.wait(timeout=LIMIT) == 0, stderr
    assert "Traceback" not in stderr and "Error" not in stderr, stderr
    torch.load(tmp_path / "model.pth", weights_only=True)
    assert not list(tmp_path.glob("*.tmp"))
    history, _, finished = logged(tmp_path)
    assert finished and history[-1]["_step"] >= (1 if interrupt else 60)


@pytest.mark.slow
def test_closed_stdout(script):
    command = f'exec "{sys.executable}" "{script}" >&-'
    result = helpers.call("sh", "-c", command, env=OFF)
    assert result.returncode == 0 and result.stderr == ""
    torch.load(script.parent / "model.pth", weights_only=True)


@pytest.mark.slow
def test_characters_the_terminal_lacks(tmp_path):
    script = small(tmp_path, corpus=helpers.CORPUS + "㶉", prompts=["㶉江"])
    env = {**OFF, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    result = helpers.run(script, tmp_path, input=b"", encoding=None, env=env)
    assert result.returncode == 0 and result.stderr == b"" and b"?" in result.stdout
    assert not (tmp_path / "wandb").exists(), "WANDB_MODE=disabled：什么也不记"
    torch.load(tmp_path / "model.pth", weights_only=True)


def test_ctrl_c_after_the_training_means_what_it_always_does(loaded):
    """python -i 里，跑完之后 Ctrl-C 照常打断，不再说“走完这一步”。"""
    loaded(V[12], n_layer=1)
    handlers = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signal, "signal", lambda number, handler: handlers.append((number, handler)))
        helpers.load(loaded(V[12], n_layer=1)["model_path"].with_name(V[12]))
    last = [handler for number, handler in handlers[:-1] if number == signal.SIGINT][-1]
    assert last is signal.default_int_handler


@pytest.mark.slow
def test_second_sigint_quits(tmp_path, train):
    script = small(tmp_path, max_iters=10**6, max_new_tokens=10**6, eval_interval=10**6)
    process, _ = train("-c", SLOW_SAMPLE.format(script=str(script)), folder=tmp_path, WANDB_MODE="disabled")
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    while "Ctrl-C" not in (line := process.stdout.readline()):
        assert line, process.stderr.read()
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=LIMIT / 4)
    assert process.returncode != 0


# 生成一段就睡很久：第一次 Ctrl-C 之后卡在采样里，第二次要能退出
SLOW_SAMPLE = """
import sys, time, torch
path = {script!r}
source = open(path, encoding="utf-8").read().replace("max_new_tokens = 1000000", "max_new_tokens = 1")
calls = []
real = torch.Tensor.tolist
def tolist(self):
    calls.append(1)
    if len(calls) > 2:
        time.sleep(60)
    return real(self)
torch.Tensor.tolist = tolist
exec(compile(source, path, "exec"), {{"__name__": "__main__", "__file__": path}})
"""

# 第三次写（先试写，再是第 10 步、第 20 步）到一半，进程被杀
KILLED_WHILE_SAVING = """
import os, signal, torch
path = {script!r}
real, calls = torch.save, []
def save(content, target):
    calls.append(1)
    real(content, target)
    if len(calls) == 3:
        os.truncate(target, os.path.getsize(target) // 2)
        os.kill(os.getpid(), signal.SIGKILL)
torch.save = save
exec(compile(open(path, encoding="utf-8").read(), path, "exec"), {{"__name__": "__main__", "__file__": path}})
"""


@pytest.mark.slow
def test_sigkill_while_saving_leaves_the_old_model(script):
    code = KILLED_WHILE_SAVING.format(script=str(script))
    result = helpers.call(sys.executable, "-c", code, cwd=script.parent, env=OFF)
    assert result.returncode == -signal.SIGKILL, result.stderr
    assert helpers.steps(result.stdout)[-1][0] == 10, "第 10 步存了第一次，第 20 步存到一半被杀"
    checkpoint = torch.load(script.parent / "model.pth", weights_only=True)
    assert checkpoint["config"]["n_embed"] == helpers.TINY["n_embed"]


def test_model_file_rebuilds_the_model(loaded):
    namespace = loaded(V[12], max_iters=30, eval_interval=10)
    checkpoint = torch.load(namespace["model_path"], weights_only=True)
    for name in ("block_size", "n_embed", "n_head", "n_layer", "dropout"):
        assert checkpoint["config"][name] == namespace[name]
    assert checkpoint["chars"] == namespace["tokenizer"].chars
    for name, weight in namespace["model"].state_dict().items():
        assert torch.equal(checkpoint["model"][name], weight)
    assert not list(namespace["model_path"].parent.glob("*.tmp"))


def test_another_run_in_the_same_folder(script, monkeypatch):
    """别人把 model.pth 换成了自己的：最后采样用的还是自己最好的权重。"""
    real = os.replace

    def replace(a, b):
        real(a, b)
        if Path(b).name == "model.pth":
            torch.save({"model": {"别人": torch.zeros(3)}}, b)

    monkeypatch.setattr(os, "replace", replace)
    namespace = helpers.load(script)
    best = min(row[3] for row in helpers.steps(namespace["stdout"]) if row[0])
    assert round(namespace["estimate_loss"]()["val"], 4) == best
    assert [len(text) for text in helpers.samples(namespace["stdout"])] == [8, 8]


@pytest.mark.slow
def test_two_runs_of_different_sizes_at_once(tmp_path, start):
    running = []
    for n_embed in (16, 32):
        script = small(tmp_path, n_embed=n_embed, max_iters=15, eval_interval=1).rename(tmp_path / f"run{n_embed}.py")
        running.append(start(script, cwd=tmp_path, stdin=subprocess.DEVNULL, encoding="utf-8", env=OFF))
    for process in running:
        out, err = process.communicate(timeout=LIMIT)
        assert process.returncode == 0 and "没存成" not in out, err
        assert [len(text) for text in helpers.samples(out)] == [8, 8]
    assert torch.load(tmp_path / "model.pth", weights_only=True)["config"]["n_embed"] in (16, 32)
    assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.slow
def test_a_full_disk_is_found_before_training(script):
    """文件最大 1000 字节，像满了的磁盘。"""
    (script.parent / "model.pth").write_bytes(b"old")
    limit = resource.RLIMIT_FSIZE, (1000, 1000)
    result = helpers.run(script, script.parent, env=OFF, preexec_fn=lambda: resource.setrlimit(*limit))
    helpers.assert_one_line(result, "先解决，再训练")
    assert (
        "模型存不到" in result.stdout
        and helpers.steps(result.stdout) == []
        and (script.parent / "model.pth").read_bytes() == b"old"
    )
    assert not list(script.parent.glob("*.tmp"))


def test_a_read_only_folder_is_found_before_training(script, monkeypatch):
    def refuse(*args, **settings):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(torch, "save", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    assert helpers.complaint(script) == "先解决，再训练。"


def test_a_disk_that_fills_up_later_does_not_stop_training(script, monkeypatch):
    real, calls = torch.save, []

    def save(content, target):
        calls.append(1)
        real(content, target)
        if len(calls) > 1:
            os.truncate(target, 100)
            raise OSError(28, "No space left on device")

    (script.parent / "model.pth").write_bytes(b"old")
    monkeypatch.setattr(torch, "save", save)
    namespace = helpers.load(script)
    assert helpers.steps(namespace["stdout"])[-1][0] == SMALL["max_iters"]
    last = namespace["stdout"].split(f"step {SMALL['max_iters']:5d}")[1]
    assert "模型存不到" in last and "No space left" in last and "取回最好的权重" not in namespace["stdout"]
    assert [len(text) for text in helpers.samples(namespace["stdout"])] == [8, 8]
    assert (script.parent / "model.pth").read_bytes() == b"old" and not list(script.parent.glob("*.tmp"))


def test_keeps_the_weights_of_the_best_val_loss(script):
    """后来越学越坏：留下的、采样用的，都是最好的那一次。"""
    helpers.changed(
        script,
        (
            "        losses = estimate_loss()\n",
            """
        losses = {"train": 1.0, "val": {0: 9.0, 10: 5.0, 20: 3.0, 30: 4.0, 40: 5.0}[step]}
        if step == 20:
            twentieth = {key: value.clone() for key, value in model.state_dict().items()}
""",
        ),
    )
    namespace = helpers.load(script)
    saved = torch.load(namespace["model_path"], weights_only=True)["model"]
    for key, value in namespace["twentieth"].items():
        assert torch.equal(namespace["model"].state_dict()[key], value) and torch.equal(saved[key], value), key
    assert "验证 loss 3.0000" in namespace["stdout"]


def test_saving_and_logging_change_nothing(loaded):
    """存得再勤，训练也和 v11 一样，一位不差。"""
    hyper = dict(max_iters=30, eval_interval=5, dropout=0.1)
    a, b = loaded(V[11], **hyper), loaded(V[12], **hyper)
    assert helpers.losses(a) == helpers.losses(b)
