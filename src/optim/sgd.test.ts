import { expect, test } from 'vitest';
import { gradientOf, runOptimizer, SHAPES, startOf } from '../../test/optimizer-steps.js';
import { largestError } from '../../test/plain-layers.js';
import { Sgd } from './sgd.js';

// Of scripts/optimizer-reference.py, PyTorch 2.15.0.
const DEFAULT: Record<string, number[]> = {
  'embedding.weight': [0.021459935, 0.994131401, 0.540808807, -0.679626986, -0.896311726, 0.187313556],
  'layers.0.weight': [
    0.852526643, 0.735697591, -0.468884603, -1.012773834, -0.103107143, 0.937700375, 0.604476636, -0.594851272,
  ],
  'layers.1.weight': [
    0.878635938, -0.17998963, -0.997055716, -0.356779677, 0.823185572, 0.826542901, -0.353080336, -1.002112452,
  ],
  'layers.0.bias': [0.155583714, -0.887644828, -0.60210205, 0.594531271],
};

/** Momentum 0.7, weight decay 0.2 of matrices, apart from the momentum. */
const DECAYED: Record<string, number[]> = {
  'embedding.weight': [0.010152778, 0.959012003, 0.520238105, -0.664287923, -0.867868664, 0.1954556],
  'layers.0.weight': [
    0.831687278, 0.725932238, -0.446078107, -0.978153621, -0.095227709, 0.913249582, 0.580459542, -0.593879058,
  ],
  'layers.1.weight': [
    0.870602131, -0.169252945, -0.976174244, -0.358101143, 0.791806939, 0.797857308, -0.34748001, -0.973168161,
  ],
  'layers.0.bias': [0.146838312, -0.900641538, -0.613237512, 0.590494238],
};

test.each([
  ['its defaults', {}, DEFAULT],
  ['weight decay', { momentum: 0.7, weightDecay: 0.2 }, DECAYED],
])('seven steps give PyTorch’s weights, with %s', (_, config, expected) => {
  const { weights } = runOptimizer((parameters) => new Sgd(parameters, config));
  for (const name of Object.keys(SHAPES)) {
    expect(largestError(weights[name]!, expected[name]!), name).toBeLessThan(1e-6);
  }
});

test('without momentum a step is the gradient times the learning rate; at 0 nothing moves', () => {
  const make = (parameters: ConstructorParameters<typeof Sgd>[0]) => new Sgd(parameters, { momentum: 0 });
  for (const rate of [0, 0.3]) {
    const { weights } = runOptimizer(make, [rate]);
    Object.entries(SHAPES).forEach(([name, shape], k) => {
      const gradient = gradientOf(k, shape, 1);
      const expected = [...startOf(k, shape)].map((w, i) => w - rate * gradient[i]!);
      expect(largestError(weights[name]!, expected), name).toBeLessThan(1e-12);
    });
  }
});
