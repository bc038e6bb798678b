"""PyTorch 五分钟：张量和形状、概率和 loss、梯度、训练循环，都在几行之内算给你看。

概念：深度学习的训练循环只有五句话：预测、算 loss、清空旧梯度、求新梯度、走一小步。后面每个 babygpt 都一样。
运行：python pytorch_5min.py（几秒钟）。第一次用 PyTorch 的，读张量版的二元模型之前先看这份。
预期：w 学到 2 附近，b 学到 1 附近，loss 降到约 0.007（那是数据里掺的噪声，谁也消不掉）。
试试：learning_rate 改成 0.001（太慢）或 2.0（飞了）；把 y 改成别的直线。
自测：“梯度”一节里，w 若从 4.0 出发走一步，到哪里？先用笔算，再改 w、v 的初值跑一遍。答案在 docs/answers.md。
"""
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(42)
if hasattr(sys.stdout, "reconfigure"):
    sys.stdout.reconfigure(errors="replace")  # 终端的编码里没有的字，打印成“?”，不报错

# ---------- 超参数：由人定、不由模型学的数，改一个，再跑一遍 ----------
# 有 NVIDIA 显卡用 cuda，苹果芯片用 mps，都没有就用 CPU
device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
learning_rate = 0.1  # 每一步迈多大
max_iters = 200  # 走多少步

# ---------- 张量：可以整块运算的多维数组；形状就是每一维有多长 ----------
table = torch.tensor([[0.0, 0.5], [1.0, 1.5], [2.0, 2.5]])  # (3, 2)，三个字，每个字两个数
idx = torch.tensor([[2, 0, 2, 1], [1, 1, 0, 2]])  # (2, 4)，两段文本，每段四个字的编号
x = table[idx]  # 下标也可以是张量：每个编号换成它那一行，(2, 4) -> (2, 4, 2)
print("查表", tuple(idx.shape), "->", tuple(x.shape), "，第 0 段：", x[0].tolist())

starts = torch.tensor([10, 20])  # (2,)
index = starts[:, None] + torch.arange(3)  # None 添一维：(2, 1) + (3,) -> (2, 3)，长 1 的一维自动铺开，叫广播
print("广播", index.tolist())

print("拼接", tuple(torch.cat([x, x], dim=-1).shape))  # 两个 (2, 4, 2) 沿最后一维 -> (2, 4, 4)
print("压平", tuple(idx.flatten().shape), tuple(x.flatten(0, 1).shape))  # (2, 4) -> (8,)；(2, 4, 2) -> (8, 2)
scores = x @ x.transpose(-2, -1)  # 矩阵乘法只管最后两维，前面的各算各的：(2, 4, 2) @ (2, 2, 4) -> (2, 4, 4)
print("一批矩阵乘法", tuple(scores.shape))  # 第 t 行第 s 列：第 t、s 两个字的点积（对应的数相乘再相加）

weights = torch.ones(4, 4).tril()  # tril：只留下三角，第 t 行只有自己和左边的，(4, 4)
weights = weights / weights.sum(dim=-1, keepdim=True)  # 每一行加起来是 1，(4, 4) / (4, 1)
print("自己和左边的平均", (weights @ x)[0].tolist())  # (4, 4) @ (2, 4, 2) -> (2, 4, 2)；v3 里，权重不再都一样

# ---------- 概率和 loss：五个字里猜下一个，答案是第 1 个 ----------
logits = torch.tensor([1.0, 3.0, 0.0, -1.0, 2.0])  # (5,)，模型给每个字打的分，可正可负
probs = logits.exp() / logits.exp().sum()  # softmax：取 e 的次方，变成正数，再除以总和，加起来就是 1
loss = -probs[1].log()  # 答案的概率取 -ln：概率是 1 时为 0，越小越大
print("softmax", [round(p, 3) for p in probs.tolist()], "，-ln p =", round(loss.item(), 4))
loss = F.cross_entropy(logits[None], torch.tensor([1]))  # 同样的事一步到位，(1, 5), (1,) -> ()
print("F.cross_entropy（交叉熵）", round(loss.item(), 4))

# ---------- 梯度：每个参数（要学的数）的导数排在一起；导数是参数变大一点点，loss 变它的几倍 ----------
w = torch.tensor([3.0], requires_grad=True)  # (1,)，要 PyTorch 记账，好求导
v = torch.tensor([3.0], requires_grad=True)  # (1,)，和 w 一样，留给 SGD
loss = ((w * 2 - 10) ** 2 + (v * 2 - 10) ** 2).sum()  # (1,) -> ()
loss.backward()  # 自动求导，结果放在 w.grad、v.grad，形状和参数一样
start = w.item()
print(f"导数 {w.grad.item()}，手算 2 × ({start} × 2 - 10) × 2 = {2 * (start * 2 - 10) * 2}")

with torch.no_grad():  # 改参数本身不用记账
    w -= learning_rate * w.grad  # 导数是负的：w 往大里走，loss 才变小。所以是减
torch.optim.SGD([v], lr=learning_rate).step()  # 优化器替你做的，就是上面这一行
print(f"走一步：手工 {w.item():.4f}，SGD {v.item():.4f}")

# ---------- 数据：y = 2x + 1，掺一点噪声 ----------
x = torch.rand(100, 1) * 2 - 1  # (100, 1)，在 -1 到 1 之间
y = 2 * x + 1 + 0.1 * torch.randn(100, 1)  # (100, 1)
x, y = x.to(device), y.to(device)  # 数据和模型要在同一个设备上

# ---------- 模型 ----------
class Line(nn.Module):  # nn.Module：装参数的盒子，盒子里套盒子；里面的参数都登记着，优化器找得到
    def __init__(self):
        super().__init__()  # 先让 nn.Module 备好登记册，下面才登记得上
        # nn.Linear(进, 出)：x @ weight.T + bias，weight (出, 进)，bias (出,)；这里就是 w 和 b
        self.linear = nn.Linear(1, 1)

    def forward(self, x):
        return self.linear(x)  # (100, 1) -> (100, 1)；几个盒子要一个接一个，用 nn.Sequential(a, b)：b(a(x))

model = Line().to(device)
loss_fn = nn.MSELoss()  # 预测和答案之差的平方，取平均
optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)  # 每个参数都像上面的 w 那样走

# ---------- 训练循环 ----------
for step in range(max_iters + 1):
    prediction = model(x)  # 1. 预测（就是调用 forward），(100, 1)
    loss = loss_fn(prediction, y)  # 2. 差多少，()
    if step % 50 == 0:
        print(f"step {step:3d}/{max_iters} | loss {loss.item():.4f}")
    optimizer.zero_grad()  # 3. 梯度会累加，先清掉上一步的
    loss.backward()  # 4. 反向传播：求 loss 对每个参数的导数
    optimizer.step()  # 5. 每个参数往 loss 变小的方向走一小步

print(f"学到 y = {model.linear.weight.item():.3f}x + {model.linear.bias.item():.3f}，真相是 y = 2x + 1")
