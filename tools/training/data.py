"""Pictures of `gantry sim --training` on the GPU, and what is done to them before they are learnt."""
# SPDX-License-Identifier: Apache-2.0
import functools
import json
import math
import os

import numpy as np
import torch
from torch.nn import functional as F

import network as net

MOST_OBJECTS = 48
CROP = 512  # pixels of a training picture
LEAST_BALL, LEAST_PERSON = 3.2, 9.0  # pixels; smaller ones are neither asked for nor forbidden
SEEN_BALL, SEEN_PERSON = 0.4, 0.3  # of an object, to be asked for


def read_folder(folder):
    """uint8 [n, 3/2 size, size] and float32 [n, MOST_OBJECTS, 7]: class (-1 none), left, top, right,
    bottom, visible, diameter."""
    with open(os.path.join(folder, "boxes.jsonl")) as file:
        lines = [json.loads(line) for line in file]
    size = lines[0]["width"]
    pictures = np.fromfile(os.path.join(folder, "pictures.nv12"), np.uint8)
    pictures = pictures.reshape(len(lines), size * 3 // 2, size)
    objects = np.zeros((len(lines), MOST_OBJECTS, 7), np.float32)
    objects[:, :, 0] = -1
    for row, line in zip(objects, lines):
        for slot, o in zip(row, line["objects"]):
            ball = o["class"] == "ball"
            slot[:] = [net.BALL if ball else net.PERSON, *o["box"], o["visible"],
                       o.get("diameter", 0)]
    return torch.from_numpy(pictures), torch.from_numpy(objects)


class Pool:
    """All pictures so far, in device memory, and how hard each was when it was learnt last."""

    def __init__(self, device, capacity, size):
        self.device, self.count = device, 0
        self.pictures = torch.empty((capacity, size * 3 // 2, size), dtype=torch.uint8, device=device)
        self.objects = torch.empty((capacity, MOST_OBJECTS, 7), device=device)
        self.hardness = torch.full((capacity,), 2.0, device=device)  # unseen: hard

    def add(self, folder):
        pictures, objects = read_folder(folder)
        n = min(len(pictures), len(self.pictures) - self.count)
        self.pictures[self.count:self.count + n] = pictures[:n].to(self.device)
        self.objects[self.count:self.count + n] = objects[:n].to(self.device)
        self.count += n
        return n

    def draw(self, batch):
        """Indices of pictures: half of them at random, half the more often the harder they are."""
        even = torch.randint(self.count, (batch // 2,), device=self.device)
        # As torch.multinomial draws, which waits for the device.
        late = torch.rand(self.count, device=self.device).log() / self.hardness[:self.count]
        return torch.cat((even, late.topk(min(self.count, batch - len(even))).indices))

    def learnt(self, index, losses):
        """`losses`: of the scores, per picture."""
        self.hardness[index] = 0.5 * self.hardness[index] + 0.5 * losses.clamp(0.02, 6)


def uniform(n, low, high, device):
    return low + (high - low) * torch.rand(n, device=device)


def chance(n, probability, device):
    return torch.rand(n, device=device) < probability


def rgb_from(luma, chroma):
    """BT.709, limited range; chroma of the luma's size. Values 0...1."""
    y = 1.164384 * (luma - 16 / 255)
    u, v = chroma[:, :1] - 128 / 255, chroma[:, 1:] - 128 / 255
    rgb = torch.cat((y + 1.792741 * v, y - 0.213249 * u - 0.532909 * v, y + 2.112402 * u), 1)
    return rgb.clamp(0, 1)


def planes(pictures):
    size = pictures.shape[2]
    luma = pictures[:, None, :size].float() / 255
    pairs = pictures[:, size:].reshape(len(pictures), size // 2, size // 2, 2)
    return luma, pairs.permute(0, 3, 1, 2).float() / 255


def whole(pictures):
    """The pictures as the detector sees them."""
    luma, chroma = planes(pictures)
    return rgb_from(luma, F.interpolate(chroma, scale_factor=2.0, mode="nearest"))


def cropped(pictures, objects):
    """A window of each picture at its own scale, maybe mirrored, CROP x CROP."""
    n, size, device = len(pictures), pictures.shape[2], pictures.device
    native = chance(n, 0.6, device)
    scale = torch.where(native, torch.ones(n, device=device),
                        torch.exp(uniform(n, math.log(0.6), math.log(1.9), device)))
    window = CROP / scale
    slack = (size - window) / 2
    centre = size / 2 + torch.stack([uniform(n, -1, 1, device) * slack.abs() for _ in range(2)], 1)
    # At native scale pixels stay whole: an even offset, as tiles have.
    whole_centre = (centre / 2).round() * 2
    centre = torch.where(native[:, None], whole_centre, centre)
    mirror = 1 - 2 * chance(n, 0.5, device).float()
    theta = torch.zeros(n, 2, 3, device=device)
    theta[:, 0, 0], theta[:, 1, 1] = window / size * mirror, window / size
    theta[:, :, 2] = 2 * centre / size - 1
    grid = F.affine_grid(theta, (n, 1, CROP, CROP), align_corners=False)
    luma, chroma = planes(pictures)
    luma = F.grid_sample(luma, grid, padding_mode="reflection", align_corners=False)
    chroma = F.grid_sample(chroma, grid, padding_mode="reflection", align_corners=False)
    inside = (grid.abs().amax(3) <= 1)[:, None].float()
    rgb = rgb_from(luma, chroma) * inside + 114 / 255 * (1 - inside)

    moved = objects.clone()
    low = (objects[:, :, 1:3] + 0.5 - centre[:, None]) * scale[:, None, None]
    high = (objects[:, :, 3:5] + 0.5 - centre[:, None]) * scale[:, None, None]
    x0, x1 = low[..., 0] * mirror[:, None], high[..., 0] * mirror[:, None]
    moved[..., 1], moved[..., 3] = torch.minimum(x0, x1), torch.maximum(x0, x1)
    moved[..., 2], moved[..., 4] = low[..., 1], high[..., 1]
    moved[..., 1:5] += CROP / 2 - 0.5
    moved[..., 6] *= scale[:, None]
    return rgb, moved


def gaussian_kernels(sigma, angle, ratio, radius=4):
    """[n, 1, k, k]: elliptic, `ratio` is the smaller axis over the larger one."""
    device = sigma.device
    at = torch.arange(-radius, radius + 1, device=device).float()
    y, x = torch.meshgrid(at, at, indexing="ij")
    c, s = angle.cos()[:, None, None], angle.sin()[:, None, None]
    u, v = c * x + s * y, -s * x + c * y
    sigma = sigma.clamp(min=0.05)[:, None, None]
    kernel = torch.exp(-0.5 * ((u / sigma) ** 2 + (v / (sigma * ratio[:, None, None]).clamp(min=0.05)) ** 2))
    return (kernel / kernel.sum((1, 2), keepdim=True))[:, None]


def filtered(x, kernels):
    n, c, h, w = x.shape
    r = kernels.shape[-1] // 2
    flat = F.pad(x, (r, r, r, r), mode="replicate").reshape(1, n * c, h + 2 * r, w + 2 * r)
    out = F.conv2d(flat, kernels.repeat_interleave(c, 0), groups=n * c)
    return out.reshape(n, c, h, w)


@functools.lru_cache
def block_transform(device):
    """The 8 x 8 cosine transform, from RGB to luma and colour differences, and back."""
    cosines = torch.tensor([[math.sqrt((1 if k == 0 else 2) / 8) * math.cos(math.pi * (2 * i + 1) * k / 16)
                             for i in range(8)] for k in range(8)])
    colours = torch.tensor([[0.299, 0.587, 0.114], [-0.169, -0.331, 0.5], [0.5, -0.419, -0.081]])
    k = torch.arange(8).float()
    coarser = (1 + 0.6 * (k[:, None, None] + k[None, None, :])) * torch.tensor(
        [1.0, 2.0, 2.0]).reshape(1, 3, 1, 1, 1, 1)
    return [t.to(device) for t in (cosines, colours, torch.linalg.inv(colours), coarser)]


def compressed(x, strength):
    """What block transforms leave of a picture; `strength` [n]: quantiser step, of 0...1 values."""
    n, c, h, w = x.shape
    cosines, colours, back, coarser = block_transform(x.device)
    blocks = torch.einsum("rc,nchw->nrhw", colours, x).reshape(n, c, h // 8, 8, w // 8, 8)
    f = torch.einsum("ki,ncaibj,lj->ncakbl", cosines, blocks, cosines)
    step = coarser * strength.reshape(n, 1, 1, 1, 1, 1)
    f = (f / step).round() * step
    blocks = torch.einsum("ki,ncakbl,lj->ncaibj", cosines, f, cosines)
    return torch.einsum("rc,nchw->nrhw", back, blocks.reshape(n, c, h, w))


def photographed(x):
    """Lens, sensor, processing and compression of any camera; three of ten stay as they are rendered.
    Pictures come in no order: what only a part of them shall undergo is done to the first or the last
    ones."""
    n, device, rendered = len(x), x.device, x
    column = lambda v: v.reshape(-1, 1, 1, 1)
    pick = lambda probability, low, high: torch.where(
        chance(n, probability, device), uniform(n, low, high, device), torch.zeros(n, device=device))
    half = n // 2
    # Optics: defocus and movement.
    ratio = torch.where(chance(half, 0.4, device), uniform(half, 0.1, 1, device),
                        torch.ones(half, device=device))
    blur = gaussian_kernels(uniform(half, 0.2, 1.2, device), uniform(half, 0, math.pi, device), ratio)
    x = torch.cat((filtered(x[:half], blur), x[half:]))
    # Sensor: light, white balance, saturation, contrast, noise fine and coarse.
    gain = torch.exp(column(pick(0.6, -0.5, 0.4)) + 0.08 * torch.randn(n, 3, 1, 1, device=device))
    x = x * gain
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * column(torch.where(chance(n, 0.6, device), uniform(n, 0, 1.9, device),
                                               torch.ones(n, device=device)))
    mean = x.mean((1, 2, 3), keepdim=True)
    x = mean + (x - mean) * column(torch.exp(pick(0.5, -0.4, 0.4)))
    x = x.clamp(1e-4, 1) ** column(torch.exp(pick(0.5, -0.35, 0.35)))
    noise = torch.randn_like(x) * column(pick(0.4, 0, 0.035))
    coarse = F.interpolate(torch.randn(n, 3, CROP // 2, CROP // 2, device=device), scale_factor=2.0,
                           mode="bilinear", align_corners=False)
    x = x + noise + coarse * column(pick(0.3, 0, 0.03))
    # Processing: cameras and broadcasters sharpen, with halos.
    from_, to = n // 4, n // 4 + half  # some of the blurred, some of the sharp
    halo = gaussian_kernels(uniform(half, 0.6, 1.6, device), torch.zeros(half, device=device),
                            torch.ones(half, device=device))
    some = x[from_:to]
    x[from_:to] = some + (some - filtered(some, halo)) * column(uniform(half, 0.1, 2.2, device))
    mixed = torch.rand(n, device=device).argsort()[:half]
    x[mixed] = compressed(x[mixed], torch.exp(uniform(half, -5.3, -2.6, device)))
    return torch.where(column(chance(n, 0.3, device)), rendered, x.clamp(0, 1))


def enlarge(x):
    """Makes some of the pictures as if they came from smaller ones, where they are."""
    count = len(x) // 5
    if count == 0 or torch.rand(()) < 0.5:
        return
    first = int(torch.randint(len(x) - count, ()))
    less = max(16, int(CROP / float(1.2 + 1.3 * torch.rand(())) / 2) * 2)
    small = F.interpolate(x[first:first + count], size=(less, less), mode="area")
    x[first:first + count] = F.interpolate(small, size=(CROP, CROP), mode="bilinear", align_corners=False)


class Targets:
    """Maps of what is asked of one class: score, box and weights."""

    def __init__(self, objects, kind):
        stride = net.STRIDES[kind]
        size = CROP // stride
        device = objects.device
        box = objects[..., 1:5]
        cut = box.clamp(-0.5, CROP - 0.5)
        extent = (box[..., 2:] - box[..., :2]).clamp(min=1e-3)
        inside = (cut[..., 2:] - cut[..., :2]).clamp(min=0)
        share = inside.prod(-1) / extent.prod(-1) * objects[..., 5]
        mine = (objects[..., 0] == kind) & (share > 0.03)
        if kind == net.BALL:
            asked = mine & (share >= SEEN_BALL) & (objects[..., 6] >= LEAST_BALL)
        else:
            asked = mine & (share >= SEEN_PERSON) & (inside[..., 1] >= LEAST_PERSON)
        wh = (cut[..., 2:] - cut[..., :2]).clamp(min=1)
        centre = (cut[..., :2] + cut[..., 2:]) / 2 + 0.5  # from the picture's edge
        cell = (centre / stride).floor().clamp(0, size - 1)
        at = torch.arange(size, device=device).float()
        if kind == net.BALL:
            sigma = (0.05 * wh).clamp(0.5, 1.5)
        else:
            sigma = (wh / stride * 0.1).clamp(0.5, 4)
        gx = torch.exp(-0.5 * ((at - cell[..., :1]) / sigma[..., :1]) ** 2)
        gy = torch.exp(-0.5 * ((at - cell[..., 1:]) / sigma[..., 1:]) ** 2)
        heat = gy[..., :, None] * gx[..., None, :] * asked[..., None, None]
        self.score, owner = heat.max(1)  # [n, size, size]
        # Neither asked for nor forbidden: around what is too small or too hidden.
        open_ = (mine & ~asked).float()
        reach = wh / stride / 2 + 1
        near_x = ((at + 0.5 - centre[..., :1] / stride).abs() <= reach[..., :1]).float()
        near_y = ((at + 0.5 - centre[..., 1:] / stride).abs() <= reach[..., 1:]).float()
        ignored = torch.einsum("nmy,nmx->nyx", near_y * open_[..., None], near_x) > 0
        self.weight = (~ignored | (self.score > 0.3)).float()
        pick = lambda v: torch.gather(v, 1, owner.flatten(1)).reshape(owner.shape)
        self.box = torch.stack([pick(v) for v in (centre[..., 0], centre[..., 1], wh[..., 0],
                                                  wh[..., 1])], 1) / stride
        self.box_weight = self.score * (self.score > 0.5)
