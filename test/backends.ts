/** The backends that need nothing but npm; the others have tests of their own, where they are installed. */
export const LOCAL_BACKENDS = ["onnx-cpu", "tfjs-cpu", "tfjs-wasm"] as const;
