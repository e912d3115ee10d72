import type * as ort from 'onnxruntime-node';
import { lower } from '../onnx/lower.js';
import type { OnnxModel } from '../onnx/model.js';
import { allocate } from '../tensor/dtype.js';
import { equalShapes, formatShape, type Shape, ShapeError, staticShape, staticSize } from '../tensor/shape.js';
import { Tensor, type TensorType } from '../tensor/tensor.js';
import { flattenTree, mapTree, type Tree } from '../tensor/tree.js';
import { type ArrayValue, type HostArray, input, type Variable, variableOf } from '../tensor/variable.js';
import { checkArguments } from './arguments.js';
import { arrayOf, isGpuArray, ortTensor } from './array.js';
import { cpu, type Device } from './device.js';
import { safeDonations } from './donation.js';
import { fitsGpu, moveToGpu, moveToHost } from './gpu.js';
import { adopt, claim, discard, owns, place } from './ownership.js';
import { openSession, translate, type ValueTypes } from './session.js';
import { inTurn } from './turn.js';
import { runInto, withUnreadOutputs } from './unread.js';

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
export function compile<R>(fn: (...args: never[]) => R, options: CompileOptions = {}): CompiledFunction<R> {
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
    const all = [...programs.values()];
    programs.clear();
    for (const result of await Promise.allSettled(all)) {
      if (result.status === 'fulfilled') await result.value.release();
    }
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

interface InputSlot {
  readonly name: string;
  readonly path?: string;
  readonly variable?: Variable;
  readonly shape: Shape;
}

interface ProgramParts {
  readonly session: ort.InferenceSession;
  readonly model: OnnxModel;
  readonly types: ValueTypes;
  readonly device: Device;
  readonly inputs: readonly InputSlot[];
  readonly results: Tree<string>;
  /** Types of the results by name, where the program writes all of its outputs into arrays from here. */
  readonly returned?: ReadonlyMap<string, TensorType>;
  readonly updates: readonly UpdateSlot[];
}

/** One function compiled for one signature. */
export class Program {
  readonly session: ort.InferenceSession;
  readonly model: OnnxModel;
  private readonly types: ValueTypes;
  private readonly device: Device;
  private readonly inputs: readonly InputSlot[];
  private readonly results: Tree<string>;
  private readonly returned: ReadonlyMap<string, TensorType> | undefined;
  private readonly updates: readonly UpdateSlot[];
  /** Arrays on the GPU that this session made. */
  private readonly products = new WeakSet<ArrayValue>();

  private constructor(parts: ProgramParts) {
    this.session = parts.session;
    this.model = parts.model;
    this.types = parts.types;
    this.device = parts.device;
    this.inputs = parts.inputs;
    this.results = parts.results;
    this.returned = parts.returned;
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
    checkShapeOptions(shapes, [...paths.values()]);
    const returned = fn(...(traced as Tree<Tensor>[]));
    const { outputs, updates } = returned instanceof Updated ? returned : { outputs: returned, updates: [] };
    checkUpdates(updates);

    const named = flattenTree<Tensor>(outputs, isTensor).map(([path, tensor]) => ({ name: `out:${path}`, tensor }));
    const updated = updates.map(([variable, tensor], i) => ({ name: `new:${i}:${variable.name}`, tensor, variable }));
    const { model, inputs, types } = lower([...named, ...updated], device.kind);
    const nameOf = new Map(inputs.map(({ name, tensor }) => [tensor, name]));
    const pairs = updated.flatMap(({ name, variable }) => {
      const from = nameOf.get(variable.tensor);
      return from === undefined ? [] : [{ input: from, output: name }];
    });
    const safe = donate && device.kind === 'cpu' ? safeDonations(model.graph, pairs) : new Set<string>();
    // What comes back with the updates must have a size that is known before the run.
    const unread =
      device.kind === 'cpu' &&
      updates.length > 0 &&
      named.every(({ tensor }) => tensor.shape.every((size) => typeof size === 'number'));
    const session = await openSession(unread ? withUnreadOutputs(model) : model, {
      device,
      types,
      ...(profilePrefix === undefined ? {} : { profilePrefix }),
      resident: updated.filter(({ variable }) => fitsGpu(variable.dtype)).map(({ name }) => name),
    });
    return new Program({
      session,
      model,
      types,
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
      ...(unread ? { returned: new Map(named.map(({ name, tensor }) => [name, tensor])) } : {}),
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

  /** Runs once; calls that overlap run one after another. @throws {ShapeError | ExecutionError} */
  run(args: Tree<ArrayValue>[]): Promise<Tree<HostArray>> {
    return inTurn(() => this.runNow(args));
  }

  private async runNow(args: Tree<ArrayValue>[]): Promise<Tree<HostArray>> {
    const given = new Map(flattenTree<ArrayValue>(args, isArray));
    checkArguments(
      this.inputs.flatMap(({ path, shape }) => (path === undefined ? [] : [{ path, shape, value: given.get(path) }])),
    );
    const onCpu = this.device.kind === 'cpu';
    for (const update of this.updates) {
      await place(update.variable, this.keepsOnGpu(update.variable));
      if (update.inPlace) claim(update.variable);
    }
    const feeds: Record<string, ort.Tensor> = {};
    for (const { name, path, variable } of this.inputs) {
      if (variable) await place(variable, this.keepsOnGpu(variable));
      const value = variable ? variable.value : given.get(path!)!;
      feeds[name] = ortTensor(onCpu && isGpuArray(value) ? await moveToHost(value) : value);
    }
    const fetches: Record<string, ort.Tensor | null> = {};
    for (const { name } of this.model.graph.outputs) fetches[name] = null;
    if (onCpu) for (const update of this.updates) fetches[update.output] = ortTensor(destination(update));
    let results: Record<string, ort.Tensor>;
    try {
      if (this.returned) {
        for (const [name, { dtype, shape }] of this.returned) {
          const sizes = staticShape(shape);
          fetches[name] = ortTensor({ dtype, shape: sizes, data: allocate(dtype, staticSize(sizes)) } as HostArray);
        }
        results = fetches as Record<string, ort.Tensor>;
        await runInto(this.session, feeds, results);
      } else {
        results = (await this.session.run(feeds, fetches as ort.InferenceSession.FetchesType)) as typeof results;
      }
    } catch (error) {
      throw translate(error, this.model, 'running a program', this.types);
    }
    for (const update of this.updates) {
      if (onCpu) exchange(update);
      else replace(update.variable, this.made(arrayOf(results[update.output] as ort.Tensor)));
    }
    return mapTree<string, HostArray>(
      this.results,
      (value): value is string => typeof value === 'string',
      (name) => arrayOf(results[name] as ort.Tensor) as HostArray,
    );
  }

  private made<A extends ArrayValue>(value: A): A {
    this.products.add(value);
    return value;
  }

  private keepsOnGpu(variable: Variable): boolean {
    return this.device.kind === 'webgpu' && fitsGpu(variable.dtype);
  }

  /** Frees the program once the runs that were asked for are done. Variables keep their values. */
  release(): Promise<void> {
    return inTurn(async () => {
      for (const { variable } of this.updates) {
        // What a session made on the GPU goes with it: to use it afterwards aborts the process (ONNX Runtime 1.30).
        const { value } = variable;
        if (isGpuArray(value) && this.products.has(value)) replace(variable, await moveToGpu(value));
      }
      await this.session.release();
    });
  }
}

/** Where ONNX Runtime shall write the new value. */
function destination(update: UpdateSlot): HostArray {
  const { variable } = update;
  const current = variable.value as HostArray;
  if (update.inPlace) return current;
  update.spare ??= adopt(variable, { ...current, data: allocate(current.dtype, current.data.length) });
  return update.spare;
}

/** Makes the spare buffer the value, and the old value the spare. */
function exchange(update: UpdateSlot): void {
  if (update.inPlace) return;
  const { variable } = update;
  const old = variable.value as HostArray;
  variable.value = update.spare!;
  if (owns(variable, old)) update.spare = old;
  else delete update.spare;
}

function replace(variable: Variable, next: ArrayValue): void {
  const old = variable.value;
  variable.value = adopt(variable, next);
  discard(variable, old);
}

function checkUpdates(updates: readonly (readonly [Variable, Tensor])[]): void {
  const seen = new Set<Variable>();
  for (const [variable, next] of updates) {
    if (next.dtype !== variable.dtype || !equalShapes(next.shape, variable.shape)) {
      throw new ShapeError('the update does not fit the variable', {
        where: `variable ${variable.name}`,
        expected: `${variable.dtype} ${formatShape(variable.shape)}`,
        got: String(next),
      });
    }
    if (seen.has(variable)) {
      throw new ShapeError('two updates of one variable', { where: `variable ${variable.name}`, expected: 'one' });
    }
    seen.add(variable);
  }
}

function checkShapeOptions(shapes: Readonly<Record<string, Shape>>, paths: readonly string[]): void {
  const unknown = Object.keys(shapes).find((path) => !paths.includes(path));
  if (unknown !== undefined) {
    throw new ShapeError('a shape is given for an argument that there is not', {
      where: `compile, shapes['${unknown}']`,
      expected: paths.map((path) => `'${path}'`).join(', ') || 'no arguments',
    });
  }
}
