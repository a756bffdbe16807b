import { BackendError } from "./program.ts";

const LOWER = "Lower --micro-batch-size (or --batch-size) and --eval-batch-size";

/** What each device needs. */
const NEEDS: Readonly<Record<string, string>> = {
  "onnx-webgpu": "It needs a GPU with its driver: Vulkan on Linux, Direct3D 12 on Windows, Metal on macOS.",
  "onnx-cuda": "It needs an NVIDIA GPU with its driver, and the CUDA and cuDNN that the provider was built for.",
};

/** What stands in the way of a backend, and what to do. @param message Of the library below. */
export function startError(backend: string, message: string): BackendError {
  return new BackendError(`The backend ${backend} does not start: ${gist(message)}. ${NEEDS[backend] ?? ""}`.trim());
}

/** A backend that failed in a run, and what to lower. @param message Of the library below. */
export function runError(backend: string, message: string): BackendError {
  const where = `${backend}: ${gist(message)}`;
  if (/out of memory|bad_alloc|failed to allocate|allocation fail|\boom\b|CUDA failure 2\b/i.test(message)) {
    return new BackendError(`The memory is full (${where}). ${LOWER}.`);
  }
  if (/storage buffers|max\w*buffer\w*size|buffer\w* (size|limit)|too large/i.test(message)) {
    return new BackendError(`A tensor is too large for the device (${where}). ${LOWER}.`);
  }
  if (/lost/i.test(message)) {
    return new BackendError(
      `The device was lost (${where}), as when its driver restarts or its memory is full. ${LOWER}, or take another --backend.`,
    );
  }
  return new BackendError(`The backend failed (${where}). ${LOWER} if memory is short, or take another --backend.`);
}

/** Where in ONNX Runtime's source a message comes from, as it begins. */
const PLACES = [/^\S*\.(cc|h|cpp):\d+ /, /^.* was false\. /, /^.*\[ONNXRuntimeError\] : \d+ : \w+ : /];

/** The first line of a message, without the place that it comes from. */
function gist(message: string): string {
  const cuda = message.match(/\w+ failure \d+: [^;\n]+/)?.[0].trim();
  const line = cuda ?? message.split("\n").map((l) => l.trim()).find((l) => l !== "") ?? "no reason given";
  return PLACES.reduce((text, place) => text.replace(place, ""), line).replace(/\.$/, "").slice(0, 300);
}
