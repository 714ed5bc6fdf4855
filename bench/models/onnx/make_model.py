"""Writes the networks of the bench, each with 64 numbers for an event and 8 for its answer.

    apt-get install python3-onnx
    /usr/bin/python3 make_model.py

network.onnx: layers of 64 → 1024 → 1024 → 8. signal.onnx: three convolutions of 64 channels over the 64
as a signal in time, as for the vibration of a bearing. All weights are the same number, made when the
file is loaded: what they are is nothing to its cost, and so the file has some hundred bytes.
"""

import os

from onnx import TensorProto, helper

LAYERS = [64, 1024, 1024, 8]
SAMPLES, CHANNELS, WIDTH, ANSWERS = 64, 64, 9, 8


class Network(object):
    def __init__(self):
        self.nodes, self.constants = [], []

    def add(self, kind, inputs, **attributes):
        name = "n%d" % len(self.nodes)
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def sizes(self, values):
        name = "s%d" % len(self.constants)
        self.constants.append(
            helper.make_tensor(name, TensorProto.INT64, [len(values)], list(values))
        )
        return name

    def weights(self, *sizes):
        number = helper.make_tensor("v", TensorProto.FLOAT, [1], [0.01])
        return self.add("ConstantOfShape", [self.sizes(sizes)], value=number)

    def write(self, file):
        self.nodes[-1].output[0] = "y"
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, SAMPLES])
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, ANSWERS])
        graph = helper.make_graph(self.nodes, "network", [x], [y], initializer=self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)])
        model.ir_version = 8
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), file)
        with open(path, "wb") as out:
            out.write(model.SerializeToString())


def layers():
    network, last = Network(), "x"
    for sizes in zip(LAYERS, LAYERS[1:]):
        last = network.add("Tanh", [network.add("MatMul", [last, network.weights(*sizes)])])
    network.write("network.onnx")


def signal():
    network, channels = Network(), 1
    last = network.add("Reshape", ["x", network.sizes([-1, 1, SAMPLES])])
    for _ in range(3):
        weights = network.weights(CHANNELS, channels, WIDTH)
        pads = [WIDTH // 2, WIDTH // 2]
        last = network.add("Tanh", [network.add("Conv", [last, weights], pads=pads)])
        channels = CHANNELS
    last = network.add("Flatten", [network.add("GlobalAveragePool", [last])])
    network.add("MatMul", [last, network.weights(CHANNELS, ANSWERS)])
    network.write("signal.onnx")


layers()
signal()
