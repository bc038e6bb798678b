"""韵书、平仄、押韵、抄没抄、整首的考题。"""

import hashlib
import math

import pytest
import torch
import torch.nn.functional as F

import build_yun
import course
import exam
import form
import helpers
import prosody
from course import BY_ID, V

YUN = prosody.Yun(
    "天 平7\n地 去3\n人 平6\n日 入17\n月 入18\n星 平11\n中 平1 去1\n明 平11\n风 平1\n回 平3 平5\n来 平3 平5\n"
)


def test_yun_is_what_the_builder_writes():
    lines = prosody.YUN.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 8357 and lines == sorted(lines) and len({line[0] for line in lines}) == len(lines)
    readings = {reading for line in lines for reading in line.split(" ")[1:]}
    assert {reading[0] for reading in readings} == set("平上去入")
    assert {int(reading[1:]) for reading in readings} == set(range(1, 20))
    assert all((int(reading[1:]) >= 15) == (reading[0] == "入") for reading in readings), "入声另分五部"


def test_yun_covers_the_corpus():
    yun, text = prosody.Yun(), course.corpus()
    body = prosody.characters("".join(poem[2] for poem in form.Forms.poems(text)))
    assert sum(character in yun.tones for character in body) / len(body) >= 0.98
    assert yun.tones["中"] == {"平", "仄"} and yun.rhymes["东"] == {1} and yun.tones["月"] == {"仄"}
    assert yun.rhymes["发"] == {18}, "發、髮都在月韵：两个繁体字的读音合在一起"


def test_build_yun(tmp_path):
    with pytest.raises(ValueError, match="106 韵"):
        build_yun.build({"東": ("平", "東")}, str)
    groups = {title: ("平", "") for titles in build_yun.RHYMES.values() for title in titles.replace(" ", "")}
    assert len(groups) == 106
    few = {"東": ("平", "東中"), "送": ("去", "中"), "灰": ("平", "回")}
    text = build_yun.build(groups | few, lambda c: c.replace("東", "东"))
    assert text == "东 平1\n中 平1 去1\n回 平3 平5\n"
    (tmp_path / "x.whl").write_bytes(b"x")
    with pytest.raises(ValueError, match="sha256"):
        build_yun.read_groups(tmp_path / "x.whl")
    assert hashlib.sha256(prosody.YUN.read_bytes()).hexdigest().startswith("037d5057d9f28700")


SHAPE = ((2, 0), (2, 0), (2, 1))


def templates(bodies):
    return prosody.Templates(YUN, [("曲", SHAPE, body) for body in bodies])


def test_templates():
    found = templates(["天地，人星。\n日明"] * 9 + ["天月，人星。\n中明"]).get("曲", SHAPE)
    assert found == (["平", "仄", "平", "平", "仄", "平"], [[3, 5]]), "中有两读，不作数；地不押，星、明押"
    assert templates(["天地，人星。\n日明"] * 9).get("曲", SHAPE) is None, "至少十首"
    loose = templates(["天地，人星。\n日明"] * 8 + ["日地，人星。\n日明"] * 2).get("曲", SHAPE)
    assert loose[0][0] is None, "八成的平，可平可仄"


def test_scores_by_hand():
    found = templates(["天地，人星。\n日明"] * 10)
    assert found.score("曲", SHAPE, "天地，人星。\n日明") == (6, 6, 2, 2, 2)
    assert found.score("曲", SHAPE, "地地，人星。\n日风") == (5, 6, 1, 1, 2), "头一字该平；风和星不同部"
    assert found.score("曲", SHAPE, "中地，人星。\n日明") == (6, 6, 2, 2, 2), "几种读音，对上一种就算"
    assert found.score("曲", SHAPE, "天地，人星。\n日○") == (5, 5, 1, 1, 1), "韵书里没有的不算"
    assert found.score("别的", SHAPE, "天地，人星。\n日明") is None


def test_a_tune_that_changes_its_rhyme():
    """换韵的，一组一组地算；一部里平、上去分开的，另算。"""
    shape = ((2, 0), (2, 0), (2, 1), (2, 1))
    book = prosody.Yun("天 平7\n年 平7\n怨 去7\n东 平1\n风 平1\n动 上1\n")
    found = prosody.Templates(book, [("曲", shape, "东天，天年。\n年东，东风。")] * 10)
    assert found.get("曲", shape)[1] == [[1, 3], [5, 7]]
    assert found.ends("曲", shape, "东天，天年。\n年东，东风。") == "天年东风"
    assert found.score("曲", shape, "东天，天年。\n年东，东风。")[2:] == (4, 4, 4)
    assert found.score("曲", shape, "东天，天怨。\n年东，东年。")[2:] == (3, 2, 4), "怨同部不同韵；年不同部"


def test_pairs():
    assert prosody.pairs("春江花，月。\n夜") == ["春江", "江花"]


def test_copies_and_variety():
    text = "一二三四五六七八九十百千万"
    copies = prosody.Copies([text])
    assert copies.copied("甲" + text[1:] + "乙") and copies.copied("一二三四五六，\n七八九十百千。")
    assert not copies.copied(text[:11] + "丁") and not copies.copied("")
    assert prosody.variety("天天，天地。") == 0.5 and prosody.variety("") == 0


def test_ceiling_and_floor():
    forms = form.corpus_forms()
    ceiling, floor = forms.ceiling(), forms.floor()
    assert ceiling["tone"] > 0.98 and ceiling["rhyme"] > 0.95
    assert ceiling["copied"] < 0.05 and 0.9 < ceiling["distinct"] < 1
    assert 0.5 < floor["tone"] < 0.65 and 0.25 < floor["rhyme"] < 0.4


class TestExam:
    def test_same_rows_as_the_scripts(self, tmp_path, monkeypatch):
        """row_loss 考的，就是脚本自己的 estimate_loss 考的那几行。"""
        real = dict(corpus=None, block_size=128, eval_iters=40)  # 整个语料，照原来的尺寸考
        namespace = helpers.load(helpers.tiny(V[13], tmp_path, **real, device="cpu", n_embed=8, n_layer=1))
        seen, get_batch = [], namespace["get_batch"]

        def recorded(data, starts):
            seen.append(get_batch(data, starts))
            return seen[-1]

        monkeypatch.setitem(namespace, "get_batch", recorded)
        loss = namespace["estimate_loss"]()["val"]
        text, tokenizer = namespace["text"], namespace["tokenizer"]
        rows = exam.rows(text)
        theirs = [x for x, _ in seen[len(seen) // 2 :]]
        assert torch.equal(torch.cat(theirs), torch.tensor([tokenizer.encode(row[:-1]) for row in rows]))
        assert exam.loss(namespace["model"], tokenizer, rows, 128) == pytest.approx(loss, abs=1e-4)

    def test_poems_are_whole_and_unseen(self):
        text = course.corpus()
        poems = exam.poems(text)
        assert len(poems) == exam.POEMS == len(set(poems))
        for poem in poems[::40]:
            assert poem.endswith("\n\n") and poem.count("\n\n") == 1 and text.index(poem) > 0.9 * len(text) - 300

    def test_window_slides_one_character_at_a_time(self, loaded):
        namespace = loaded(V[9])
        model, tokenizer = namespace["model"].eval(), namespace["tokenizer"]
        text = namespace["text"][:40]
        ids, total = torch.tensor([tokenizer.encode(text)]), 0.0
        with torch.no_grad():
            for k in range(1, 40):
                logits = model(ids[:, max(0, k - 16) : k])[0]
                total += F.cross_entropy(logits, ids[:, k]).item()
        assert exam.loss(model, tokenizer, [text], 16) == pytest.approx(total / 39, abs=1e-5)

    def test_counting_model(self, loaded):
        namespace = loaded(BY_ID["bigram"].file)
        text, tokenizer = namespace["text"][:50], namespace["tokenizer"]
        ids = tokenizer.encode(text)
        prob = namespace["model"].prob
        probs = [prob(torch.tensor(i), torch.tensor(j)).item() for i, j in zip(ids, ids[1:])]
        expected = -sum(map(math.log, probs)) / 49
        assert exam.loss(namespace["model"], tokenizer, [text], 8) == pytest.approx(expected, abs=1e-5)
