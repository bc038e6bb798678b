"""v12：没账号、没网、没终端也要跑完；记下的数读得回来；Ctrl-C、断电都不丢模型。"""

import json
import os
import signal
import struct
import subprocess
import sys
import time

import pytest
import torch
from wandb.proto import wandb_internal_pb2

import helpers
from helpers import V

SMALL = dict(
    batch_size=4, block_size=16, n_embed=16, n_head=2, n_layer=1, dropout=0.1, eval_iters=2, max_new_tokens=6,
    max_iters=40, eval_interval=10,
)


@pytest.fixture
def script(tmp_path, corpus):
    return helpers.edit(V[12], tmp_path, corpus=corpus, **SMALL)


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
        length, kind = struct.unpack("<HB", raw[at + 4:at + 7])
        if kind == 0:
            break
        pending += raw[at + 7:at + 7 + length]
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


def test_offline_without_keys_or_stdin(script):
    result = subprocess.run(
        [sys.executable, str(script)], cwd=script.parent, stdin=subprocess.DEVNULL, capture_output=True,
        encoding="utf-8", env=helpers.environment(), timeout=120,
    )
    assert result.returncode == 0, result.stderr
    hint = [line for line in result.stdout.splitlines() if "wandb sync" in line]
    assert len(hint) == 1 and "wandb login" in hint[0]

    history, config, finished = logged(script.parent)
    assert finished
    hyper = "batch_size block_size n_embed n_head n_layer dropout max_iters".split()
    assert {k: config[k] for k in hyper} == {k: SMALL[k] for k in hyper} and "learning_rate" in config
    printed = helpers.steps(result.stdout)
    assert [row["_step"] for row in history] == [row[0] for row in printed] == [0, 10, 20, 30, 40]
    for row, (_, _, train, val, speed) in zip(history, printed):
        assert row["train_loss"] == pytest.approx(train, abs=1e-4)
        assert row["val_loss"] == pytest.approx(val, abs=1e-4)
        assert row["tokens_per_s"] == pytest.approx(speed, abs=1)
        assert row["samples"]["_type"] == "table-file"
        table = json.loads(next(script.parent.glob("wandb/offline-run-*/files/" + row["samples"]["path"])).read_text("utf-8"))
        assert [text[0][:2] for text in table["data"]] == ["春江", "往事"] and {len(t[0]) for t in table["data"]} == {8}


def test_wandb_mode_is_respected(script):
    result = helpers.run(script, script.parent, env=helpers.environment(WANDB_MODE="disabled"))
    assert result.returncode == 0 and "wandb sync" not in result.stdout
    assert not (script.parent / "wandb").exists()
    assert len(helpers.samples(result.stdout)) == 2


def test_a_login_is_respected(script, monkeypatch):
    """有钥匙、没设 WANDB_MODE：不替读者改成离线。"""
    import wandb

    modes = []
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setattr(wandb, "login", lambda **settings: settings["prompt"] is False)

    def init(**settings):
        modes.append(settings["mode"])
        raise wandb.Error("没有网")

    monkeypatch.setattr(wandb, "init", init)
    monkeypatch.setattr(wandb, "login", lambda **settings: True)
    with pytest.raises(SystemExit, match="WANDB_MODE=offline.*没有网"):
        helpers.load(script)
    monkeypatch.setattr(wandb, "login", lambda **settings: False)
    with pytest.raises(SystemExit):
        helpers.load(script)
    assert modes == [None, "offline"]


@pytest.mark.parametrize("leftover", [False, True])
def test_wandb_missing(script, leftover):
    """没装 wandb；旁边也许还有以前留下的 wandb/ 文件夹，会被当成空包。"""
    if leftover:
        (script.parent / "wandb" / "offline-run-1").mkdir(parents=True)
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
    helpers.assert_one_line(result, "pip install wandb==")
    assert len(result.stderr.strip().splitlines()) == 1


def start(script):
    """在自己的进程组里启动训练，像终端那样；等它打印出第一行 step 再返回 Popen。"""
    process = subprocess.Popen(
        [sys.executable, str(script)], cwd=script.parent, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, encoding="utf-8", env=helpers.environment(), start_new_session=True,
    )
    head = ""
    while not head.count("step ") == 2:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        head += line
    return process, head


def test_sigint_saves_samples_and_finishes(tmp_path, corpus):
    script = helpers.edit(V[12], tmp_path, corpus=corpus, **{**SMALL, "max_iters": 10**6, "eval_interval": 50})
    process, head = start(script)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
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
        helpers.load(helpers.edit(helpers.SAMPLER, tmp_path))


def test_second_sigint_quits(tmp_path, corpus):
    script = helpers.edit(V[12], tmp_path, corpus=corpus, **{**SMALL, "max_iters": 10**6, "max_new_tokens": 10**6, "eval_interval": 10**6})
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_SAMPLE.format(script=str(script))], cwd=tmp_path, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
        env=helpers.environment(WANDB_MODE="disabled"), start_new_session=True,
    )
    seen = ""
    while "Ctrl-C" not in seen:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        seen += line
        if line.startswith("step "):
            time.sleep(0.2)
            os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=30)
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

# 第二次存盘写到一半，进程被杀
KILLED_WHILE_SAVING = """
import io, os, signal, sys, torch
path = {script!r}
real, calls = torch.save, []
def save(obj, file):
    calls.append(1)
    if len(calls) == 1:
        return real(obj, file)
    buffer = io.BytesIO()
    real(obj, buffer)
    with open(file, "wb") as half:
        half.write(buffer.getvalue()[:len(buffer.getvalue()) // 2])
        half.flush()
        os.kill(os.getpid(), signal.SIGKILL)
torch.save = save
exec(compile(open(path, encoding="utf-8").read(), path, "exec"), {{"__name__": "__main__", "__file__": path}})
"""


def test_sigkill_while_saving_leaves_the_old_model(script):
    result = subprocess.run(
        [sys.executable, "-c", KILLED_WHILE_SAVING.format(script=str(script))], cwd=script.parent, capture_output=True,
        encoding="utf-8", env=helpers.environment(WANDB_MODE="disabled"), timeout=120,
    )
    assert result.returncode == -signal.SIGKILL, result.stderr
    assert helpers.steps(result.stdout)[-1][0] == 10, "第 10 步存了第一次，第 20 步存到一半被杀"
    checkpoint = torch.load(script.parent / "model.pth", weights_only=True)
    assert checkpoint["config"]["n_embed"] == SMALL["n_embed"]


def test_model_file_rebuilds_the_model(loaded):
    namespace = loaded(V[12], max_iters=30, eval_interval=10)
    checkpoint = torch.load(namespace["model_path"], weights_only=True)
    for name in ("block_size", "n_embed", "n_head", "n_layer", "dropout"):
        assert checkpoint["config"][name] == namespace[name]
    assert checkpoint["chars"] == namespace["tokenizer"].chars
    for name, weight in namespace["model"].state_dict().items():
        assert torch.equal(checkpoint["model"][name], weight)
    assert not namespace["model_path"].with_suffix(".tmp").exists()


def test_keeps_the_weights_of_the_best_val_loss(tmp_path, corpus):
    """学习率大到后来越学越坏：留下的、采样用的，都是最好的那一次。"""
    hyper = {**SMALL, "learning_rate": 3e-2, "max_iters": 1500, "eval_interval": 100, "batch_size": 16, "n_embed": 32}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_MODE", "disabled")
        namespace = helpers.load(helpers.edit(V[12], tmp_path, corpus=corpus, **hyper))
    table = [row for row in helpers.steps(namespace["stdout"]) if row[0]]
    best = min(row[3] for row in table)
    assert best < table[-1][3], "这个测试要有意义，最后一步就不能是最好的"
    assert round(namespace["estimate_loss"]()["val"], 4) == best


def test_sampling_in_mid_training_changes_nothing(loaded):
    """途中采样再多，训练也和不采样的 v11 一样，一位不差。"""
    hyper = dict(max_iters=30, eval_interval=5, dropout=0.1)
    a, b = loaded(V[11], **hyper), loaded(V[12], **hyper)
    assert [row[:4] for row in helpers.steps(a["stdout"])] == [row[:4] for row in helpers.steps(b["stdout"])]


def test_sample_restores_mode_and_random_state(loaded):
    namespace = loaded(V[12], dropout=0.1)
    namespace["model"].train()
    state = torch.get_rng_state()
    texts = namespace["sample"]()
    assert torch.equal(torch.get_rng_state(), state) and namespace["model"].training
    assert [text[:2] for text in texts] == ["春江", "往事"]
