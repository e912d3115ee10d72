import type * as ort from 'onnxruntime-node';
import { lower } from '../onnx/lower.js';
import { allocate } from '../tensor/dtype.js';
import { equalShapes, evaluateDim, formatShape, type Shape, ShapeError, SymbolicDim } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { flattenTree, mapTree, type Tree } from '../tensor/tree.js';
import { type ArrayValue, type HostArray, input, isHostArray, type Variable, variableOf } from '../tensor/variable.js';
import { arrayOf, type GpuArray, isGpuArray, ortTensor } from './array.js';
import { cpu, type Device } from './device.js';
import { safeDonations } from './donation.js';
import { moveToGpu } from './gpu.js';
import { openSession, translate } from './session.js';

/** What a traced function returns when it also updates variables. */
export class Updated<R = unknown> {
  readonly outputs: R;
  readonly updates: readonly (readonly [Variable, Tensor])[];

  /** @param updates the new value of each variable, of the same type and shape. */
  constructor(outputs: R, updates: readonly (readonly [Variable, Tensor])[]) {
    this.outputs = outputs;
    this.updates = updates;
  }
}

export interface CompileOptions {
  readonly device?: Device;
  /**
   * Let updated variables be overwritten in their own memory where that is proven safe. Default true; false keeps two
   * buffers for each.
   */
  readonly donate?: boolean;
  /** Shapes with symbolic sizes for arguments by path (`'0.ids'`): calls of any such size share one program. */
  readonly shapes?: Readonly<Record<string, Shape>>;
  /** Write ONNX Runtime's profile to files with this prefix. */
  readonly profilePrefix?: string;
}

/** A tree of results with each tensor replaced by its value. */
export type Values<R> =
  R extends Updated<infer Inner>
    ? Values<Inner>
    : R extends Tensor
      ? HostArray
      : { readonly [K in keyof R]: Values<R[K]> };

export interface CompiledFunction<R> {
  (...args: Tree<ArrayValue>[]): Promise<Values<R>>;
  /** Compiles for these arguments without running. */
  prepare(...args: Tree<ArrayValue>[]): Promise<Program>;
  /** Frees every program that was compiled. */
  release(): Promise<void>;
}

type TracedFunction = (...args: Tree<Tensor>[]) => Tree<Tensor> | Updated<Tree<Tensor>>;

const isArray = (value: unknown): value is ArrayValue =>
  typeof value === 'object' && value !== null && 'dtype' in value && 'shape' in value;
const isTensor = (value: unknown): value is Tensor => value instanceof Tensor;

/**
 * Turns a function over trees of tensors into one that runs: it is traced once for each signature of shapes and types,
 * written as an ONNX model, and run by ONNX Runtime. Variables that the function uses are inputs of the program; those
 * that it updates (`Updated`) keep their new values. Results are arrays in memory.
 */
export function compile<R>(
  fn: (...args: never[]) => R,
  options: CompileOptions = {},
): CompiledFunction<R> {
  const programs = new Map<string, Promise<Program>>();
  const prepare = (...args: Tree<ArrayValue>[]): Promise<Program> => {
    const leaves = flattenTree<ArrayValue>(args, isArray);
    const signature = leaves
      .map(([path, { dtype, shape }]) => `${path}:${dtype}${formatShape(options.shapes?.[path] ?? shape)}`)
      .join(';');
    let program = programs.get(signature);
    if (!program) {
      program = Program.build(fn as unknown as TracedFunction, args, options);
      programs.set(signature, program);
      program.catch(() => programs.delete(signature));
    }
    return program;
  };
  const call = (...args: Tree<ArrayValue>[]): Promise<Values<R>> =>
    prepare(...args).then((program) => program.run(args)) as unknown as Promise<Values<R>>;
  const release = async (): Promise<void> => {
    for (const program of programs.values()) await (await program).release();
    programs.clear();
  };
  return Object.assign(call, { prepare, release });
}

interface UpdateSlot {
  readonly variable: Variable;
  readonly output: string;
  readonly inPlace: boolean;
  /** The second buffer, exchanged with the variable's own at each run. */
  spare?: HostArray;
}

/** One function compiled for one signature. */
export class Program {
  readonly session: ort.InferenceSession;
  readonly model: ReturnType<typeof lower>['model'];
  private readonly device: Device;
  private readonly inputs: readonly { name: string; path?: string; variable?: Variable; shape: Shape }[];
  private readonly results: Tree<string>;
  private readonly updates: UpdateSlot[];

  private constructor(parts: {
    session: ort.InferenceSession;
    model: ReturnType<typeof lower>['model'];
    device: Device;
    inputs: readonly { name: string; path?: string; variable?: Variable; shape: Shape }[];
    results: Tree<string>;
    updates: UpdateSlot[];
  }) {
    this.session = parts.session;
    this.model = parts.model;
    this.device = parts.device;
    this.inputs = parts.inputs;
    this.results = parts.results;
    this.updates = parts.updates;
  }

  static async build(
    fn: TracedFunction,
    args: Tree<ArrayValue>[],
    { device = cpu(), donate = true, shapes = {}, profilePrefix }: CompileOptions,
  ): Promise<Program> {
    const paths = new Map<Tensor, string>();
    const traced = mapTree<ArrayValue, Tensor>(args, isArray, ({ dtype, shape }, path) => {
      const placeholder = input(path, dtype, shapes[path] ?? shape);
      paths.set(placeholder, path);
      return placeholder;
    });
    const returned = fn(...(traced as Tree<Tensor>[]));
    const { outputs, updates } = returned instanceof Updated ? returned : { outputs: returned, updates: [] };
    for (const [variable, next] of updates) checkUpdate(variable, next);

    const named = flattenTree<Tensor>(outputs, isTensor).map(([path, tensor]) => ({ name: `out:${path}`, tensor }));
    const updated = updates.map(([variable, tensor], i) => ({ name: `new:${i}:${variable.name}`, tensor, variable }));
    const { model, inputs } = lower([...named, ...updated], device.kind);
    const nameOf = new Map(inputs.map(({ name, tensor }) => [tensor, name]));
    const pairs = updated.flatMap(({ name, variable }) => {
      const from = nameOf.get(variable.tensor);
      return from === undefined ? [] : [{ input: from, output: name }];
    });
    const safe = donate && device.kind === 'cpu' ? safeDonations(model.graph, pairs) : new Set<string>();
    const session = await openSession(model, {
      device,
      ...(profilePrefix === undefined ? {} : { profilePrefix }),
      resident: updated.map(({ name }) => name),
    });
    return new Program({
      session,
      model,
      device,
      inputs: inputs.map(({ name, tensor }) => {
        const [path, variable] = [paths.get(tensor), variableOf(tensor)];
        return {
          name,
          shape: tensor.shape,
          ...(path === undefined ? {} : { path }),
          ...(variable ? { variable } : {}),
        };
      }),
      results: mapTree<Tensor, string>(outputs, isTensor, (_, path) => `out:${path}`),
      updates: updated.map(({ name, variable }) => ({
        variable,
        output: name,
        inPlace: safe.has(nameOf.get(variable.tensor) ?? ''),
      })),
    });
  }

  /** How many updated variables are written in place, and how many need a second buffer. */
  get donations(): { readonly inPlace: number; readonly doubled: number } {
    const inPlace = this.updates.filter((update) => update.inPlace).length;
    return { inPlace, doubled: this.updates.length - inPlace };
  }

  async run(args: Tree<ArrayValue>[]): Promise<Tree<HostArray>> {
    const given = new Map(flattenTree<ArrayValue>(args, isArray));
    const feeds: Record<string, ort.Tensor> = {};
    for (const { name, path, variable, shape } of this.inputs) {
      if (variable) await this.place(variable);
      const value = variable ? variable.value : given.get(path!)!;
      if (!variable) checkArgument(path!, shape, value);
      feeds[name] = ortTensor(value);
    }
    const fetches: Record<string, ort.Tensor | null> = {};
    for (const { name } of this.model.graph.outputs) fetches[name] = null;
    if (this.device.kind === 'cpu') {
      for (const update of this.updates) fetches[update.output] = ortTensor(this.destination(update));
    }
    let results: Awaited<ReturnType<ort.InferenceSession['run']>>;
    try {
      results = await this.session.run(feeds, fetches as ort.InferenceSession.FetchesType);
    } catch (error) {
      throw translate(error, this.model, 'running a program');
    }
    this.adopt(results);
    return mapTree<string, HostArray>(
      this.results,
      (value): value is string => typeof value === 'string',
      (name) => arrayOf(results[name] as ort.Tensor) as HostArray,
    );
  }

  /** Moves a variable's value to where the program runs. */
  private async place(variable: Variable): Promise<void> {
    if (this.device.kind === 'webgpu' && !isGpuArray(variable.value)) {
      variable.value = await moveToGpu(variable.value as HostArray);
    } else if (this.device.kind === 'cpu' && !isHostArray(variable.value)) {
      throw new ShapeError('the value is on the GPU, the program on the CPU', {
        where: variable.name,
        hint: 'Bring it back with toHost() first.',
      });
    }
  }

  private destination(update: UpdateSlot): HostArray {
    const current = update.variable.value as HostArray;
    if (update.inPlace) return current;
    update.spare ??= { ...current, data: allocate(current.dtype, current.data.length) };
    return update.spare;
  }

  private adopt(results: Record<string, unknown>): void {
    for (const update of this.updates) {
      const { variable } = update;
      if (this.device.kind === 'cpu') {
        if (update.inPlace) continue;
        const old = variable.value as HostArray;
        variable.value = update.spare!;
        update.spare = old;
      } else {
        const old = variable.value as GpuArray;
        variable.value = arrayOf(results[update.output] as ort.Tensor);
        old.gpu.dispose();
      }
    }
  }

  async release(): Promise<void> {
    await this.session.release();
  }
}

function checkUpdate(variable: Variable, next: Tensor): void {
  if (next.dtype !== variable.dtype || !equalShapes(next.shape, variable.shape)) {
    throw new ShapeError('the update does not fit the variable', {
      where: `variable ${variable.name}`,
      expected: `${variable.dtype} ${formatShape(variable.shape)}`,
      got: String(next),
    });
  }
}

function checkArgument(path: string, shape: Shape, value: ArrayValue): void {
  const bindings = new Map<string, number>();
  shape.forEach((size, i) => {
    if (size instanceof SymbolicDim && !bindings.has(size.toString())) bindings.set(size.toString(), value.shape[i]!);
  });
  const fits =
    shape.length === value.shape.length &&
    shape.every(
      (size, i) =>
        (typeof size === 'number' ? size : (bindings.get(`${size}`) ?? evaluateDim(size, bindings))) === value.shape[i],
    );
  if (!fits) {
    throw new ShapeError('the argument does not fit the program', {
      where: `argument ${path}`,
      expected: formatShape(shape),
      got: formatShape(value.shape),
    });
  }
}
