"""PyTorch 五分钟：张量、模型、loss、优化器、训练循环、搬到 GPU，在一条直线 y = 2x + 1 上看全。

概念：深度学习的训练循环只有五句话：预测、算 loss、清空旧梯度、求新梯度、走一小步。后面每个 babygpt 都一样。
运行：python pytorch_5min.py（几秒钟）
预期：w 学到 2 附近，b 学到 1 附近，loss 降到约 0.007（那是数据里掺的噪声，谁也消不掉）。
试试：learning_rate 改成 0.001（太慢）或 2.0（飞了）；把 y 改成别的直线。
"""
import torch
import torch.nn as nn

torch.manual_seed(42)

# ---------- 张量：多维数组，需要时还能自动求导 ----------
a = torch.tensor([[1.0, 2.0], [3.0, 4.0]])  # (2, 2)
print("形状", tuple(a.shape), "，矩阵乘法", (a @ a).tolist(), "，按列求平均", a.mean(dim=0).tolist())

w = torch.tensor(3.0, requires_grad=True)
loss = (w * 2 - 10) ** 2
loss.backward()  # 自动求导：w 变大一点点，loss 变多少？
print("loss 对 w 的导数", w.grad.item(), "，手算 2 × (3 × 2 - 10) × 2 =", 2 * (3 * 2 - 10) * 2)

# ---------- 超参数 ----------
device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
learning_rate = 0.1
max_iters = 200

# ---------- 数据：y = 2x + 1，掺一点噪声 ----------
x = torch.rand(100, 1) * 2 - 1  # (100, 1)，在 -1 到 1 之间
y = 2 * x + 1 + 0.1 * torch.randn(100, 1)  # (100, 1)
x, y = x.to(device), y.to(device)  # 数据和模型要在同一个设备上

# ---------- 模型 ----------
class Line(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(1, 1)  # 里面有两个参数，w 和 b，开始时是随机的

    def forward(self, x):
        return self.linear(x)  # (100, 1) -> (100, 1)

model = Line().to(device)
loss_fn = nn.MSELoss()  # 预测和答案之差的平方，取平均
optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)  # 沿着 loss 下降的方向改参数

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
