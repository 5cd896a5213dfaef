"""Writes a trained network as ONNX: normalisations folded, weights stored in 16 bits."""
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import network as net


class Graph:
    def __init__(self):
        self.nodes, self.initialisers = [], []

    def constant(self, name, values, half=True):
        values = np.ascontiguousarray(values)
        if not half:
            self.initialisers.append(numpy_helper.from_array(values, name))
            return name
        self.initialisers.append(numpy_helper.from_array(values.astype(np.float16), name + ".half"))
        return self.add("Cast", [name + ".half"], name, to=TensorProto.FLOAT)

    def add(self, kind, inputs, output, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [output], output, **attributes))
        return output

    def convolution(self, x, weight, bias, stride, name):
        kernel = weight.shape[2]
        weights = [self.constant(name + ".weight", weight), self.constant(name + ".bias", bias)]
        return self.add("Conv", [x] + weights, name, kernel_shape=[kernel] * 2,
                        strides=[stride] * 2, pads=[kernel // 2] * 4)


def folded(conv):
    """Weight and bias of a convolution with the batch normalisation behind it."""
    norm = conv.norm
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    weight = conv.conv.weight * scale[:, None, None, None]
    bias = norm.bias - norm.running_mean * scale
    return weight.detach().cpu().float().numpy(), bias.detach().cpu().float().numpy()


def build(network):
    g = Graph()
    twice = g.constant("twice", np.array([1, 1, 2, 2], np.float32), half=False)

    def conv(layer, x, name):
        y = g.convolution(x, *folded(layer), layer.conv.stride[0], name)
        return g.add("Relu", [y], name + ".relu") if layer.relu else y

    def added(a, b, name):
        return g.add("Relu", [g.add("Add", [a, b], name + ".sum")], name)

    def blocks(layers, x, name):
        for i, layer in enumerate(layers):
            y = conv(layer.second, conv(layer.first, x, f"{name}.{i}.first"), f"{name}.{i}.second")
            x = added(x, y, f"{name}.{i}")
        return x

    def lifted(layer, below, beside, fuse, name):
        y = conv(layer, below, "up" + name)
        y = g.add("Resize", [y, "", twice], "up" + name + ".twice", mode="nearest",
                  coordinate_transformation_mode="asymmetric", nearest_mode="floor")
        return conv(fuse, added(beside, y, "join" + name), "fuse" + name)

    def head(neck, layer, x, name):
        weight = layer.weight.detach().cpu().float().numpy()
        bias = layer.bias.detach().cpu().float().numpy()
        y = conv(neck, x, name + ".neck")
        score = g.convolution(y, weight[:1], bias[:1], 1, name + ".logit")
        g.add("Sigmoid", [score], name + ".score")
        g.convolution(y, weight[1:], bias[1:], 1, name + ".box")

    n = network
    c4 = blocks([n.block4], conv(n.down4, conv(n.stem, "images", "stem"), "down4"), "block4")
    c8 = blocks(n.block8, conv(n.down8, c4, "down8"), "block8")
    c16 = blocks(n.block16, conv(n.down16, c8, "down16"), "block16")
    c32 = blocks(n.block32, conv(n.down32, c16, "down32"), "block32")
    p16 = lifted(n.up16, c32, c16, n.fuse16, "16")
    p8 = lifted(n.up8, p16, c8, n.fuse8, "8")
    p4 = lifted(n.up4, p8, c4, n.fuse4, "4")
    head(n.ball_neck, n.ball, blocks([n.ball_block], p4, "ball.block"), "ball")
    head(n.person_neck, n.person, p8, "person")
    return g


def write(network, path, note):
    g = build(network)
    values = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    outputs = []
    for name, stride in zip(("ball", "person"), net.STRIDES):
        for part, channels in (("score", 1), ("box", 4)):
            outputs.append(values(f"{name}.{part}", ["batch", channels, f"height/{stride}",
                                                     f"width/{stride}"]))
    graph = helper.make_graph(g.nodes, "gantry", [values("images", ["batch", 3, "height", "width"])],
                              outputs, g.initialisers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)],
                              producer_name="gantry")
    model.ir_version = 8
    for key, value in {"names": "{0: 'ball', 1: 'person'}", "training": note}.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.checker.check_model(model)
    onnx.save(model, path)
