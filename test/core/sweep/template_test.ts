import { deepEqual, equal, match, ok, throws } from "assert";
import { Random } from "../../../core/random/random.ts";
import { SweepError } from "../../../core/sweep/errors.ts";
import { digestOf, parseSweep } from "../../../core/sweep/template.ts";

/** The commands of a template, each as one text. */
function commandsOf(template: string): string[] {
  return parseSweep(template).commands.map(({ args }) => args.join(" "));
}

/** The names of a template's runs. */
function namesOf(template: string): string[] {
  return parseSweep(template).commands.map(({ name }) => name);
}

Deno.test("braces are expanded as bash does it, the last word first", () => {
  deepEqual(commandsOf("train:2d moons --seed {1..3}"), ["moons --seed 1", "moons --seed 2", "moons --seed 3"]);
  deepEqual(commandsOf("train:2d {moons,ring} --ema={0,.9}"), [
    "moons --ema=0",
    "moons --ema=.9",
    "ring --ema=0",
    "ring --ema=.9",
  ]);
  const lists: [string, string][] = [
    ["{0..10..5}", "0 5 10"],
    ["{3..1}", "3 2 1"],
    ["{-1..1}", "-1 0 1"],
    ["{08..10}", "08 09 10"],
    ["{a..c}", "a b c"],
    ["1e-{2,3}", "1e-2 1e-3"],
    ["{1,{5..6}}", "1 5 6"],
    ["{1,2}{0,5}", "10 15 20 25"],
  ];
  for (const [word, values] of lists) {
    deepEqual(parseSweep(`train:2d --seed ${word}`).commands.flatMap(({ values }) => values), values.split(" "), word);
  }
  for (const word of ["{1}", "{}", "{1..", "1,2", "{1..2.5}"]) {
    equal(parseSweep(`train:2d --x ${word}`).commands.length, 1);
  }
});

Deno.test("quotes hold words together; a brace with a backslash within them stays", () => {
  const { commands } = parseSweep(String.raw`train:cifar "my photos.h5:x" --note 'it'\''s "\{a,b\}"' --seed {1,2}`);
  deepEqual(commands[1].args, ["my photos.h5:x", "--note", `it's "{a,b}"`, "--seed", "2"]);
});

Deno.test("runs are named for what varies, safely and each differently", () => {
  deepEqual(namesOf("train:2d moons --seed {3..4} --learning_rate {1e-3,0.01}"), [
    "seed-3_learning-rate-1e-3",
    "seed-3_learning-rate-0.01",
    "seed-4_learning-rate-1e-3",
    "seed-4_learning-rate-0.01",
  ]);
  deepEqual(namesOf("train:2d {moons,../a/b.csv,a/b.csv,A-b.csv,..} --ema 0"), [
    "moons",
    "a-b.csv",
    "a-b.csv-2",
    "A-b.csv-3",
    "run",
  ]);
  deepEqual(namesOf("train:2d {logs,sweep.json} --ema 0"), ["logs-2", "sweep.json-2"]);
  deepEqual(namesOf("train:2d moons"), ["run"]);
  deepEqual(namesOf(`train:2d {${"x".repeat(300)},y}`).map((name) => name.length), [100, 1]);
  deepEqual(parseSweep("train:2d {a,b} --seed={1,2} --proposal {fixed,adaptive}").variables, [
    "data",
    "seed",
    "proposal",
  ]);
});

Deno.test("what is no sweep is refused with what to do, before it takes memory", () => {
  const tries: [string, RegExp][] = [
    ["", /begins with a training task, train:2d, train:image or train:cifar, as in .*; got ""/],
    ["deno task train:2d moons", /got "deno"/],
    ["nll runs/moons --seed {1..8}", /got "nll"/],
    ["train:{2d,cifar}", /got "train:\{2d,cifar\}"/],
    ["train:2d 'moons --seed {1..8}", /cannot be split into words: .* Close the quotes/],
    ["train:2d moons --seed {1..10001}", /more than 10000 runs/],
    ["train:2d moons --seed {1..99999999999}", /more than 10000 runs/],
    ["train:2d moons --seed {1..200} --ema {1..200}", /more than 10000 runs/],
    [`train:2d ${"{a,b}".repeat(700)}`, /more than 10000 runs/],
    [`train:2d ${"{a,b} ".repeat(600)}`, /more than 10000 runs/],
    [`train:2d --seed {1..9999} ${"x".repeat(4000)}`, /too long for 9999 runs/],
    [`train:2d ${"x".repeat(5000)}`, /has 5009 characters, expected at most 4096/],
    ["train:2d moons --out runs/x --seed {1,2}", /--out cannot be a part of the command/],
    ["train:2d moons --resume=x", /--resume cannot be/],
    ["train:2d moons --{ema,decay} 0.9", /vary an option's value, not which option it is: --ema, --decay/],
    ["train:2d moons {--ema=0,--decay=constant}", /not which option/],
    ["train:2d moons --seed {1,2} --seed={3,4}", /braces for seed twice/],
  ];
  for (const [template, message] of tries) {
    throws(() => parseSweep(template), (error) => {
      ok(error instanceof SweepError, String(error));
      match(error.message, message);
      return true;
    }, template);
  }
});

Deno.test("a mutated command is a sweep of bounded size or a SweepError", () => {
  const random = Random.fromSeed(7);
  const seeds = [
    "train:2d moons --seed {1..8} --ema {0,0.9}",
    `train:2d 'my file.csv' --logsnr-loc {-2..2} --x "a\\{b" {a,{b,c}d}`,
    "train:cifar --seed={01..100..7} {a..z..3}{1,2}",
  ];
  const pieces = [
    "{",
    "}",
    ",",
    "..",
    "'",
    '"',
    "\\",
    " ",
    "{1..9999}",
    "{a,b}",
    "--out",
    "$'",
    "=",
    "-",
    "0",
    "\n",
    "é",
  ];
  let sweeps = 0;
  for (let k = 0; k < 1000; k++) {
    let template = seeds[k % seeds.length];
    for (let n = 1 + random.integer(6); n > 0; n--) {
      const at = random.integer(template.length + 1);
      const piece = pieces[random.integer(pieces.length)].repeat(1 + (random.integer(20) === 0 ? 100 : 0));
      template = template.slice(0, at) + piece + template.slice(at + random.integer(4));
    }
    try {
      const { commands, variables } = parseSweep(template);
      sweeps++;
      ok(commands.length >= 1 && commands.length <= 10_000);
      equal(new Set(commands.map(({ name }) => name.toLowerCase())).size, commands.length);
      for (const { name, args, values } of commands.slice(0, 50)) {
        match(name, /^[^./\\-][^/\\]*$/, template);
        equal(values.length, variables.length);
        equal(args.length, commands[0].args.length);
      }
    } catch (error) {
      ok(error instanceof SweepError, `${template}: ${error}`);
    }
  }
  ok(sweeps > 150, `${sweeps} sweeps`);
});

Deno.test("the digest tells sweeps apart by their commands", () => {
  const digest = (template: string) => digestOf(parseSweep(template));
  match(digest("train:2d moons"), /^[0-9a-f]{8}$/);
  equal(digest("train:2d moons  --seed {1..3}"), digest("train:2d 'moons' --seed {1,2,3}"));
  ok(digest("train:2d moons --seed {1..3}") !== digest("train:2d moons --seed {1..4}"));
});
