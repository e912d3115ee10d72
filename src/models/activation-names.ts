import type { Activation } from '../nn/feed-forward.js';
import type { ConfigFields } from './config-fields.js';

/** Hugging Face's names. Several write the same formula; the first for each of ours is the one that is written. */
const ACTIVATION_NAMES: Readonly<Record<string, Activation>> = {
  gelu: 'gelu',
  gelu_python: 'gelu',
  gelu_new: 'geluTanh',
  gelu_pytorch_tanh: 'geluTanh',
  gelu_fast: 'geluTanh',
  relu: 'relu',
  relu2: 'reluSquared',
  silu: 'silu',
  swish: 'silu',
};

/** The activation that a configuration names, `fallback` where it names none. @throws {InputError} */
export function readActivation(fields: ConfigFields, key: string, fallback: Activation): Activation {
  const name = fields.get(key);
  if (name === undefined) return fallback;
  const known = typeof name === 'string' && Object.hasOwn(ACTIVATION_NAMES, name) ? ACTIVATION_NAMES[name] : undefined;
  if (known !== undefined) return known;
  throw fields.fault(key, Object.keys(ACTIVATION_NAMES).join(', '));
}

/** Hugging Face's name of an activation. */
export function activationName(activation: Activation): string {
  return Object.keys(ACTIVATION_NAMES).find((name) => ACTIVATION_NAMES[name] === activation)!;
}
