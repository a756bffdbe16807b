import { fileURLToPath } from "node:url";
import { main, parseCommandLine, Progress, UsageError } from "../core/cli/mod.ts";
import { BACKENDS } from "../core/engine/mod.ts";
import type { CaseResult } from "./bench/cases.ts";

/** What the PyTorch peer prints. */
interface PeerResult {
  readonly peer: string;
  readonly ms_per_step: number;
  readonly points_per_s?: number;
  readonly stderr?: number;
  readonly peak_mb: number;
}

const CASES = ["train-2d", "density-2d", "run-2d"] as const;
type Case = typeof CASES[number];

/** Training steps and rounds that a figure is the median of. Rounds alternate with the peer's, so that both see the same machine. */
const STEPS = 400;
const ROUNDS = 3;

/** The epochs of the run that `run-2d` times, and the grids that the seed evaluates in one. */
const RUN_EPOCHS = 160;
const STEPS_PER_EPOCH = 56;
const GRID_POINTS = 1600;

await main(async () => {
  const { options, positional } = await parseCommandLine({
    name: "bench",
    summary: "Measures speed and memory, by themselves or beside PyTorch on the same machine.",
    positional: [{ name: "case", help: `${CASES.join(", ")}, or all`, default: "all" }],
    options: {
      backend: { default: "onnx-cpu", choices: BACKENDS, help: "What runs the tensors." },
      threads: { default: 2, min: 1, max: 1024, integer: true, help: "Threads, here and of the peer." },
      json: { default: false, help: "Print one line of JSON per case, and nothing else." },
      vsTorch: { default: false, help: "Run the PyTorch peer beside each case; needs Python with torch." },
      python: { default: "python3", placeholder: "command", help: "The Python that has torch." },
    },
  }, Deno.args);
  const wanted = CASES.filter((name) => positional.case === "all" || positional.case === name);
  if (wanted.length === 0) {
    throw new UsageError(`There is no case ${positional.case}; the cases are ${CASES.join(", ")}.`);
  }
  for (const name of wanted) {
    const results: CaseResult[] = [];
    const peers: PeerResult[] = [];
    const rounds = name === "train-2d" ? ROUNDS : 1;
    using progress = new Progress({ quiet: options.json });
    for (let round = 0; round < rounds; round++) {
      progress.update({ label: `${name}, round`, done: round, total: rounds });
      results.push(name === "run-2d" ? await timeRun(options) : await runCase(name, options));
      if (options.vsTorch) peers.push(await runPeer(name, options.python, options.threads));
    }
    progress.finish();
    const result = median(results, (r) => r.ms_per_step ?? 0);
    const peer = peers.length > 0 ? compared(name, result, median(peers, (r) => r.ms_per_step)) : {};
    console.log(options.json ? JSON.stringify({ ...result, ...peer }) : lines({ ...result, ...peer }));
  }
});

interface Options {
  readonly backend: string;
  readonly threads: number;
}

async function runCase(name: Case, { backend, threads }: Options): Promise<CaseResult> {
  const script = fileURLToPath(new URL("./bench/run_case.ts", import.meta.url));
  const permissions = ["--allow-read", "--allow-env", "--allow-sys", "--allow-ffi"];
  return JSON.parse(
    await output(Deno.execPath(), ["run", ...permissions, script, name, backend, `${threads}`, `${STEPS}`]),
  );
}

/** The whole of `deno task train:2d moons`, figures included, as a user starts it. */
async function timeRun({ backend, threads }: Options): Promise<CaseResult> {
  const folder = await Deno.makeTempDir({ prefix: "bench-" });
  try {
    const script = fileURLToPath(new URL("./train_2d.ts", import.meta.url));
    const permissions = ["--allow-read", "--allow-write", "--allow-env", "--allow-sys", "--allow-ffi"];
    const begun = performance.now();
    const args = ["moons", "--json", "--out", `${folder}/run`, "--backend", backend];
    if (backend === "onnx-cpu") args.push("--threads", `${threads}`);
    const summary = JSON.parse(await output(Deno.execPath(), ["run", ...permissions, script, ...args]));
    const seconds = (performance.now() - begun) / 1000;
    return {
      case: "run-2d",
      seconds,
      ms_per_step: summary.ms_per_step,
      peak_mb: summary.peak_mb,
      backend,
      threads,
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function runPeer(name: Case, python: string, threads: number): Promise<PeerResult> {
  const script = fileURLToPath(new URL("./bench/torch_2d.py", import.meta.url));
  const more = name === "train-2d" ? [] : ["--grid", "40", "--repeats", "20"];
  const args = [script, "--threads", `${threads}`, "--steps", `${STEPS}`, ...more];
  const text = await output(python, args);
  return JSON.parse(text);
}

/** What a program prints. @throws {UsageError} When it cannot be started or fails, with its last line. */
async function output(command: string, args: readonly string[]): Promise<string> {
  try {
    const { success, stdout, stderr } = await new Deno.Command(command, {
      args: [...args],
      stdout: "piped",
      stderr: "piped",
    })
      .output();
    if (success) return new TextDecoder().decode(stdout);
    const last = new TextDecoder().decode(stderr).trim().split("\n").at(-1);
    throw new UsageError(`${command} failed: ${last}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new UsageError(`${command} was not found. For --vs-torch, name a Python that has torch with --python.`);
    }
    throw error;
  }
}

/** The peer's figures, and ours over them. */
function compared(name: Case, ours: CaseResult, peer: PeerResult): Record<string, number | string> {
  const base = { peer: peer.peer, peer_peak_mb: Math.round(peer.peak_mb) };
  if (name === "train-2d") {
    return { ...base, peer_ms_per_step: peer.ms_per_step, time_ratio: ours.ms_per_step! / peer.ms_per_step };
  }
  if (name === "density-2d") {
    return {
      ...base,
      peer_points_per_s: peer.points_per_s!,
      peer_stderr: peer.stderr!,
      speed_ratio: ours.points_per_s! / peer.points_per_s!,
    };
  }
  // The seed draws one grid an epoch. Nobody waits for that here: a step and a grid are timed, and multiplied.
  const seconds = RUN_EPOCHS * (STEPS_PER_EPOCH * peer.ms_per_step / 1000 + GRID_POINTS / peer.points_per_s!);
  return { ...base, peer_seconds_extrapolated: seconds, time_ratio: ours.seconds! / seconds };
}

function median<T>(values: readonly T[], key: (value: T) => number): T {
  return [...values].sort((a, b) => key(a) - key(b))[values.length >> 1];
}

function lines(result: Record<string, number | string>): string {
  const { case: name, ...rest } = result;
  const shown = Object.entries(rest).map(([key, value]) => {
    const text = typeof value === "number" ? String(Number(value.toPrecision(4))) : value;
    return `  ${key.replaceAll("_", " ").padEnd(26)} ${text}`;
  });
  return [name, ...shown].join("\n");
}
