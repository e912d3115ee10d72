import { existsSync } from 'node:fs';
import path from 'node:path';
import { type Command, works } from './child.js';

/** Sizes and counts of a training bench. */
export interface TrainSetting {
  readonly shape: string;
  readonly steps: number;
  readonly threads: number;
}

/** Somebody's training step of the benchmark GPT. */
export interface Contender {
  readonly name: string;
  /** Why it cannot run here; undefined where it can. */
  readonly absent?: string;
  /** @param before its result in the round before. */
  command(setting: TrainSetting, before?: { readonly attention?: unknown }): Command;
}

export const OURS = 'Athanor';
export const TORCH = 'PyTorch';
export const TORCH_MKL = 'PyTorch, MKL unlocked';
export const TORCH_DEBIAN = 'PyTorch, Debian';
export const TENSORFLOW_JS = 'TensorFlow.js';

/** How our own command line is started: as it is shipped, or from its source. */
export function oursCommand(fromSource: boolean, ...args: readonly string[]): Command {
  const start = fromSource ? ['--import', 'tsx', 'src/cli/main.ts'] : ['dist/cli/main.js'];
  return { program: process.execPath, args: [...start, ...args] };
}

export function ours(fromSource: boolean): Contender {
  return {
    name: OURS,
    command: ({ shape, steps, threads }) => {
      const sizes = ['--shape', shape, '--steps', String(steps), '--threads', String(threads)];
      return oursCommand(fromSource, 'bench', 'train', ...sizes, '--json');
    },
  };
}

async function torch(name: string, python: string, preload?: string): Promise<Contender> {
  const environment = preload === undefined ? {} : { LD_PRELOAD: preload };
  const found = await works({ program: python, args: ['-c', 'import torch'], environment }).catch(() => false);
  return {
    name,
    ...(found ? {} : { absent: `${python} has no torch` }),
    command: ({ shape, steps, threads }, before) => {
      // The first round tries both kinds of attention, the others run the faster one.
      const attention = before?.attention === undefined ? 'fastest' : String(before.attention);
      const args = ['bench/peers/torch_gpt.py', shape, String(steps), String(threads), '--attention', attention];
      return { program: python, args, environment };
    },
  };
}

export interface PeerPlaces {
  /** Python with the current torch. */
  readonly torchPython: string;
  /** Python with Debian's torch. */
  readonly debianPython: string;
  /** Folder with TensorFlow.js in its `node_modules`. */
  readonly tfjs: string;
  /** A temporary folder for what has to be compiled. */
  readonly scratch: string;
}

/** The three builds of PyTorch. */
export async function torches({ torchPython, debianPython, scratch }: PeerPlaces): Promise<Contender[]> {
  const library = path.join(scratch, 'mkl-any-cpu.so');
  const args = ['-shared', '-fPIC', 'bench/peers/mkl-any-cpu.c', '-o', library];
  const compiled = await works({ program: 'cc', args }).catch(() => false);
  const plain = await torch(TORCH, torchPython);
  const unlocked = compiled
    ? await torch(TORCH_MKL, torchPython, library)
    : { ...plain, name: TORCH_MKL, absent: 'there is no C compiler' };
  return [plain, unlocked, await torch(TORCH_DEBIAN, debianPython)];
}

export function tensorflowJs({ tfjs }: PeerPlaces): Contender {
  const found = existsSync(path.join(tfjs, 'node_modules', '@tensorflow', 'tfjs-backend-wasm'));
  return {
    name: TENSORFLOW_JS,
    ...(found ? {} : { absent: `not installed in ${tfjs}` }),
    command: ({ shape, steps }) => ({
      program: process.execPath,
      args: ['bench/peers/tfjs-gpt.mjs', shape, String(steps)],
      environment: { TFJS: tfjs },
    }),
  };
}
