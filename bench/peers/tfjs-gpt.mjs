// The bench's GPT, one training step, in TensorFlow.js on its WebAssembly backend in Node: a peer to compare with.
//
//   mkdir -p /tmp/tfjs && cd /tmp/tfjs && npm init -y && npm install @tensorflow/tfjs @tensorflow/tfjs-backend-wasm
//   TFJS=/tmp/tfjs node bench/peers/tfjs-gpt.mjs 4,256,4,128,16,4096 6
//
// Arguments: LAYERS,WIDTH,HEADS,TIME,BATCH,VOCABULARY STEPS. Prints one JSON object. The backend runs on one thread in
// Node whatever is asked: it turns its threads off there, and where its threaded build is loaded by hand all the same
// (version 4.22.0), the build's own pool answers that it has one thread and starts no worker.
import { createRequire } from 'node:module';
import path from 'node:path';

const WARM_UPS = 2;
const [layers, width, heads, time, batch, vocabulary] = (process.argv[2] ?? '').split(',').map(Number);
const steps = Number(process.argv[3]);
if (!(layers && width && heads && time && batch && vocabulary && steps)) {
  console.error('usage: TFJS=folder tfjs-gpt.mjs LAYERS,WIDTH,HEADS,TIME,BATCH,VOCABULARY STEPS');
  process.exit(1);
}
const require = createRequire(path.join(process.env.TFJS ?? '/tmp/tfjs', 'package.json'));
const tf = require('@tensorflow/tfjs');
const wasm = require('@tensorflow/tfjs-backend-wasm');

const parameters = {};
const variable = (name, shape, std) => {
  const initial =
    std === undefined ? tf.ones(shape) : tf.randomNormal(shape, 0, std, 'float32', Object.keys(parameters).length);
  parameters[name] = tf.variable(initial, true, name);
  initial.dispose();
};

function makeParameters() {
  variable('tokens', [vocabulary, width], 0.02);
  variable('positions', [time, width], 0.02);
  for (let l = 0; l < layers; l++) {
    variable(`norm1.${l}`, [width]);
    variable(`norm2.${l}`, [width]);
    for (const name of ['q', 'k', 'v', 'o']) variable(`${name}.${l}`, [width, width], 0.02);
    variable(`up.${l}`, [width, 4 * width], 0.02);
    variable(`down.${l}`, [4 * width, width], 0.02);
  }
  variable('norm', [width]);
  variable('head', [width, vocabulary], 0.02);
}

/** Rows of the table. The backend lacks the kernel of gather's own gradient, so the gradient is a scatter. */
const embed = tf.customGrad((table, ids, save) => {
  save([ids]);
  const gradient = (dy, saved) => [
    tf.scatterND(saved[0].reshape([-1, 1]), dy, [vocabulary, width]),
    tf.zerosLike(saved[0]),
  ];
  return { value: tf.gather(table, ids), gradFunc: gradient };
});

/** Mean cross-entropy with its closed gradient, (softmax - one-hot) / rows: the cheapest way that the backend allows. */
const crossEntropy = tf.customGrad((logits, places, save) => {
  const p = tf.softmax(logits);
  save([p, places]);
  const gradient = (dy, [probabilities, at]) => {
    const rows = probabilities.shape[0];
    const hit = tf.scatterND(at, tf.fill([rows], -1), probabilities.shape);
    return [probabilities.add(hit).mul(dy.div(rows)), tf.zerosLike(at)];
  };
  return { value: tf.gatherND(p, places).log().mean().neg(), gradFunc: gradient };
});

/**
 * A matrix product of two matrices, or of two stacks of matrices. The backend multiplies a transposed operand
 * ten times slower than it transposes and multiplies, so the gradients transpose first.
 */
const multiply = tf.customGrad((a, b, save) => {
  save([a, b]);
  const flip = (t) => tf.transpose(t, t.rank === 2 ? [1, 0] : [0, 1, 3, 2]);
  const gradient = (dy, [x, y]) => [tf.matMul(dy, flip(y)), tf.matMul(flip(x), dy)];
  return { value: tf.matMul(a, b), gradFunc: gradient };
});

function norm(x, gain) {
  const centred = x.sub(x.mean(-1, true));
  return centred.mul(centred.square().mean(-1, true).add(1e-5).rsqrt()).mul(gain);
}

function attention(x, l, mask) {
  const split = (name, order) =>
    multiply(x, parameters[`${name}.${l}`])
      .reshape([batch, time, heads, width / heads])
      .transpose(order);
  const [q, k, v] = [split('q', [0, 2, 1, 3]), split('k', [0, 2, 3, 1]), split('v', [0, 2, 1, 3])];
  const scores = multiply(q, k)
    .mul(1 / Math.sqrt(width / heads))
    .add(mask);
  const mixed = multiply(tf.softmax(scores), v)
    .transpose([0, 2, 1, 3])
    .reshape([batch * time, width]);
  return multiply(mixed, parameters[`o.${l}`]);
}

function lossOf(ids, places, mask) {
  const rows = embed(parameters.tokens, ids).reshape([batch, time, width]).add(parameters.positions);
  let x = rows.reshape([batch * time, width]);
  for (let l = 0; l < layers; l++) {
    x = x.add(attention(norm(x, parameters[`norm1.${l}`]), l, mask));
    const up = multiply(norm(x, parameters[`norm2.${l}`]), parameters[`up.${l}`]);
    x = x.add(multiply(tf.relu(up).square(), parameters[`down.${l}`]));
  }
  return crossEntropy(multiply(norm(x, parameters.norm), parameters.head), places);
}

const moments = new Map();

/** AdamW with decoupled decay on matrices, after clipping to global norm 1. */
function update(gradients, step) {
  const [rate, beta1, beta2, decay] = [1e-3, 0.9, 0.95, 0.1];
  const squares = Object.values(gradients).map((g) => tf.tidy(() => g.square().sum()));
  const scale = tf.minimum(1, tf.div(1, tf.addN(squares).sqrt()));
  for (const [name, gradient] of Object.entries(gradients)) {
    const weight = parameters[name];
    if (!moments.has(name)) {
      const zero = () => tf.variable(tf.zerosLike(weight), false);
      moments.set(name, { m: zero(), v: zero() });
    }
    const { m, v } = moments.get(name);
    tf.tidy(() => {
      const g = gradient.mul(scale);
      m.assign(m.mul(beta1).add(g.mul(1 - beta1)));
      v.assign(v.mul(beta2).add(g.square().mul(1 - beta2)));
      const direction = m.div(1 - beta1 ** step).div(
        v
          .div(1 - beta2 ** step)
          .sqrt()
          .add(1e-8),
      );
      const kept = weight.rank === 2 ? weight.mul(1 - rate * decay) : weight;
      weight.assign(kept.sub(direction.mul(rate)));
    });
  }
}

/** One step; returns its loss and its milliseconds: wall, CPU, and wall of forward and backward alone. */
function trainStep(step, mask) {
  const ids = Int32Array.from({ length: batch * time }, () => Math.floor(Math.random() * vocabulary));
  const places = Int32Array.from({ length: ids.length * 2 }, (_, i) =>
    i % 2 === 0 ? i >> 1 : (ids[i >> 1] * 3 + 7) % vocabulary,
  );
  const begin = performance.now();
  const cpuBegin = process.cpuUsage();
  const [loss, backward] = tf.tidy(() => {
    const input = tf.tensor1d(ids, 'int32');
    const target = tf.tensor2d(places, [ids.length, 2], 'int32');
    const { value, grads } = tf.variableGrads(() => lossOf(input, target, mask));
    const backward = performance.now() - begin;
    update(grads, step);
    return [value.dataSync()[0], backward];
  });
  const cpu = process.cpuUsage(cpuBegin);
  return { loss, ms: performance.now() - begin, cpu: (cpu.user + cpu.system) / 1000, backward };
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

await tf.setBackend('wasm');
await tf.ready();
makeParameters();
const mask = tf.tensor2d(
  Float32Array.from({ length: time * time }, (_, i) => (i % time > Math.floor(i / time) ? -1e9 : 0)),
  [time, time],
);
const results = [];
try {
  for (let step = 1; step <= WARM_UPS + steps; step++) results.push(trainStep(step, mask));
} catch (error) {
  // WebAssembly addresses 4 GB: weights, gradients, moments and packed copies of the weights have to fit.
  const hint = `step ${results.length + 1} failed; the usual cause is the 4 GB that WebAssembly can address`;
  console.log(JSON.stringify({ peer: 'TensorFlow.js', version: wasm.version_wasm, error: String(error), hint }));
  process.exit(1);
}
const timed = results.slice(WARM_UPS);
const ms = median(timed.map((r) => r.ms));
const count = Object.values(parameters).reduce((sum, p) => sum + p.size, 0);
const tokens = batch * time;
const flops = 6 * (count - vocabulary * width - time * width) * tokens + 12 * layers * width * time * tokens;
console.log(
  JSON.stringify({
    peer: 'TensorFlow.js',
    version: wasm.version_wasm,
    backend: 'wasm, simd',
    parameters: count,
    threads: wasm.getThreadsCount(),
    ms: Number(ms.toFixed(1)),
    forwardBackwardMs: Number(median(timed.map((r) => r.backward)).toFixed(1)),
    cpuMs: Number(median(timed.map((r) => r.cpu)).toFixed(1)),
    tokensPerSecond: Math.round(tokens / (ms / 1000)),
    gflops: Number((flops / ms / 1e6).toFixed(1)),
    peakRssMb: Math.round(process.resourceUsage().maxRSS / 1024),
    firstLoss: Number(results[0].loss.toFixed(4)),
    lastLoss: Number(results.at(-1).loss.toFixed(4)),
    tensorsLeft: tf.memory().numTensors,
  }),
);
