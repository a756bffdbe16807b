import { deepEqual, equal, match, ok } from "assert";
import { join } from "node:path";
import { Random } from "../../core/random/random.ts";
import { inFolder, namesIn } from "../folders.ts";
import { runTask } from "./command.ts";

const SMALL = ["--width", "16", "--blocks", "1", "--batch-size", "64", "--epochs", "2", "--figures", "off"];

interface Penguin {
  readonly name: string;
  readonly species: string | null;
  readonly mass: number | null;
  readonly flipper: number | null;
  readonly toes: number;
  readonly seen: string;
  readonly planet: string;
}

/** Rows of two species, whose masses and flippers differ, with holes. */
function penguins(count: number, seed: number, holes = 0.1): Penguin[] {
  return Array.from({ length: count }, (_, i) => {
    const random = Random.fromSeed(seed).split(i), isLarge = random.uniform() < 0.5, size = random.normal();
    const hole = () => random.uniform() < holes;
    const day = new Date(Date.UTC(2007, 10, 1) + 86_400_000 * random.integer(900)).toISOString().slice(0, 10);
    const mass = 25 * Math.round(((isLarge ? 5000 : 3700) + 300 * size) / 25);
    const flipper = Math.round(((isLarge ? 217 : 190) + 4 * size + 3 * random.normal()) * 10) / 10;
    return {
      ...{ name: `penguin ${i}-${seed}`, species: hole() ? null : isLarge ? "Gentoo" : "Adelie, small" },
      ...{ mass: hole() ? null : mass, flipper: hole() ? null : flipper },
      ...{ toes: 3 + random.integer(3), seen: day, planet: "Earth" },
    };
  });
}

function csv(rows: readonly Penguin[]): string {
  const cell = (value: unknown) => value === null ? "NA" : String(value).includes(",") ? `"${value}"` : String(value);
  return [Object.keys(rows[0]).join(), ...rows.map((row) => Object.values(row).map(cell).join())].join("\n") + "\n";
}

async function run(task: string, args: readonly string[], cwd: string): Promise<Record<string, never>> {
  const { code, stdout, stderr } = await runTask(task, [...args, "--json"], cwd);
  equal(code, 0, stderr);
  return JSON.parse(stdout);
}

Deno.test("a table of classes, dates, rounded numbers and holes: trained, scored, filled in and drawn by its name alone", () =>
  inFolder(async (cwd) => {
    const rows = penguins(600, 1), others = penguins(200, 2);
    await Deno.writeTextFile(join(cwd, "penguins.json"), JSON.stringify(rows));
    await Deno.writeTextFile(join(cwd, "others.csv"), csv(others));
    const trained = await runTask("train:2d", ["penguins.json", ...SMALL, "--out", "run"], cwd);
    equal(trained.code, 0, trained.stderr);
    match(trained.stderr, /species\s+class of 2: "?Adelie, small"? \d+, Gentoo \d+, \d+ unknown/);
    match(trained.stderr, /planet\s+left out: constant/);
    match(trained.stderr, /name\s+left out: text/);
    match(trained.stderr, /name: left out, its texts are nearly all different/);
    match(trained.stdout, /NLL on the validation data {2}[\d.]+ ± [\d.]+ nats \([\d.]+ bits\/column\)/);

    // The same rows in another format are as likely; columns are found by their names.
    const nll = await run("nll", ["run", "--data", "others.csv"], cwd);
    await Deno.writeTextFile(
      join(cwd, "others.jsonl"),
      others.map((row) => {
        const { name: _, ...rest } = row;
        return `${JSON.stringify(Object.fromEntries(Object.entries(rest).reverse()))}\n`;
      }).join(""),
    );
    const again = await run("nll", ["run", "--data", "others.jsonl"], cwd);
    ok(Math.abs(Number(nll.nats) - Number(again.nats)) < 1e-6, `${nll.nats}, ${again.nats}`);

    // What no penguin is, is the most anomalous, and it is said why.
    const strange = others.map((row, i) => i === 17 ? { ...row, species: "Gentoo", mass: 2000, flipper: 240 } : row);
    const labelled = strange.map((row, i) => ({ ...row, odd: i === 17 ? "yes" : "no" })) as unknown as Penguin[];
    await Deno.writeTextFile(join(cwd, "strange.csv"), csv(labelled));
    const scored = await run("score", [
      "run",
      "strange.csv",
      "--threshold",
      "0.01",
      "--label",
      "odd",
      "--out",
      "scores.csv",
    ], cwd);
    const [first] = scored.top as unknown as { row: number; p: number; because: Record<string, number> }[];
    deepEqual([first.row, scored.auroc, scored.average_precision], [17, 1, 1]);
    ok(first.because.mass > 3 && first.p < 0.01, JSON.stringify(first));
    const written = (await Deno.readTextFile(join(cwd, "scores.csv"))).trim().split("\n");
    equal(written.length, 201);
    match(written[0], /^name,species,mass,flipper,toes,seen,planet,odd,nll,nll_stderr,rank,p,anomaly,excess of /);
    ok(written[18].startsWith(`penguin 17-2,Gentoo,2000,240,`) && written[18].includes(",1,"), written[18]);

    // Cells that are there come back to the byte, those that are not as the column is written.
    await run("impute", ["run", "others.csv", "--draws", "2", "--out", "filled"], cwd);
    deepEqual((await namesIn(join(cwd, "filled"))).sort(), [
      "others-1.csv",
      "others-2.csv",
      "others.csv",
      "others.unknown.csv",
      "summary.json",
    ]);
    const [before, after, drawn] = await Promise.all(
      ["others.csv", "filled/others.csv", "filled/others-1.csv"].map(async (file) =>
        (await Deno.readTextFile(join(cwd, file))).trim().split("\n")
      ),
    );
    let holes = 0;
    before.forEach((line, i) => {
      if (!line.includes("NA")) return deepEqual([after[i], drawn[i]], [line, line]);
      holes++;
      ok(!after[i].includes("NA") && !drawn[i].includes("NA"), after[i]);
      match(after[i], /^[^,]+,("Adelie, small"|Gentoo),\d+,\d+(\.\d)?,[345],\d{4}-\d\d-\d\d,Earth$/);
    });
    ok(holes > 30);

    // Rows like the table's own.
    await run("sample", ["run", "--count", "50", "--steps", "40", "--out", "rows.csv"], cwd);
    const sampled = (await Deno.readTextFile(join(cwd, "rows.csv"))).trim().split("\n");
    equal(sampled.length, 51);
    equal(sampled[0], "species,mass,flipper,toes,seen,planet");
    for (const line of sampled.slice(1)) {
      match(line, /^("Adelie, small"|Gentoo),\d+[05],\d+(\.\d)?,[345],\d{4}-\d\d-\d\d,Earth$/);
    }
    const quality = await run("evaluate", ["run", "--steps", "40"], cwd);
    ok(Array.isArray(quality.columns) && Number((quality.columns as unknown[]).length) === 5);
  }));

Deno.test("what a table, a run of one, or the command line has wrong is said in a line, and nothing is lost", () =>
  inFolder(async (cwd) => {
    await Deno.writeTextFile(join(cwd, "penguins.csv"), csv(penguins(120, 3)));
    await Deno.writeTextFile(
      join(cwd, "types.json"),
      '{"mass": {"kind": "number", "transform": "log"}, "seen": "drop"}',
    );
    await Deno.writeTextFile(join(cwd, "wrong.json"), '{"mas": "number"}');
    const first = await runTask("train:2d", [
      "penguins.csv",
      "--types",
      "types.json",
      ...SMALL,
      "--out",
      "run",
      "--json",
    ], cwd);
    equal(first.code, 0, first.stderr);
    const { columns } = JSON.parse(first.stdout);
    ok(
      columns.includes("mass: number in steps of 25, by its logarithm") && !columns.join().includes("seen"),
      columns.join(),
    );
    await Deno.writeTextFile(join(cwd, "strange.csv"), "species,mass\nChinstrap,3000\nGentoo,heavy\n");
    await Deno.writeTextFile(join(cwd, "whole.csv"), csv(penguins(30, 4, 0)));
    await Deno.writeTextFile(join(cwd, "other.csv"), "a,b\n1,2\n3,4\n");
    const refused: readonly (readonly [task: string, args: readonly string[], message: RegExp])[] = [
      ["train:2d", ["penguins.csv", "--types", "wrong.json", ...SMALL], /mas.*Did you mean mass/],
      ["train:2d", ["penguins.csv", "--types", "none.json", ...SMALL], /none\.json/],
      ["train:2d", ["penguins.csv", "--drop", "weight", ...SMALL], /weight/],
      ["train:2d", ["penguins.csv", "--reference", "kernel", ...SMALL], /--reference is kernel/],
      [
        "train:2d",
        ["penguins.csv", "--denoiser", "gaussian", ...SMALL.slice(4)],
        /takes nothing that is known of a sample/,
      ],
      ["train:2d", ["penguins.csv", "--types", "off", ...SMALL], /expected a finite number/],
      [
        "train:2d",
        ["penguins.csv", "--condition", "species", ...SMALL],
        /of a table with texts or gaps leave it out, and ask impute/,
      ],
      ["train:2d", ["moons", "--types", "off", ...SMALL], /--types/],
      ["nll", ["run", "--data", "strange.csv"], /strange\.csv has "heavy" in line 3, column mass, expected a number/],
      ["nll", ["run", "--data", "other.csv"], /other\.csv has none of the model's columns/],
      ["nll", ["run", "--estimator", "ode"], /--estimator is ode, but the run is of a table/],
      ["diagnose", ["run"], /is of a table, whose error/],
      ["nll", ["run", "--clamp"], /--clamp is given, but the run is of a table/],
      ["score", ["run", "penguins.csv", "--label", "odd"], /--label names "odd"/],
      ["score", ["run", "penguins.csv", "--out", "scores.xlsx"], /must end in \.csv/],
      ["impute", ["run", "whole.csv"], /no unknown cell/],
      ["impute", ["run", "penguins.csv", "--out", "penguins.csv"], /which is the table itself/],
      ["impute", ["run", "penguins.csv", "--mask", "m.png"], /--mask is of images/],
    ];
    const before = await Deno.readTextFile(join(cwd, "penguins.csv"));
    for (const [task, args, message] of refused) {
      const { code, stdout, stderr } = await runTask(task, args, cwd);
      equal(code, 2, `${task} ${args.join(" ")}: ${stderr}`);
      equal(stdout, "");
      match(stderr, message, `${task} ${args.join(" ")}`);
      ok(!stderr.includes("    at "), stderr);
    }
    equal(await Deno.readTextFile(join(cwd, "penguins.csv")), before);
  }));

Deno.test("rows that are no rows of the model's table are scored, and what they were taken for is said", () =>
  inFolder(async (cwd) => {
    await Deno.writeTextFile(join(cwd, "penguins.csv"), csv(penguins(300, 1)));
    equal((await runTask("train:2d", ["penguins.csv", ...SMALL, "--out", "run"], cwd)).code, 0);
    const odd = penguins(20, 2, 0).map((row, i) =>
      i === 0
        ? { ...row, mass: 3712.5 }
        : i === 1
        ? { ...row, toes: 9 }
        : i === 2
        ? { ...row, flipper: 1e30 }
        : i === 3
        ? { ...row, planet: "Mars" }
        : row
    );
    await Deno.writeTextFile(join(cwd, "odd.csv"), csv(odd));
    const scored = await run("score", ["run", "odd.csv", "--out", "odd.scores.csv"], cwd) as unknown as {
      readonly read: string;
      readonly top: readonly { readonly row: number; readonly nll: number }[];
    };
    match(scored.read, /mass: 3712.5 in 1 row, between the model's steps of 25/);
    match(scored.read, /toes: 9 in 1 row, which the model does not know/);
    match(scored.read, /flipper: 1e\+30 in 1 row, farther out than a float32 can tell/);
    match(scored.read, /planet: "Mars" in 1 row, in training always "Earth"/);
    equal(scored.top[0].row, 2);
    ok(scored.top[0].nll > 1e20 && Number.isFinite(scored.top[0].nll));
    // The errors of the other rows are not those of the one that is far out.
    const [names, ...lines] = (await Deno.readTextFile(join(cwd, "odd.scores.csv"))).trim().split("\n");
    const at = names.split(",").length - names.split(",").indexOf("nll_stderr");
    const errors = lines.filter((_, i) => i !== 2).map((line) => Number(line.split(",").at(-at)));
    ok(errors.every((error) => error >= 0 && error < 5), errors.join());
  }));

Deno.test("columns are named as the table names them, commas and quotes included", () =>
  inFolder(async (cwd) => {
    const rows = Array.from({ length: 90 }, (_, i) => `${i * 7 % 11 / 10},${i % 4},${i * i % 13},${i * 3 % 7}`);
    await Deno.writeTextFile(join(cwd, "x.csv"), ['"a, b","say ""hi""",c d,e', ...rows].join("\n"));
    const trained = await runTask(
      "train:2d",
      ["x.csv", ...SMALL, "--columns", '"a, b", c d,"say ""hi"""', "--drop", '"say ""hi"""', "--out", "run"],
      cwd,
    );
    equal(trained.code, 0, trained.stderr);
    match(trained.stderr, /2 of 4 columns modelled/);
    match(trained.stderr, /say "hi" \(dropped\), e \(dropped\)/);
  }));

Deno.test("a run of a table that is resumed gives what an uninterrupted one gives", () =>
  inFolder(async (cwd) => {
    await Deno.writeTextFile(join(cwd, "penguins.csv"), csv(penguins(200, 5)));
    const args = ["penguins.csv", ...SMALL, "--decay", "constant"];
    const whole = await run("train:2d", [...args, "--epochs", "4", "--out", "whole"], cwd);
    await run("train:2d", [...args, "--out", "parts"], cwd);
    const parts = await run("train:2d", ["--resume", "parts", "--epochs", "4"], cwd);
    deepEqual([parts.val_nll, parts.reference_nll], [whole.val_nll, whole.reference_nll]);
  }));

Deno.test("points of numbers alone are scored too, in each form that scores are written in", () =>
  inFolder(async (cwd) => {
    const random = Random.fromSeed(6);
    const rows = Array.from(
      { length: 300 },
      (_, i) => i === 7 ? [9.123456, -9.654321] : [random.normal(), random.normal()],
    );
    await Deno.writeTextFile(join(cwd, "points.csv"), `x,y\n${rows.map((row) => row.join()).join("\n")}\n`);
    const args = ["points.csv", "--denoiser", "gaussian", "--epochs", "1", "--figures", "off", "--out", "run"];
    await run("train:2d", args, cwd);
    await Deno.copyFile(join(cwd, "points.csv"), join(cwd, "others.csv"));
    for (const out of ["scores.csv", "scores.jsonl", "scores.h5"]) {
      const scored = await run("score", ["run", "others.csv", "--out", out, "--rounds", "2"], cwd);
      const [first] = scored.top as unknown as { row: number; because: Record<string, number> }[];
      equal(first.row, 7);
      ok(first.because.x > 5 && first.because.y > 5 && Number.isFinite(scored.log_scale), JSON.stringify(first));
      ok((await Deno.stat(join(cwd, out))).size > 300);
    }
    const lines = (await Deno.readTextFile(join(cwd, "scores.jsonl"))).trim().split("\n").map((line) =>
      JSON.parse(line)
    );
    deepEqual([lines.length, lines[7].row, lines[7].rank], [300, 7, 1]);
    ok((await Deno.readTextFile(join(cwd, "scores.csv"))).startsWith("row,nll,nll_stderr,rank,p\n"));
  }));
