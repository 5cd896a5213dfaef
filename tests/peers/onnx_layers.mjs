// Runs a model with onnxruntime and writes the outputs that it is asked for, as raw float32.
// usage: node onnx_layers.mjs MODEL OUTDIR INPUT=DIMxDIM…=FILE… [--repeat N]
// OUTDIR gets index.json ([{name, dims, file}]) and one file for each of the model's outputs. With
// --repeat the median time of N runs is printed in milliseconds. The engine is looked for under
// $GANTRY_PEERS/node_modules, where `npm ci` has put it.
// SPDX-License-Identifier: Apache-2.0
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';

const ort = createRequire(path.join(process.env.GANTRY_PEERS ?? import.meta.dirname, '/'))('onnxruntime-node');

const words = process.argv.slice(2);
const at = words.indexOf('--repeat');
const repeat = at < 0 ? 0 : Number(words.splice(at, 2)[1]);
const [model, folder, ...inputs] = words;

const feeds = {};
for (const input of inputs) {
  const [name, dims, file] = input.split('=');
  const bytes = fs.readFileSync(file);
  const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  feeds[name] = new ort.Tensor('float32', values, dims.split('x').map(Number));
}
const session = await ort.InferenceSession.create(model, {
  intraOpNumThreads: Number(process.env.PEER_THREADS ?? 1),
  interOpNumThreads: 1,
  logSeverityLevel: 3,
});
const results = await session.run(feeds);
const index = [];
for (const [name, tensor] of Object.entries(results)) {
  const file = `${index.length}.f32`;
  const values = tensor.type === 'float32' ? tensor.data : Float32Array.from(tensor.data, Number);
  fs.writeFileSync(path.join(folder, file), new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  index.push({ name, dims: tensor.dims, file });
}
fs.writeFileSync(path.join(folder, 'index.json'), JSON.stringify(index));
if (repeat > 0) {
  const times = [];
  for (let i = 0; i < repeat; ++i) {
    const start = performance.now();
    await session.run(feeds);
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  console.log(times[times.length >> 1].toFixed(2));
}
