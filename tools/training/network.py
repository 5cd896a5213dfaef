"""The detector: a plain convolutional pyramid with one centre map per class. See docs/network.md."""
# SPDX-License-Identifier: Apache-2.0
import torch
from torch import nn

BALL, PERSON = 0, 1
STRIDES = (4, 8)  # of the two classes' maps
MAP_CHANNELS = 5  # score, offset x and y, log width and height


class Conv(nn.Module):
    """Convolution, batch normalisation and, by default, ReLU."""

    def __init__(self, inputs, outputs, kernel=3, stride=1, relu=True):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.relu = relu

    def forward(self, x):
        x = self.norm(self.conv(x))
        return torch.relu(x) if self.relu else x


class Block(nn.Module):
    """A residual bottleneck of two 3x3 convolutions. It begins as nothing, so that one more can be put
    into a network that has learnt."""

    def __init__(self, channels):
        super().__init__()
        self.first = Conv(channels, channels // 2)
        self.second = Conv(channels // 2, channels, relu=False)
        nn.init.zeros_(self.second.norm.weight)

    def forward(self, x):
        return torch.relu(x + self.second(self.first(x)))


class Network(nn.Module):
    """RGB 0...1, sides multiples of 32, to two maps of MAP_CHANNELS: balls at stride 4, persons at
    stride 8. Scores are logits; offsets count from the middle of a cell, sizes are logarithms, both
    in units of the stride."""

    def __init__(self):
        super().__init__()
        self.stem = Conv(3, 16, stride=2)
        self.down4, self.block4 = Conv(16, 32, stride=2), Block(32)
        self.down8 = Conv(32, 64, stride=2)
        self.block8 = nn.Sequential(Block(64), Block(64))
        self.down16 = Conv(64, 128, stride=2)
        self.block16 = nn.Sequential(Block(128), Block(128))
        self.down32 = Conv(128, 192, stride=2)
        self.block32 = nn.Sequential(Block(192), Block(192))
        self.up16, self.fuse16 = Conv(192, 128, 1, relu=False), Conv(128, 64)
        self.up8, self.fuse8 = Conv(64, 64, 1, relu=False), Conv(64, 64)
        self.up4, self.fuse4 = Conv(64, 32, 1, relu=False), Conv(32, 32)
        self.ball_block = Block(32)
        self.ball_neck, self.ball = Conv(32, 32), nn.Conv2d(32, MAP_CHANNELS, 1)
        self.person_neck, self.person = Conv(64, 64), nn.Conv2d(64, MAP_CHANNELS, 1)
        for head in (self.ball, self.person):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
            head.bias.data[0] = -5.0  # objects are rare

    def forward(self, x):
        c4 = self.block4(self.down4(self.stem(x)))
        c8 = self.block8(self.down8(c4))
        c16 = self.block16(self.down16(c8))
        c32 = self.block32(self.down32(c16))
        up = lambda y: nn.functional.interpolate(y, scale_factor=2.0, mode="nearest")
        p16 = self.fuse16(torch.relu(c16 + up(self.up16(c32))))
        p8 = self.fuse8(torch.relu(c8 + up(self.up8(p16))))
        p4 = self.fuse4(torch.relu(c4 + up(self.up4(p8))))
        return self.ball(self.ball_neck(self.ball_block(p4))), self.person(self.person_neck(p8))


def parameters(network):
    return sum(p.numel() for p in network.parameters())
