import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { sizeOf } from "../data/tensors.ts";
import { BackendError } from "./program.ts";

/**
 * The part of ONNX Runtime's C API that keeps tensors on a device between runs, which its JavaScript interface has for
 * WebGPU in part and for CUDA not at all. The library is the one that the onnxruntime-node package brings.
 *
 * A number is a function's place in `struct OrtApi` of onnxruntime_c_api.h, to which later versions only add.
 */
const FUNCTIONS = {
  GetErrorMessage: { index: 2, parameters: ["pointer"], result: "pointer" },
  CreateEnv: { index: 3, parameters: ["i32", "buffer", "buffer"], result: "pointer" },
  CreateSessionFromArray: {
    index: 8,
    parameters: ["pointer", "buffer", "usize", "pointer", "buffer"],
    result: "pointer",
  },
  CreateSessionOptions: { index: 10, parameters: ["buffer"], result: "pointer" },
  DisableMemPattern: { index: 17, parameters: ["pointer"], result: "pointer" },
  SetSessionLogSeverityLevel: { index: 22, parameters: ["pointer", "i32"], result: "pointer" },
  SetIntraOpNumThreads: { index: 24, parameters: ["pointer", "i32"], result: "pointer" },
  CreateTensorWithDataAsOrtValue: {
    index: 49,
    parameters: ["pointer", "buffer", "usize", "buffer", "usize", "i32", "buffer"],
    result: "pointer",
  },
  CreateMemoryInfo: { index: 68, parameters: ["buffer", "i32", "i32", "i32", "buffer"], result: "pointer" },
  AllocatorFree: { index: 76, parameters: ["pointer", "pointer"], result: "pointer" },
  GetAllocatorWithDefaultOptions: { index: 78, parameters: ["buffer"], result: "pointer" },
  ReleaseEnv: { index: 92, parameters: ["pointer"], result: "void" },
  ReleaseStatus: { index: 93, parameters: ["pointer"], result: "void" },
  ReleaseMemoryInfo: { index: 94, parameters: ["pointer"], result: "void" },
  ReleaseSession: { index: 95, parameters: ["pointer"], result: "void" },
  ReleaseValue: { index: 96, parameters: ["pointer"], result: "void" },
  ReleaseSessionOptions: { index: 100, parameters: ["pointer"], result: "void" },
  AddSessionConfigEntry: { index: 130, parameters: ["pointer", "buffer", "buffer"], result: "pointer" },
  RunWithBinding: { index: 133, parameters: ["pointer", "pointer", "pointer"], result: "pointer" },
  CreateIoBinding: { index: 134, parameters: ["pointer", "buffer"], result: "pointer" },
  ReleaseIoBinding: { index: 135, parameters: ["pointer"], result: "void" },
  BindInput: { index: 136, parameters: ["pointer", "buffer", "pointer"], result: "pointer" },
  BindOutput: { index: 137, parameters: ["pointer", "buffer", "pointer"], result: "pointer" },
  BindOutputToDevice: { index: 138, parameters: ["pointer", "buffer", "pointer"], result: "pointer" },
  GetBoundOutputValues: { index: 140, parameters: ["pointer", "pointer", "buffer", "buffer"], result: "pointer" },
  ClearBoundInputs: { index: 141, parameters: ["pointer"], result: "void" },
  ClearBoundOutputs: { index: 142, parameters: ["pointer"], result: "void" },
  SynchronizeBoundOutputs: { index: 203, parameters: ["pointer"], result: "pointer" },
  SessionOptionsAppendExecutionProvider_CUDA_V2: {
    index: 204,
    parameters: ["pointer", "pointer"],
    result: "pointer",
  },
  CreateCUDAProviderOptions: { index: 205, parameters: ["buffer"], result: "pointer" },
  UpdateCUDAProviderOptions: { index: 206, parameters: ["pointer", "buffer", "buffer", "usize"], result: "pointer" },
  ReleaseCUDAProviderOptions: { index: 208, parameters: ["pointer"], result: "void" },
  SessionOptionsAppendExecutionProvider: {
    index: 216,
    parameters: ["pointer", "buffer", "buffer", "buffer", "usize"],
    result: "pointer",
  },
} as const satisfies Record<string, Deno.ForeignFunction & { readonly index: number }>;

/** The two of `struct OrtApiBase`. */
const GET_API = { parameters: ["u32"], result: "pointer" } as const;
const GET_VERSION = { parameters: [], result: "pointer" } as const;

type Functions = { readonly [K in keyof typeof FUNCTIONS]: Deno.UnsafeFnPointer<typeof FUNCTIONS[K]>["call"] };

/** The version of the C API that has all of the above. */
const API_VERSION = 16;

/** Names a folder with another build of ONNX Runtime, one with CUDA for example. */
export const LIBRARY_VARIABLE = "ITDIFFUSION_ONNXRUNTIME";

/** The folder of ONNX Runtime's shared libraries. @throws {BackendError} When there is none. */
export function libraryFolder(): string {
  const named = Deno.env.get(LIBRARY_VARIABLE);
  if (named) return named;
  try {
    const entry = createRequire(import.meta.url).resolve("onnxruntime-node");
    const platform = Deno.build.os === "windows" ? "win32" : Deno.build.os;
    const architecture = Deno.build.arch === "aarch64" ? "arm64" : "x64";
    return join(dirname(entry), "..", "bin", "napi-v6", platform, architecture);
  } catch {
    throw new BackendError(
      "The package onnxruntime-node was not found, which brings ONNX Runtime. Run deno install, or name a folder that " +
        `has its shared library in ${LIBRARY_VARIABLE}.`,
    );
  }
}

/** The library of the CUDA provider where it is installed; npm's package comes without. */
export function cudaProviderPath(): string | undefined {
  const name = Deno.build.os === "windows" ? "onnxruntime_providers_cuda.dll" : "libonnxruntime_providers_cuda.so";
  const path = join(libraryFolder(), name);
  return existsSync(path) ? path : undefined;
}

/** Where a session computes. `cpu` is for tests of what uses this. */
export type Provider = "cpu" | "webgpu" | "cuda";

export interface SessionSettings {
  readonly provider: Provider;
  /** Threads of what runs on the processor. */
  readonly threads: number;
  /** Options of the provider, by its own names. */
  readonly options: Readonly<Record<string, string>>;
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
  dispose(): void;
}

/** ONNX Runtime, loaded. */
export interface OnnxRuntime {
  readonly version: string;
  /** A tensor that is the array's memory. */
  hostTensor(data: Float32Array<ArrayBuffer>, shape: readonly number[]): DeviceTensor;
  /** @throws {OnnxRuntimeError} When the provider or the model is refused. */
  createSession(model: Uint8Array<ArrayBuffer>, settings: SessionSettings): DeviceSession;
}

/** Loads ONNX Runtime. @throws {BackendError} When its library is not there or too old. */
export function loadOnnxRuntime(folder = libraryFolder()): OnnxRuntime {
  const { os } = Deno.build;
  const name = os === "windows"
    ? "onnxruntime.dll"
    : os === "darwin"
    ? "libonnxruntime.1.dylib"
    : "libonnxruntime.so.1";
  const path = join(folder, name);
  let base: Deno.PointerValue;
  try {
    base = Deno.dlopen(path, { OrtGetApiBase: { parameters: [], result: "pointer" } }).symbols.OrtGetApiBase();
  } catch (error) {
    throw new BackendError(
      `ONNX Runtime's library ${path} does not load: ${
        String(error)
      }. Run deno install, or name the folder of another ` +
        `build in ${LIBRARY_VARIABLE}.`,
    );
  }
  const entries = new Deno.UnsafePointerView(base!);
  const getApi = new Deno.UnsafeFnPointer(entries.getPointer<typeof GET_API>(0)!, GET_API);
  const getVersion = new Deno.UnsafeFnPointer(entries.getPointer<typeof GET_VERSION>(8)!, GET_VERSION);
  const version = Deno.UnsafePointerView.getCString(getVersion.call()!);
  const api = getApi.call(API_VERSION);
  if (!api) throw new BackendError(`ONNX Runtime ${version} in ${folder} is too old; take 1.${API_VERSION} or later.`);
  return runtimeOf(functionsOf(api), version);
}

function functionsOf(api: Deno.PointerObject): Functions {
  const view = new Deno.UnsafePointerView(api);
  const functions = Object.entries(FUNCTIONS).map(([name, { index, ...definition }]) => {
    const pointer = new Deno.UnsafeFnPointer(view.getPointer(8 * index)!, definition);
    return [name, pointer.call.bind(pointer)];
  });
  return Object.fromEntries(functions);
}

function runtimeOf(ort: Functions, version: string): OnnxRuntime {
  const check = (status: Deno.PointerValue) => {
    if (status === null) return;
    const message = Deno.UnsafePointerView.getCString(ort.GetErrorMessage(status)!);
    ort.ReleaseStatus(status);
    throw new OnnxRuntimeError(message.trim());
  };
  /** What a function writes to its last argument. */
  const made = (create: (out: BigUint64Array<ArrayBuffer>) => Deno.PointerValue): Deno.PointerObject => {
    const out = new BigUint64Array(1);
    check(create(out));
    return Deno.UnsafePointer.create(out[0])!;
  };
  const env = made((out) => ort.CreateEnv(LOG_FATAL, text("itdiffusion"), out));
  const allocator = made((out) => ort.GetAllocatorWithDefaultOptions(out));
  const memoryOf = (provider: Provider) => made((out) => ort.CreateMemoryInfo(text(MEMORY[provider]), 0, 0, 0, out));
  const hostMemory = memoryOf("cpu");

  // A process that ends with a device in use may crash in the driver: what is left goes first, tensors before sessions.
  const live = { tensors: new Set<DeviceTensor>(), sessions: new Set<DeviceSession>() };
  globalThis.addEventListener("unload", () => {
    for (const { dispose } of [...live.tensors, ...live.sessions]) dispose();
    ort.ReleaseEnv(env);
  });

  /** @param held Memory that the tensor uses. */
  const tensorOf = (pointer: Deno.PointerObject, held?: Float32Array): DeviceTensor => {
    const tensor = {
      pointer,
      held,
      dispose() {
        if (live.tensors.delete(tensor)) ort.ReleaseValue(pointer);
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
    const options = made((out) => ort.CreateSessionOptions(out));
    let session: Deno.PointerObject;
    try {
      check(ort.SetSessionLogSeverityLevel(options, LOG_FATAL));
      check(ort.SetIntraOpNumThreads(options, settings.threads));
      check(ort.DisableMemPattern(options));
      check(ort.AddSessionConfigEntry(options, text("session.set_denormal_as_zero"), text("1")));
      appendProvider(options, settings);
      session = made((out) => ort.CreateSessionFromArray(env, model, BigInt(model.byteLength), options, out));
    } finally {
      ort.ReleaseSessionOptions(options);
    }
    const deviceMemory = memoryOf(settings.provider);
    const binding = made((out) => ort.CreateIoBinding(session, out));
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
      dispose() {
        if (!live.sessions.delete(usable)) return;
        ort.ReleaseIoBinding(binding);
        ort.ReleaseSession(session);
        ort.ReleaseMemoryInfo(deviceMemory);
      },
    };
    live.sessions.add(usable);
    return usable;

    /** The first bound outputs as tensors of our own; those of the host are let go. */
    function boundOutputs(count: number): DeviceTensor[] {
      const length = new BigUint64Array(1);
      const list = made((out) => ort.GetBoundOutputValues(binding, allocator, out, length));
      const view = new Deno.UnsafePointerView(list);
      const values = Array.from({ length: Number(length[0]) }, (_, i) => tensorOf(view.getPointer(8 * i)!));
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
      return tensorOf(
        made((out) =>
          ort.CreateTensorWithDataAsOrtValue(hostMemory, data, BigInt(data.byteLength), sizes, rank, FLOAT, out)
        ),
        data,
      );
    },
  };
}

/** A string as C has it. */
function text(value: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${value}\0`);
}

/** Strings as C has a list of them; `held` keeps them from being collected. */
function strings(values: readonly string[]) {
  const held = values.map(text);
  const pointers = BigUint64Array.from(held, (bytes) => BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes))));
  return { held, pointers };
}
