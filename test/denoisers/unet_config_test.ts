import { deepEqual, equal, ok, throws } from "assert";
import { Random } from "../../core/random/random.ts";
import { sizeOf } from "../../core/data/tensors.ts";
import { DDPM_CIFAR10, parseUnetConfig, UnetConfigError } from "../../denoisers/unet_pretrained/config.ts";
import { initParams, parameterCount, parameterShapes } from "../../denoisers/unet_pretrained/network.ts";
import { fuzz } from "../core/io/fuzz.ts";

const REFERENCE = new URL("../reference/unet/ddpm-cifar10-32.params.json", import.meta.url);

/** Where these are not known, nothing changes the size, which is told of the block that needs it. */
const SAMPLERS = ["downsample_type", "upsample_type"];

/** What is wrong with DDPM's configuration after these changes. */
function problemsOf(changes: Record<string, unknown>): string {
  let message = "";
  throws(() => parseUnetConfig({ ...DDPM_CIFAR10, ...changes }, "config.json"), (error) => {
    ok(error instanceof UnetConfigError, String(error));
    message = error.message;
    return true;
  });
  ok(!message.includes("\n"));
  return message;
}

Deno.test("the parameters of google/ddpm-cifar10-32 have diffusers' names, shapes and order", async () => {
  interface Reference {
    readonly config: Record<string, unknown>;
    readonly n_parameters: number;
    readonly parameters: readonly { readonly name: string; readonly shape: readonly number[] }[];
  }
  const reference: Reference = JSON.parse(await Deno.readTextFile(REFERENCE));
  const shapes = parameterShapes(parseUnetConfig(reference.config, "config.json"));
  deepEqual([...shapes], reference.parameters.map(({ name, shape }) => [name, shape]));
  equal([...shapes.values()].reduce((sum, shape) => sum + sizeOf(shape), 0), 35_746_307);
  equal(reference.n_parameters, 35_746_307);
  deepEqual(parseUnetConfig(DDPM_CIFAR10, "x"), parseUnetConfig(reference.config, "x"));
});

Deno.test("what a configuration leaves out has diffusers' default", () => {
  const { levels, ...rest } = parseUnetConfig({}, "config.json");
  deepEqual(
    levels,
    [224, 448, 672, 896].map((channels, i) => ({
      channels,
      down: i > 0 ? "AttnDownBlock2D" : "DownBlock2D",
      up: i > 0 ? "AttnUpBlock2D" : "UpBlock2D",
    })),
  );
  deepEqual(rest, {
    inChannels: 3,
    outChannels: 3,
    centerInputSample: false,
    timeEmbedding: { kind: "positional", freqShift: 0, flipSinToCos: true },
    timeEmbeddingDim: 896,
    layersPerBlock: 2,
    activation: "silu",
    downsampleType: "conv",
    upsampleType: "conv",
    midBlock: true,
    midAttention: true,
    midBlockScaleFactor: 1,
    downsamplePadding: 1,
    attentionHeadDim: 8,
    normNumGroups: 32,
    attnNormNumGroups: null,
    normEps: 1e-5,
    timeScaleShift: false,
    dropout: 0,
    ignored: [],
  });
});

Deno.test("an unsupported value is named with what is supported", () => {
  const unsupported: Record<string, unknown[]> = {
    _class_name: [3, null, {}],
    act_fn: ["tanh", null],
    attention_head_dim: [0, -1, 1.5, "8", false],
    attn_norm_num_groups: [0, "2"],
    block_out_channels: [[], [128.5], "128", 128, new Array(17).fill(32), [1e9], [0], {}],
    down_block_types: [["DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D", "DownBlock2D"], "DownBlock2D", null],
    downsample_padding: [2, null, "0", true, [1, 0]],
    downsample_type: ["fir"],
    dropout: [1.1, -0.1, "0.1", null],
    freq_shift: ["1", null, NaN, -1e308, 64],
    in_channels: [0, 1.5, "3"],
    layers_per_block: [0, -1, 257, 1.5],
    mid_block_scale_factor: [0, "1", Infinity, 1e308, 1e-308],
    norm_eps: [-1, "1e-6", 1e308, null],
    norm_num_groups: [0, null],
    num_class_embeds: [0],
    out_channels: [0, 1e9, true],
    resnet_time_scale_shift: ["spatial", null],
    time_embedding_dim: [-1, "512", true],
    time_embedding_type: ["rotary"],
    up_block_types: [["UpBlock2D"].concat(new Array(3).fill("CrossAttnUpBlock2D"))],
    upsample_type: ["fir"],
  };
  for (const [key, values] of Object.entries(unsupported)) {
    for (const value of values) {
      const message = problemsOf({ [key]: value });
      ok(message.startsWith("config.json ") && message.includes("expected "), message);
      ok(message.includes(`${key} is `) || SAMPLERS.includes(key), message);
    }
  }
  for (const value of [null, 3, "x", [], undefined]) {
    throws(() => parseUnetConfig(value, "config.json"), /config\.json is not the configuration of a model/);
  }
});

Deno.test("what matters to no part of a network may be anything, as in diffusers", () => {
  const k = { down_block_types: Array(4).fill("KDownBlock2D"), up_block_types: Array(4).fill("KUpBlock2D") };
  const plain = { down_block_types: Array(4).fill("DownBlock2D"), up_block_types: Array(4).fill("UpBlock2D") };
  const cases: [Record<string, unknown>, Record<string, readonly unknown[]>][] = [
    [{ mid_block_type: null }, { mid_block_scale_factor: [0, "x", null], attn_norm_num_groups: [0, "x"] }],
    [{ add_attention: false }, { attn_norm_num_groups: [0, 48] }],
    [{ ...plain, add_attention: false }, { attention_head_dim: [0, "x", 1e6], downsample_type: ["x", 3] }],
    [{ ...k, mid_block_type: null }, { resnet_time_scale_shift: ["spatial", null], downsample_padding: [2, "same"] }],
    [{ time_embedding_type: "fourier" }, { freq_shift: [null, 64, "x"], num_train_timesteps: [0, -1, "x"] }],
    [{ class_embed_type: "timestep" }, { num_class_embeds: [0, "x"] }],
  ];
  for (const [changes, values] of cases) {
    const expected = parseUnetConfig({ ...DDPM_CIFAR10, ...changes }, "x");
    for (const [key, odd] of Object.entries(values)) {
      for (const value of odd) {
        const got = parseUnetConfig({ ...DDPM_CIFAR10, ...changes, [key]: value }, "x");
        deepEqual([...parameterShapes(got)], [...parameterShapes(expected)], key);
      }
    }
  }
});

Deno.test("values stand for what Python takes them for", () => {
  const of = (changes: Record<string, unknown>) => parseUnetConfig({ ...DDPM_CIFAR10, ...changes }, "x");
  for (const value of [null, false, 0, "", [], {}]) {
    const got = of({
      add_attention: value,
      center_input_sample: value,
      time_embedding_dim: value,
      downsample_type: value,
    });
    deepEqual([got.midAttention, got.centerInputSample, got.timeEmbeddingDim, got.downsampleType], [
      false,
      false,
      512,
      "conv",
    ]);
  }
  for (const value of [true, 1, -0.5, "no", [0], { a: 1 }]) {
    const got = of({ add_attention: value, center_input_sample: value, mid_block_type: value });
    ok(got.midAttention && got.centerInputSample && got.midBlock);
  }
  equal(of({ layers_per_block: true }).layersPerBlock, 1);
  equal(of({ norm_eps: 0 }).normEps, 0);
  equal(of({ downsample_padding: [1, 1] }).downsamplePadding, 1);
  for (const class_embed_type of ["projection", false, ""]) {
    equal(of({ class_embed_type, num_class_embeds: 5 }).classes, undefined);
  }
});

Deno.test("dropout is kept, as it matters in training alone", () => {
  equal(parseUnetConfig({ ...DDPM_CIFAR10, dropout: 0.1 }, "config.json").dropout, 0.1);
});

Deno.test("parameters are counted by arithmetic, however many they would be", () => {
  equal(parameterCount(parseUnetConfig(DDPM_CIFAR10, "config.json")), 35_746_307);
  const huge = parseUnetConfig({ ...DDPM_CIFAR10, time_embedding_dim: 65536, layers_per_block: 16 }, "config.json");
  ok(parameterCount(huge) > 2 ** 32);
});

Deno.test("keys that are not known change nothing and are told", () => {
  const odd = { _class_name: "UNet2DConditionModel", encoder_hid_dim: 7, cross_attention_dim: "x".repeat(500) };
  const { ignored, ...rest } = parseUnetConfig({ ...DDPM_CIFAR10, ...odd }, "x");
  deepEqual(ignored.slice(0, 2), ['_class_name ("UNet2DConditionModel")', "encoder_hid_dim (7)"]);
  ok(/^cross_attention_dim \("x+\.\.\.\)$/.test(ignored[2]) && ignored[2].length < 120, ignored[2]);
  deepEqual({ ...rest, ignored: [] }, parseUnetConfig(DDPM_CIFAR10, "x"));
  const many = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`key${i}`, i]));
  equal(parseUnetConfig({ ...DDPM_CIFAR10, ...many }, "x").ignored.at(-1), "12 more keys");
});

Deno.test("every problem is listed", () => {
  const message = problemsOf({ act_fn: "tanh", layers_per_block: 999 });
  for (const part of [/act_fn is "tanh"/, /layers_per_block is 999/]) ok(part.test(message), message);
});

Deno.test("what does not fit together is said", () => {
  const beside = (first: string, second: string, levels = 2) => ({
    block_out_channels: Array(levels).fill(32),
    norm_num_groups: 2,
    down_block_types: [first, ...Array(levels - 1).fill(second)].map((name) => `${name}DownBlock2D`),
    up_block_types: [...Array(levels - 1).fill(second), first].map((name) => `${name}UpBlock2D`),
  });
  const wrong: [Record<string, unknown>, RegExp][] = [
    [{ block_out_channels: [128, 256] }, /block_out_channels has 2 entries, down_block_types 4 and up_block_types 4/],
    [
      { norm_num_groups: 48 },
      /norm_num_groups 48 does not divide the 128 channels of down_blocks\.0\.resnets\.0\.norm1/,
    ],
    [{ norm_num_groups: null }, /norm_num_groups is null, expected a whole number for down_blocks\.0.* more norm/],
    [{ attention_head_dim: 300 }, /attention_head_dim is 300, expected at most the 256 channels of down_blocks.1/],
    [{ attn_norm_num_groups: 48 }, /attn_norm_num_groups 48 does not divide the 256 channels of mid_block/],
    [{ freq_shift: 64 }, /freq_shift is 64, expected less than half/],
    [{ downsample_padding: 2 }, /downsample_padding is 2, expected 0 or 1/],
    [{ layers_per_block: 0 }, /layers_per_block is 0, expected at least 1 where block_out_channels differ/],
    [{ time_embedding_type: "learned" }, /num_train_timesteps is null, expected a whole number/],
    [{ ...beside("Skip", "Skip"), block_out_channels: [30, 30] }, /has 7 groups, which do not divide its 30 channels/],
    [{ ...beside("AttnSkip", "Skip"), block_out_channels: [48, 48] }, /group_norm has 32 groups, which do not divide/],
    [{ ...beside("Skip", "Skip"), in_channels: 1 }, /in_channels is 1, expected 3 for down_blocks\.0/],
    [{ ...beside("Skip", "Skip"), out_channels: 1 }, /out_channels is 1, expected 3 for skip blocks/],
    [beside("", "Skip", 3), /down_blocks\.1 takes the image along, expected all blocks before it to do so/],
    [{ ...beside("Skip", ""), up_block_types: ["SkipUpBlock2D", "UpBlock2D"] }, /the last of up_block_types hands on/],
  ];
  for (const [changes, expected] of wrong) ok(expected.test(problemsOf(changes)), problemsOf(changes));
});

Deno.test("parts of the network come and go with the configuration", () => {
  const names = (
    changes: Record<string, unknown>,
  ) => [...parameterShapes(parseUnetConfig({ ...DDPM_CIFAR10, ...changes }, "x")).keys()];
  const has = (changes: Record<string, unknown>, part: string) => names(changes).some((name) => name.includes(part));
  ok(has({}, "mid_block.attentions.0.group_norm"));
  ok(!has({ mid_block_type: null }, "mid_block"));
  ok(has({ add_attention: false }, "mid_block.resnets") && !has({ add_attention: false }, "mid_block.attentions"));
  // diffusers leaves this normalisation out unless its groups are given.
  const shift = { resnet_time_scale_shift: "scale_shift" };
  ok(has(shift, "mid_block.attentions.0.to_q") && !has(shift, "mid_block.attentions.0.group_norm"));
  ok(has({ ...shift, attn_norm_num_groups: 16 }, "mid_block.attentions.0.group_norm"));
  ok(has(shift, "down_blocks.1.attentions.0.group_norm"));
  const one = { block_out_channels: [32], down_block_types: ["DownBlock2D"], up_block_types: ["UpBlock2D"] };
  ok(!has(one, "samplers"));
});

Deno.test("initial parameters have the configuration's names and shapes, and are the same for the same seed", () => {
  const config = parseUnetConfig({
    ...DDPM_CIFAR10,
    block_out_channels: [8, 16],
    down_block_types: ["DownBlock2D", "AttnDownBlock2D"],
    up_block_types: ["AttnUpBlock2D", "UpBlock2D"],
    norm_num_groups: 4,
  }, "config.json");
  const [first, again, other] = [1, 1, 2].map((seed) => initParams(config, Random.fromSeed(seed)));
  deepEqual(Object.entries(first).map(([name, { shape }]) => [name, shape]), [...parameterShapes(config)]);
  deepEqual(first, again);
  for (const [name, { shape, data }] of Object.entries(first)) {
    equal(data.length, sizeOf(shape), name);
    const drawn = !/norm/.test(name);
    equal(data.some((v, i) => v !== other[name].data[i]), drawn, name);
    if (drawn) ok(new Set(data).size > data.length / 2, name);
  }
});

Deno.test("damaged configurations are read or refused in one line", async () => {
  const whole = new TextEncoder().encode(JSON.stringify(DDPM_CIFAR10, null, 1));
  const refused = await fuzz(whole, 600, (bytes) => {
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder().decode(bytes));
    } catch {
      return Promise.resolve();
    }
    check(value);
    return Promise.resolve();
  });
  ok(refused > 50, `${refused}`);
  const odd = [null, true, -1, 0, 1, 7, 1e308, 0.5, "", "x", [], [1], [[]], {}, { a: 1 }];
  for (const key of Object.keys(DDPM_CIFAR10)) {
    for (const value of odd) {
      try {
        check({ ...DDPM_CIFAR10, [key]: value });
      } catch (error) {
        ok(error instanceof UnetConfigError && !error.message.includes("\n"), `${key}: ${error}`);
      }
    }
  }
  function check(value: unknown) {
    for (const [name, shape] of parameterShapes(parseUnetConfig(value, "config.json"))) {
      ok(shape.every((n) => Number.isInteger(n) && n > 0), name);
    }
  }
});
