"""写词：挑手边最好的权重，照你的要求写，写一个字出一个字；每写完一行，标出句长、平仄、押韵合不合。

运行：python modern/babygpt_write.py，一行一个要求，空行结束；或 echo 浣溪沙 | python modern/babygpt_write.py
要求：只要词牌就够（浣溪沙），只给正文的开头也行（春江）；还可以加词人、藏头、韵部，次序随便：
      浣溪沙 苏轼 藏头 春江花月 韵 江（每行末字，和“江”在同一部：韵母相近，押得上）。
判语：没押上，是和前面各行多半押的不同部；春该仄，是真词在这里多半用仄声。Ctrl-C 停下这一首。
权重：照 names 的次序，用头一个学过这份 ci.txt 的。write.pth 随仓库发，是 v32 学好的，压成 16 位。
"""
import re
import signal
import sys
from collections import Counter
from pathlib import Path

signal.signal(signal.SIGINT, lambda *_: sys.exit("不写了。"))  # 还没读好，就按了 Ctrl-C

import torch
import torch.nn as nn
import torch.nn.functional as F

if hasattr(sys.stdout, "reconfigure"):
    sys.stdout.reconfigure(errors="replace")  # 终端的编码里没有的字，打印成“?”，不报错
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # 接上 | head，它看够了就走，这里也安静地停

# ---------- 设置 ----------
device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
max_new_tokens = 200  # 一首最多写多少字
temperature = 0.9  # 温度：低，稳当，字熟；高，大胆；0 是总写最可能的字。0.9 最像真词，量过
drafts = 1  # 写几首，只给看毛病最少的一首（v28 的办法）；1 是写一个字出一个字
show_thoughts = False  # True：写韵字之前想的（它押哪一部，①–⑲），也印出来

# ---------- 数据 ----------
here = Path(__file__).parent
try:
    text = (here.parent / "ci.txt").read_text(encoding="utf-8-sig")
    readings = (here / "yun.txt").read_text(encoding="utf-8").splitlines()
except (OSError, UnicodeDecodeError) as error:
    raise SystemExit(f"读不出 ci.txt 或 yun.txt：前者在上一层文件夹里，后者和脚本在一起。（{error}）")
names = "process.pth", "write.pth", "grpo.pth", "reject.pth", "dpo.pth", "sft.pth", "base.pth"  # 好的在前
known, symbols = set(text), "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲"  # 19 个韵部
for path in filter(Path.exists, (here / name for name in names)):
    try:
        saved = torch.load(path, map_location=device, weights_only=True)
        block_size, n_embed, n_head, n_kv_head, head_size, n_layer, rope_theta = saved["config"].values()
        chars = saved["chars"]
    except Exception as error:  # 不完整、不是它
        raise SystemExit(f"读不出 {path.name}，请重新运行存下它的那份脚本，或者删掉它。（{error}）")
    if known <= set(chars) <= known | set(symbols):
        break
    print(f"不用 {path.name}：它学的不是这份 ci.txt 里的字。")
else:
    raise SystemExit("没有学好的权重可用，请先运行 python modern/babygpt_v24_base.py。")
obeys = "①" in chars  # 懂不懂韵部、藏头

poems, authors = {}, []  # 词牌 -> 各首的各行；各首的词人
counted = {}  # 词牌 -> 各首的各行，数过的
for poem in re.split(r"\n\s*\n", text.strip()):
    header, *lines = poem.split("\n")
    tune, *rest = header.split() or [""]
    poems.setdefault(tune, []).append(lines)
    authors += rest
every_tune = "|".join(sorted((re.escape(tune) for tune in poems if len(tune) > 1), key=len, reverse=True))
[(anyone, _)] = Counter(authors).most_common(1) or [("", 0)]  # 没说词人，就用名下最多的：无名氏
tones, rhymes = {}, {}  # 字 -> 平还是仄，字 -> 在哪几部
for line in readings:
    ch, *numbers = line.split(" ")  # 如“江 平2”
    tones[ch] = {"平" if number[0] == "平" else "仄" for number in numbers}
    rhymes[ch] = {symbols[int(number[1:]) - 1] for number in numbers}

stoi = {ch: i for i, ch in enumerate(chars)}  # 字 -> 编号
vocab_size = len(chars)  # V

def count(line):  # 数一行：(各句几个字, 去掉标点的字)
    return [len(clause) for clause in re.findall("[^，。、]+", line)], re.sub("[，。、]", "", line)

def main_rhyme(ends):  # 这些字多半在哪一部；没有就是 None
    parts = Counter(part for ch in ends for part in rhymes.get(ch, ()))
    return max(parts, key=lambda part: (parts[part], -ord(part)), default=None)

def check(tune, lines, rhyme):  # 刚写完 lines 的最后一行：和同一词牌里，前面各行句长最像的真词比
    if tune not in counted:  # 头一回用到，数一遍，记下来
        counted[tune] = [list(map(count, poem)) for poem in poems[tune]]
    mine = list(map(count, lines))
    alike = [sum(a[0] == b[0] for a, b in zip(poem, mine[:-1])) for poem in counted[tune]]
    longer = [(n, poem[:len(mine)]) for n, poem in zip(alike, counted[tune]) if len(poem) >= len(mine)]
    most = max((n for n, _ in longer), default=0)
    peers = [poem for n, poem in longer if n == most and poem[-1][0] == mine[-1][0]]
    if not peers:
        return "句长不合"
    marks = []
    for k, ch in enumerate(mine[-1][1]):  # 这个位置上，八成五以上的真词都平（或都仄），就该平（或仄）
        column = [tones.get(poem[-1][1][k], "") for poem in peers]
        sure = [next(iter(tone)) for tone in column if len(tone) == 1]
        level = sure.count("平") / max(1, len(sure))
        want = "平" if level >= 0.85 else "仄" if level <= 0.15 and sure else ""
        if want and ch in tones and want not in tones[ch]:
            marks.append(f"{ch}该{want}")
    ends = [[row[-1:] for _, row in poem] for poem in [*peers, mine]]  # 各首各行的末字
    same = [main_rhyme(row[:-1]) in rhymes.get(row[-1], ()) for row in ends]  # 前面多半押哪一部，这一行也押吗
    if rhyme:  # 要了哪一部，就看是不是那一部
        same[-1] = rhyme in rhymes.get(ends[-1][-1], ())
    if rhyme and len(mine) == 1 or sum(same[:-1]) > len(peers) / 2:  # 真词的这一行，多半和前面的押
        marks.append("押韵" if same[-1] else "没押上")
    return "，".join(["句长合", *marks])

# ---------- 模型 ----------
# 两个数一对，每往后一个字，各对转过多少弧度：从 1 起，一对比一对慢，(hs/2,)
frequencies = rope_theta ** -(torch.arange(0, head_size, 2, device=device) / head_size)
angles = torch.arange(block_size, device=device)[:, None] * frequencies  # 各位置的角度，(block_size, hs/2)

def rotate(x, start):  # 第 i 个和第 i + hs/2 个数是平面上的一点，按位置（从 start 数起）绕原点转一个角度
    angle = angles[start:start + x.shape[-2]]  # (T, hs/2)
    cos, sin = angle.cos(), angle.sin()  # (T, hs/2)
    a, b = x.chunk(2, dim=-1)  # (B, 头数, T, hs) -> 两个 (B, 头数, T, hs/2)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)  # (B, 头数, T, hs)

class MultiHeadAttention(nn.Module):  # 几个小头并排看，各看各的，再把结果拼起来；只看自己和左边
    def __init__(self):
        super().__init__()
        self.query = nn.Linear(n_embed, n_head * head_size, bias=False)  # 我在找什么；n_head 个头的叠成一个
        self.key = nn.Linear(n_embed, n_kv_head * head_size, bias=False)  # 我是什么
        self.value = nn.Linear(n_embed, n_kv_head * head_size, bias=False)  # 找到了我，能拿走什么
        self.proj = nn.Linear(n_head * head_size, n_embed, bias=False)  # (C, n_head × hs)
        self.q_norm = nn.RMSNorm(head_size, eps=1e-6)  # 每个头的 q 各自归一，打分就大不到哪儿去，(hs,)
        self.k_norm = nn.RMSNorm(head_size, eps=1e-6)

    def forward(self, x, start):  # start：前面已有几个字的 k、v 在缓存里；None 是在训练，不用缓存
        B, T, _ = x.shape
        # 一次算完所有的头，再按头切开：(B, T, C) -> (B, T, n_head, hs) -> (B, n_head, T, hs)
        q = self.q_norm(self.query(x).view(B, T, -1, head_size)).transpose(1, 2)  # (B, n_head, T, hs)
        k = self.k_norm(self.key(x).view(B, T, -1, head_size)).transpose(1, 2)  # (B, n_kv_head, T, hs)
        v = self.value(x).view(B, T, -1, head_size).transpose(1, 2)  # (B, n_kv_head, T, hs)
        q, k = rotate(q, start or 0), rotate(k, start or 0)  # (B, n_head, T, hs), (B, n_kv_head, T, hs)
        if start == 0:  # 从头读：先把整个窗口的地方一次占好，(2, B, n_kv_head, block_size, hs)
            self.cache = k.new_empty(2, *k.shape[:2], block_size, head_size)
        if start is not None:
            self.cache[:, :, :, start:start + T] = torch.stack([k, v])  # (2, B, n_kv_head, T, hs)
            k, v = self.cache[:, :, :, :start + T]  # 前文加新字，S 个：各 (B, n_kv_head, S, hs)
        # 打分、除以 √hs、遮住未来（is_causal）、softmax、加权求和，全在这一个函数里；
        # 有前文时，新来的只有 1 个字，全都看得见，不用遮。(B, n_head, T, hs)
        x = F.scaled_dot_product_attention(q, k, v, is_causal=T > 1, enable_gqa=True)
        return self.proj(x.transpose(1, 2).reshape(B, T, -1))  # 拼起各头：-> (B, T, n_head × hs) -> (B, T, C)

class FeedForward(nn.Module):  # 注意力是字与字交流；这里是每个字拿到信息后，自己想一想
    def __init__(self):
        super().__init__()
        intermediate_size = 8 * n_embed // 3  # 简写 H：三个矩阵，各是原来 4C 的三分之二，参数几乎一样多
        self.gate = nn.Linear(n_embed, intermediate_size, bias=False)  # 门，(H, C)
        self.up = nn.Linear(n_embed, intermediate_size, bias=False)  # 内容，(H, C)
        self.down = nn.Linear(intermediate_size, n_embed, bias=False)  # (C, H)

    def forward(self, x):
        x = F.silu(self.gate(x)) * self.up(x)  # (B, T, C) -> (B, T, H)，门开多大由 x 自己定
        return self.down(x)  # (B, T, H) -> (B, T, C)

class Block(nn.Module):  # 交流一次，思考一次，合成一层
    def __init__(self):
        super().__init__()
        self.attention = MultiHeadAttention()
        self.feed_forward = FeedForward()
        self.ln1 = nn.RMSNorm(n_embed, eps=1e-6)  # 每个位置的 C 个数除以它们的均方根，再各乘一个可以学的数
        self.ln2 = nn.RMSNorm(n_embed, eps=1e-6)

    def forward(self, x, start):
        x = x + self.attention(self.ln1(x), start)  # (B, T, C)
        x = x + self.feed_forward(self.ln2(x))  # (B, T, C)
        return x

class BabyGPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.token_embedding = nn.Embedding(vocab_size, n_embed)  # 每种字一个向量：一张可以学的表，(V, C)
        self.blocks = nn.Sequential(*[Block() for _ in range(n_layer)])
        self.ln_f = nn.RMSNorm(n_embed, eps=1e-6)  # 残差一路加下来，出口再归一次
        self.lm_head = nn.Linear(n_embed, vocab_size, bias=False)  # 由向量猜下一个字，给每种字打分，(V, C)
        self.lm_head.weight = self.token_embedding.weight  # 同一个张量，两处用

    def forward(self, idx, start):
        x = self.token_embedding(idx)  # (B, T) -> (B, T, C)
        for block in self.blocks:
            x = block(x, start)  # (B, T, C)
        return self.lm_head(self.ln_f(x)[:, -1])  # 只要最后一个字的打分：(B, C) -> (B, V)

# ---------- 写 ----------
model = BabyGPT().to(device)
try:
    model.load_state_dict(saved["model"])
except RuntimeError:
    raise SystemExit(f"{path.name} 和这份脚本的模型对不上，请重新运行存下它的那份脚本。")
model.eval()

def understand(request):  # 一行要求 → 词牌、韵部、开头、写给模型的；看不懂就抛 ValueError，里面是一句话
    if set(request) & set(symbols):
        raise ValueError("韵部不用写记号，写一个同部的字，比如：韵 江。")
    spaced = re.sub(r"[\s\ufeff，,。、：:；;！!？?《》〈〉“”（）()\[\]【】-]+|(?=藏头|押韵)", " ", request)
    spaced = re.sub("藏头(?: [^ 韵])+(?= |$)", lambda found: found[0].replace(" ", ""), spaced)  # 藏头 春 江
    words = re.sub("(藏头|韵) (?! |藏头|韵)", r"\1", spaced).split()
    tunes, author, heads, rhyme, opening = [], "", "", "", ""
    for word in words:
        inside = re.findall(every_tune, word)
        if word in ("藏头", "韵", "押韵"):
            raise ValueError(f"{word}后面少了字，比如：藏头 春江花月，韵 江。")
        if word.startswith("藏头") and not heads:
            heads = word[2:]
        elif word.startswith(("韵", "押韵")) and not rhyme:
            rhyme = word.removeprefix("押")[1:]
        elif word in poems:
            tunes.append(word)
        elif word in authors and not author:
            author = word
        elif re.search("写|[一来]首|请|关于|[·•]", word) or inside and word.replace(inside[0], "") in authors:
            if not inside:
                raise ValueError(f"看不懂“{word}”，只认得词牌、词人、藏头、韵、开头，如：浣溪沙 藏头 春江。")
            tunes += inside  # 一句话，或者带题目的：认得出几样是几样
            author = author or next((name for name in authors if len(name) > 1 and name in word), "")
            print(f"“{word}”里，只看懂了{' '.join([*inside, author]).strip()}。")
        elif not opening:
            opening = word  # 不是词牌，就当是正文的开头
        else:
            raise ValueError(f"看不懂“{word}”：不是学过的词牌，也不是词人、藏头、韵，如：浣溪沙 藏头 春江。")
    if len(tunes) > 1:
        raise ValueError(f"{'、'.join(tunes)}，一首只能是一个词牌。")
    unknown = "".join(ch for ch in heads + opening if ch not in stoi)
    if unknown:
        raise ValueError(f"“{unknown}”没学过，请换成别的字；繁体字请换成简体。")
    if heads and opening:
        raise ValueError(f"“{opening}”不是学过的词牌，当作开头，又和藏头合不到一起，两样里只能要一样。")
    if not tunes and not opening:
        raise ValueError("少了词牌，比如：浣溪沙 藏头 春江花月。")
    if (heads or rhyme) and not obeys:
        raise ValueError("底座不懂藏头、韵部，请先运行 python modern/babygpt_v26_sft.py。")
    if not tunes:
        common = sorted(poems, key=lambda one: -len(poems[one]))[:20]  # 最常见的词牌
        tunes = [common[torch.randint(len(common), ())]]
        print(f"没说词牌，就用{tunes[0]}。")
    if opening:
        print(f"以“{opening}”开头。")  # 说一声：没看懂的，也当了开头
    [tune] = tunes
    most = max(map(len, poems[tune]))
    if len(heads) > most:
        raise ValueError(f"{tune}最多 {most} 行，藏不下 {len(heads)} 个字。")
    if rhyme and not rhymes.get(rhyme):
        raise ValueError(f"韵书里没有“{rhyme}”，韵后面写一个字，比如：韵 江；繁体字请换成简体。")
    if rhyme:  # 一字几部，取和它押过的字多半在的：说，是 ⑱（入声），不是 ③
        near = re.findall("(.)。", "".join(poem for poem in text.split("\n\n") if rhyme + "。" in poem))
        rhyme = max(sorted(rhymes[rhyme]), key=lambda part: sum(part in rhymes.get(ch, ()) for ch in near))
    asked = f"{rhyme} {heads and '藏头' + heads}".strip()
    header = f"{tune} {author or anyone}".strip()  # 题头也给它：它自己写，会编出一位词人来
    return tune, rhyme, opening, f"{asked}\n{header}\n".lstrip()

@torch.no_grad()  # 只写不学，不用记账求梯度
def compose(tune, rhyme, opening, question):  # 写一首，写一个字给一个字；一行写完，换行之前给判语
    idx, start, answer = torch.tensor([[stoi[ch] for ch in question]], device=device), 0, ""  # (1, T)
    while start + idx.shape[1] < block_size and len(answer) < max_new_tokens:
        logits = model(idx, start)  # (1, V)
        start += idx.shape[1]
        probs = F.softmax(logits / max(temperature, 1e-6), dim=-1)  # (1, V)
        idx = torch.multinomial(probs, num_samples=1)  # 按概率抽一个字，(1, 1)
        ch = opening[len(answer):][:1] or chars[idx.item()]  # 先抄 opening
        idx = torch.tensor([[stoi[ch]]], device=device)  # (1, 1)
        if ch in symbols:  # 想的，不算正文
            yield f"（{ch}）" if show_thoughts else ""
            continue
        if ch == "\n":  # 一行写完了
            if answer.endswith("\n"):  # 空行：写完了
                return
            yield "　　" + check(tune, answer.split("\n"), rhyme)
        yield ch
        answer += ch

def write(*request):
    print(re.sub(f" {anyone}$", "", request[-1].strip().split("\n")[-1]))
    if drafts > 1:  # 写几首，留毛病最少的：有几行不是光“句长合”“句长合，押韵”
        pieces = min(("".join(compose(*request)) for _ in range(drafts)),
                     key=lambda poem: len(re.findall("　　(?!句长合(，押韵)?\n)", poem)))
    else:
        pieces = compose(*request)
    for piece in pieces:
        print(piece, end="", flush=True)
    print()

signal.signal(signal.SIGINT, signal.default_int_handler)
print(f"用的是 {path.name}。一行一个要求，空行结束。")
while True:
    try:
        request = input("要求：" if sys.stdin.isatty() else "").strip()
    except (EOFError, KeyboardInterrupt):  # 没有下一行了；按了 Ctrl-C
        print()
        break
    if not request.strip("\ufeff"):
        break
    try:
        write(*understand(request))
    except ValueError as error:
        print(error if sys.stdin.isatty() else f"{request[:20]}：{error}")
    except KeyboardInterrupt:
        print("……不往下写了。")
