import { deepEqual, equal, match, ok } from "assert";
import { runFormat } from "../../tasks/fuzz/run_format.ts";
import { FORMAT_NAMES } from "../../tasks/fuzz/names.ts";
import { TARGETS } from "../../tasks/fuzz/targets.ts";
import { inFolder, namesIn } from "../folders.ts";
import { runTask } from "./command.ts";

Deno.test("damaged files of every format are read or refused in one line", () =>
  inFolder(async (folder) => {
    const runs = 10 * FORMAT_NAMES.length;
    const { code, stdout, stderr } = await runTask("fuzz", ["--runs", `${runs}`, "--seed", "1"], folder);
    equal(code, 0, stdout + stderr);
    match(stdout, /^Seed 1\n/);
    for (const name of FORMAT_NAMES) {
      const [, read, refused] = new RegExp(`^${name} +(\\d+) read +(\\d+) refused in one line +0 failed`, "m")
        .exec(stdout)!;
      equal(Number(read) + Number(refused), 10, name);
    }
    match(stdout, new RegExp(`^${runs} files in \\d+ s, 0 failures$`, "m"));
    deepEqual(await namesIn(folder), []);
  }));

Deno.test("every format has seeds, all of which are read or refused", async () => {
  deepEqual(Object.keys(TARGETS), FORMAT_NAMES);
  for (const [name, { seeds }] of Object.entries(TARGETS)) ok((await seeds()).length > 0, name);
});

Deno.test("a fault of a reader is found, with its file", () =>
  inFolder(async (folder) => {
    const faults: Record<string, RegExp> = {
      throws: /TypeError: no such thing/,
      lines: /a message of several lines: one\ntwo/,
      long: /a message of 10000: x/,
      stray: /a promise that nobody waits for: nobody waits/,
      crashes: /the process ended with 3/,
      hangs: /it takes more than 3 s/,
      grows: /it takes 1\d\d\d MB of memory/,
    };
    const find = async (format: string, pattern: RegExp) => {
      let cases = 0;
      const { read, refused, failures } = await runFormat({
        ...{ format, seed: 2, runs: 4, until: Infinity, out: folder, signal: new AbortController().signal },
        targets: new URL("fuzz_faults.ts", import.meta.url).href,
        limits: { bytes: 1 << 30, seconds: format === "hangs" ? 3 : 60 },
        onCase: () => cases++,
      });
      ok(failures.length > 0, format);
      equal(read + refused + failures.length, 4, format);
      ok(cases <= 4);
      for (const { number, what } of failures) {
        match(what, pattern);
        const [file] = (await namesIn(folder)).filter((name) => name.startsWith(`${format}-2-${number}.`));
        ok((await Deno.stat(`${folder}/${file}`)).size > 27, "the file that fails is longer than the seed");
      }
    };
    // One hangs while the others fail.
    const { hangs, ...others } = faults;
    await Promise.all([
      find("hangs", hangs),
      (async () => {
        for (const [format, pattern] of Object.entries(others)) await find(format, pattern);
      })(),
    ]);
  }));

Deno.test("the fuzz task names the formats that there are", async () => {
  const { code, stderr } = await runTask("fuzz", ["--formats", "csv,docx"]);
  equal(code, 2);
  match(stderr, /--formats has "docx", expected some of csv, npy/);
});
