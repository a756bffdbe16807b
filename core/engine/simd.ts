/**
 * Loops over whole vectors of the state that ONNX Runtime has no single operation for, as WebAssembly SIMD: a step of
 * Adam is one pass over memory here, and ten passes as separate operations.
 *
 * Numbers are rounded after every operation, in the order of the program that a kernel stands for, so both give the
 * same bits. Only denormal moments are set to zero, as ONNX Runtime does, since arithmetic on them is many times slower.
 */

/** Bytes of an entry of the state are padded to whole vectors of four floats; the padding stays zero. */
export const VECTOR_BYTES = 16;

/** The most that a 32-bit memory holds. */
export const MAX_MEMORY_BYTES = 2 ** 32 - 2 ** 16;

const PAGE_BYTES = 2 ** 16;

/** Kernels by name. Pointers and lengths are in bytes; lengths are multiples of {@linkcode VECTOR_BYTES}. */
export interface SimdKernels {
  /** [p, m, v, g, length, β₁, β₂, r, o]: m ← β₁·m + g, v ← β₂·v + g², p ← p − m/(r·√v + o). */
  adam(...operands: number[]): void;
  /** [e, p, length, s]: e ← e + s·(p − e). */
  average(...operands: number[]): void;
  /** [a, g, length, k]: a ← k·a + g. */
  accumulate(...operands: number[]): void;
}

export type SimdKernel = keyof SimdKernels;

/** A memory of at least the given size, zero everywhere, and the kernels that work in it. */
export function createSimdMemory(bytes: number): { buffer: ArrayBufferLike; kernels: SimdKernels } {
  const memory = new WebAssembly.Memory({ initial: Math.max(1, Math.ceil(bytes / PAGE_BYTES)) });
  const module = new WebAssembly.Module(assemble());
  const { exports } = new WebAssembly.Instance(module, { host: { memory } });
  return { buffer: memory.buffer, kernels: exports as unknown as SimdKernels };
}

/** Opcodes of the WebAssembly core specification, version 2.0. */
const I32 = 0x7f, F32 = 0x7d, V128 = 0x7b;
const END = 0x0b, LOOP = 0x03, BRANCH_IF = 0x0d, EMPTY = 0x40;
const LOCAL_GET = 0x20, LOCAL_SET = 0x21, LOCAL_TEE = 0x22;
const I32_CONST = 0x41, I32_LESS = 0x49, I32_ADD = 0x6a;
const simd = (opcode: number) => [0xfd, ...unsigned(opcode)];
const FOUR_BYTES = 2;
const LOAD = [...simd(0x00), FOUR_BYTES, 0], STORE = [...simd(0x0b), FOUR_BYTES, 0];
const CONSTANT = simd(0x0c), SPLAT = simd(0x13), GREATER_EQUAL = simd(0x46), AND = simd(0x4e);
const ABSOLUTE = simd(0xe0), ROOT = simd(0xe3), PLUS = simd(0xe4), MINUS = simd(0xe5), TIMES = simd(0xe6);
const DIVIDED = simd(0xe7);

/** The smallest float32 that is not denormal. */
const SMALLEST_NORMAL = 2 ** -126;

function assemble(): Uint8Array<ArrayBuffer> {
  const get = (local: number) => [LOCAL_GET, local];
  const set = (local: number) => [LOCAL_SET, local];
  const constant = (x: number) => {
    const lanes = new Uint8Array(new Float32Array(4).fill(x).buffer);
    return [...CONSTANT, ...lanes];
  };
  const at = (pointer: number, index: number) => [...get(pointer), ...get(index), I32_ADD];
  /** A vector, whose magnitude the second operand is, with its denormals set to zero. */
  const normal = (vector: number, magnitude: number[]) => [
    ...get(vector),
    ...[...magnitude, ...constant(SMALLEST_NORMAL), ...GREATER_EQUAL, ...AND],
  ];
  /** Runs the body for index = 0, 16, … below the length. */
  const loop = (index: number, bytes: number, body: number[]) => [
    ...[LOOP, EMPTY],
    ...body,
    ...[...get(index), I32_CONST, VECTOR_BYTES, I32_ADD, LOCAL_TEE, index, ...get(bytes), I32_LESS],
    ...[BRANCH_IF, 0, END],
  ];

  // Parameters come first among a function's locals, then one index, then vectors.
  const [p, m, v, g, bytes, beta1, beta2, rootScale, offset, index, gradient, first, second] = Array(13).keys();
  const adam = {
    parameters: [I32, I32, I32, I32, I32, F32, F32, F32, F32],
    vectors: 3,
    body: loop(index, bytes, [
      ...[...at(g, index), ...LOAD, ...set(gradient)],
      ...[...at(m, index), ...LOAD, ...get(beta1), ...SPLAT, ...TIMES, ...get(gradient), ...PLUS, ...set(first)],
      ...[...normal(first, [...get(first), ...ABSOLUTE]), ...set(first), ...at(m, index), ...get(first), ...STORE],
      ...[...at(v, index), ...LOAD, ...get(beta2), ...SPLAT, ...TIMES],
      ...[...get(gradient), ...get(gradient), ...TIMES, ...PLUS, ...set(second)],
      ...[...normal(second, get(second)), ...set(second), ...at(v, index), ...get(second), ...STORE],
      ...[...at(p, index), ...at(p, index), ...LOAD, ...get(first)],
      ...[...get(second), ...ROOT, ...get(rootScale), ...SPLAT, ...TIMES, ...get(offset), ...SPLAT, ...PLUS],
      ...[...DIVIDED, ...MINUS, ...STORE],
    ]),
  };
  const average = (() => {
    const [e, p, bytes, share, index, old] = Array(6).keys();
    return {
      parameters: [I32, I32, I32, F32],
      vectors: 1,
      body: loop(index, bytes, [
        ...[...at(e, index), ...LOAD, ...set(old), ...at(e, index), ...get(old)],
        ...[...at(p, index), ...LOAD, ...get(old), ...MINUS, ...get(share), ...SPLAT, ...TIMES, ...PLUS, ...STORE],
      ]),
    };
  })();

  const accumulate = (() => {
    const [a, g, bytes, keep, index] = Array(5).keys();
    return {
      parameters: [I32, I32, I32, F32],
      vectors: 0,
      body: loop(index, bytes, [
        ...[...at(a, index), ...at(a, index), ...LOAD, ...get(keep), ...SPLAT, ...TIMES],
        ...[...at(g, index), ...LOAD, ...PLUS, ...STORE],
      ]),
    };
  })();

  const functions = Object.entries({ adam, average, accumulate } satisfies Record<SimdKernel, unknown>);
  const text = (s: string) => vector([...new TextEncoder().encode(s)].map((byte) => [byte]));
  const section = (id: number, entries: number[][]) => [id, ...sized(vector(entries))];
  return new Uint8Array([
    ...[0, ...new TextEncoder().encode("asm"), 1, 0, 0, 0],
    ...section(1, functions.map(([, { parameters }]) => [0x60, ...vector(parameters.map((t) => [t])), 0])),
    ...section(2, [[...text("host"), ...text("memory"), 2, 0, 1]]),
    ...section(3, functions.map((_, i) => [i])),
    ...section(7, functions.map(([name], i) => [...text(name), 0, i])),
    ...section(10, functions.map(([, { vectors, body }]) => sized([2, 1, I32, vectors, V128, ...body, END]))),
  ]);
}

/** LEB128. */
function unsigned(n: number): number[] {
  return n < 0x80 ? [n] : [n & 0x7f | 0x80, ...unsigned(n >>> 7)];
}

function vector(entries: readonly number[][]): number[] {
  return [...unsigned(entries.length), ...entries.flat()];
}

function sized(bytes: readonly number[]): number[] {
  return [...unsigned(bytes.length), ...bytes];
}
