/** Loads every op, so that `opTable` is whole. */
import './binary.js';
import './compare.js';
import './control.js';
import './create.js';
import './gather.js';
import './layout.js';
import './matmul.js';
import './normalization.js';
import './random.js';
import './reduce.js';
import './rotary.js';
import './slice.js';
import './softmax.js';
import './sort.js';
import './unary.js';
import '../variable.js';
