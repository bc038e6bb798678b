"""每份脚本都真的从头跑到尾：在子进程里，从别的目录，只改超参数；看它打印的东西对不对。"""

import ast
import math
import re
import sys

import pytest

import helpers
from course import BASELINE, BY_FILE, FIRST, MODERN, TWIN, V, files, since, source

REAL = {**helpers.TINY, **dict(batch_size=8, learning_rate=1e-2, max_iters=45, eval_interval=20, max_new_tokens=40)}
VERSIONS = files(FIRST, MODERN)
COUNTING = [name for name in files(BASELINE, TWIN) if name != "pytorch_5min.py"]
# 查错的那一段一字不差的，只试一份；往后接着存下的权重学的，在 test_after.py
CHECKED = helpers.one_each([*COUNTING, *VERSIONS], helpers.checks)


@pytest.fixture
def folders(tmp_path):
    """(放脚本的文件夹, 运行时所在的文件夹)"""
    (tmp_path / "elsewhere").mkdir()
    return tmp_path / "scripts", tmp_path / "elsewhere"


@pytest.mark.slow
@pytest.mark.parametrize("name", VERSIONS)
def test_version_trains_and_samples(name, folders):
    scripts, elsewhere = folders
    script = helpers.edit(name, scripts, **REAL, prompts=["春江花月夜", "人"])
    before = {path for path in scripts.rglob("*")}
    result = helpers.run(script, elsewhere)
    assert result.returncode == 0, result.stderr
    helpers.assert_trained(result.stdout, 45)
    table = helpers.steps(result.stdout)
    assert [row[0] for row in table] == [0, 20, 40, 45]
    assert abs(table[0][3] - 8.69) < 1 and "ln 5970 = 8.6945" in result.stdout, "没训练时该和瞎猜差不多"
    fast = part(name) == MODERN  # 从第二段路起，报每秒学多少字
    assert table[0][4] is None and all((row[4] or 0) > 0 if fast else row[4] is None for row in table[1:])
    assert re.search(r"设备 (cpu|cuda|mps)，词表 5970 字，参数 [\d,]+ 个", result.stdout)
    assert result.stdout.count("已用") == 4
    left = 3 if BY_FILE[name].number in since("v11") or fast else 0  # 长的，从 v11 起，报还需几秒
    assert result.stdout.count("还需") == left and ("还需 0 秒" in result.stdout) == bool(left)
    texts = helpers.samples(result.stdout)
    if BY_FILE[name].number not in since("v19"):  # 从它起，写到空行就停
        assert [len(text) for text in texts] == [45, 41]
    assert texts[0].startswith("春江花月夜") and texts[1].startswith("人")
    if name != V[12]:
        saved = {path.name for path in set(scripts.rglob("*")) - before}
        assert saved == {BY_FILE[name].saves} - {""} and not list(elsewhere.iterdir())
        assert result.stderr == ""


@pytest.mark.parametrize("name", VERSIONS)
def test_parameter_count_is_the_models(loaded, name):
    namespace = loaded(name)
    count = sum(p.numel() for p in namespace["model"].parameters())
    assert f"参数 {count:,} 个" in namespace["stdout"]


def test_losses_are_the_models(loaded):
    """打印的 loss 就是 estimate_loss 现在算出来的。"""
    namespace = loaded(V[9], max_iters=12, eval_interval=5)
    losses = namespace["estimate_loss"]()
    printed = helpers.steps(namespace["stdout"])[-1]
    assert printed[2:4] == (round(losses["train"], 4), round(losses["val"], 4))


@pytest.mark.slow
@pytest.mark.parametrize("name", COUNTING)
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
    result = helpers.run(script, elsewhere)
    assert result.returncode == 0 and result.stderr == ""
    pattern = r"softmax (\[.*\]) ，-ln p = ([\d.]+)\nF.cross_entropy（交叉熵） ([\d.]+)"
    softmax, nats, library = re.search(pattern, result.stdout).groups()
    assert abs(sum(ast.literal_eval(softmax)) - 1) < 0.002 and nats == library
    assert abs(float(nats) + math.log(ast.literal_eval(softmax)[1])) < 0.001
    by_hand, by_sgd = re.search(r"手工 ([\d.]+)，SGD ([\d.]+)", result.stdout).groups()
    assert by_hand == by_sgd == "4.6000"
    assert len(script.read_text(encoding="utf-8").split("\n")) <= 100, "五分钟读完"
    w, b = map(float, re.search(r"学到 y = (-?[\d.]+)x \+ (-?[\d.]+)", result.stdout).groups())
    assert abs(w - 2) < 0.05 and abs(b - 1) < 0.05
    losses = [float(x) for x in re.findall(r"\| loss ([\d.]+)", result.stdout)]
    assert losses[-1] < 0.02 < losses[0]


def test_interactive_session_keeps_model_and_tokenizer(loaded):
    """python -i：跑完之后，model 和 tokenizer 还在手里。"""
    namespace = loaded(V[3])
    assert namespace["tokenizer"].decode(namespace["tokenizer"].encode("春江")) == "春江"
    assert namespace["model"].generate(namespace["idx"], 3).shape == (1, 5)


@pytest.mark.parametrize("name", CHECKED)
class TestBadInput:
    """坏输入：训练之前就说清楚，一句话，不带 traceback。"""

    def test_no_corpus(self, name, tmp_path):
        script = helpers.tiny(name, tmp_path)
        (tmp_path / "ci.txt").unlink()
        assert "ci.txt" in helpers.complaint(script)

    def test_corpus_not_utf8(self, name, tmp_path):
        script = helpers.tiny(name, tmp_path)
        (tmp_path / "ci.txt").write_bytes("春江花月夜".encode("gbk"))
        assert "UTF-8" in helpers.complaint(script)

    def test_unknown_character(self, name, tmp_path):
        assert "😀" in helpers.complaint(helpers.tiny(name, tmp_path, prompts=["春", "😀人"]))

    def test_prompts_must_be_a_list_of_openings(self, name, tmp_path):
        for prompts in (["春", ""], "春江", None):
            assert "prompts 写成" in helpers.complaint(helpers.tiny(name, tmp_path, prompts=prompts))

    def test_a_bom_is_no_character(self, name, tmp_path):
        script = helpers.tiny(name, tmp_path)
        (tmp_path / "ci.txt").write_text(helpers.CORPUS, encoding="utf-8-sig")
        assert helpers.load(script)["text"].strip() == helpers.CORPUS.strip()


SPLIT = [name for name in CHECKED if "train_data_ratio" in helpers.section(name, "数据")]  # 留出一成来考的


@pytest.mark.parametrize("name", SPLIT)
class TestBadSplit:
    def test_ratio(self, name, tmp_path):
        for ratio in (0, 1, 90, 0.0, 1.0, 90.0):
            assert "train_data_ratio" in helpers.complaint(helpers.tiny(name, tmp_path, train_data_ratio=ratio))

    def test_text_too_short(self, name, tmp_path):
        for text in ("短", "春江潮水连海平"):
            assert "文本太短" in helpers.complaint(helpers.tiny(name, tmp_path, corpus=text, prompts=[text[0]]))

    def test_shortest_text_that_will_do(self, name, tmp_path):
        text = "春江" * 45 if BY_FILE[name].part != MODERN else "春江\n潮水连海平\n\n" * 30 + "春江潮水连海平"
        helpers.load(helpers.tiny(name, tmp_path, corpus=text, prompts=["春"], block_size=8))


@pytest.mark.parametrize("name", [name for name in CHECKED if "n_embed = " in source(name)])
def test_sizes_where_zero_would_be_silent(name, tmp_path):
    for setting in ("batch_size", "n_embed"):
        assert setting in helpers.complaint(helpers.tiny(name, tmp_path, **{setting: 0}))


@pytest.mark.parametrize("name", [name for name in CHECKED if "n_embed % n_head" in source(name)])
def test_heads_must_divide_the_width(name, tmp_path):
    assert "n_head 整除" in helpers.complaint(helpers.tiny(name, tmp_path, n_head=3))


@pytest.mark.parametrize("name", helpers.one_each(VERSIONS, helpers.training))
def test_learning_rate_too_high_is_one_sentence(name, tmp_path):
    """loss 成了 nan，马上停下说明白，别等到采样时报一屏错。"""
    script = helpers.tiny(name, tmp_path, learning_rate=1e30, max_iters=200, eval_interval=50)
    saved = script.with_name(BY_FILE[name].saves or "model.pth")
    saved.write_bytes(b"old")
    assert "learning_rate 太大" in helpers.complaint(script)
    assert saved.read_bytes() == b"old"


def test_an_error_is_one_line_on_screen(folders):
    scripts, elsewhere = folders
    script = helpers.tiny(V[1], scripts)
    (scripts / "ci.txt").unlink()
    result = helpers.run(script, elsewhere)
    helpers.assert_one_line(result, "ci.txt")
    assert result.stdout == "" and len(result.stderr.strip().splitlines()) == 1


def part(name):
    """脚本在课程的哪一段（str）。"""
    return BY_FILE[name].part


# 管道和终端：输出怎么设，一字不差的只试一份，每段路至少一份；v12、采样器、写词的脚本另有测试
PIPED = helpers.one_each([name for name in files(BASELINE, FIRST, MODERN) if name != V[12]], helpers.setup, part)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, encoding", [*((name, "ascii") for name in PIPED), (PIPED[0], "gbk"), (PIPED[0], "cp1252"), (V[1], "gbk")]
)
def test_characters_the_terminal_lacks(name, encoding, folders):
    """终端的编码里没有的字：打印成问号，训练照样走完。“㶉”不在 GBK 里。"""
    script = helpers.tiny(name, folders[0], corpus=helpers.CORPUS + "㶉", prompts=["㶉江"], max_new_tokens=20)
    env = helpers.environment(PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    result = helpers.run(script, encoding=None, input=b"", env=env)
    assert result.returncode == 0 and result.stderr == b"", result.stderr
    assert b"?" in result.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", [PIPED[0], V[1]])
def test_closed_stdout(name, folders):
    script = helpers.tiny(name, folders[0])
    result = helpers.call("sh", "-c", f'exec "{sys.executable}" "{script}" >&-')
    assert result.returncode == 0 and result.stderr == ""
