import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
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
  GetTensorMutableData: { index: 51, parameters: ["pointer", "buffer"], result: "pointer" },
  CreateMemoryInfo: { index: 68, parameters: ["buffer", "i32", "i32", "i32", "buffer"], result: "pointer" },
  AllocatorAlloc: { index: 75, parameters: ["pointer", "usize", "buffer"], result: "pointer" },
  AllocatorFree: { index: 76, parameters: ["pointer", "pointer"], result: "pointer" },
  GetAllocatorWithDefaultOptions: { index: 78, parameters: ["buffer"], result: "pointer" },
  ReleaseEnv: { index: 92, parameters: ["pointer"], result: "void" },
  ReleaseStatus: { index: 93, parameters: ["pointer"], result: "void" },
  ReleaseMemoryInfo: { index: 94, parameters: ["pointer"], result: "void" },
  ReleaseSession: { index: 95, parameters: ["pointer"], result: "void" },
  ReleaseValue: { index: 96, parameters: ["pointer"], result: "void" },
  ReleaseSessionOptions: { index: 100, parameters: ["pointer"], result: "void" },
  AddSessionConfigEntry: { index: 130, parameters: ["pointer", "buffer", "buffer"], result: "pointer" },
  CreateAllocator: { index: 131, parameters: ["pointer", "pointer", "buffer"], result: "pointer" },
  ReleaseAllocator: { index: 132, parameters: ["pointer"], result: "void" },
  RunWithBinding: { index: 133, parameters: ["pointer", "pointer", "pointer"], result: "pointer" },
  CreateIoBinding: { index: 134, parameters: ["pointer", "buffer"], result: "pointer" },
  ReleaseIoBinding: { index: 135, parameters: ["pointer"], result: "void" },
  BindInput: { index: 136, parameters: ["pointer", "buffer", "pointer"], result: "pointer" },
  BindOutput: { index: 137, parameters: ["pointer", "buffer", "pointer"], result: "pointer" },
  BindOutputToDevice: { index: 138, parameters: ["pointer", "buffer", "pointer"], result: "pointer" },
  GetBoundOutputValues: { index: 140, parameters: ["pointer", "pointer", "buffer", "buffer"], result: "pointer" },
  ClearBoundInputs: { index: 141, parameters: ["pointer"], result: "void" },
  ClearBoundOutputs: { index: 142, parameters: ["pointer"], result: "void" },
  CreateAndRegisterAllocator: { index: 144, parameters: ["pointer", "pointer", "pointer"], result: "pointer" },
  ReleaseArenaCfg: { index: 157, parameters: ["pointer"], result: "void" },
  CreateArenaCfgV2: { index: 164, parameters: ["buffer", "buffer", "usize", "buffer"], result: "pointer" },
  UnregisterAllocator: { index: 177, parameters: ["pointer", "pointer"], result: "pointer" },
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
  RunAsync: {
    index: 260,
    parameters: ["pointer", "pointer", "buffer", "buffer", "usize", "buffer", "usize", "buffer", "function", "pointer"],
    result: "pointer",
  },
} as const satisfies Record<string, Deno.ForeignFunction & { readonly index: number }>;

/** The two of `struct OrtApiBase`. */
const GET_API = { parameters: ["u32"], result: "pointer" } as const;
const GET_VERSION = { parameters: [], result: "pointer" } as const;

/** The functions by name. */
export type Functions = { readonly [K in keyof typeof FUNCTIONS]: Deno.UnsafeFnPointer<typeof FUNCTIONS[K]>["call"] };

/** The version of the C API that has all of the above. */
const API_VERSION = 16;

/** Names a folder with another build of ONNX Runtime, one with CUDA for example. */
export const LIBRARY_VARIABLE = "ITDIFFUSION_ONNXRUNTIME";

/** The folder of ONNX Runtime's shared libraries. @throws {BackendError} When there is none. */
export function libraryFolder(): string {
  return Deno.env.get(LIBRARY_VARIABLE) || packageFolder();
}

/** That of the onnxruntime-node package. @throws {BackendError} When it is not installed. */
export function packageFolder(): string {
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

/**
 * Loads the library of a folder.
 *
 * @returns The functions of its C API, and its version.
 * @throws {BackendError} When the library is not there or too old.
 */
export function loadLibrary(folder: string): { readonly functions: Functions; readonly version: string } {
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
  return { functions: functionsOf(api), version };
}

function functionsOf(api: Deno.PointerObject): Functions {
  const view = new Deno.UnsafePointerView(api);
  const functions = Object.entries(FUNCTIONS).map(([name, { index, ...definition }]) => {
    const pointer = new Deno.UnsafeFnPointer(view.getPointer(8 * index)!, definition);
    return [name, pointer.call.bind(pointer)];
  });
  return Object.fromEntries(functions);
}
