"""把将来的模型可能用到的各种运算，一样写一个小小的 ONNX，给 npm run runtime 跑：它们用到的函数，裁的时候也留着。

用法：python tools/ops.py 文件夹

输入都是常量，跑的时候什么也不用给；矩阵乘法另有一份不是常量的：两种算法不同。
"""

import itertools
import pathlib
import sys

import numpy
import onnx
from onnx import helper, numpy_helper

F, N, B = numpy.float32, numpy.int64, numpy.bool_


def array(kind, *shape):
    return (numpy.arange(int(numpy.prod(shape))).reshape(shape) % 3 + 1).astype(kind)


def ints(*values):
    return numpy.array(values, N)


def cases():
    """(运算, [输入], {属性}, 几个输出)。"""
    shapes = [((2, 3), (2, 3)), ((2, 3), ()), ((), (2, 3)), ((2, 1), (1, 3)), ((2, 2, 3), (3,)), ((1, 2, 3), (2, 1, 1))]
    for kind, (a, b) in itertools.product((F, N), shapes):
        for op in (
            "Add",
            "Sub",
            "Mul",
            "Div",
            "Equal",
            "Less",
            "LessOrEqual",
            "Greater",
            "GreaterOrEqual",
            "Max",
            "Min",
        ):
            yield op, [array(kind, *a), array(kind, *b)], {}, 1
        yield "Pow", [array(kind, *a), array(kind, *b)], {}, 1
        yield "Where", [array(B, *a), array(kind, *a), array(kind, *b)], {}, 1
        yield "Where", [array(B, *b), array(kind, *a), array(kind)], {}, 1
    for a, b in shapes:
        for op in ("And", "Or"):
            yield op, [array(B, *a), array(B, *b)], {}, 1
    yield "Not", [array(B, 2, 3)], {}, 1
    for op in "Relu Sigmoid Tanh Sqrt Reciprocal Exp Log Erf Sin Cos Neg Abs Floor Softplus Gelu Round Sign".split():
        yield op, [array(F, 2, 3)], {}, 1
        yield op, [array(F, 33)], {}, 1
    for op in ("Neg", "Abs", "Sign"):
        yield op, [array(N, 2, 3)], {}, 1
    for op, axis in itertools.product(("Softmax", "LogSoftmax"), (-1, 0, 1)):
        yield op, [array(F, 2, 3, 4)], {"axis": axis}, 1
    kinds = (numpy.float32, numpy.float16, numpy.int64, numpy.int32, numpy.int8, numpy.uint8, numpy.bool_)
    for one, other in itertools.product(kinds, kinds):
        yield "Cast", [array(one, 2, 3)], {"to": helper.np_dtype_to_tensor_dtype(numpy.dtype(other))}, 1
    for kind in (F, N, numpy.int8):
        x = array(kind, 3, 4, 5)
        for axis, index in itertools.product(
            (0, 1, 2), (ints(1), ints(0, 2), ints(1, 0, 0, 2).reshape(2, 2), numpy.array(1, N))
        ):
            yield "Gather", [x, index], {"axis": axis}, 1
        yield "GatherElements", [x, array(N, 1, 4, 5) - 1], {"axis": 0}, 1
        yield "GatherND", [x, ints(0, 1, 2, 3).reshape(2, 2)], {}, 1
        yield "GatherND", [x, ints(0, 1, 2).reshape(3, 1)], {"batch_dims": 1}, 1
        yield "Reshape", [x, ints(0, -1)], {}, 1
        yield "Flatten", [x], {"axis": 1}, 1
        for order in itertools.permutations(range(3)):
            yield "Transpose", [x], {"perm": order}, 1
        yield "Transpose", [array(kind, 1, 2, 3, 4)], {"perm": (0, 2, 1, 3)}, 1
        for axis in (0, 1, 2, -1):
            yield "Concat", [x, x, x], {"axis": axis}, 1
            yield "Split", [x], {"axis": axis, "num_outputs": 2}, 2
        yield "Split", [x, ints(1, 3)], {"axis": 1}, 2
        yield "Unsqueeze", [x, ints(0, 2)], {}, 1
        yield "Squeeze", [array(kind, 1, 3, 1), ints(0, 2)], {}, 1
        yield "Squeeze", [array(kind, 1, 3, 1)], {}, 1
        yield "Slice", [x, ints(1), ints(9), ints(1), ints(1)], {}, 1
        yield "Slice", [x, ints(0, 1), ints(9, 3), ints(0, 2), ints(2, 1)], {}, 1
        yield "Slice", [x, ints(-1), ints(-9), ints(0), ints(-1)], {}, 1
        yield "Expand", [array(kind, 3, 1), ints(2, 3, 4)], {}, 1
        yield "Expand", [array(kind), ints(2, 3)], {}, 1
        yield "Tile", [x, ints(2, 1, 3)], {}, 1
        yield "Shape", [x], {}, 1
        yield "Shape", [x], {"start": 1, "end": 2}, 1
        yield "Size", [x], {}, 1
        yield "Identity", [x], {}, 1
        yield "ConstantOfShape", [ints(2, 3)], {"value": numpy_helper.from_array(array(kind, 1))}, 1
        yield "Pad", [x, ints(0, 1, 0, 0, 0, 2)], {}, 1
    for kind in (F, N):
        yield "Range", [numpy.array(0, kind), numpy.array(5, kind), numpy.array(1, kind)], {}, 1
        yield "ScatterND", [array(kind, 3, 4), ints(0, 2).reshape(2, 1), array(kind, 2, 4)], {}, 1
        yield "ScatterElements", [array(kind, 3, 4), array(N, 1, 4) - 1, array(kind, 1, 4)], {}, 1
        for largest in (0, 1):
            yield "ArgMax", [array(kind, 3, 4)], {"axis": -1, "keepdims": largest}, 1
        yield "TopK", [array(kind, 3, 4), ints(2)], {}, 2
        yield "OneHot", [ints(0, 2), ints(3), array(kind, 2)], {}, 1
        yield "CumSum", [array(kind, 3, 4), numpy.array(1, N)], {}, 1
        yield "Clip", [array(kind, 3, 4), array(kind), numpy.array(2, kind)], {}, 1
        for op, axes, keep in itertools.product(
            ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd"),
            ((0,), (1,), (2,), (-1,), (0, 1), (0, 2), (0, 1, 2)),
            (0, 1),
        ):
            yield op, [array(kind, 2, 3, 4), ints(*axes)], {"keepdims": keep}, 1
    for op in ("ReduceL2", "ReduceSumSquare", "ReduceLogSumExp"):
        yield op, [array(F, 2, 3, 4), ints(-1)], {}, 1
    for kind in (F, N, B):
        for upper in (0, 1):
            yield "Trilu", [array(kind, 4, 4)], {"upper": upper}, 1
            yield "Trilu", [array(kind, 4, 4), numpy.array(1, N)], {"upper": upper}, 1
    for m, k, n in itertools.product((1, 3, 8, 33), (1, 5, 64), (1, 7, 64)):
        yield "MatMul", [array(F, 1, m, k), array(F, k, n)], {}, 1
        yield "MatMul", [array(F, 2, 3, m, k), array(F, 2, 3, k, n)], {}, 1
        for transposed in (0, 1):
            b = array(F, n, k) if transposed else array(F, k, n)
            yield "Gemm", [array(F, m, k), b, array(F, n)], {"transB": transposed}, 1
            yield "Gemm", [array(F, m, k), b], {"transB": transposed, "alpha": 0.5}, 1
        yield "Gemm", [array(F, k, m), array(F, k, n), array(F, 1)], {"transA": 1, "beta": 2.0}, 1
    yield "MatMul", [array(F, 5), array(F, 5, 3)], {}, 1
    yield "MatMul", [array(F, 3, 5), array(F, 5)], {}, 1
    yield "Einsum", [array(F, 2, 3), array(F, 3, 4)], {"equation": "ij,jk->ik"}, 1
    for axis in (-1, 1):
        for extra in ([], [array(F, 4)] if axis == -1 else [array(F, 3, 4)]):
            scale = array(F, 4) if axis == -1 else array(F, 3, 4)
            yield "LayerNormalization", [array(F, 2, 3, 4), scale, *extra], {"axis": axis}, 1
    yield "RMSNormalization", [array(F, 2, 3, 4), array(F, 4)], {"axis": -1}, 1
    yield "IsNaN", [array(F, 3)], {}, 1


def model(op, inputs, attributes, outputs, fresh=False):
    names, found = [f"x{k}" for k in range(len(inputs))], [f"y{k}" for k in range(outputs)]
    given = [f"{name}.fresh" for name in names] if fresh else names
    graph = helper.make_graph(
        [
            *(helper.make_node("Identity", [name], [other]) for name, other in zip(names, given, strict=True) if fresh),
            helper.make_node(op, given, found, **attributes),
        ],
        op,
        [],
        [helper.make_empty_tensor_value_info(name) for name in found],
        [numpy_helper.from_array(numpy.asarray(value), name) for name, value in zip(names, inputs, strict=True)],
    )
    opset = 23 if op == "RMSNormalization" else 20
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def main():
    folder = pathlib.Path(sys.argv[1])
    for k, case in enumerate(cases()):
        for fresh in (False, True)[: 1 + (case[0] in ("MatMul", "Gemm"))]:
            found = onnx.shape_inference.infer_shapes(model(*case, fresh))
            onnx.save(found, folder / f"{case[0]}-{k}-{fresh}.onnx")


if __name__ == "__main__":
    main()
