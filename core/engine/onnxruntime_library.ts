import { sizeOf } from "../data/tensors.ts";
import { strings, text } from "./c_strings.ts";
import { arenaOf, type Create } from "./onnxruntime_arena.ts";
import { type Functions, libraryFolder, loadLibrary } from "./onnxruntime_api.ts";
import { type BackgroundModel, backgroundModel } from "./onnxruntime_background.ts";

/** Where a session computes. `cpu` is for tests of what uses this. */
export type Provider = "cpu" | "webgpu" | "cuda";

export interface SessionSettings {
  readonly provider: Provider;
  /** Threads of what runs on the processor. */
  readonly threads: number;
  /** Options of the provider, by its own names. */
  readonly options: Readonly<Record<string, string>>;
  /** Further entries of the session's configuration, by ONNX Runtime's names. */
  readonly entries?: Readonly<Record<string, string>>;
  /** What a run on the processor needs at least, where its values shall lie in the arena that sessions have in common. */
  readonly arenaBytes?: number;
}

/** What ONNX Runtime calls the providers' memory. */
const MEMORY: Readonly<Record<Provider, string>> = { cpu: "Cpu", webgpu: "WebGPU_Buf", cuda: "Cuda" };

const FLOAT = 1;

const LOG_FATAL = 4;

/** An error of ONNX Runtime, in its own words. */
export class OnnxRuntimeError extends Error {}

/** A float32 tensor in the host's memory or a device's. */
export interface DeviceTensor {
  readonly pointer: Deno.PointerObject;
  dispose(): void;
}

/** A model ready to run. */
export interface DeviceSession {
  /**
   * Runs the model once.
   *
   * @param inputs Tensors by the names of the model's inputs.
   * @param hostOutputs Where outputs that the host reads go, by name.
   * @param deviceOutputs The names of outputs that stay on the device.
   * @returns New tensors for `deviceOutputs`, in that order.
   * @throws {OnnxRuntimeError} When the run fails.
   */
  run(
    inputs: Readonly<Record<string, DeviceTensor>>,
    hostOutputs: Readonly<Record<string, DeviceTensor>>,
    deviceOutputs: readonly string[],
  ): DeviceTensor[];
  /** Binds all inputs and outputs, which are the host's, to run the model on them again and again. */
  bind(inputs: Readonly<Record<string, DeviceTensor>>, outputs: Readonly<Record<string, DeviceTensor>>): BoundModel;
  /**
   * The same for runs beside the caller's own work, of a session of two threads at least.
   *
   * @param loose The sizes of outputs that have no place of their own.
   */
  bindBeside(
    inputs: Readonly<Record<string, DeviceTensor>>,
    outputs: Readonly<Record<string, DeviceTensor>>,
    loose: Readonly<Record<string, number>>,
  ): BackgroundModel;
  /** Releases it, once the tensors that it made are. */
  dispose(): void;
}

/** A model with its inputs and outputs. */
export interface BoundModel {
  /** Runs the model once. @throws {OnnxRuntimeError} When the run fails. */
  run(): void;
  dispose(): void;
}

/** ONNX Runtime, loaded. */
export interface OnnxRuntime {
  readonly version: string;
  /** A tensor that is the array's memory. */
  hostTensor(data: Float32Array, shape: readonly number[]): DeviceTensor;
  /** @throws {OnnxRuntimeError} When the provider or the model is refused. */
  createSession(model: Uint8Array<ArrayBuffer>, settings: SessionSettings): DeviceSession;
}

/** Loads ONNX Runtime. @throws {BackendError} When its library is not there or too old. */
export function loadOnnxRuntime(folder: string = libraryFolder()): OnnxRuntime {
  const { functions, version } = loadLibrary(folder);
  return runtimeOf(functions, version);
}

function runtimeOf(ort: Functions, version: string): OnnxRuntime {
  const check = (status: Deno.PointerValue) => {
    if (status === null) return;
    const message = Deno.UnsafePointerView.getCString(ort.GetErrorMessage(status)!);
    ort.ReleaseStatus(status);
    throw new OnnxRuntimeError(message.trim());
  };
  const made = (create: Create): Deno.PointerObject => {
    const out = new BigUint64Array(1);
    check(create(out));
    return Deno.UnsafePointer.create(out[0])!;
  };
  const env = made((out) => ort.CreateEnv(LOG_FATAL, text("itdiffusion"), out));
  const allocator = made((out) => ort.GetAllocatorWithDefaultOptions(out));
  const memoryOf = (provider: Provider) => made((out) => ort.CreateMemoryInfo(text(MEMORY[provider]), 0, 0, 0, out));
  const hostMemory = memoryOf("cpu");

  // A process that ends with a device in use may crash in the driver: what is left goes first, tensors before sessions.
  const live = {
    tensors: new Set<DeviceTensor>(),
    sessions: new Set<DeviceSession>(),
    beside: new Set<BackgroundModel>(),
  };
  globalThis.addEventListener("unload", () => {
    // What still runs uses all of it.
    if ([...live.beside].some(({ isRunning }) => isRunning)) return;
    for (const { dispose } of [...live.tensors, ...live.sessions]) dispose();
    ort.ReleaseEnv(env);
  });

  const arena = arenaOf(ort, env, made);

  /** @param held Memory that the tensor uses. @param onEnd Called when it is released. */
  const tensorOf = (pointer: Deno.PointerObject, held?: Float32Array, onEnd?: () => void): DeviceTensor => {
    const tensor = {
      pointer,
      held,
      dispose() {
        if (!live.tensors.delete(tensor)) return;
        ort.ReleaseValue(pointer);
        onEnd?.();
      },
    };
    live.tensors.add(tensor);
    return tensor;
  };

  const appendProvider = (options: Deno.PointerObject, { provider, options: given }: SessionSettings) => {
    const [keys, values] = [strings(Object.keys(given)), strings(Object.values(given))];
    const count = BigInt(Object.keys(given).length);
    if (provider === "webgpu") {
      check(
        ort.SessionOptionsAppendExecutionProvider(options, text("WebGPU"), keys.pointers, values.pointers, count),
      );
    } else if (provider === "cuda") {
      const cuda = made((out) => ort.CreateCUDAProviderOptions(out));
      try {
        check(ort.UpdateCUDAProviderOptions(cuda, keys.pointers, values.pointers, count));
        check(ort.SessionOptionsAppendExecutionProvider_CUDA_V2(options, cuda));
      } finally {
        ort.ReleaseCUDAProviderOptions(cuda);
      }
    }
  };

  const createSession = (model: Uint8Array<ArrayBuffer>, settings: SessionSettings): DeviceSession => {
    const releaseArena = settings.arenaBytes ? arena.take(settings.arenaBytes) : () => {};
    const options = made((out) => ort.CreateSessionOptions(out));
    let session: Deno.PointerObject;
    try {
      check(ort.SetSessionLogSeverityLevel(options, LOG_FATAL));
      check(ort.SetIntraOpNumThreads(options, settings.threads));
      check(ort.DisableMemPattern(options));
      const entries = {
        "session.set_denormal_as_zero": "1",
        ...(settings.arenaBytes ? { "session.use_env_allocators": "1" } : {}),
        ...settings.entries,
      };
      for (const [name, value] of Object.entries(entries)) {
        check(ort.AddSessionConfigEntry(options, text(name), text(value)));
      }
      appendProvider(options, settings);
      session = made((out) => ort.CreateSessionFromArray(env, model, BigInt(model.byteLength), options, out));
      if (settings.arenaBytes) arena.advise(session, settings.arenaBytes);
    } catch (error) {
      releaseArena();
      throw error;
    } finally {
      ort.ReleaseSessionOptions(options);
    }
    const deviceMemory = memoryOf(settings.provider);
    const binding = made((out) => ort.CreateIoBinding(session, out));
    // WebGPU's memory of a tensor goes back to the session that made it, which has to outlast it.
    let tensors = 0, isDisposed = false;
    const releaseUnused = () => {
      if (!isDisposed || tensors > 0) return;
      ort.ReleaseIoBinding(binding);
      ort.ReleaseSession(session);
      ort.ReleaseMemoryInfo(deviceMemory);
      releaseArena();
    };
    const ownTensor = (pointer: Deno.PointerObject): DeviceTensor => {
      tensors++;
      return tensorOf(pointer, undefined, () => {
        tensors--;
        releaseUnused();
      });
    };
    const usable: DeviceSession = {
      run(inputs, hostOutputs, deviceOutputs) {
        try {
          for (const [name, { pointer }] of Object.entries(inputs)) {
            check(ort.BindInput(binding, text(name), pointer));
          }
          for (const name of deviceOutputs) check(ort.BindOutputToDevice(binding, text(name), deviceMemory));
          for (const [name, { pointer }] of Object.entries(hostOutputs)) {
            check(ort.BindOutput(binding, text(name), pointer));
          }
          check(ort.RunWithBinding(session, null, binding));
          check(ort.SynchronizeBoundOutputs(binding));
          return deviceOutputs.length === 0 ? [] : boundOutputs(deviceOutputs.length);
        } finally {
          ort.ClearBoundInputs(binding);
          ort.ClearBoundOutputs(binding);
        }
      },
      bind(inputs, outputs) {
        const own = made((out) => ort.CreateIoBinding(session, out));
        for (const [name, { pointer }] of Object.entries(inputs)) check(ort.BindInput(own, text(name), pointer));
        for (const [name, { pointer }] of Object.entries(outputs)) check(ort.BindOutput(own, text(name), pointer));
        return {
          run: () => check(ort.RunWithBinding(session, null, own)),
          dispose: () => ort.ReleaseIoBinding(own),
        };
      },
      bindBeside(inputs, outputs, loose) {
        const pointersOf = (tensors: Readonly<Record<string, DeviceTensor>>) =>
          Object.fromEntries(Object.entries(tensors).map(([name, { pointer }]) => [name, pointer]));
        const bindings = { inputs: pointersOf(inputs), outputs: pointersOf(outputs), loose };
        return backgroundModel(ort, check, session, bindings, live.beside);
      },
      dispose() {
        if (!live.sessions.delete(usable)) return;
        isDisposed = true;
        releaseUnused();
      },
    };
    live.sessions.add(usable);
    return usable;

    /** The first bound outputs as tensors of our own; those of the host are let go. */
    function boundOutputs(count: number): DeviceTensor[] {
      const length = new BigUint64Array(1);
      const list = made((out) => ort.GetBoundOutputValues(binding, allocator, out, length));
      const view = new Deno.UnsafePointerView(list);
      const values = Array.from({ length: Number(length[0]) }, (_, i) => ownTensor(view.getPointer(8 * i)!));
      check(ort.AllocatorFree(allocator, list));
      for (const value of values.slice(count)) value.dispose();
      return values.slice(0, count);
    }
  };

  return {
    version,
    createSession,
    hostTensor(data, shape) {
      const sizes = BigInt64Array.from(shape, BigInt);
      const rank = BigInt(shape.length);
      if (data.length !== sizeOf(shape)) throw new RangeError(`Got ${data.length} values for shape [${shape}].`);
      // V8 moves the values of a small array unless it has a buffer.
      const bytes = new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
      return tensorOf(
        made((out) =>
          ort.CreateTensorWithDataAsOrtValue(hostMemory, bytes, BigInt(bytes.byteLength), sizes, rank, FLOAT, out)
        ),
        data,
      );
    },
  };
}
