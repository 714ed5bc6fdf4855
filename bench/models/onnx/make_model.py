"""Writes network.onnx: a network of 64 → 1024 → 1024 → 8, some milliseconds for 32 events.

    pip install onnx==1.14.1
    python make_model.py

All weights are the same number, made when the file is loaded: what they are is nothing to its cost,
and so the file has some hundred bytes.
"""

import os

from onnx import TensorProto, helper

SIZES = [64, 1024, 1024, 8]


def main():
    nodes, weights, last = [], [], "x"
    for at, sizes in enumerate(zip(SIZES, SIZES[1:])):
        weights.append(helper.make_tensor("s%d" % at, TensorProto.INT64, [2], list(sizes)))
        number = helper.make_tensor("v", TensorProto.FLOAT, [1], [0.01])
        nodes.append(helper.make_node("ConstantOfShape", ["s%d" % at], ["w%d" % at], value=number))
        nodes.append(helper.make_node("MatMul", [last, "w%d" % at], ["m%d" % at]))
        nodes.append(helper.make_node("Tanh", ["m%d" % at], ["t%d" % at]))
        last = "t%d" % at
    nodes[-1].output[0] = "y"
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, SIZES[0]])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, SIZES[-1]])
    graph = helper.make_graph(nodes, "network", [x], [y], initializer=weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "network.onnx")
    with open(path, "wb") as file:
        file.write(model.SerializeToString())


main()
