import type { Gpu } from "../../core/devices/mod.ts";
import { BACKENDS } from "../../core/engine/mod.ts";
import type { BackendReport } from "./backends.ts";
import type { GpuSearch, Machine } from "./machine.ts";
import { BATCH, CHANNELS, IMAGES, SIDE, TOLERANCE } from "./sizes.ts";

const LABEL = 11;
const NAME = Math.max(...BACKENDS.map((name) => name.length)) + 2;
const COLUMNS = { state: 14, error: 9, step: 13, convolution: 14 } as const;

/** The versions and the machine. @param columns Characters in a line. */
export function machineText({ versions, system, processor, memory }: Machine, columns: number): string {
  const { itdiffusion, deno, v8, tfjs } = versions;
  return [
    [
      "Versions",
      `itdiffusion ${itdiffusion}, Deno ${deno}, V8 ${v8}, tfjs ${tfjs}, ` +
      `onnxruntime-node ${versions["onnxruntime-node"]}`,
    ],
    ["System", `${system.name}, ${Deno.build.os} ${system.release}, ${system.architecture}`],
    ["Processor", `${processor.model}, ${processor.cores} ${processor.cores === 1 ? "thread" : "threads"}`],
    ["Memory", `${gib(memory.total_bytes)}, ${gib(memory.available_bytes)} available`],
  ].map(([label, text]) => labelled(label, text, columns)).join("\n");
}

/** The GPUs, and what auto chooses. @param columns Characters in a line. */
export function gpuText(search: GpuSearch, columns: number): string {
  if ("problem" in search) {
    return labelled(
      "GPU",
      `unknown: the search failed, since ${search.problem}. With images, name a --backend: auto searches as well.`,
      columns,
    );
  }
  const { gpus, auto: { points, images } } = search;
  const lines = gpus.length === 0 ? ["none found"] : gpus.map(describeGpu);
  return [
    ...lines.map((line, i) => labelled(i === 0 ? "GPU" : "", line, columns)),
    labelled("Auto", `points on ${points.backend}: ${points.reason}`, columns),
    labelled("", `images on ${images.backend}: ${images.reason}`, columns),
  ].join("\n");
}

function describeGpu({ name, vendor, memoryBytes, freeBytes, sharesMemory, apis, software, driver }: Gpu): string {
  const names = { cuda: "CUDA", webgpu: "WebGPU" };
  return [
    vendor && !name.includes(vendor) ? `${vendor} ${name}` : name,
    ...(software ? ["software"] : []),
    ...(memoryBytes === undefined ? [] : [sharesMemory ? "shares the system's memory" : gib(memoryBytes)]),
    ...(freeBytes === undefined ? [] : [`${gib(freeBytes)} free`]),
    ...(driver === undefined ? [] : [`driver ${driver}`]),
    apis.length > 0
      ? `reached by ${apis.map((api) => names[api]).join(" and ")}`
      : "not reached: its driver is missing",
  ].join(", ");
}

/** What stands above the backends' rows. */
export function tableHead(): string {
  return row("Backend", "", "error", "step", "convolution");
}

/** A backend's row, and more lines where there is more to say. @param columns Characters in a line. */
export function backendText(report: BackendReport, columns: number): string {
  const { backend, available, reason, correct, largest_error: error, ms_per_step, convolution_ms } = report;
  if (!available) return hanging(`${backend.padEnd(NAME)}not available: ${reason}`, NAME, columns);
  const first = row(
    backend,
    correct ? "available" : "WRONG VALUES",
    error === null || error === undefined ? "not finite" : error.toExponential(1),
    ms_per_step === undefined ? "" : milliseconds(ms_per_step),
    convolution_ms === undefined ? "" : milliseconds(convolution_ms),
  );
  const notes = [
    ...(correct ? [] : [
      `wrong values: the error of "${report.largest_error_at}" is above ${TOLERANCE.toExponential()}. Do not train with it; update the ` +
      "GPU's driver, or take another backend.",
    ]),
    ...(report.not_timed === undefined ? [] : [`not timed: ${report.not_timed}`]),
    ...(report.device === undefined ? [] : [`on ${report.device}${report.software ? ", software" : ""}`]),
  ];
  return [first, ...notes.map((note) => hanging(" ".repeat(NAME) + note, NAME, columns))].join("\n");
}

/** What the columns mean. @param columns Characters in a line. */
export function legend(threads: number, columns: number): string {
  return [
    [
      "error",
      "the largest of the values and gradients of a small MLP and a convolution, against double precision, relative " +
      `to the largest value of each; above ${TOLERANCE.toExponential()} they are wrong`,
    ],
    ["step", `a training step of the 2-D MLP, batch ${BATCH}`],
    [
      "convolution",
      `3 x 3 with its gradients: ${IMAGES} images of ${SIDE} x ${SIDE}, ${CHANNELS} channels, with ${threads} ` +
      `${threads === 1 ? "thread" : "threads"} where the backend takes any`,
    ],
  ].map(([label, text]) => hanging(label.padEnd(NAME) + text, NAME, columns)).join("\n");
}

function row(name: string, state: string, error: string, step: string, convolution: string): string {
  return [
    name.padEnd(NAME),
    state.padEnd(COLUMNS.state),
    error.padStart(COLUMNS.error),
    step.padStart(COLUMNS.step),
    convolution.padStart(COLUMNS.convolution),
  ].join("").trimEnd();
}

function milliseconds(ms: number): string {
  return `${ms >= 100 ? Math.round(ms) : Number(ms.toPrecision(3))} ms`;
}

function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}

function labelled(label: string, text: string, columns: number): string {
  return hanging(label.padEnd(LABEL) + text, LABEL, columns);
}

/** A text in lines of at most `columns` characters, all but the first indented. */
export function hanging(text: string, indent: number, columns: number): string {
  const lines: string[] = [];
  let rest = text;
  while (rest.length > columns) {
    const space = rest.lastIndexOf(" ", columns);
    const at = space > indent ? space : rest.indexOf(" ", columns);
    if (at < 0) break;
    lines.push(rest.slice(0, at));
    rest = " ".repeat(indent) + rest.slice(at + 1);
  }
  return [...lines, rest].join("\n");
}
