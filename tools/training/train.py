"""Trains the detector on pictures that `gantry sim --training` renders while it learns."""
# SPDX-License-Identifier: Apache-2.0
import argparse
import copy
import math
import os
import shutil
import subprocess
import time

import torch
from torch.nn import functional as F

import data
import network as net
import onnx_file


class Renderers:
    """Processes that render folders of pictures; each folder has a seed of its own."""

    def __init__(self, gantry, scratch, pictures, size, first_seed, last_seed, processes):
        self.command, self.scratch = [gantry, "sim", "--training", str(pictures), "--size", str(size)], scratch
        self.seeds, self.processes = iter(range(first_seed, last_seed + 1)), processes
        self.running = []
        os.makedirs(scratch, exist_ok=True)
        for _ in range(processes):
            self.start()

    def start(self):
        seed = next(self.seeds, None)
        if seed is None:
            return
        folder = os.path.join(self.scratch, f"seed-{seed}")
        self.running.append((folder, subprocess.Popen(
            self.command + ["--seed", str(seed), "-o", folder], stdout=subprocess.DEVNULL)))

    def finished(self):
        """Folders that are complete; others take their place."""
        done = []
        for entry in list(self.running):
            folder, process = entry
            if process.poll() is None:
                continue
            self.running.remove(entry)
            if process.returncode != 0:
                raise RuntimeError(f"gantry sim failed for {folder}")
            done.append(folder)
            self.start()
        return done

    def stop(self):
        for _, process in self.running:
            process.kill()
            process.wait()
        shutil.rmtree(self.scratch, ignore_errors=True)


def absolute(boxes):
    """Predicted centre and size, in cells."""
    n, _, h, w = boxes.shape
    y, x = torch.meshgrid(torch.arange(h, device=boxes.device) + 0.5,
                          torch.arange(w, device=boxes.device) + 0.5, indexing="ij")
    return torch.stack((boxes[:, 0] + x, boxes[:, 1] + y, boxes[:, 2].clamp(-4, 5).exp(),
                        boxes[:, 3].clamp(-4, 5).exp()), 1)


def giou(a, b):
    """Of [n, 4, ...] centres and sizes."""
    a0, a1, b0, b1 = (a[:, :2] - a[:, 2:] / 2, a[:, :2] + a[:, 2:] / 2,
                      b[:, :2] - b[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2)
    area = lambda size: size[:, 0] * size[:, 1]  # the gradient of prod waits for the device
    both = area((torch.minimum(a1, b1) - torch.maximum(a0, b0)).clamp(min=0))
    union = area(a[:, 2:]) + area(b[:, 2:]) - both
    hull = area(torch.maximum(a1, b1) - torch.minimum(a0, b0))
    return both / union - (hull - union) / hull


def loss_of(maps, target):
    """Penalty-reduced focal loss on the scores (Law and Deng, 2018), generalised intersection over
    union and relative distances on the boxes; and the scores' part of each picture."""
    maps = maps.float()
    p = torch.sigmoid(maps[:, 0]).clamp(1e-5, 1 - 1e-5)
    positive = (target.score > 0.999).float()
    count = positive.sum().clamp(min=1)
    hit = -(p.log() * (1 - p) ** 2 * positive)
    miss = -((1 - p).log() * p ** 2 * (1 - target.score) ** 4 * (1 - positive) * target.weight)
    pictures = (hit + miss).sum((1, 2))
    boxes = absolute(maps[:, 1:])
    apart = ((boxes[:, :2] - target.box[:, :2]).abs() / target.box[:, 2:].clamp(min=1)).sum(1)
    apart = apart + (boxes[:, 2:].log() - target.box[:, 2:].log()).abs().sum(1)
    weight = target.box_weight
    box = (weight * (1 - giou(boxes, target.box) + 0.5 * apart)).sum() / weight.sum().clamp(min=1)
    return pictures.sum() / count + box, pictures


def captured(function, device):
    """`function`, whose kernels a GPU starts as one: what it returns stays where it is, and what it
    reads must. A step is 500 kernels, and starting them one by one takes longer than running them."""
    if device.type != "cuda":
        return function
    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        for _ in range(3):
            function()
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = function()

    def replay():
        graph.replay()
        return result
    return replay


class Optimiser:
    """AdamW with weight decay on kernels only, whose rate a captured step reads anew."""

    def __init__(self, network, device):
        decayed = [p for p in network.parameters() if p.ndim > 1]
        others = [p for p in network.parameters() if p.ndim == 1]
        on_gpu = device.type == "cuda"
        self.network = network
        self.adam = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.02},
                                       {"params": others, "weight_decay": 0}],
                                      lr=torch.zeros((), device=device) if on_gpu else 0.0,
                                      capturable=on_gpu)

    def set_rate(self, rate):
        for group in self.adam.param_groups:
            if torch.is_tensor(group["lr"]):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def learn(self, x, targets):
        """The losses of the two classes, and the ball's part of each picture."""
        self.adam.zero_grad(set_to_none=True)
        with torch.autocast(x.device.type, torch.bfloat16):
            maps = self.network(x)
        parts, pictures = zip(*(loss_of(m, t) for m, t in zip(maps, targets)))
        (parts[0] + parts[1]).backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 10)
        self.adam.step()
        return torch.stack([p.detach() for p in parts]), pictures[net.BALL].detach()


def peaks(maps, kind, least):
    """Boxes of one picture: [n, 5] left, top, right, bottom, score; pixel centres whole."""
    score = torch.sigmoid(maps[:1].float())
    top = F.max_pool2d(score[None], 3, 1, 1)[0]
    y, x = torch.where((score[0] == top[0]) & (score[0] >= least))
    box = absolute(maps[None, 1:].float())[0, :, y, x] * net.STRIDES[kind] - 0.5
    size = box[2:] + 0.5
    return torch.stack((box[0] - size[0] / 2, box[1] - size[1] / 2, box[0] + size[0] / 2,
                        box[1] + size[1] / 2, score[0, y, x]), 1)


@torch.no_grad()
def quick_look(network, pool, device, pictures=256):
    """Ball recall and false balls, person recall, on pictures never learnt. `gantry eval` is the
    measure; this one only tells how training goes."""
    found, wanted, false, persons, seen = [0, 0], [0, 0], 0, 0, 0
    pixels = 0
    for i in range(0, min(pictures, pool.count), 16):
        x = data.whole(pool.pictures[i:i + 16])
        maps = network(x)
        pixels += x.shape[0] * x.shape[2] * x.shape[3]
        for k in range(len(x)):
            objects = pool.objects[i + k].cpu()
            ball = peaks(maps[net.BALL][k], net.BALL, 0.5).cpu()
            taken = torch.zeros(len(ball), dtype=torch.bool)
            for o in objects[objects[:, 0] == net.BALL]:
                centre, d = (o[1:3] + o[3:5]) / 2, max(float(o[6]), 6.0)
                near = ((ball[:, :2] + ball[:, 2:4]) / 2 - centre).norm(dim=1) < d / 2 + (o[3:5] - o[1:3]).max() / 2
                taken |= near
                bin_ = 0 if 5 <= o[6] < 8 else 1 if o[6] >= 8 else None
                if bin_ is not None and o[5] >= 0.5:
                    wanted[bin_] += 1
                    found[bin_] += bool(near.any())
            false += int((~taken).sum())
            person = peaks(maps[net.PERSON][k], net.PERSON, 0.4).cpu()
            for o in objects[(objects[:, 0] == net.PERSON) & (objects[:, 5] > 0.5)]:
                both = (torch.minimum(person[:, 2:4], o[3:5]) - torch.maximum(person[:, :2], o[1:3])).clamp(min=0).prod(1)
                union = (person[:, 2:4] - person[:, :2]).prod(1) + (o[3:5] - o[1:3]).prod() - both
                seen += bool((both / union > 0.5).any())
                persons += 1
    share = lambda a, b: a / max(b, 1)
    return (f"ball 5-8 px {share(found[0], wanted[0]):.3f}, from 8 px {share(found[1], wanted[1]):.3f}, "
            f"false per 10.8 Mpx {false * 10.83e6 / max(pixels, 1):.2f}, persons {share(seen, persons):.3f}")


def arguments():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--gantry", required=True, help="the gantry binary, which renders")
    p.add_argument("-o", "--output", required=True, help="folder for checkpoint.pt and gantry.onnx")
    p.add_argument("--seconds", type=float, default=480, help="time to learn")
    p.add_argument("--fill", type=int, default=6000, help="pictures to wait for before learning")
    p.add_argument("--capacity", type=int, default=48000, help="pictures kept, 0.6 MB each")
    p.add_argument("--folder-pictures", type=int, default=400, help="pictures rendered per seed")
    p.add_argument("--seed", type=int, default=1000, help="first seed of the renderer and of chance")
    p.add_argument("--processes", type=int, default=12, help="that render")
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--rate", type=float, default=1.5e-3, help="highest learning rate")
    p.add_argument("--resume", help="checkpoint to go on from")
    p.add_argument("--scratch", default="/dev/shm/gantry-training")
    return p.parse_args()


def main():
    a = arguments()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(a.seed)
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    os.makedirs(a.output, exist_ok=True)
    size = 640
    renderers = Renderers(a.gantry, a.scratch, a.folder_pictures, size, a.seed, a.seed + 99999, a.processes)
    try:
        learn(a, device, renderers, size)
    finally:
        renderers.stop()


def learn(a, device, renderers, size):
    test, pool = data.Pool(device, min(a.folder_pictures, 256), size), data.Pool(device, a.capacity, size)
    begin = time.monotonic()
    say = lambda text: print(f"{time.monotonic() - begin:6.1f} s  {text}", flush=True)

    def collect():
        for folder in renderers.finished():
            (pool if test.count else test).add(folder)  # the first folder is never learnt
            shutil.rmtree(folder)

    while pool.count < a.fill:
        collect()
        time.sleep(0.2)
    say(f"{pool.count} pictures")

    network = net.Network()
    if a.resume:
        network.load_state_dict(torch.load(a.resume, map_location="cpu"))
    network = network.to(device, memory_format=torch.channels_last)
    say(f"{net.parameters(network) / 1e6:.2f} million parameters")
    averaged = copy.deepcopy(network).eval()
    floats = lambda n: [v for v in n.state_dict().values() if v.is_floating_point()]
    means, news = floats(averaged), floats(network)
    # Of all parts only this one gains by it.
    cropped = torch.compile(data.cropped) if device.type == "cuda" else data.cropped

    @torch.no_grad()
    def crop():
        index = pool.draw(a.batch)
        return index, *cropped(pool.pictures[index], pool.objects[index])

    @torch.no_grad()
    def photograph():
        photographs = data.photographed(pictures).contiguous(memory_format=torch.channels_last)
        return photographs, [data.Targets(objects, kind) for kind in (net.BALL, net.PERSON)]

    optimiser = Optimiser(network, device)
    _, pictures, objects = crop()
    photographed = captured(photograph, device)
    x, targets = photographed()
    learnt = captured(lambda: optimiser.learn(x, targets), device)
    start, step, losses = time.monotonic(), 0, torch.zeros(2, device=device)
    deadline, spoken = start + a.seconds, start
    while (now := time.monotonic()) < deadline:
        progress = (now - start) / a.seconds
        rate = a.rate * min(1, (step + 1) / 300) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
        optimiser.set_rate(rate)
        if step % 20 == 0:
            losses.tolist()  # waits for the device, so that the clock tells where it is
            if pool.count < a.capacity:
                collect()
        index, *drawn = crop()
        pictures.copy_(drawn[0]), objects.copy_(drawn[1])
        x, targets = photographed()
        data.enlarge(x)
        parts, of_pictures = learnt()
        pool.learnt(index, of_pictures)
        step += 1
        losses += parts
        with torch.no_grad():
            keep = min(0.9995, step / (step + 100))
            torch._foreach_mul_(means, keep)
            torch._foreach_add_(means, news, alpha=1 - keep)
        if now - spoken > 60:
            l = (losses / (step if spoken == start else step - at)).tolist()
            say(f"step {step}, {pool.count} pictures, rate {rate:.1e}, loss {l[0]:.3f} {l[1]:.3f}; "
                + quick_look(averaged, test, device))
            spoken, at = now, step
            losses.zero_()
            torch.save(averaged.state_dict(), os.path.join(a.output, "checkpoint.pt"))
    say(f"{step} steps of {a.batch}, {pool.count} pictures; " + quick_look(averaged, test, device))
    torch.save(averaged.state_dict(), os.path.join(a.output, "checkpoint.pt"))
    onnx_file.write(averaged.cpu().float(), os.path.join(a.output, "gantry.onnx"),
                    f"seed {a.seed}, {step} steps of {a.batch}, {pool.count} pictures")


if __name__ == "__main__":
    main()
