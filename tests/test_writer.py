"""写词的脚本：管道、没有下一行、Ctrl-C、看不懂的要求；标的对不对。"""

import re
import shutil
import signal
import time

import pytest
import torch

import helpers
from course import BY_ID, WRITER
from helpers import poems
from runner import link


@pytest.fixture
def script(tmp_path, checkpoints):
    """旁边放好 sft.pth、base.pth 的写词脚本（Path）。"""
    script = helpers.edit(WRITER, tmp_path, corpus=poems(), max_new_tokens=40)
    for path in checkpoints.glob("*.pth"):
        shutil.copy(path, script.parent)
    return script


def ask(script, requests):
    return helpers.run(script, script.parent.parent, input=requests)


@pytest.mark.slow
def test_through_a_pipe_one_request_a_line(script):
    """三行三个要求，各写一首，按次序：写什么是抽的，在每首前面打个记号来数。"""
    begin = '    print("" if obeys else question, end="", flush=True)\n'
    helpers.changed(script, (begin, begin + '    print(f"【{question}】", end="")\n'))
    result = ask(script, "浣溪沙\n鹧鸪天 藏头 春江 韵 风\n西江月")
    assert result.returncode == 0 and result.stderr == ""
    first, *poems_ = result.stdout.split("【")
    assert first.startswith("用的是 sft.pth") and first.count("\n") == 1
    assert [one.split("】")[0].strip("〈〉").split(" ")[0] for one in poems_] == ["浣溪沙", "鹧鸪天", "西江月"]
    assert all(one.endswith("\n") for one in poems_)


@pytest.mark.slow
def test_an_empty_line_ends(script):
    after = ask(script, "\n浣溪沙\n")
    assert after.returncode == 0 and after.stdout.count("\n") == 1


PUZZLING = {
    "如梦令": "“令如”没学过",
    "春江 花月": "看不懂“花月”",
    "春江 藏头 花月": "合不到一起",
    "春" * 61: "开头太长",
    "藏头 春江": "少了词牌",
    "浣溪沙 藏头 春😀": "“😀”没学过",
    "浣溪沙 藏头 春江花月夜": "最多 3 行，藏不下 5 个字",
    "浣溪沙 韵 😀": "韵书里没有“😀”",
}


@pytest.mark.slow
def test_what_it_does_not_understand_is_one_sentence_and_it_goes_on(script):
    result = ask(script, "".join(f"{request}\n{request}\n" for request in PUZZLING))
    assert result.returncode == 0 and result.stderr == ""
    lines = result.stdout.strip().split("\n")[1:]
    expected = [words for words in PUZZLING.values() for _ in range(2)]
    assert len(lines) == len(expected) and all(words in line for words, line in zip(expected, lines)), lines


@pytest.mark.slow
def test_a_fresh_clone_writes(tmp_path):
    """刚克隆下来，没训练过：用随仓库发的权重，藏头照抄，多半的行句长合，押得上的远比碰运气（一成）多；一分钟里写得完。"""
    script = helpers.edit(WRITER, tmp_path, corpus=None)
    link("modern/write.pth", tmp_path)
    result = helpers.run(script, tmp_path, input="浣溪沙 藏头 春江花月 韵 江\n" * 12, timeout=helpers.LIMIT / 2)
    lines = result.stdout.split("\n")
    assert result.returncode == 0 and lines[0].startswith("用的是 write.pth")
    marked = [line for line in lines if "　　" in line]
    assert len(marked) > 36 and sum("句长合" in line for line in marked) > 0.6 * len(marked)
    rhymed, missed = (sum(word in line for line in marked) for word in ("押韵", "没押上"))
    assert rhymed > 0.4 * (rhymed + missed)
    assert sum(line[:1] in "春江花月" for line in marked) > 0.4 * len(marked)


@pytest.mark.slow
def test_an_opening_begins_the_body(script):
    """题头写完（小模型不一定每次都写得完），正文就从给的开头写起，一字不差；写到最多的字数，断在开头里的不算。"""
    written, default = ask(script, "浣溪沙 春江花月\n" * 12 + "春江\n").stdout.split("没说词牌")
    assert "\n春江花月" in written and len(re.findall("\n春江花(?![月\n])", written)) == 0
    assert re.match("，就用(浣溪沙|鹧鸪天|西江月)，以“春江”开头。\n", default)


@pytest.mark.slow
def test_ctrl_c_ends_quietly(script, start):
    process = start(script, encoding="utf-8", env=helpers.environment(PYTHONUNBUFFERED="1"))
    assert process.stdout.readline().startswith("用的是")
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=helpers.LIMIT)
    assert process.returncode == 0 and error == ""


@pytest.mark.slow
def test_picks_the_best_checkpoint_there_is(script):
    folder = script.parent
    shutil.copy(folder / "sft.pth", folder / "grpo.pth")
    assert "用的是 grpo.pth" in ask(script, "\n").stdout
    for name in ("grpo.pth", "sft.pth"):
        (folder / name).unlink()
    result = ask(script, "浣溪沙\n浣溪沙 藏头 春\n")
    assert "用的是 base.pth" in result.stdout and "底座不懂藏头" in result.stdout and "浣溪沙 " in result.stdout
    (folder / "base.pth").unlink()
    helpers.assert_one_line(ask(script, ""), BY_ID["v24"].file)


def test_a_torn_or_foreign_file(script):
    best = script.with_name(BY_ID["v28"].saves)
    best.write_bytes(b"torn")
    assert best.name in helpers.complaint(script)
    saved = torch.load(script.with_name(BY_ID["v25"].saves), weights_only=True)
    saved["config"]["n_embed"] = 32
    torch.save(saved, best)
    message = helpers.complaint(script)
    assert best.name in message and "对不上" in message


class TestMarks:
    @pytest.fixture
    def namespace(self, script, monkeypatch):
        """跑完的写词脚本的全局变量：没有要求，读完就结束。"""
        monkeypatch.setattr("builtins.input", lambda *_: "")
        namespace = helpers.load(script)
        namespace["poems"]["测试"] = ["春江花月夜。\n天人心愁梦。"] * 9 + ["春江花。\n风。"]
        namespace["tones"].update({ch: {"平"} for ch in "春江花天人心愁风"} | {ch: {"仄"} for ch in "月夜梦"})
        namespace["rhymes"].update({"夜": {"⑩"}, "梦": {"⑩"}, "红": {"①"}, "江": {"②"}})
        return namespace

    def test_marks_by_hand(self, namespace):
        check = namespace["check"]
        assert check("测试", ["春江花月夜。"], "") == "句长合"
        assert check("测试", ["春江花月夜。", "天人心愁梦。"], "") == "句长合，押韵"
        assert check("测试", ["春江花月。"], "") == "句长不合"
        assert check("测试", ["月江花月夜。"], "") == "句长合，月该平"
        assert check("测试", ["春江花月夜。", "天人心愁江。"], "") == "句长合，江该仄，没押上"
        assert check("测试", ["春江花月夜。"], "⑩") == "句长合，押韵"
        assert check("测试", ["春江花月夜。"], "①") == "句长合，没押上"

    @pytest.mark.slow
    def test_every_line_is_marked(self, script):
        out = ask(script, "浣溪沙\n").stdout
        body = out.split("\n", 2)[2]
        complete = [line for line in body.split("\n")[:-2] if line.strip()]
        assert all(re.search("　　句长(合|不合)", line) for line in complete[:-1]), out
