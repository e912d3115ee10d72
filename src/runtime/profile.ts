import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { OnnxModel } from '../onnx/model.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Tree } from '../tensor/tree.js';
import type { ArrayValue } from '../tensor/variable.js';
import { readText } from '../util/files.js';
import { parseJson } from '../util/json.js';
import { compile, type Program, type Updated } from './compile.js';
import { cpu, type Device } from './device.js';

/** The time of one kind of node in one run of a program. */
export interface ProfileRow {
  /** Our op, `matmul` or `attention/softmax`; empty where ONNX Runtime made the node itself. */
  readonly op: string;
  /** ONNX operator that ran, after ONNX Runtime's own merging. */
  readonly onnx: string;
  /** Nodes of this kind in a run. */
  readonly count: number;
  /** Milliseconds in a run, the mean over the runs. */
  readonly ms: number;
  /** Part of the time of all nodes, 0 to 1. */
  readonly share: number;
}

export interface ProfileOptions {
  readonly device?: Device;
  /** Runs that are measured, after one that is not. Default 5. */
  readonly runs?: number;
}

/**
 * Where the time of a function goes, op by op, the longest first. The function is compiled and run as `compile` would,
 * so the variables that it updates change. On WebGPU the times are those of handing work to the GPU.
 */
export async function profileRun(
  fn: (...args: never[]) => Tree<Tensor> | Updated,
  args: Tree<ArrayValue>[],
  { device = cpu(), runs = 5 }: ProfileOptions = {},
): Promise<ProfileRow[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'athanor-profile-'));
  try {
    const compiled = compile(fn, { device, profilePrefix: path.join(folder, 'run') });
    try {
      const program = await compiled.prepare(...args);
      for (let i = 0; i <= runs; i++) await program.run(args);
      return profileTable(program, readProfile(program, folder));
    } finally {
      await compiled.release();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** An event of ONNX Runtime's profile, in Chrome's trace format; times are in microseconds. */
export interface ProfileEvent {
  readonly cat: string;
  readonly name: string;
  readonly ts: number;
  readonly dur: number;
  readonly args?: { readonly op_name?: string };
}

function readProfile(program: Program, folder: string): ProfileEvent[] {
  program.session.endProfiling();
  const file = path.join(folder, readdirSync(folder)[0]!);
  return parseJson(readText(file), file) as unknown as ProfileEvent[];
}

/** The rows of a profile, from its events; the first run, which warms up, does not count. */
export function profileTable(program: { readonly model: OnnxModel }, events: readonly ProfileEvent[]): ProfileRow[] {
  const starts = events.filter(({ cat, name }) => cat === 'Session' && name === 'model_run').map(({ ts }) => ts);
  const [, second = 0] = starts.sort((a, b) => a - b);
  const runs = Math.max(1, starts.length - 1);
  const known = new Set(program.model.graph.nodes.map(({ name }) => name));
  const groups = new Map<string, { op: string; onnx: string; count: number; microseconds: number }>();
  for (const { cat, name, ts, dur, args } of events) {
    if (cat !== 'Node' || !name.endsWith('_kernel_time') || ts < second) continue;
    const op = opOf(name.slice(0, -'_kernel_time'.length), known);
    const onnx = args?.op_name ?? '';
    const key = `${op} ${onnx}`;
    const group = groups.get(key) ?? { op, onnx, count: 0, microseconds: 0 };
    group.count++;
    group.microseconds += dur;
    groups.set(key, group);
  }
  const rows = [...groups.values()].sort((a, b) => b.microseconds - a.microseconds);
  const total = rows.reduce((sum, { microseconds }) => sum + microseconds, 0);
  return rows.map(({ op, onnx, count, microseconds }) => ({
    op,
    onnx,
    count: count / runs,
    ms: microseconds / runs / 1000,
    share: total === 0 ? 0 : microseconds / total,
  }));
}

/** The op behind a node's name; ONNX Runtime adds to the names of nodes that it rewrites. */
function opOf(name: string, known: ReadonlySet<string | undefined>): string {
  if (known.has(name)) return name.replace(/(?:_\d+)?$/, '');
  const start = /^([A-Za-z]+(?:\/[A-Za-z]+)*)_\d+/.exec(name);
  return start && known.has(start[0]) ? start[1]! : '';
}
