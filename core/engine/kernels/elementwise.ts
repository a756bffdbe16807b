import type { DataType, Value } from "../graph.ts";
import { broadcastShapes, emitOne, expand, isSplat, type Kernel, type KernelCall, unexpanded } from "./kernel.ts";

/** ONNX numbers of element types. */
export const ONNX_TYPE: Readonly<Record<DataType, number>> = {
  float32: 1,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
};

function unary(op: string): Kernel {
  return ({ graph, inputs: { x } }) => emitOne(graph, op, [x], x.shape, x.dtype);
}

function binary(op: string, dtype?: DataType): Kernel {
  return (call) => emitBinary(call, op, call.inputs.a, call.inputs.b, dtype);
}

function emitBinary({ graph }: KernelCall, op: string, a: Value, b: Value, dtype: DataType = a.dtype): Value {
  const shape = broadcastShapes(a.shape, b.shape);
  const x = unexpanded(graph, a, b.shape, shape);
  const y = unexpanded(graph, b, a.shape, shape);
  if (op === "Mul" && isSplat(y, 1)) return expand(graph, x, shape);
  if (op === "Mul" && isSplat(x, 1)) return expand(graph, y, shape);
  if ((op === "Add" || op === "Sub") && isSplat(y, 0)) return expand(graph, x, shape);
  if (op === "Add" && isSplat(x, 0)) return expand(graph, y, shape);
  if (op === "Div" && isSplat(y, 1)) return expand(graph, x, shape);
  if (op === "Div" && isSplat(y)) {
    // Exact where the divisor is a power of two, as batch sizes usually are; otherwise the division stays.
    const divisor = Number(y.elements![0]);
    if (Number.isInteger(Math.log2(Math.abs(divisor)))) return scaled(graph, x, 1 / divisor, shape, dtype);
  }
  return emitOne(graph, op, [x, y], shape, dtype);
}

/** x times a constant; two such factors in a row become one. */
function scaled(
  graph: KernelCall["graph"],
  x: Value,
  factor: number,
  shape: readonly number[],
  dtype: DataType,
): Value {
  return emitOne(graph, "Mul", [x, graph.splat(factor)], shape, dtype);
}

function negated(graph: KernelCall["graph"], x: Value): Value {
  return x.node?.op === "Neg" ? x.node.inputs[0] : emitOne(graph, "Neg", [x], x.shape, x.dtype);
}

/**
 * 1/(1 + exp(−x)). ONNX Runtime's own Sigmoid is only good to 1e-7 of one, which is nothing left of σ(−12), the noise at
 * high log SNR.
 */
function sigmoid({ graph, inputs: { x } }: KernelCall): Value {
  const exp = emitOne(graph, "Exp", [negated(graph, x)], x.shape);
  return emitOne(graph, "Reciprocal", [emitOne(graph, "Add", [exp, graph.splat(1)], x.shape)], x.shape);
}

/**
 * The derivative of ReLU. Where the graph has max(x, 0) already, that is rounded up after a cut at one: exact, faster
 * than a comparison and a cast, and x itself need not be kept.
 */
function step({ graph, inputs: { x }, attributes }: KernelCall): Value {
  const relu = attributes.alpha ? undefined : graph.find("Relu", [x]);
  if (relu) return emitOne(graph, "Ceil", [emitOne(graph, "Min", [relu, graph.splat(1)], x.shape)], x.shape);
  const positive = emitOne(graph, "Greater", [x, graph.splat(0)], x.shape, "bool");
  const one = emitOne(graph, "Cast", [positive], x.shape, "float32", { to: ONNX_TYPE.float32 });
  if (!attributes.alpha) return one;
  const rest = emitOne(graph, "Sub", [graph.splat(1), one], x.shape);
  const below = emitOne(graph, "Mul", [rest, graph.splat(Number(attributes.alpha))], x.shape);
  return emitOne(graph, "Add", [one, below], x.shape);
}

function cast({ graph, inputs: { x }, attributes }: KernelCall): Value {
  const to = attributes.dtype as DataType;
  if (x.dtype === to) return x;
  if (!(to in ONNX_TYPE)) throw new RangeError(`A cast to ${to} cannot be compiled; use float32, int32 or bool.`);
  return emitOne(graph, "Cast", [x], x.shape, to, { to: ONNX_TYPE[to] });
}

function select({ graph, inputs: { condition, t, e } }: KernelCall): Value {
  const shape = broadcastShapes(condition.shape, broadcastShapes(t.shape, e.shape));
  return emitOne(graph, "Where", [condition, t, e], shape, t.dtype);
}

/** Kernels that work element by element, with broadcasting. */
export const elementwise: Readonly<Record<string, Kernel>> = {
  Abs: unary("Abs"),
  Acos: unary("Acos"),
  Add: binary("Add"),
  Cast: cast,
  Ceil: unary("Ceil"),
  ClipByValue: ({ graph, inputs: { x }, attributes }) =>
    emitOne(graph, "Clip", [
      x,
      graph.splat(Number(attributes.clipValueMin)),
      graph.splat(Number(attributes.clipValueMax)),
    ], x.shape),
  Cos: unary("Cos"),
  Elu: unary("Elu"),
  EluGrad: ({ graph, inputs: { dy, y } }) => {
    const above = emitOne(graph, "GreaterOrEqual", [y, graph.splat(0)], y.shape, "bool");
    const slope = emitOne(graph, "Add", [y, graph.splat(1)], y.shape);
    return emitOne(graph, "Where", [above, dy, emitOne(graph, "Mul", [dy, slope], y.shape)], y.shape);
  },
  Equal: binary("Equal", "bool"),
  Erf: unary("Erf"),
  Exp: unary("Exp"),
  Expm1: ({ graph, inputs: { x } }) =>
    emitOne(graph, "Sub", [emitOne(graph, "Exp", [x], x.shape), graph.splat(1)], x.shape),
  Floor: unary("Floor"),
  Greater: binary("Greater", "bool"),
  GreaterEqual: binary("GreaterOrEqual", "bool"),
  Identity: ({ inputs: { x } }) => x,
  LeakyRelu: ({ graph, inputs: { x }, attributes }) =>
    emitOne(graph, "LeakyRelu", [x], x.shape, "float32", { alpha: { float: Number(attributes.alpha) } }),
  Less: binary("Less", "bool"),
  LessEqual: binary("LessOrEqual", "bool"),
  Log: unary("Log"),
  Log1p: ({ graph, inputs: { x } }) =>
    emitOne(graph, "Log", [emitOne(graph, "Add", [x, graph.splat(1)], x.shape)], x.shape),
  LogicalAnd: binary("And", "bool"),
  LogicalNot: ({ graph, inputs: { x } }) => emitOne(graph, "Not", [x], x.shape, "bool"),
  LogicalOr: binary("Or", "bool"),
  Maximum: binary("Max"),
  Minimum: binary("Min"),
  Multiply: binary("Mul"),
  Neg: ({ graph, inputs: { x } }) => negated(graph, x),
  Pow: binary("Pow"),
  Prelu: ({ graph, inputs: { x, alpha } }) => emitOne(graph, "PRelu", [x, alpha], x.shape),
  RealDiv: binary("Div"),
  Reciprocal: unary("Reciprocal"),
  Relu: unary("Relu"),
  Relu6: ({ graph, inputs: { x } }) => emitOne(graph, "Clip", [x, graph.splat(0), graph.splat(6)], x.shape),
  Round: unary("Round"),
  Rsqrt: ({ graph, inputs: { x } }) => emitOne(graph, "Reciprocal", [emitOne(graph, "Sqrt", [x], x.shape)], x.shape),
  Select: select,
  Selu: unary("Selu"),
  Sigmoid: sigmoid,
  Sign: unary("Sign"),
  Sin: unary("Sin"),
  Softplus: unary("Softplus"),
  Sqrt: unary("Sqrt"),
  Square: ({ graph, inputs: { x } }) => emitOne(graph, "Mul", [x, x], x.shape, x.dtype),
  SquaredDifference: (call) => {
    const difference = emitBinary(call, "Sub", call.inputs.a, call.inputs.b);
    return emitOne(call.graph, "Mul", [difference, difference], difference.shape);
  },
  Step: step,
  Sub: binary("Sub"),
  Tan: unary("Tan"),
  Tanh: unary("Tanh"),
};
