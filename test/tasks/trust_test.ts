import { deepEqual, equal, match, ok } from "assert";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { serve } from "../core/io/file_server.ts";
import { makeRun } from "../core/run/runs.ts";
import { inFolder } from "../folders.ts";
import { type Ended, taskArguments } from "./command.ts";

type Field = "denoiser" | "dataset";

/** A plugin that works, and leaves a file behind where it is run. */
const code = (field: Field, marker: string) => `
  Deno.writeTextFileSync(${JSON.stringify(marker)}, "ran");
  ${
  field === "denoiser"
    ? "export const create = () => ({ init: () => ({}), predict: (_, z) => z });"
    : `const rows = Array.from({ length: 200 }, (_, i) => Math.sin(37 * i));
       export const load = () => ({ shape: [2], train: rows, validation: rows.slice(0, 80) });`
}`;

/** Runs a task as one whose imports from a host are allowed, so that nothing but the task itself keeps it from them. */
async function runAllowed(task: string, args: readonly string[], cwd: string, host: string): Promise<Ended> {
  const [run, ...rest] = await taskArguments(task, args);
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [run, "--no-lock", `--allow-import=${host}`, ...rest],
    ...{ cwd, stdin: "null", stdout: "piped", stderr: "piped", env: { NO_COLOR: "1" } },
  }).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

/** What a run is asked for, and what becomes of it where its denoiser or its data set is code from elsewhere. */
const CASES: readonly {
  readonly what: string;
  readonly task: string;
  readonly args: readonly string[];
  /** What is to be added, where the code is asked for; where it is not, the task succeeds without it. */
  readonly needs: Readonly<Partial<Record<Field, string>>>;
  readonly trainedBy?: string;
  /** Where the code is from; both in turn, if left out, which each task has a case of. */
  readonly from?: "path" | "url";
}[] = [
  { what: "sample", task: "sample", args: ["run", "--count", "2", "--steps", "2"], needs: { denoiser: "--trust" } },
  { what: "export", task: "export", args: ["run", "--format", "tfjs"], needs: { denoiser: "--trust" } },
  {
    what: "nll",
    task: "nll",
    args: ["run", "--rounds", "1", "--part", "validation"],
    needs: { denoiser: "--trust", dataset: "--trust" },
  },
  {
    what: "nll of a file",
    from: "url",
    task: "nll",
    args: ["run", "--rounds", "1", "--data", "points.csv"],
    needs: { denoiser: "--trust" },
  },
  {
    what: "nll --clamp, which looks at the run's data",
    from: "path",
    task: "nll",
    args: ["run", "--rounds", "1", "--data", "points.csv", "--clamp"],
    needs: { denoiser: "--trust", dataset: "--trust" },
  },
  {
    what: "a member of an ensemble",
    from: "url",
    task: "nll",
    args: ["own", "--rounds", "1", "--data", "points.csv", "--ensemble", "run"],
    needs: { denoiser: "--trust" },
  },
  {
    what: "the first of an ensemble",
    from: "path",
    task: "nll",
    args: ["run", "--rounds", "1", "--data", "points.csv", "--ensemble", "own"],
    needs: { denoiser: "--trust", dataset: "--trust" },
  },
  {
    what: "diagnose",
    task: "diagnose",
    args: ["run", "--levels", "3", "--samples", "8"],
    needs: { denoiser: "--trust", dataset: "--trust" },
  },
  { what: "report", task: "report", args: ["run"], needs: {} },
  { what: "report of two", from: "path", task: "report", args: ["run", "own", "--out", "two.html"], needs: {} },
  {
    what: "train:2d --resume",
    task: "train:2d",
    args: ["--resume", "run", "--epochs", "4", "--figures", "off"],
    needs: { denoiser: "--denoiser", dataset: "--dataset" },
  },
  {
    what: "train:cifar --resume",
    task: "train:cifar",
    args: ["--resume", "run", "--epochs", "4", "--figures", "off"],
    needs: { denoiser: "--denoiser", dataset: "--dataset" },
    trainedBy: "train:cifar",
  },
];

/** A folder with the run of a case, one of the project's own plugins, points, and a server of the same code. */
async function inRun(
  field: Field,
  from: "url" | "path",
  trainedBy: string,
  test: (at: { cwd: string; spec: string; host: string; ran: () => boolean }) => Promise<void>,
): Promise<void> {
  await inFolder(async (cwd) => {
    const marker = join(cwd, "ran");
    await using server = serve(() =>
      new Response(code(field, marker), { headers: { "content-type": "application/javascript" } })
    );
    const path = join(cwd, "mine.js"), spec = from === "url" ? `${server.url}/${crypto.randomUUID()}.js` : path;
    await Deno.writeTextFile(path, code(field, marker));
    await Deno.writeTextFile(join(cwd, "points.csv"), "0.5,1\n-1,0.25\n0.75,-0.5\n");
    const few = { datasetOptions: { points: 200 } },
      foreign = field === "dataset" ? { dataset: spec } : { ...few, denoiser: spec };
    for (const [name, config] of [["run", { ...foreign, task: trainedBy }], ["own", few]] as const) {
      await Deno.mkdir(join(cwd, name));
      await makeRun(join(cwd, name), { shape: [2] }, { config });
    }
    const ran = () => existsSync(marker) || server.seen.length > 0;
    await test({ cwd, spec, host: server.url.slice("http://".length), ran });
  });
}

for (const field of ["denoiser", "dataset"] as const) {
  Deno.test(`a run whose ${field} is a path or a URL has it run by no task of itself`, async (t) => {
    for (const { what, task, args, needs, trainedBy = "train:2d", from } of CASES) {
      await t.step(
        what,
        () =>
          fromBoth(from, (from) =>
            inRun(field, from, trainedBy, async ({ cwd, spec, host, ran }) => {
              const { code, stderr } = await runAllowed(task, args, cwd, host);
              const option = needs[field];
              equal(ran(), false, stderr);
              equal(code, option === undefined ? 0 : 2, stderr);
              if (option === undefined) return;
              const name = field === "denoiser" ? "denoiser" : "data set";
              // A task may have said in a line before how it reads a file.
              equal(
                stderr.split("\n").slice(-2).join("\n"),
                `error: The run's ${name} ${spec} is code from outside the project, which a run cannot have run by naming ` +
                  `it. If you trust that code, add ${option} ${spec}.\n`,
              );
            })),
      );
    }
  });

  Deno.test(`a ${field} from a path or a URL is run where the command names it again`, async (t) => {
    for (const { what, task, args, needs, trainedBy = "train:2d", from } of CASES) {
      // Points are nothing to train:cifar; and a density is integrated by diagnose, at length where it is none.
      if (needs[field] === undefined || what.includes("cifar") || what === "diagnose") continue;
      await t.step(
        what,
        () =>
          fromBoth(from, (from) =>
            inRun(field, from, trainedBy, async ({ cwd, spec, host, ran }) => {
              const named = from === "path" ? "./mine.js" : spec;
              const { code, stderr } = await runAllowed(task, [...args, needs[field]!, named], cwd, host);
              equal(ran(), true, stderr);
              // A checkpoint of the tests has no moments to go on with.
              if (task === "train:2d") match(stderr, /^error: .*checkpoint/m);
              else equal(code, 0, stderr);
            })),
      );
    }
  });
}

/** Both at once, if it is not one alone: each has a folder and a server of its own. */
async function fromBoth(
  from: "path" | "url" | undefined,
  test: (from: "path" | "url") => Promise<void>,
): Promise<void> {
  await Promise.all((["path", "url"] as const).filter((each) => from === undefined || each === from).map(test));
}

Deno.test("data that the command line names is the run's own data too, and is trusted", () =>
  inRun("dataset", "path", "train:2d", async ({ cwd, host, ran }) => {
    const { code, stderr } = await runAllowed("nll", ["run", "--rounds", "1", "--data", "./mine.js"], cwd, host);
    equal(code, 0, stderr);
    equal(ran(), true);
  }));

Deno.test("naming other code than the run's, or code of another kind of the same name, is not enough", () =>
  inRun("denoiser", "path", "train:2d", async ({ cwd, host, ran }) => {
    await Deno.writeTextFile(join(cwd, "other.js"), "Deno.writeTextFileSync('ran', '');");
    for (const named of ["./other.js", "mine", "gaussian"]) {
      const { code, stderr } = await runAllowed("sample", ["run", "--trust", named], cwd, host);
      deepEqual([code, ran()], [2, false], stderr);
    }
  }));

Deno.test("a name with a shell's signs is quoted in what is to be added", () =>
  inFolder(async (cwd) => {
    await Deno.mkdir(join(cwd, "run"));
    await makeRun(join(cwd, "run"), { shape: [2] }, { config: { denoiser: "/x.ts; touch ran #.ts" } });
    const { code, stderr } = await runAllowed("sample", ["run"], cwd, "none.invalid");
    equal(code, 2);
    match(stderr, /add --trust '\/x\.ts; touch ran #\.ts'\.\n$/);
  }));

Deno.test("a sweep that goes on with a planted run does not run its code, and names its own on the command line", () =>
  inRun("denoiser", "path", "train:2d", async ({ cwd, host, ran }) => {
    const sweep = (out: string, denoiser: string) => [
      `train:2d scg --points 60 --epochs 1 --figures off --denoiser ${denoiser} --reference none --seed {0..0}`,
      ...["--out", out],
    ];
    equal((await runAllowed("sweep", sweep("swept", "gaussian"), cwd, host)).code, 0);
    const [name] = (await Array.fromAsync(Deno.readDir(join(cwd, "swept")))).filter(({ name, isDirectory }) =>
      isDirectory && name !== "logs"
    );
    await Deno.remove(join(cwd, "swept", name.name, "summary.json"));
    await Deno.copyFile(join(cwd, "run", "config.json"), join(cwd, "swept", name.name, "config.json"));
    const { code, stderr } = await runAllowed("sweep", sweep("swept", "gaussian"), cwd, host);
    equal(ran(), false);
    equal(code, 1, stderr);
    match(stderr, /is code from outside the project/);
    const own = await runAllowed("sweep", sweep("own-sweep", "./mine.js"), cwd, host);
    equal(own.code, 0, own.stderr);
    ok(ran());
  }));
