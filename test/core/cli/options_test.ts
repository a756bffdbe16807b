import assert from "assert";
import { HelpRequest, type OptionGroup, parseCommandLine, UsageError } from "../../../core/cli/mod.ts";
import { UserError } from "../../../core/errors/user_error.ts";

const SPEC = {
  name: "train:2d",
  summary: "Train a denoiser on points.",
  positional: [{ name: "dataset", help: "The data set.", default: "moons" }],
  options: {
    denoiser: { default: "mlp", help: "The denoiser." },
    epochs: { default: 160, min: 1, integer: true, help: "Passes over the data.", alias: ["num-epochs"] },
    batchSize: { default: 128, min: 1, integer: true, help: "Samples in a step.", alias: ["train-batch-size"] },
    rate: { default: 1e-3, min: 0, max: 1, help: "A rate." },
    learningRate: { default: 1e-3, above: 0, help: "Learning rate." },
    share: { default: 0.5, above: 0, max: 1, help: "A share." },
    loc: { default: 0, auto: true, help: "Centre of the log SNR." },
    clip: { default: 4, max: Infinity, help: "Where the proposal ends." },
    recipe: { default: "default", choices: ["default", "seed"], help: "The recipe." },
    output: { optional: "string", help: "A folder.", placeholder: "folder" },
    resume: {
      optional: "string",
      bare: true,
      help: "Go on with the last run, or that of a folder.",
      placeholder: "folder",
    },
    limit: { optional: "number", integer: true, help: "Most steps." },
    quiet: { default: false, help: "Show nothing." },
    colour: { default: true, help: "Use colours." },
    pretrained: { default: false, onOff: true, help: "Start from given weights." },
  },
} as const;

const MLP: OptionGroup = {
  title: "denoiser mlp",
  specs: {
    layers: { default: 3, min: 1, integer: true, help: "Linear layers." },
    embedding: { default: true, help: "Embed the inputs." },
    activation: { default: "relu", choices: ["relu", "silu"], help: "Activation." },
    deep: { default: false, help: "Deeper." },
  },
};

const PLAIN = { columns: 80, colour: false };

function parse(...args: string[]) {
  return parseCommandLine({ ...SPEC, extraOptions: [() => MLP] }, args, PLAIN);
}

async function assertRefused(args: string[], message: string | RegExp) {
  await assert.rejects(parse(...args), (error) => {
    assert.ok(error instanceof UsageError, String(error));
    if (typeof message === "string") assert.equal(error.message, message);
    else assert.match(error.message, message);
    assert.ok(!error.message.includes("\n"));
    return true;
  });
}

async function helpOf(...args: string[]): Promise<string> {
  try {
    await parse(...args);
  } catch (error) {
    if (error instanceof HelpRequest) return error.message;
    throw error;
  }
  assert.fail("no help was shown");
}

Deno.test("without arguments everything has its default and nothing is given", async () => {
  const { options, positional, groups, given } = await parse();
  assert.deepEqual(options, {
    denoiser: "mlp",
    epochs: 160,
    batchSize: 128,
    rate: 1e-3,
    learningRate: 1e-3,
    share: 0.5,
    loc: 0,
    clip: 4,
    recipe: "default",
    output: undefined,
    resume: undefined,
    limit: undefined,
    quiet: false,
    colour: true,
    pretrained: false,
  });
  assert.deepEqual(positional, { dataset: "moons" });
  assert.deepEqual(groups, [{
    values: { layers: 3, embedding: true, activation: "relu", deep: false },
    given: new Set(),
  }]);
  assert.equal(given.size, 0);
});

/** True where two types are the same, so that a type that is inferred too widely fails the type check. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;

Deno.test("the types of values follow from the specifications", async () => {
  const { options, positional } = await parse();
  const epochs: Same<typeof options.epochs, number> = true;
  const loc: Same<typeof options.loc, number | "auto"> = true;
  const recipe: Same<typeof options.recipe, "default" | "seed"> = true;
  const output: Same<typeof options.output, string | undefined> = true;
  const resume: Same<typeof options.resume, string | true | undefined> = true;
  const limit: Same<typeof options.limit, number | undefined> = true;
  const quiet: Same<typeof options.quiet, boolean> = true;
  const unknown: Same<Extract<"nothing", keyof typeof options>, never> = true;
  const dataset: Same<typeof positional, Readonly<Record<"dataset", string>>> = true;
  assert.ok(epochs && loc && recipe && output && resume && limit && quiet && unknown && dataset);
});

Deno.test("kebab-case, snake_case, aliases and equals signs name the same option", async () => {
  const ways = [["--batch-size", "64"], ["--batch-size=64"], ["--batch_size", "64"], ["--batch_size=64"]];
  for (const way of [...ways, ["--train_batch_size", "64"], ["--train-batch-size=64"]]) {
    const { options, given } = await parse(...way);
    assert.equal(options.batchSize, 64, way.join(" "));
    assert.deepEqual([...given], ["batchSize"]);
  }
  assert.equal((await parse("--num_epochs", "5")).options.epochs, 5);
});

Deno.test("values keep their underscores, equals signs and dashes", async () => {
  assert.equal((await parse("--output", "my_runs/a=b")).options.output, "my_runs/a=b");
  assert.equal((await parse("--output=--odd_one")).options.output, "--odd_one");
  assert.equal((await parse("--loc", "-3.5")).options.loc, -3.5);
  assert.equal((await parse("--", "circle")).positional.dataset, "circle");
});

Deno.test("the last of a repeated option wins", async () => {
  assert.equal((await parse("--epochs", "3", "--num_epochs", "4")).options.epochs, 4);
  assert.equal((await parse("--quiet", "--no-quiet")).options.quiet, false);
});

Deno.test("flags are plain, with an opposite and on or off after an equals sign", async () => {
  assert.equal((await parse("--quiet")).options.quiet, true);
  assert.equal((await parse("--no-colour")).options.colour, false);
  assert.equal((await parse("--quiet=False")).options.quiet, false);
  const explicit = await parse("--colour");
  assert.deepEqual([...explicit.given], ["colour"]);
  await assertRefused(["--quiet=perhaps"], "--quiet is perhaps; it must be on or off.");
});

Deno.test("on-off options read words of either kind and nothing else", async () => {
  for (const word of ["on", "true", "True", "yes", "1"]) {
    assert.equal((await parse("--embedding", word)).groups[0].values.embedding, true);
    assert.equal((await parse("--pretrained", word)).options.pretrained, true);
  }
  for (const word of ["off", "False", "no", "0"]) {
    assert.equal((await parse("--embedding", word)).groups[0].values.embedding, false);
  }
  await assertRefused(["--embedding", "maybe"], "--embedding is maybe; it must be on or off.");
  await assertRefused(["--embedding"], /--embedding needs a value, as in --embedding on/);
  // One that is off by default is on where it stands alone.
  for (const args of [["--deep"], ["--deep", "dino"], ["--deep", "on", "dino"], ["--deep", "--quiet"]]) {
    assert.equal((await parse(...args)).groups[0].values.deep, true, args.join(" "));
  }
  assert.equal((await parse("--deep", "off", "dino")).groups[0].values.deep, false);
});

Deno.test("numbers are strict and bounded", async () => {
  await assertRefused(["--batch-size", "-3"], "--batch-size is -3; it must be a whole number of at least 1.");
  await assertRefused(["--batch_size=1.5"], "--batch-size is 1.5; it must be a whole number of at least 1.");
  await assertRefused(["--learning-rate", "0"], "--learning-rate is 0; it must be a number above 0.");
  await assertRefused(["--learning-rate", "-1"], /above 0/);
  await assertRefused(["--share", "2"], "--share is 2; it must be a number above 0 and at most 1.");
  assert.equal((await parse("--share", "1")).options.share, 1);
  await assertRefused(["--rate", "2"], "--rate is 2; it must be a number from 0 to 1.");
  await assertRefused(["--rate="], "--rate is empty; it must be a number from 0 to 1.");
  await assertRefused(["--loc", "abc"], "--loc is abc; it must be a number, or auto.");
  for (const text of ["12abc", "0x10", "NaN", "Infinity", "inf", "1e999", "1_000", "1,5", " 1", "--epochs"]) {
    await assertRefused(["--rate", text], /^--rate (is|needs)/);
    await assertRefused(["--loc", text], /^--loc (is|needs)/);
  }
  await assertRefused(["--epochs", "9007199254740993"], /whole number/);
  assert.equal((await parse("--clip", "inf")).options.clip, Infinity);
  await assertRefused(["--clip", "-inf"], /--clip is -inf/);
  assert.equal((await parse("--rate", "1e-4")).options.rate, 1e-4);
  assert.equal((await parse("--rate", ".5")).options.rate, 0.5);
  assert.equal((await parse("--epochs", "1e3")).options.epochs, 1000);
  assert.equal((await parse("--limit", "7")).options.limit, 7);
});

Deno.test("auto is a value only where it is allowed", async () => {
  assert.equal((await parse("--loc", "auto")).options.loc, "auto");
  await assertRefused(["--rate", "auto"], /--rate is auto/);
});

Deno.test("an option whose value may be left out is true without it", async () => {
  const resume = async (...args: string[]) => (await parse(...args)).options.resume;
  for (const args of [["--resume"], ["--resume", "--quiet"], ["moons", "--resume"], ["--resume", "--", "moons"]]) {
    assert.equal(await resume(...args), true, args.join(" "));
  }
  for (const args of [["--resume", "runs/a"], ["--resume=runs/a"], ["--resume", "--resume", "runs/a"]]) {
    assert.equal(await resume(...args), "runs/a", args.join(" "));
  }
  assert.equal(await resume("--resume", "runs/a", "--resume"), true);
  // While the plugins are not known yet, what follows the option is theirs, not its value.
  const { options, positional, given } = await parse("--resume", "--layers", "5", "dino");
  assert.deepEqual([options.resume, positional.dataset, [...given]], [true, "dino", ["resume", "dataset"]]);
  const named: string[] = [];
  const extraOptions = ({ positional }: { positional: { dataset: string } }) => {
    named.push(positional.dataset);
    return MLP;
  };
  await parseCommandLine({ ...SPEC, extraOptions: [extraOptions] }, ["--resume", "--layers", "5", "dino"], PLAIN);
  assert.deepEqual(named, ["dino"]);
  await assertRefused(["--resume="], "--resume= has no value. Give it one, or write --resume alone.");
  assert.match(await helpOf("--help"), /--resume \[folder\] /);
});

Deno.test("choices and texts are checked", async () => {
  assert.equal((await parse("--recipe", "seed")).options.recipe, "seed");
  await assertRefused(["--recipe", "sede"], "--recipe is sede; it must be one of default or seed.");
  await assertRefused(["--output", ""], "--output is empty; it must be a text that is not empty.");
  await assertRefused(["--activation", "tanh"], "--activation is tanh; it must be one of relu or silu.");
});

Deno.test("unknown options, missing values and excess arguments are errors", async () => {
  await assertRefused(["--batchsize", "3"], "There is no option --batchsize. Did you mean --batch-size?");
  await assertRefused(["--num_epoch", "3"], "There is no option --num-epoch. Did you mean --num-epochs?");
  await assertRefused(["--layer", "3"], "There is no option --layer. Did you mean --layers?");
  await assertRefused(["--zzzzzzzzz"], "There is no option --zzzzzzzzz. See deno task train:2d --help.");
  await assertRefused(["--no-epochs"], /There is no option --no-epochs/);
  await assertRefused(["-q"], /There is no option -q/);
  await assertRefused(["--epochs"], "--epochs needs a value, as in --epochs 160.");
  await assertRefused(["--output", "--quiet"], /--output needs a value/);
  await assertRefused(["moons", "dino"], /"dino" is one argument too many; the task takes only dataset, and options/);
});

Deno.test("a required argument must be there", async () => {
  const spec = { ...SPEC, positional: [{ name: "run", help: "The run's folder." }] } as const;
  assert.equal((await parseCommandLine(spec, ["runs/a"], PLAIN)).positional.run, "runs/a");
  await assert.rejects(
    parseCommandLine(spec, ["--quiet"], PLAIN),
    /The argument run is missing: The run's folder\. See/,
  );
});

Deno.test("plugins' options are read once the task's own have named the plugin", async () => {
  const asked: unknown[] = [];
  const spec = {
    ...SPEC,
    extraOptions: [
      ({ options, given }: { options: { denoiser: string }; given: ReadonlySet<string> }) => {
        asked.push([options.denoiser, [...given]]);
        return MLP;
      },
      // By now the flag before it is known to take no value.
      ({ positional }: { positional: { dataset: string } }) => {
        asked.push(positional.dataset);
        return { title: "data set dino", specs: { jitter: { default: 0.15, min: 0, help: "Jitter." } } };
      },
    ],
  };
  const args = ["--layers", "5", "--deep", "dino", "--jitter=0", "--denoiser", "mine"];
  const { groups, given } = await parseCommandLine(spec, args, PLAIN);
  assert.deepEqual(asked, [["mine", ["denoiser"]], "dino"]);
  assert.deepEqual(groups, [
    { values: { layers: 5, embedding: true, activation: "relu", deep: true }, given: new Set(["layers", "deep"]) },
    { values: { jitter: 0 }, given: new Set(["jitter"]) },
  ]);
  assert.deepEqual([...given].sort(), ["dataset", "denoiser"]);
});

Deno.test("an option that two declare is an error that names both", async () => {
  const group = (key: string): OptionGroup => ({ title: `plugin ${key}`, specs: { [key]: { default: 1, help: "x" } } });
  const withGroups = (...groups: OptionGroup[]) =>
    parseCommandLine({ ...SPEC, extraOptions: groups.map((group) => () => group) }, [], PLAIN);
  const conflict = /plugin batchSize has an option --batch-size, but so has the task train:2d\. Rename/;
  await assert.rejects(withGroups(group("batchSize")), conflict);
  await assert.rejects(withGroups(group("numEpochs")), /--num-epochs, but so has the task/);
  await assert.rejects(withGroups(group("size"), group("size")), /--size, but so has the plugin size/);
  await assert.rejects(withGroups(group("help")), /--help is declared twice/);
  await assert.rejects(withGroups(group("no_good")), /cannot name an option/);
  await assert.rejects(withGroups(group("noSkip")), /cannot name an option/);
});

Deno.test("help lists the task's options, then the plugins', without colour unless asked", async () => {
  const help = await helpOf("--layers", "7", "--help");
  const [general, plugin] = help.split("Options of denoiser mlp:\n");
  assert.match(general, /^Usage: deno task train:2d \[options\] \[dataset\]\n\nTrain a denoiser on points\.\n/);
  assert.match(general, /--batch-size <n> +Samples in a step/);
  assert.match(general, /--loc <n\|auto>/);
  assert.match(general, /--output <folder>/);
  assert.match(general, /--no-colour/);
  assert.doesNotMatch(general, /--no-quiet|--layers/);
  assert.match(general, /-h, --help/);
  assert.match(plugin, /--embedding <on\|off> +Embed the inputs\. \(default on\)/);
  assert.ok(!help.includes("\x1b"));
  assert.ok(help.endsWith("\n"));
  for (const line of help.split("\n")) assert.ok(line.length <= 80, line);
  const spec = { ...SPEC, extraOptions: [() => MLP] };
  await assert.rejects(
    parseCommandLine(spec, ["-h"], { columns: 80, colour: true }),
    (error) => error instanceof HelpRequest && error.message.includes("\x1b[1mOptions of denoiser mlp:"),
  );
});

Deno.test("help is shown whatever else is wrong", async () => {
  assert.match(await helpOf("--epochs", "many", "--help"), /not shown: --epochs is many/);
  assert.match(await helpOf("--nonsense", "--help"), /Options of denoiser mlp/);
  const spec = {
    ...SPEC,
    positional: [{ name: "run", help: "The run's folder." }],
    extraOptions: [() => Promise.reject(new UserError("There is no denoiser x."))],
  };
  await assert.rejects(parseCommandLine(spec, ["--help"], PLAIN), (error) => {
    assert.ok(error instanceof HelpRequest);
    assert.match(error.message, /<run>|\[run\]/);
    assert.match(error.message, /The options of the plugins are not shown: There is no denoiser x\.\n$/);
    return true;
  });
});
