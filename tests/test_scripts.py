"""每份脚本都真的从头跑到尾：在子进程里，从别的目录，只改超参数；看它打印的东西对不对。"""

import ast
import math
import re
import subprocess
import sys

import pytest

import helpers
from helpers import BASELINES, MODERN, SAMPLER, V, VERSIONS
from scripts import number

TRAINS = ["simplebigrammodel.py", "simplebigrammodel_with_comments.py", "simplebigrammodel_torch.py", *VERSIONS, *MODERN]
SMALL = dict(batch_size=8, n_embed=16, n_head=2, n_kv_head=1, n_layer=2, learning_rate=1e-2, max_iters=45, eval_interval=20, eval_iters=2)


@pytest.fixture
def folders(tmp_path):
    """(放脚本的文件夹, 运行时所在的文件夹)"""
    (tmp_path / "elsewhere").mkdir()
    return tmp_path / "scripts", tmp_path / "elsewhere"


@pytest.mark.parametrize("name", [*VERSIONS, *MODERN])
def test_version_trains_and_samples(name, folders):
    scripts, elsewhere = folders
    script = helpers.edit(name, scripts, **SMALL, prompts=["春江花月夜", "人"], max_new_tokens=40)
    before = {path for path in scripts.rglob("*")}
    result = helpers.run(script, elsewhere)
    assert result.returncode == 0, result.stderr
    helpers.assert_trained(result.stdout, 45)
    table = helpers.steps(result.stdout)
    assert [row[0] for row in table] == [0, 20, 40, 45]
    assert abs(table[0][3] - 8.69) < 1 and "ln 5970 = 8.6945" in result.stdout, "没训练时该和瞎猜差不多"
    assert table[0][4] == 0 and all(row[4] > 0 for row in table[1:])
    assert re.search(r"设备 (cpu|cuda|mps)，词表 5970 字，参数 [\d,]+ 个", result.stdout)
    assert result.stdout.count("已用") == result.stdout.count("还需") == 4 and "还需 0 秒" in result.stdout
    texts = helpers.samples(result.stdout)
    if number(name) < 22:  # 往后，写到空行就停
        assert [len(text) for text in texts] == [45, 41]
    assert texts[0].startswith("春江花月夜") and texts[1].startswith("人")
    if name != V[12]:
        written = {scripts / "modern" / "base.pth"} if name == V[24] else set()
        assert result.stderr == "" and set(scripts.rglob("*")) - before == written
        assert not list(elsewhere.iterdir())


def test_parameter_count_is_the_models(loaded):
    for name in [*VERSIONS, *MODERN]:
        namespace = loaded(name)
        count = sum(p.numel() for p in namespace["model"].parameters())
        assert f"参数 {count:,} 个" in namespace["stdout"]


def test_losses_are_the_models(loaded):
    """打印的 loss 就是 estimate_loss 现在算出来的。"""
    namespace = loaded(V[9], max_iters=12, eval_interval=5)
    losses = namespace["estimate_loss"]()
    printed = helpers.steps(namespace["stdout"])[-1]
    assert printed[2:4] == (round(losses["train"], 4), round(losses["val"], 4))


@pytest.mark.parametrize("name", BASELINES)
def test_baseline_runs_unchanged(name, folders):
    scripts, elsewhere = folders
    result = helpers.run(helpers.edit(name, scripts), elsewhere)
    assert result.returncode == 0 and result.stderr == ""
    texts = helpers.samples(result.stdout)
    assert [text[:2] for text in texts] == ["春江", "往事"] and [len(text) for text in texts] == [102, 102]
    if "bigram" in name:
        helpers.assert_trained(result.stdout, 10000)
        assert helpers.steps(result.stdout)[-1][3] <= 4.85


def test_pytorch_5min(folders):
    scripts, elsewhere = folders
    script = helpers.edit("pytorch_5min.py", scripts)
    result = helpers.run(script, elsewhere, timeout=30)
    assert result.returncode == 0 and result.stderr == ""
    softmax, nats, library = re.search(r"softmax (\[.*\]) ，-ln p = ([\d.]+)\nF.cross_entropy（交叉熵） ([\d.]+)", result.stdout).groups()
    assert abs(sum(ast.literal_eval(softmax)) - 1) < 0.002 and nats == library
    assert abs(float(nats) + math.log(ast.literal_eval(softmax)[1])) < 0.001
    by_hand, by_sgd = re.search(r"手工 ([\d.]+)，SGD ([\d.]+)", result.stdout).groups()
    assert by_hand == by_sgd == "4.6000"
    assert len(script.read_text(encoding="utf-8").split("\n")) <= 100, "五分钟读完"
    w, b = map(float, re.search(r"学到 y = (-?[\d.]+)x \+ (-?[\d.]+)", result.stdout).groups())
    assert abs(w - 2) < 0.05 and abs(b - 1) < 0.05
    losses = [float(x) for x in re.findall(r"\| loss ([\d.]+)", result.stdout)]
    assert losses[-1] < 0.02 < losses[0]


def test_interactive_session_keeps_model_and_tokenizer(folders):
    """python -i：跑完之后，model 和 tokenizer 还在手里。"""
    namespace = helpers.load(helpers.edit(V[3], folders[0], **{**SMALL, "max_iters": 1}))
    assert namespace["tokenizer"].decode(namespace["tokenizer"].encode("春江")) == "春江"
    assert namespace["model"].generate(namespace["prompt_ids"][0], 3).shape == (1, 5)


@pytest.mark.parametrize("name", [n for n in [*helpers.SCRIPTS, *MODERN] if n not in ("pytorch_5min.py", SAMPLER)])
class TestBadInput:
    """坏输入：训练之前就说清楚，一句话，不带 traceback。"""

    def message(self, loaded_script):
        with pytest.raises(SystemExit) as exit:
            helpers.load(loaded_script)
        message = exit.value.code
        assert isinstance(message, str) and "\n" not in message and re.search("[\u4e00-\u9fff]", message)
        return message

    @pytest.fixture(autouse=True)
    def no_wandb(self, monkeypatch):
        monkeypatch.setenv("WANDB_MODE", "disabled")

    def test_no_corpus(self, name, tmp_path):
        script = helpers.edit(name, tmp_path)
        (tmp_path / "ci.txt").unlink()
        assert "ci.txt" in self.message(script)

    def test_corpus_not_utf8(self, name, tmp_path):
        script = helpers.edit(name, tmp_path, corpus="")
        (tmp_path / "ci.txt").write_bytes("春江花月夜".encode("gbk"))
        assert "UTF-8" in self.message(script)

    def test_unknown_character(self, name, tmp_path, corpus):
        assert "😀" in self.message(helpers.edit(name, tmp_path, corpus=corpus, prompts=["春", "😀人"]))

    @pytest.mark.parametrize("prompts", [["春", ""], [], "春江", [5], None])
    def test_prompts_must_be_a_list_of_openings(self, name, tmp_path, corpus, prompts):
        assert f"prompts = {prompts!r}" in self.message(helpers.edit(name, tmp_path, corpus=corpus, prompts=prompts))

    @pytest.mark.parametrize("ratio", [0, 1, 90, 0.0, 1.0, 90.0, -0.1, "0.9"])
    def test_ratio_is_named_not_the_corpus(self, name, tmp_path, corpus, ratio):
        message = self.message(helpers.edit(name, tmp_path, corpus=corpus, train_data_ratio=ratio))
        assert f"train_data_ratio = {ratio!r}" in message and "ci.txt" not in message

    @pytest.mark.parametrize("value", [-1, "100", 1.5, True, None])
    def test_max_new_tokens(self, name, tmp_path, corpus, value):
        assert f"max_new_tokens = {value!r}" in self.message(helpers.edit(name, tmp_path, corpus=corpus, max_new_tokens=value))

    def test_a_bom_is_no_character(self, name, tmp_path, corpus):
        script = helpers.edit(name, tmp_path, corpus=corpus, **{**helpers.TINY, "block_size": 8})
        (tmp_path / "ci.txt").write_text(corpus, encoding="utf-8-sig")
        namespace = helpers.load(script)
        assert namespace["text"] == corpus

    @pytest.mark.parametrize("text", ["", "短", "春江潮水连海平"])
    def test_text_too_short(self, name, tmp_path, text):
        assert "太短" in self.message(helpers.edit(name, tmp_path, corpus=text))

    def test_shortest_text_that_will_do(self, name, tmp_path):
        text = "春江" * 45 if name not in MODERN else "春江潮水连海平\n\n" * 30 + "春江潮水连海平"
        script = helpers.edit(name, tmp_path, corpus=text, prompts=["春"], **{**helpers.TINY, "block_size": 8})
        helpers.load(script)


def settings(name):
    """脚本“超参数”那一段里，哪些是个数或大小。"""
    text = (helpers.ROOT / name).read_text(encoding="utf-8").split("# ---------- 超参数")[1].split("# ---------- 数据")[0]
    names = "batch_size block_size n_embed n_head n_kv_head n_layer eval_interval eval_iters max_iters".split()
    return [one for one in names if re.search(rf"^ *{one} = ", text, re.M)]


@pytest.mark.parametrize("name, setting", [(name, setting) for name in TRAINS for setting in settings(name)])
def test_sizes_that_make_no_sense(name, setting, tmp_path, corpus, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    for value in (-1, "8", 8.0, *([] if setting == "max_iters" else [0])):
        script = helpers.edit(name, tmp_path, corpus=corpus, **{**helpers.TINY, setting: value})
        with pytest.raises(SystemExit, match=rf"^{setting} = {re.escape(repr(value))} 不行"):
            helpers.load(script)


@pytest.mark.parametrize("name", [name for name in TRAINS if "bigram" in name])
def test_backoff_must_be_positive(name, tmp_path, corpus):
    for value in (0, -1, "500"):
        with pytest.raises(SystemExit, match=rf"^backoff = {value!r} 不行"):
            helpers.load(helpers.edit(name, tmp_path, corpus=corpus, backoff=value))


PIPED = [name for name in [*helpers.SCRIPTS, *MODERN] if name not in (V[12], SAMPLER)]  # 那两份另有测试


@pytest.mark.parametrize("encoding", ["gbk", "ascii", "cp1252"])
@pytest.mark.parametrize("name", PIPED)
def test_characters_the_terminal_lacks(name, encoding, folders, corpus):
    """终端的编码里没有的字：打印成问号，训练照样走完。“㶉”不在 GBK 里。"""
    hyper = dict(helpers.TINY, prompts=["㶉江"], max_new_tokens=20)
    hyper = hyper if "babygpt" in name else dict(prompts=["㶉江"])
    script = helpers.edit(name, folders[0], corpus=corpus + "㶉" if name != "pytorch_5min.py" else None, **hyper)
    process = subprocess.run(
        [sys.executable, str(script)], capture_output=True, env=helpers.environment(PYTHONIOENCODING=encoding, PYTHONUTF8="0"), timeout=120
    )
    assert process.returncode == 0 and process.stderr == b"", process.stderr
    assert b"?" in process.stdout or name == "pytorch_5min.py" and encoding == "gbk"


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("name", PIPED)
def test_head_ends_quietly(name, unbuffered, folders, corpus):
    """接上 | head -1：它读一行就走，脚本也安静地停。"""
    hyper = dict(helpers.TINY, max_iters=3000, eval_interval=1) if "babygpt" in name else {}
    script = helpers.edit(name, folders[0], corpus=corpus if name != "pytorch_5min.py" else None, **hyper)
    process = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=helpers.environment(PYTHONUNBUFFERED=unbuffered),
    )
    assert process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=60) in (0, -13), "要么已经写完，要么被 SIGPIPE 停下"
    assert process.returncode == -13 or "babygpt" not in name


@pytest.mark.parametrize("name", ["simplemodel.py", V[1]])
def test_closed_stdout(name, folders, corpus):
    script = helpers.edit(name, folders[0], corpus=corpus, **helpers.TINY)
    process = subprocess.run(["sh", "-c", f'exec "{sys.executable}" "{script}" >&-'], stderr=subprocess.PIPE, env=helpers.environment(), timeout=60)
    assert process.returncode == 0 and process.stderr == b""


@pytest.mark.parametrize("number", range(4, 25))
def test_heads_must_divide_the_width(number, tmp_path, corpus):
    with pytest.raises(SystemExit, match="n_embed = 16.*n_head = 3"):
        helpers.load(helpers.edit(V[number], tmp_path, corpus=corpus, **{**helpers.TINY, "n_head": 3}))


@pytest.mark.parametrize("number", [1, 10, 12, 13, 21, 24])
def test_learning_rate_too_high_is_one_sentence(number, tmp_path, corpus, monkeypatch):
    """loss 成了 nan，马上停下说明白，别等到采样时报一屏错。"""
    monkeypatch.setenv("WANDB_MODE", "disabled")
    script = helpers.edit(
        V[number], tmp_path, corpus=corpus, **{**helpers.TINY, "learning_rate": 1e30, "max_iters": 200, "eval_interval": 50}
    )
    (tmp_path / "model.pth").write_bytes(b"old")
    with pytest.raises(SystemExit, match="learning_rate 太大"):
        helpers.load(script)
    assert (tmp_path / "model.pth").read_bytes() == b"old"


def test_an_error_is_one_line_on_screen(folders):
    scripts, elsewhere = folders
    result = helpers.run(helpers.edit(V[1], scripts, prompts=["春😀"]), elsewhere)
    helpers.assert_one_line(result, "😀")
    assert result.stdout == "" and len(result.stderr.strip().splitlines()) == 1
