import { deepEqual, equal, match, ok } from "assert";
import { join } from "node:path";
import { encodeSafetensors } from "../../core/io/safetensors.ts";
import { Random } from "../../core/random/random.ts";
import { inFolder } from "../folders.ts";
import { runTask } from "./command.ts";

// The Gaussian's likelihood is exact arithmetic, so that a wrong reading shows in the last digit.
const GAUSSIAN = ["--denoiser", "gaussian", "--epochs", "1", "--figures", "off", "--json"];

async function train(task: "train:2d" | "train:cifar", file: string, out: string, cwd: string, ...rest: string[]) {
  const { code, stdout, stderr } = await runTask(task, [file, ...GAUSSIAN, "--out", out, ...rest], cwd);
  equal(code, 0, stderr);
  return JSON.parse(stdout);
}

async function nll(run: string, data: string, cwd: string, ...rest: string[]) {
  const { code, stdout, stderr } = await runTask("nll", [run, "--data", data, "--json", ...rest], cwd);
  equal(code, 0, stderr);
  return JSON.parse(stdout);
}

/** Rows of two numbers with a correlation, as text. */
function lines(count: number, seed: number, offset = 0, scale = 1): string[] {
  const random = Random.fromSeed(seed);
  return Array.from({ length: count }, () => {
    const [a, b] = [random.normal(), random.normal()];
    return `${offset + scale * a},${3 + 2 * (0.6 * a + 0.8 * b)}`;
  });
}

const swapped = (line: string) => line.split(",").reverse().join();

Deno.test("columns are matched by name, or by their places where they have none; what was read is said", () =>
  inFolder(async (cwd) => {
    const [training, fresh] = [lines(400, 1, 170, 10), lines(100, 2, 170, 10)];
    const write = (name: string, header: string[], rows: string[]) =>
      Deno.writeTextFile(join(cwd, name), [...header, ...rows].join("\n") + "\n");
    await write("train.csv", ["height,weight"], training);
    await write("same.csv", ["height,weight"], fresh);
    await write("bare.csv", [], fresh);
    await write("pandas.csv", ["0,1"], fresh);
    await write("years.csv", ["2020,2021"], fresh);
    await write("swapped.csv", ["weight,height"], fresh.map(swapped));
    await write("more.csv", [",id,weight,height"], fresh.map((line, i) => `${i},${7 * i % 100},${swapped(line)}`));
    await write("other.csv", ["weight,size"], fresh.map(swapped));
    await write("wide.csv", [], fresh.map((line) => `${line},1`));
    await train("train:2d", "train.csv", "run", cwd);
    const same = await nll("run", "same.csv", cwd);
    equal(same.read, "same.csv: 100 rows, columns height, weight; header found; matched by name");
    const guessed = "first line taken for a header: its numbers are whole and ascend, those below have decimals; " +
      "--header off if it is data; columns matched by their places, not by name";
    for (
      const [file, read] of [
        ["bare.csv", "100 rows of 2 values, float64; no header; columns matched by their places, not by name"],
        ["pandas.csv", `100 rows, columns 0, 1; ${guessed}`],
        ["years.csv", `100 rows, columns 2020, 2021; ${guessed}`],
        ["swapped.csv", "100 rows, columns weight, height; header found; matched by name"],
        [
          "more.csv",
          "100 rows, columns id, weight, height; header found; column 1 left out, an index without a name; " +
          "matched by name; id ignored",
        ],
      ]
    ) {
      const got = await nll("run", file, cwd);
      deepEqual([got.samples, got.nats, got.read], [100, same.nats, `${file}: ${read}`]);
    }
    const refused = async (file: string, ...rest: string[]) => {
      const { code, stderr } = await runTask("nll", ["run", "--data", file, "--quiet", ...rest], cwd);
      equal(code, 2);
      return stderr;
    };
    match(
      await refused("other.csv"),
      /^error: .*other\.csv has no column height, which the model is of; it has weight, size/m,
    );
    match(await refused("wide.csv"), /has 3 columns, but the model is of 2 \(height, weight\)/);
    equal((await nll("run", "pandas.csv", cwd, "--header", "off")).samples, 101);
    const own = await nll("run", "train.csv", cwd, "--header", "on");
    deepEqual([own.samples, own.read], [
      400,
      "train.csv: 400 rows, columns height, weight; header taken as --header says; matched by name",
    ]);
    const { stdout } = await runTask("nll", ["run", "--data", "swapped.csv", "--quiet"], cwd);
    match(stdout, /^ {2}read swapped\.csv: 100 rows, columns weight, height; header found; matched by name$/m);
  }));

Deno.test("numbers of a large offset and a small spread are centred in double precision", () =>
  inFolder(async (cwd) => {
    const [plain, far] = [lines(400, 3), lines(400, 3, 1_700_000_000)];
    await Deno.writeTextFile(join(cwd, "plain.csv"), "t,v\n" + plain.join("\n"));
    await Deno.writeTextFile(join(cwd, "unix.csv"), "t,v\n" + far.join("\n"));
    const tensor = { shape: [400, 2], data: Float64Array.from(far.flatMap((line) => line.split(",").map(Number))) };
    await Deno.writeFile(join(cwd, "unix.safetensors"), encodeSafetensors({ x: tensor }));
    const { val_nll, gaussian_nll } = await train("train:2d", "plain.csv", "plain", cwd);
    for (const file of ["unix.csv", "unix.safetensors"]) {
      const got = await train("train:2d", file, file.replace(".", "-"), cwd);
      ok(Math.abs(got.val_nll - val_nll) < 1e-5 && Math.abs(got.gaussian_nll - gaussian_nll) < 1e-5, `${got.val_nll}`);
      const scored = await nll(file.replace(".", "-"), file === "unix.csv" ? "unix.safetensors" : "unix.csv", cwd);
      const own = await nll("plain", "plain.csv", cwd, "--part", "train");
      ok(Number.isFinite(scored.nats) && Math.abs(own.nats - scored.nats) < 0.2, `${scored.nats}, ${own.nats}`);
    }
  }));

/** Pictures in another form. */
function pictures(bytes: Uint8Array, map: (byte: number) => number, isDouble = false) {
  const values = Float64Array.from(bytes, map);
  return { x: { shape: [bytes.length / 16, 4, 4], data: isDouble ? values : Float32Array.from(values) } };
}

Deno.test("pictures in another range are brought to the model's, and it is said; what is in none is refused", () =>
  inFolder(async (cwd) => {
    const random = Random.fromSeed(4);
    const bytes = Uint8Array.from({ length: 200 * 16 }, () => Math.min(255, Math.max(0, 128 + 60 * random.normal())));
    bytes[5] = 0;
    bytes[6] = 255;
    const write = (name: string, tensors: Parameters<typeof encodeSafetensors>[0]) =>
      Deno.writeFile(join(cwd, name), encodeSafetensors(tensors));
    await write("bytes.safetensors", { x: { shape: [200, 4, 4], data: bytes } });
    const forms: [string, string, ReturnType<typeof pictures>][] = [
      ["unit.safetensors", "[0, 1]", pictures(bytes, (b) => b / 255)],
      ["floats.safetensors", "[0, 255]", pictures(bytes, (b) => b)],
      ["symmetric.safetensors", "[−1, 1]", pictures(bytes, (b) => b / 127.5 - 1, true)],
      ["deep.safetensors", "[0, 65535]", pictures(bytes, (b) => 257 * b)],
    ];
    for (const [name, , tensors] of forms) await write(name, tensors);
    const options = ["--logsnr-loc", "2", "--logsnr-scale", "2", "--batch-size", "32", "--samples", "0"];
    await train("train:cifar", "bytes.safetensors", "run", cwd, ...options);
    const own = await nll("run", join(cwd, "bytes.safetensors"), cwd, "--part", "train");
    await Deno.copyFile(join(cwd, "bytes.safetensors"), join(cwd, "again.safetensors"));
    const again = await nll("run", "again.safetensors", cwd);
    ok(Math.abs(again.nats - own.nats) < 0.5 && again.log_scale === own.log_scale);
    for (const [name, range] of forms) {
      const got = await nll("run", name, cwd);
      ok(Math.abs(got.nats - again.nats) < 1e-3, `${name}: ${got.nats}, not ${again.nats}`);
      match(got.read, new RegExp(`200 images of 1 x 4 x 4, float(32|64); ${range.replace(/[[\]]/g, "\\$&")} taken to`));
    }
    equal((await nll("run", "symmetric.safetensors", cwd)).log_scale, 0);
    ok(Math.abs((await nll("run", "unit.safetensors", cwd)).log_scale + 16 * Math.log(2)) < 1e-9);
    await write("odd.safetensors", pictures(bytes, (b) => 3 * b - 100));
    const odd = await runTask("nll", ["run", "--data", "odd.safetensors", "--quiet"], cwd);
    equal(odd.code, 2);
    match(odd.stderr, /has values in \[−100, 665\], expected pictures in .*Say the values .* as --range 0,4095/);
    const said = await nll("run", "odd.safetensors", cwd, "--range", "-100,665");
    ok(Math.abs(said.nats - again.nats) < 1e-3);
    // One picture has an error as well, that of the noise alone.
    await write("one.safetensors", { x: { shape: [1, 4, 4], data: bytes.slice(0, 16) } });
    const one = await nll("run", "one.safetensors", cwd);
    ok(Number.isFinite(one.nats) && one.stderr === one.noise_stderr, `${one.stderr}`);
    const { stdout } = await runTask("nll", ["run", "--data", "one.safetensors", "--quiet"], cwd);
    match(stdout, /^1 sample of one\.safetensors under run\n.*\n.*\n +the error is that of the noise alone$/m);
  }));

Deno.test("a file of a kind that is not read is named with those that are, and never run", () =>
  inFolder(async (cwd) => {
    const code = 'Deno.writeTextFileSync("ran", "");\nexport const load = () => ({ train: [[1]] });\n';
    for (const name of ["code.txt", "code.csv", "code.dat", "code.xlsx", "code"]) {
      await Deno.writeTextFile(join(cwd, name), code);
      const { code: exit, stderr } = await runTask("train:2d", [`./${name}`, "--figures", "off"], cwd);
      equal(exit, 2, name);
      match(stderr, /^error: [^\n]*\n$/m);
      if (!/\.(txt|csv|dat)$/.test(name)) {
        match(stderr, /is no file of data that is known by its name\. Read are \.csv/);
      }
    }
    ok(![...Deno.readDirSync(cwd)].some(({ name }) => name === "ran"), "nothing was run");
    for (const name of ["x.csv", "x.npy", "x.h5", "x.safetensors", "x.parquet", "x.png"]) {
      const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 12345\n";
      await Deno.writeTextFile(join(cwd, name), pointer);
      const { code: exit, stderr } = await runTask("train:2d", [name, "--figures", "off"], cwd);
      equal(exit, 2, name);
      match(stderr, /^error: .* is a pointer of Git LFS, not the file itself\. Run git lfs pull[^\n]*\n$/m, name);
    }
  }));

Deno.test("samples are in the units and under the names of the file, and are scored as its rows are", () =>
  inFolder(async (cwd) => {
    await Deno.writeTextFile(join(cwd, "unix.csv"), 't,"v, m"\n' + lines(400, 6, 1_700_000_000, 5).join("\n"));
    const { val_nll } = await train("train:2d", "unix.csv", "run", cwd);
    const { code, stderr } = await runTask("sample", ["run", "--count", "400", "--out", "out", "--steps", "50"], cwd);
    equal(code, 0, stderr);
    const [header, ...rows] = (await Deno.readTextFile(join(cwd, "out", "samples.csv"))).trim().split("\n");
    equal(header, 't,"v, m"');
    const times = rows.map((row) => Number(row.split(",")[0]) - 1_700_000_000);
    const mean = times.reduce((sum, t) => sum + t / times.length, 0);
    const deviation = Math.sqrt(times.reduce((sum, t) => sum + (t - mean) ** 2 / times.length, 0));
    ok(Math.abs(mean) < 1.5 && Math.abs(deviation - 5) < 1, `${mean} ± ${deviation}`);
    equal(new Set(times).size, 400);
    for (const file of ["out/samples.csv", "out/samples.safetensors"]) {
      const { nats } = await nll("run", file, cwd);
      ok(Math.abs(nats - val_nll) < 0.4, `${nats}, not ${val_nll}`);
    }
  }));
