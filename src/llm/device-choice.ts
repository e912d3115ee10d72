import type { Module } from '../nn/module.js';
import { cpu, type Device } from '../runtime/device.js';

/** Parameters below which operations are too short to be shared by threads. */
const SMALL_MODEL = 2e7;

/** Whether a model is computed faster by one thread than by several. */
export function isSmall(model: Module): boolean {
  return model.size < SMALL_MODEL;
}

/** This machine's processor, with one thread for a small model. */
export function deviceFor(model: Module): Device {
  return cpu(isSmall(model) ? { threads: 1 } : {});
}
